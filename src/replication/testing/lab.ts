import { compileAutomata, mayShorten } from "../../automata/compile.ts";
import type { Mac } from "../../base/mac.ts";
import { parseGeometry } from "../../bloom/geometry.ts";
import { FakeDatapath } from "../../datapath/fake.ts";
import type { Crypto, Endpoint } from "../../platform/platform.ts";
import { portableCrypto } from "../../platform/portable-crypto.ts";
import { URGENCY } from "../../proxy/published.ts";
import type { RoleGrant } from "../../proxy/rights.ts";
import { clearSeal } from "../../simulate/clear-seal.ts";
import type { Keyring, MeshKey } from "../keyring.ts";
import { MESH_DEFAULTS } from "../mesh.ts";
import type { MeshOptions, MeshParts } from "../mesh-api.ts";
import type { Path } from "../paths.ts";
import { Replicator } from "../replicator.ts";
import type { Seal } from "../seal.ts";

/** Whole access points, models of kernels included, on one virtual clock and one seeded, faulty network. Tests only. */

const LAB_KEYS: readonly MeshKey[] = [{ slot: 0, secret: new Uint8Array(32).fill(0x5a) }];
export const SEEDS = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344] as const;
const FLUSH_MS = 4;

export interface Faults {
  readonly loss: number;
  readonly duplication: number;
  readonly delayMs: number;
  readonly jitterMs: number;
}

export interface LabOptions {
  readonly geometry?: string;
  readonly holdMs?: number;
  readonly seed?: number;
  readonly options?: Partial<MeshOptions>;
  readonly link?: MeshParts["link"];
  /** What one AP has otherwise. */
  optionsOf?(id: number): Partial<MeshOptions>;
  /** Default: `clearSeal`; `(keys) => new Sealed(keys)` is what a mesh does. */
  readonly sealOf?: (keys: Keyring) => Seal;
  keysOf?: (id: number) => readonly MeshKey[];
  /** With identities: as of `MeshParts`; `sealOf` must then be left out. */
  identitiesOf?: (id: number) => MeshParts["identities"];
  /** Default: the portable one. */
  readonly crypto?: Crypto;
  prepare?(ap: Ap): void;
  /** Whether what is for everybody gets from one to another; what is for one does. */
  hears?(from: number, to: number): boolean;
  /** As of `MeshParts`. */
  exports?: (zone: number) => boolean;
}

export interface Ap {
  readonly id: number;
  readonly datapath: FakeDatapath;
  replicator: Replicator;
  /** ms by which its ticks are early. */
  readonly phaseMs: number;
  running: boolean;
}

export interface InFlight {
  readonly atMs: number;
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
  /** Default: to the group. */
  readonly path?: Path;
}

export class Lab {
  nowMs = 1_000_000;
  readonly aps: Ap[] = [];
  readonly geometry;
  faults: Faults = { loss: 0, duplication: 0, delayMs: 1, jitterMs: 0 };
  readonly roles = new Map<string, RoleGrant>([
    ["open", { filters: [0], limits: { openOut: 0, openIn: 0, halfOpen: 0 } }],
  ]);
  readonly localRoles = new Map<Mac, string>();
  /** Pairs "a>b" that hear nothing of each other. */
  readonly cut = new Set<string>();
  /** Sees every datagram once per receiver; false drops it, other bytes replace it. */
  tap: (packet: InFlight) => Uint8Array | false | undefined = () => undefined;
  private flying: InFlight[] = [];
  readonly random: () => number;
  readonly warnings: string[] = [];
  /** Stations that hostapd of an AP was told to let go. */
  readonly letGo: [ap: number, mac: Mac][] = [];
  /** Clients that came, and of which an AP was told that nobody knows them. */
  readonly unknown: [ap: number, mac: Mac][] = [];

  constructor(
    count: number,
    readonly setup: LabOptions = {},
  ) {
    this.geometry = parseGeometry(setup.geometry ?? "4x64x8/r26", "lab");
    this.random = lcg(setup.seed ?? 1);
    for (let id = 1; id <= count; id++) this.add(id);
  }

