import { type Geometry, parseGeometry } from "../bloom/geometry.ts";
import type { Datapath } from "../datapath/datapath.ts";
import type { Crypto } from "../platform/platform.ts";
import { KEY_BYTES } from "./keyring.ts";
import type { MeshParts } from "./mesh-api.ts";
import type { Replicator } from "./replicator.ts";

const GEOMETRY = "4x256x8/r26";
const SLOTS = 64;
const CELLS_SHARE = 2 / 3;
const GIVE_UP_MS = 500;

/**
 * Two access points of paper meet and learn each other's tables, before anybody waits: a just-in-time compiler then knows
 * all of it, from the seal to the mirror, when the first neighbour answers. Cold, the first 5,000 cells of a sync took
 * 33 ms, warm 5, and each greeting as much again. Returns the cells mirrored, as proof that it did what it says.
 */
export function rehearse(crypto: Crypto, make: (parts: MeshParts) => Replicator): number {
  const geometry = parseGeometry(GEOMETRY, "rehearsal");
  const onTheWay: { to: number; bytes: Uint8Array }[] = [];
  let nowMs = 0;
  const aps = [1, 2].map((id) => {
    const send = (bytes: Uint8Array) => void onTheWay.push({ to: 3 - id, bytes: bytes.slice() });
    return make({ ...paperParts(id, geometry), crypto, send, nowMs: () => nowMs });
  });
  for (const ap of aps) {
    fill(ap, geometry);
    ap.start(nowMs);
  }
  const done = () => aps.every(({ counters }) => counters.snapshotsDone > 0);
  for (; !done() && nowMs < GIVE_UP_MS; nowMs++) {
    for (const { to, bytes } of onTheWay.splice(0)) {
      aps[to - 1]!.receive(bytes, { address: "paper", port: 1 }, nowMs, "group");
    }
    for (const ap of aps) if (ap.nextAtMs() <= nowMs) ap.tick(nowMs);
  }
  return aps.reduce((sum, ap) => sum + ap.list().reduce((cells, { mirror }) => cells + (mirror?.used ?? 0), 0), 0);
}

function fill({ proxy }: Replicator, { cells, remainderBits, timerBits }: Geometry): void {
  const count = Math.floor(cells * CELLS_SHARE);
  const coordinates = Uint32Array.from({ length: count }, (_, i) => Math.floor(i / CELLS_SHARE));
  const made = coordinates.map((i) => {
    const remainder = Math.imul(i + 1, 0x9e3779b1) >>> (32 - remainderBits);
    return (remainder << timerBits) | proxy.ticks.timer(0, 1 + (i % 3));
  });
  const owners = Uint16Array.from(coordinates, (i) => 1 + (i % 32));
  proxy.handlers.cells(coordinates, made, owners, count);
}

function paperParts(id: number, geometry: Geometry): Omit<MeshParts, "send" | "nowMs" | "crypto"> {
  const silent = () => {};
  let seed = id;
  const next = () => {
    seed = (seed * 75 + 74) % 65_537;
    return seed & 255;
  };
  return {
    id,
    name: "paper",
    datapath: paperDatapath(id, geometry),
    geometry,
    seedId: 0,
    log: { debug: silent, info: silent, warn: silent, error: silent },
    // Nothing of it is ever sent.
    keys: [{ slot: 0, secret: new Uint8Array(KEY_BYTES) }],
    random: (bytes) => new Uint8Array(bytes).map(next),
    resolveRole: () => undefined,
    localRole: () => undefined,
  };
}

function paperDatapath(id: number, { buckets, remainderBits, timerBits }: Geometry): Datapath {
  const silent = () => {};
  const never = () => new Promise<never>(silent);
  return {
    hello: {
      magic: 0,
      abi: 0,
      table_id: BigInt(id),
      bucket_bits: Math.log2(buckets),
      remainder_bits: remainderBits,
      cell_bits: remainderBits + timerBits,
      mirrors: 1,
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
