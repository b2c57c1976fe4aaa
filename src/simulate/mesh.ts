import { compileAutomata, mayShorten } from "../automata/compile.ts";
import { parseGeometry } from "../bloom/geometry.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import { FakeDatapath } from "../datapath/fake.ts";
import type { Crypto } from "../platform/platform.ts";
import type { RoleGrant } from "../proxy/rights.ts";
import { MESH_DEFAULTS } from "../replication/mesh.ts";
import { Replicator } from "../replication/replicator.ts";
import { clearSeal } from "./clear-seal.ts";
import { Events } from "./events.ts";
import type { Radio } from "./radio.ts";

const SEEDS = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344] as const;
const ROLE: RoleGrant = { filters: [0], limits: { openOut: 0, openIn: 0, halfOpen: 0 } };
/** Ethernet, IPv4, UDP. */
const DATAGRAM_OVERHEAD_BYTES = 14 + 20 + 8;
const DELAY_MS = 1;
const JITTER_MS = 2;
export const STARTS_WITHIN_MS = 2_000;

const PORT = 4755;

const addressOf = (index: number): string => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;
const indexOf = (address: string): number =>
  address
    .split(".")
    .slice(1)
    .reduce((sum, byte) => sum * 256 + Number(byte), 0);

export interface MeshSetup {
  readonly radio: Radio;
  readonly geometry: string;
  readonly slots: number;
  /** Of every datagram at every receiver. */
  readonly loss: number;
  readonly crypto: Crypto;
  random(): number;
}

/** Of all APs together. */
export interface Work {
  datagramsSent: number;
  bytesSent: number;
  datagramsHeard: number;
  bytesHeard: number;
  cellsMirrored: number;
  roams: number;
}

export interface Ap {
  readonly index: number;
  readonly datapath: FakeDatapath;
  readonly replicator: Replicator;
  readonly hears: readonly number[];
  running: boolean;
  wakesAtMs: number;
  flushes: boolean;
}

/**
 * A whole mesh of real replicators, each on a model of its datapath, on one virtual clock. Time goes from event to event:
 * nothing is polled, and an AP that has nothing to do costs nothing. What its clients do is the subclass's.
 */
export abstract class SimulatedMesh {
  nowMs = 1_000_000;
  readonly work: Work = {
    datagramsSent: 0,
    bytesSent: 0,
    datagramsHeard: 0,
    bytesHeard: 0,
    cellsMirrored: 0,
    roams: 0,
  };
  readonly aps: Ap[];
  private readonly events = new Events();
  protected readonly geometry;
  private readonly automata: Uint8Array;
  protected readonly random: () => number;

  constructor(private readonly mesh: MeshSetup) {
    const setup = mesh;
    this.geometry = parseGeometry(setup.geometry, "the table");
    this.automata = compileAutomata({ geometry: this.geometry, shorten: mayShorten(this.geometry) });
    this.random = setup.random;
    this.aps = setup.radio.neighbours.map((hears, index) => this.makeAp(index, hears));
    for (const ap of this.aps) this.after(this.random() * STARTS_WITHIN_MS, () => void this.start(ap));
  }

  /** Lets the mesh live for so long. */
  async run(ms: number): Promise<void> {
    const end = this.nowMs + ms;
    while (this.events.nextAtMs <= end) {
      const atMs = this.events.nextAtMs;
      this.nowMs = atMs;
      while (this.events.nextAtMs <= atMs) this.events.take()();
      // Promises of a datapath are kept between two moments.
      for (let i = 0; i < 4; i++) await Promise.resolve();
    }
    this.nowMs = end;
  }

  /** Neighbours that are believed and miss nothing, of all that are known. */
  settledShare(): number {
    const all = this.aps.flatMap((ap) => ap.replicator.list());
    return all.filter((n) => n.believed && !n.sync && n.gaps.count === 0).length / all.length;
  }

  protected after(ms: number, run: () => void): void {
    this.events.add(this.nowMs + ms, run);
  }

  // --- access points