  ap(id: number): Ap {
    return this.aps.find((ap) => ap.id === id)!;
  }

  add(id: number, tableId = BigInt(id) * 1000n): Ap {
    const { geometry } = this;
    const datapath = new FakeDatapath({ geometry, seeds: SEEDS, tableId, slots: 64 });
    datapath.loadAutomata(compileAutomata({ geometry, shorten: mayShorten(geometry) }));
    datapath.setOptions({ mode: 0, holdMs: this.setup.holdMs ?? 0, pickupS: 0, flushMs: FLUSH_MS });
    const phaseMs = Math.floor(this.random() * geometry.fastTickMs);
    const ap: Ap = { id, datapath, phaseMs, running: false, replicator: undefined as never };
    this.clock(ap);
    this.setup.prepare?.(ap);
    ap.replicator = this.agent(ap);
    const at = this.aps.findIndex((other) => other.id === id);
    if (at >= 0) this.aps[at] = ap;
    else this.aps.push(ap);
    return ap;
  }

  /** Starts the agents (of these). */
  async start(aps = this.aps): Promise<void> {
    for (const ap of aps) {
      await ap.replicator.proxy.start();
      ap.replicator.start(this.nowMs);
      ap.running = true;
    }
  }

  /** A new agent on the same datapath; of several all begin at once. */
  async restart(...aps: Ap[]): Promise<void> {
    for (const ap of aps) ap.replicator = this.agent(ap);
    await this.start(aps);
  }

  async run(ms: number, each?: (nowMs: number) => void): Promise<void> {
    for (const end = this.nowMs + ms; this.nowMs < end; ) {
      this.nowMs++;
      each?.(this.nowMs);
      for (const ap of this.aps) {
        this.clock(ap);
        if (this.nowMs % FLUSH_MS === 0) ap.datapath.flush(this.nowMs);
      }
      this.deliver();
      for (const ap of this.aps)
        if (ap.running && ap.replicator.nextAtMs() <= this.nowMs) ap.replicator.tick(this.nowMs);
      // Promises of the datapath are kept between two milliseconds.
      for (let i = 0; i < 8; i++) await Promise.resolve();
    }
  }

  /** Runs on until every mirror has heard of its source's present ticks. */
  async settle(): Promise<void> {
    // A tick may free, and may make a refresh worth publishing: nothing may wait or be under way.
    for (let i = 0; i < 5_000 && (this.flying.length > 0 || !this.ticksAgree()); i++) await this.run(1);
  }

  private ticksAgree(): boolean {
    return this.aps.every((ap) =>
      ap.replicator.list().every(({ id, mirror }) => {
        const source = this.ap(id)?.replicator.proxy;
        if (!mirror || !source || source.own.pending > 0) return !mirror;
        return mirror.ticks.fast === source.ticks.fast && mirror.ticks.slow === source.ticks.slow;
      }),
    );
  }

  get inFlight(): readonly InFlight[] {
    return this.flying;
  }

  inject(packet: InFlight): void {
    this.flying.push(packet);
  }

  private clock(ap: Ap): void {
    const { fastTickMs, slowTickMs } = this.geometry;
    const at = this.nowMs + ap.phaseMs;
    ap.datapath.setTicks(Math.floor(at / fastTickMs), Math.floor(at / slowTickMs));
    ap.datapath.sfr.nowNs = this.nowMs * 1e6;
  }

