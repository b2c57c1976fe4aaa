import type { Mac } from "../base/mac.ts";
import type { AclFilter } from "../sfr/acl.ts";
import type { ServiceEntry } from "../sfr/sfr.ts";
import type { ZoneEntry } from "../sfr/zones.ts";
import type { ClientRecord, RingEvent } from "./map-records.ts";
import type { BodyOf, EVENTS } from "./stream-records.ts";

/**
 * A datapath as the agent sees it: the kernel behind roamwalld (`client.ts`) or the model (`fake.ts`). Commands are
 * idempotent and ordered; `sync` resolves when all earlier ones are done. Events arrive in the handlers, in order.
 */
export interface Datapath {
  /** Geometry, table id and ticks, as of the connection. */
  readonly hello: Hello;
  handlers: DatapathHandlers;

  loadAutomata(blob: Uint8Array): void;
  setClient(mac: Mac, record: ClientRecord): void;
  deleteClient(mac: Mac): void;
  setFilter(filter: FilterBits): void;
  /** A filter like `from`, which is there, but for `changes`: position << 1 | the bit's new value. */
  changeFilter(filter: Pick<FilterBits, "id" | "out" | "in">, from: number, changes: Uint32Array): void;
  deleteFilter(id: number): void;
  /**
   * Two generations stand side by side, 0 and 1: a client's record names the one that its filters were made for, so that it
   * goes over from one policy to the next at once. The whole set of one, which no record should name while it is written.
   */
  setZones(generation: number, entries: readonly ZoneEntry[]): void;
  setServices(generation: number, entries: readonly ServiceEntry[]): void;
  setOptions(options: DatapathOptions): void;

  /** `pairs`: coordinate and cell of each of `count` cells, as the stream carries them. */
  mirrorCells(mirror: number, pairs: Uint32Array, count: number): void;
  clearMirror(mirror: number): void;
  /** Absolute ticks of the mirror's source. */
  mirrorTicks(mirror: number, fast: number, slow: number): void;
  /** `xHi`, `xLo`: the fingerprint integer's halves. Later expiry wins. Changed cells come back as `cells` events; one bad entry costs no other. */
  adopt(slot: number, mark: number, xHi: ArrayLike<number>, xLo: ArrayLike<number>, codes: ArrayLike<number>): void;
  shortenClient(slot: number, code: number): void;
  /** A neighbour shortened these: own cells of the same expectations live no longer than `codes` say. */
  lower(xHi: ArrayLike<number>, xLo: ArrayLike<number>, codes: ArrayLike<number>): void;
  /** What is held (SLOT_SHARED: of all clients) and all that is dirty comes before the answer to a later `sync`. */
  flushHeld(slot: number): void;

  /** Used cells of a range come as `cells` events (count 0 = to the end). */
  dump(from: number, count: number): void;
  dumpClients(): void;
  counters(): Promise<Counters>;
  sync(): Promise<void>;
  /** The policy is loaded: whatever filtered in its place until now may go. */
  ready(): void;
  close(): void;
}

export type Hello = BodyOf<typeof EVENTS.hello>;
export type Counters = BodyOf<typeof EVENTS.counters>;
export interface ClientDump extends Omit<BodyOf<typeof EVENTS.client>, "record"> {
  readonly record: ClientRecord;
}

export interface DatapathHandlers {
  /** `count` cells, changed or (`dumped` 1 + mark) as a dump found them; the arrays are reused after the call. */
  cells(coordinates: Uint32Array, cells: Uint32Array, owners: Uint16Array, count: number, dumped?: Uint16Array): void;
  arrived(mac: Mac, slot: number, zone: number): void;
  /** `frame`: its first bytes, at most `PARSE_BYTES`; absent where the datapath has none to give. */
  denied(event: RingEvent, frame?: Uint8Array): void;
  /** The first packet of a flow (a sample: at most 8 a window and client), or any of a client that is traced (at most 256). */
  passed?(event: RingEvent): void;
  overflow(): void;
  ticks(fast: number, slow: number): void;
  client(dump: ClientDump): void;
  port(event: BodyOf<typeof EVENTS.port>): void;
  refused(command: number, text: string): void;
  /** Who judges packets, in words. */
  about?(text: string): void;
  closed(): void;
}

const nothing = () => {};
/** Until somebody listens. */
export const DEAF: DatapathHandlers = {
  cells: nothing,
  arrived: nothing,
  denied: nothing,
  overflow: nothing,
  ticks: nothing,
  client: nothing,
  port: nothing,
  refused: nothing,
  closed: nothing,
};

export type FilterBits = AclFilter;
export type { ServiceEntry, ZoneEntry };

export interface DatapathOptions {
  readonly mode: number;
  readonly holdMs: number;
  readonly pickupS: number;
  /** 0: at once. */
  readonly flushMs: number;
  /** Every mirror is asked for every client. */
  readonly writeThrough?: boolean;
}
