import { type Geometry, parseGeometry } from "../bloom/geometry.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import type { Datapath } from "../datapath/datapath.ts";
import type { Crypto } from "../platform/platform.ts";
import { KEY_BYTES } from "./keyring.ts";
import type { MeshParts } from "./mesh-api.ts";
import type { Replicator } from "./replicator.ts";

const GEOMETRY = "4x256x8/r26";
const SLOTS = 64;
const CELLS_SHARE = 2 / 3;
/** Of clients; the others stand under the slot that all share. */
const OWNERS = 32;
const NEWS = 400;
const NEWS_MS = 20;
const GIVE_UP_MS = 500;
/** Code that V8 compiled for objects that are gone is thrown away with them. */
const kept: unknown[] = [];

/**
 * Two access points of paper meet, learn each other's tables, and tell each other what changes; then one begins anew, and
 * both learn again. All before anybody waits: a just-in-time compiler then knows all of it, from the seal to the mirror,
 * when the first neighbour answers. Cold, the first 5,000 cells of a sync took 33 ms, warm 5, and each greeting as much
 * again. Returns the cells that each published, and mirrors of the other, as proof that it did what it says.
 */
export function rehearse(crypto: Crypto, make: (parts: MeshParts) => Replicator) {
  const paper = new Paper(crypto, make);
  const aps = [paper.open(1, 1), paper.open(2, 2)];
  paper.learn();
  for (const ap of aps) change(ap);
  paper.drive(NEWS_MS);
  aps[1] = paper.open(2, 3);
  paper.learn();
  kept[0] = paper;
  return aps.map((ap) => ({ published: ap.proxy.published.used, mirrored: ap.list()[0]?.mirror?.used }));
}

/** The mesh that they are in, and its clock: of fractions, as a machine's is. */
class Paper {
  private readonly geometry = parseGeometry(GEOMETRY, "rehearsal");
  private readonly aps: Replicator[] = [];
  private onTheWay: { to: number; bytes: Uint8Array }[] = [];
  private nowMs = 1_000.5;

  constructor(
    private readonly crypto: Crypto,
    private readonly make: (parts: MeshParts) => Replicator,
  ) {}

  /** In place of who had that number. */
  open(id: number, tableId: number): Replicator {
    const { geometry, crypto } = this;
    const send = (bytes: Uint8Array) => void this.onTheWay.push({ to: 3 - id, bytes: bytes.slice() });
    const ap = this.make(
      paperParts(id, paperDatapath(tableId, geometry), { geometry, crypto, send, nowMs: () => this.nowMs }),
    );
    fill(ap, geometry);
    ap.start(this.nowMs);
    this.aps[id - 1] = ap;
    return ap;
  }

  /** Until each has learnt all of the other; whoever did before learns again from who is new. */
  learn(): void {
    const before = this.aps.map(({ counters }) => counters.snapshotsDone);
    this.drive(GIVE_UP_MS, () => this.aps.every(({ counters }, i) => counters.snapshotsDone > before[i]!));
  }

  drive(ms: number, isDone = () => false): void {
    for (const untilMs = this.nowMs + ms; this.nowMs < untilMs && !isDone(); this.nowMs++) {
      for (const { to, bytes } of this.onTheWay.splice(0)) {
        this.aps[to - 1]!.receive(bytes, { address: "paper", port: 1 }, this.nowMs, "alone");
      }
      for (const ap of this.aps) if (ap.nextAtMs() <= this.nowMs) ap.tick(this.nowMs);
    }
  }
}

/** Fast timers and slow ones, short and long, of some clients and of all. */
function cellsOf(
  { proxy }: Replicator,
  { remainderBits, timerBits }: Geometry,
  coordinates: Uint32Array,
  salt: number,
) {
  const made = coordinates.map((i) => {
    const remainder = Math.imul(i + salt, 0x9e3779b1) >>> (32 - remainderBits);
    return (remainder << timerBits) | proxy.ticks.timer(i % 5 === 0 ? 1 : 0, 2 + (i % 20));
  });
  const owners = Uint16Array.from(coordinates, (i) => (i % 7 === 0 ? CONSTANTS.SLOT_SHARED : 1 + (i % OWNERS)));
  return { made, owners };
}

function fill(ap: Replicator, geometry: Geometry): void {
  const count = Math.floor(geometry.cells * CELLS_SHARE);
  const coordinates = Uint32Array.from({ length: count }, (_, i) => Math.floor(i / CELLS_SHARE));
  const { made, owners } = cellsOf(ap, geometry, coordinates, 1);
  ap.proxy.handlers.cells(coordinates, made, owners, count);
}

/** Time passes; flows come, are refreshed, and end. */
function change(ap: Replicator): void {
  const { geometry } = ap.proxy.published;
  ap.proxy.handlers.ticks(1, 1);
  const coordinates = Uint32Array.from({ length: NEWS }, (_, i) => 7 * i);
  const { made, owners } = cellsOf(ap, geometry, coordinates, 2);
  for (let i = 0; i < NEWS; i += 3) made[i] = 0;
  ap.proxy.handlers.cells(coordinates, made, owners, NEWS);
}

/** As the session's, and in its order: objects of another shape would be another's code. */
function paperParts(
  id: number,
  datapath: Datapath,
  { geometry, crypto, send, nowMs }: Pick<MeshParts, "geometry" | "crypto" | "send" | "nowMs">,
): MeshParts {
  const silent = () => {};
  let seed = Number(datapath.hello.table_id);
  const next = () => {
    seed = (seed * 75 + 74) % 65_537;
    return seed & 255;
  };
  return {
    id,
    name: "paper",
    datapath,
    geometry,
    seedId: 0,
    log: { debug: silent, info: silent, warn: silent, error: silent },
    crypto,
    // Nothing of it is ever sent.
    keys: [{ slot: 0, secret: new Uint8Array(KEY_BYTES) }],
    options: {},
    nowMs,
    random: (bytes) => new Uint8Array(bytes).map(next),
    link: { group: true, peers: [] },
    send,
    resolveRole: () => undefined,
    localRole: () => undefined,
    exports: () => true,
    generation: () => 0,
    superseded: silent,
    letGo: async () => "nobody asked",
    flagsOf: (_mac, _role, flags) => flags,
  };
}

function paperDatapath(tableId: number, { bucketBits, remainderBits, timerBits }: Geometry): Datapath {
  const silent = () => {};
  const never = () => new Promise<never>(silent);
  return {
    hello: {
      magic: 0,
      abi: 0,
      table_id: BigInt(tableId),
      bucket_bits: bucketBits,
      remainder_bits: remainderBits,
      cell_bits: remainderBits + timerBits,
      mirrors: 2,
      fast: 0,
      slow: 0,
      clients_max: SLOTS,
      picked_up: 1,
    },
    handlers: {} as Datapath["handlers"],
    loadAutomata: silent,
    setClient: silent,
    deleteClient: silent,
    setFilter: silent,
    deleteFilter: silent,
    changeFilter: silent,
    setZones: silent,
    setServices: silent,
    setOptions: silent,
    ready: silent,
    mirrorCells: silent,
    clearMirror: silent,
    mirrorTicks: silent,
    adopt: silent,
    lower: silent,
    shortenClient: silent,
    flushHeld: silent,
    dump: silent,
    dumpClients: silent,
    counters: never,
    sync: never,
    close: silent,
  };
}