  private agent(ap: Ap): Replicator {
    const log = {
      debug() {},
      info() {},
      warn: (_r: string, text: string) => this.warnings.push(text),
      error: (_r: string, text: string) => this.warnings.push(text),
    };
    const identities = this.setup.identitiesOf?.(ap.id);
    const replicator = new Replicator(
      {
        id: ap.id,
        name: `ap${ap.id}`,
        datapath: ap.datapath,
        geometry: this.geometry,
        ...(this.setup.link && { link: this.setup.link }),
        seedId: 7,
        log,
        crypto: this.setup.crypto ?? portableCrypto,
        keys: this.setup.keysOf?.(ap.id) ?? LAB_KEYS,
        ...(identities && { identities }),
        nowMs: () => this.nowMs,
        random: (bytes) => Uint8Array.from({ length: bytes }, () => Math.floor(this.random() * 256)),
        send: (bytes, to) => this.send(ap, bytes, to),
        resolveRole: (role) => this.roles.get(role),
        localRole: (mac) => this.localRoles.get(mac),
        exports: (zone) => this.setup.exports?.(zone) ?? true,
        letGo: async (mac) => {
          this.letGo.push([ap.id, mac]);
          return "ended";
        },
        nobodyKnows: (mac) => this.unknown.push([ap.id, mac]),
      },
      { ...MESH_DEFAULTS, ...this.setup.options, ...this.setup.optionsOf?.(ap.id) },
      this.setup.sealOf ?? (identities ? undefined : () => clearSeal),
    );
    ap.datapath.handlers = { ...ap.datapath.handlers, ...replicator.proxy.handlers };
    return replicator;
  }

  private send(from: Ap, bytes: Uint8Array, to: Endpoint | undefined): void {
    for (const ap of this.aps) {
      if (ap.id === from.id || (to && to.address !== addressOf(ap.id))) continue;
      if (!to && this.setup.hears && !this.setup.hears(from.id, ap.id)) continue;
      const copies = this.random() < this.faults.duplication ? 2 : 1;
      for (let i = 0; i < copies; i++) this.fly(from.id, ap.id, bytes, to ? "alone" : "group");
    }
  }

  private fly(from: number, to: number, bytes: Uint8Array, path: Path): void {
    if (this.cut.has(`${from}>${to}`) || this.random() < this.faults.loss) return;
    const { delayMs, jitterMs } = this.faults;
    const packet = { atMs: this.nowMs + delayMs + this.random() * jitterMs, from, to, bytes, path };
    const verdict = this.tap(packet);
    if (verdict !== false) this.flying.push(verdict ? { ...packet, bytes: verdict } : packet);
  }

  private deliver(): void {
    const due = this.flying.filter(({ atMs }) => atMs <= this.nowMs).sort((a, b) => a.atMs - b.atMs);
    if (due.length === 0) return;
    this.flying = this.flying.filter(({ atMs }) => atMs > this.nowMs);
    for (const { from, to, bytes, path = "group" } of due) {
      const ap = this.ap(to);
      if (ap?.running) ap.replicator.receive(bytes, { address: addressOf(from), port: 4755 }, this.nowMs, path);
    }
  }
}

/** Cells in which the mirror that `at` holds of `of` and what `of` published differ; -1: no mirror. */
export function mirrorDifferences(lab: Lab, at: number, of: number): number {
  const neighbour = lab
    .ap(at)
    .replicator.list()
    .find(({ id }) => id === of);
  if (!neighbour?.mirror) return -1;
  const { published } = lab.ap(of).replicator.proxy;
  const kernel = lab.ap(at).datapath.sfr.mirrors[neighbour.mirror.index]!;
  let differences = 0;
  for (let i = 0; i < published.cells.length; i++) {
    const { cells, owners } = neighbour.mirror;
    const same = published.cells[i] === cells[i] && published.owners[i] === owners[i] && cells[i] === kernel.cells[i];
    if (!same) differences++;
  }
  return differences;
}

/** Live cells of the own table that were not published, or otherwise. */
export function unpublished(lab: Lab, of: number): number {
  const { proxy } = lab.ap(of).replicator;
  const { table } = lab.ap(of).datapath.sfr;
  let count = 0;
  for (let i = 0; i < table.cells.length; i++)
    if (proxy.published.urgency(i, table.cells[i]!, proxy.own.ownerTold(table.owners[i]! & 0x3fff)) !== URGENCY.none)
      count++;
  return count;
}

/** An address as links have them: they travel in records. */
export function addressOf(id: number): string {
  return `10.255.0.${id}`;
}

export function lcg(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0 || 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) / 2 ** 24;
  };
}