  private makeAp(index: number, hears: readonly number[]): Ap {
    const { geometry, mesh: setup } = this;
    const id = index + 1;
    const mirrors = Math.max(CONSTANTS.MIRRORS_MAX, Math.min(31, hears.length));
    const datapath = new FakeDatapath({ geometry, seeds: SEEDS, mirrors, slots: setup.slots, tableId: BigInt(id) });
    datapath.loadAutomata(this.automata);
    datapath.setOptions({ mode: 0, holdMs: 0, pickupS: 0, flushMs: MESH_DEFAULTS.flushMs });
    const phaseMs = this.random() * geometry.fastTickMs;
    this.tickClock(datapath, phaseMs);
    const ap: Ap = {
      index,
      datapath,
      hears,
      running: false,
      wakesAtMs: Number.POSITIVE_INFINITY,
      flushes: false,
      replicator: this.makeReplicator(id, datapath, (bytes, to) => this.send(ap, bytes, to)),
    };
    const { handlers } = ap.replicator.proxy;
    datapath.handlers = { ...datapath.handlers, ...handlers };
    this.watch(ap);
    ap.replicator.onSooner = () => this.arm(ap);
    return ap;
  }

  /** Counts what goes into mirrors, and flushes when the agent itself has changed the table. */
  private watch(ap: Ap): void {
    const { datapath } = ap;
    const mirrorCells = datapath.mirrorCells.bind(datapath);
    datapath.mirrorCells = (mirror, pairs, count) => {
      this.work.cellsMirrored += count;
      mirrorCells(mirror, pairs, count);
    };
    const adopt = datapath.adopt.bind(datapath);
    datapath.adopt = (...them) => {
      adopt(...them);
      this.flushSoon(ap);
    };
    const shortenClient = datapath.shortenClient.bind(datapath);
    datapath.shortenClient = (slot, code) => {
      shortenClient(slot, code);
      this.flushSoon(ap);
    };
  }

  private makeReplicator(
    id: number,
    datapath: FakeDatapath,
    send: (bytes: Uint8Array, to?: string) => void,
  ): Replicator {
    const quiet = () => {};
    return new Replicator(
      {
        id,
        name: `ap${id}`,
        datapath,
        geometry: this.geometry,
        seedId: 7,
        log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
        crypto: this.mesh.crypto,
        keys: [{ slot: 0, secret: new Uint8Array(32) }],
        nowMs: () => this.nowMs,
        random: (bytes) => Uint8Array.from({ length: bytes }, () => Math.floor(this.random() * 256)),
        send: (bytes, to) => send(bytes, to?.address),
        resolveRole: () => ROLE,
        localRole: () => "staff",
      },
      MESH_DEFAULTS,
      // Cryptography is not the subject; as many bytes are sent.
      () => clearSeal,
    );
  }

  private tickClock(datapath: FakeDatapath, phaseMs: number): void {
    const { fastTickMs, slowTickMs } = this.geometry;
    const at = this.nowMs + phaseMs;
    datapath.setTicks(Math.floor(at / fastTickMs), Math.floor(at / slowTickMs));
    this.after(fastTickMs - (at % fastTickMs), () => this.tickClock(datapath, phaseMs));
  }

  private async start(ap: Ap): Promise<void> {
    await ap.replicator.proxy.start();
    ap.replicator.start(this.nowMs);
    ap.running = true;
    this.arm(ap);
  }

  /** One event for all that is due in an AP; only an earlier wish adds another. */
  protected arm(ap: Ap): void {
    if (!ap.running) return;
    const atMs = Math.max(this.nowMs, ap.replicator.nextAtMs());
    if (atMs >= ap.wakesAtMs) return;
    ap.wakesAtMs = atMs;
    this.events.add(atMs, () => {
      if (ap.wakesAtMs !== atMs) return;
      ap.wakesAtMs = Number.POSITIVE_INFINITY;
      ap.replicator.tick(this.nowMs);
      this.arm(ap);
    });
  }

  protected flushSoon(ap: Ap): void {
    if (ap.flushes) return;
    ap.flushes = true;
    this.after(MESH_DEFAULTS.flushMs, () => {
      ap.flushes = false;
      ap.datapath.flush(this.nowMs);
      this.arm(ap);
    });
  }

  // --- the air

  private send(from: Ap, bytes: Uint8Array, to: string | undefined): void {
    const { work } = this;
    const size = bytes.length + DATAGRAM_OVERHEAD_BYTES;
    work.datagramsSent++;
    work.bytesSent += size;
    const sender = { address: addressOf(from.index), port: PORT };
    for (const index of to === undefined ? from.hears : [indexOf(to)]) {
      if (this.random() < this.mesh.loss) continue;
      this.after(DELAY_MS + this.random() * JITTER_MS, () => {
        const ap = this.aps[index]!;
        if (!ap.running) return;
        work.datagramsHeard++;
        work.bytesHeard += size;
        ap.replicator.receive(bytes, sender, this.nowMs, to === undefined ? "group" : "alone");
      });
    }
  }
}
