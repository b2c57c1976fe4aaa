import { type Mac, macFromBytes, macToBytes } from "../base/mac.ts";
import type { Dlcbf } from "../bloom/dlcbf.ts";
import type { Geometry } from "../bloom/geometry.ts";
import { cellOfCode } from "../bloom/timer.ts";
import { type FrameInput, Sfr, type Verdict } from "../sfr/sfr.ts";
import { CONSTANTS, REASONS } from "./abi.ts";
import {
  type Counters,
  type Datapath,
  type DatapathHandlers,
  type DatapathOptions,
  DEAF,
  type FilterBits,
  type Hello,
  type ServiceEntry,
  type ZoneEntry,
} from "./datapath.ts";
import { type ClientRecord, RING, type RingEvent } from "./map-records.ts";

const { OWNER_SLOT_MASK, OWNER_MARK_SHIFT, MARK_HELD, MARK_DIRTY, MARK_AGED, DIRTY_CELLS, SLOT_SHARED, OP_MAX } =
  CONSTANTS;

export interface FakeOptions {
  readonly geometry: Geometry;
  readonly seeds: readonly [number, number, number, number];
  readonly mirrors?: number;
  readonly slots?: number;
  readonly tableId?: bigint;
}

/**
 * The kernel and roamwalld in one, over the model: the same commands, the same events in the same order. It has no clock:
 * `setTicks` and `flush` are what roamwalld does by itself.
 */
export class FakeDatapath implements Datapath {
  readonly hello: Hello;
  readonly sfr: Sfr;
  handlers: DatapathHandlers = DEAF;
  /** Calls so far, by name: tests look at what was not done. */
  readonly calls: Record<string, number> = {};
  private holdMs = 200;
  private writeThrough = false;
  /** Mirrors that somebody fills, a bit each. */
  private mirrorsKnown = 0;
  private agedMs = Number.NEGATIVE_INFINITY;
  private readonly clients = new Map<Mac, ClientRecord>();
  private readonly coordinates: Uint32Array;
  private readonly cells: Uint32Array;
  private readonly owners: Uint16Array;
  private readonly dumped: Uint16Array;
  private reported = 0;
  private portZone = 0;

  constructor({ geometry, seeds, mirrors = CONSTANTS.MIRRORS_MAX, slots = 1024, tableId = 1n }: FakeOptions) {
    this.sfr = new Sfr({ geometry, seeds, mirrors, slots });
    this.sfr.onEvent = (event) => this.ring(event);
    this.coordinates = new Uint32Array(geometry.cells);
    this.cells = new Uint32Array(geometry.cells);
    this.owners = new Uint16Array(geometry.cells);
    this.dumped = new Uint16Array(geometry.cells);
    this.hello = {
      magic: CONSTANTS.MAGIC,
      abi: 1,
      table_id: tableId,
      bucket_bits: geometry.bucketBits,
      remainder_bits: geometry.remainderBits,
      cell_bits: geometry.cellBits,
      mirrors,
      fast: 0,
      slow: 0,
      clients_max: slots,
      picked_up: 0,
    };
  }

  judge(input: FrameInput): Verdict {
    this.portZone = input.portZone ?? 0;
    return this.sfr.judge(input);
  }

  /** Absolute ticks of the own table; what has passed is freed. */
  setTicks(fast: number, slow: number): void {
    const { table } = this.sfr;
    this.hello.fast = fast;
    this.hello.slow = slow;
    if (table.fast === fast && table.slow === slow) return;
    advance(table, fast, slow);
    this.sfr.sweep();
    this.handlers.ticks(fast, slow);
  }

  /** Reports what is dirty, and what was held long enough. */
  flush(nowMs: number): void {
    const { table } = this.sfr;
    const ages = nowMs > this.agedMs && nowMs - this.agedMs >= this.holdMs / 2;
    if (ages) this.agedMs = nowMs;
    for (const block of table.takeDirty()) {
      let waits = false;
      for (let at = block * DIRTY_CELLS; at < Math.min(table.cells.length, (block + 1) * DIRTY_CELLS); at++) {
        const mark = table.owners[at]! >>> OWNER_MARK_SHIFT;
        const due = mark === MARK_DIRTY || (mark === MARK_AGED && ages) || (mark === MARK_HELD && this.holdMs === 0);
        if (due) this.report(at);
        else if (mark === MARK_HELD && ages)
          table.owners[at] = (table.owners[at]! & OWNER_SLOT_MASK) | (MARK_AGED << OWNER_MARK_SHIFT);
        waits ||= !due && (mark === MARK_HELD || mark === MARK_AGED);
      }
      if (waits) table.dirty[block] = 1;
    }
    this.deliver();
  }

  loadAutomata(blob: Uint8Array): void {
    this.count("loadAutomata");
    this.sfr.loadAutomata(blob);
  }

  setClient(mac: Mac, record: ClientRecord): void {
    this.count("setClient");
    this.clients.set(mac, record);
    this.sfr.setClient(mac, record);
  }

  deleteClient(mac: Mac): void {
    this.count("deleteClient");
    this.clients.delete(mac);
    this.sfr.deleteClient(mac);
  }

  /** As the datapath has it. */
  client(mac: Mac): ClientRecord | undefined {
    return this.clients.get(mac);
  }

  setFilter(filter: FilterBits): void {
    this.sfr.setFilter(filter);
  }

  changeFilter(filter: Pick<FilterBits, "id" | "out" | "in">, from: number, changes: Uint32Array): void {
    this.sfr.changeFilter(filter, from, changes);
  }

  deleteFilter(id: number): void {
    this.sfr.deleteFilter(id);
  }

  setZones(generation: number, entries: readonly ZoneEntry[]): void {
    this.sfr.setZones(entries, generation);
  }

  setServices(generation: number, entries: readonly ServiceEntry[]): void {
    this.sfr.setServices(entries, generation);
  }

  setOptions(options: DatapathOptions): void {
    this.sfr.mode = options.mode;
    this.holdMs = options.holdMs;
    this.writeThrough = options.writeThrough ?? false;
    this.askMirrors();
    this.sfr.pickup = options.pickupS > 0 && this.hello.picked_up === 0 ? 1 : 0;
  }

  mirrorCells(mirror: number, pairs: Uint32Array, count: number): void {
    this.count("mirrorCells");
    for (let i = 0; i < count; i++) this.sfr.mirrors[mirror]!.setCell(pairs[2 * i]!, pairs[2 * i + 1]!);
  }

  clearMirror(mirror: number): void {
    this.count("clearMirror");
    this.sfr.mirrors[mirror]!.clear();
    this.mirrorsKnown &= ~(1 << mirror);
    this.askMirrors();
  }

  mirrorTicks(mirror: number, fast: number, slow: number): void {
    advance(this.sfr.mirrors[mirror]!, fast, slow);
    this.mirrorsKnown |= 1 << mirror;
    this.askMirrors();
  }

  lower(xHi: ArrayLike<number>, xLo: ArrayLike<number>, codes: ArrayLike<number>): void {
    this.count("lower");
    for (let i = 0; i < codes.length; i++) this.sfr.table.min(xHi[i]!, xLo[i]!, codes[i]!, MARK_DIRTY);
  }

  adopt(slot: number, mark: number, xHi: ArrayLike<number>, xLo: ArrayLike<number>, codes: ArrayLike<number>): void {
    this.count("adopt");
    for (let i = 0; i < codes.length; i++) this.sfr.table.insert(xHi[i]!, xLo[i]!, codes[i]!, OP_MAX, slot, mark);
  }

  shortenClient(slot: number, code: number): void {
    this.count("shortenClient");
    const { table } = this.sfr;
    const { geometry } = table;
    const [fast, slow] = [table.fast % geometry.modulus, table.slow % geometry.modulus];
    for (let at = 0; at < table.cells.length; at++) {
      const cell = table.cells[at]!;
      const owns = (table.owners[at]! & OWNER_SLOT_MASK) === slot;
      if (cell === 0 || !owns || !table.isLive(cell) || table.rank(cell) <= code) continue;
      table.setCell(at, cellOfCode(cell >>> geometry.timerBits, code, fast, slow, geometry));
      this.mark(at, MARK_DIRTY);
    }
  }

  flushHeld(slot: number): void {
    this.count("flushHeld");
    const { table } = this.sfr;
    for (let at = 0; at < table.cells.length; at++) {
      const mark = table.owners[at]! >>> OWNER_MARK_SHIFT;
      if (mark !== MARK_HELD && mark !== MARK_AGED) continue;
      if (slot === SLOT_SHARED || (table.owners[at]! & OWNER_SLOT_MASK) === slot) this.mark(at, MARK_DIRTY);
    }
    this.flush(this.agedMs);
  }

  dump(from: number, count: number): void {
    const { table } = this.sfr;
    const end = count === 0 ? table.cells.length : Math.min(table.cells.length, from + count);
    for (let at = from; at < end; at++)
      if (table.cells[at] !== 0) this.collect(at, 1 + (table.owners[at]! >>> OWNER_MARK_SHIFT));
    this.deliver();
  }

  dumpClients(): void {
    for (const [mac, record] of this.clients) {
      const { clientPassed, clientDenied, clientBytes } = this.sfr.counters;
      this.handlers.client({
        mac: macToBytes(mac),
        pad: 0,
        record: { ...record },
        passed: BigInt(clientPassed[record.slot]!),
        denied: BigInt(clientDenied[record.slot]!),
        bytes: BigInt(clientBytes[record.slot]!),
        cells: this.sfr.used[record.slot]!,
      });
    }
  }

  async counters(): Promise<Counters> {
    const { denied, clientPassed, clientBytes } = this.sfr.counters;
    const sum = (values: Float64Array) => BigInt(values.reduce((total, value) => total + value, 0));
    return {
      denied: Array.from({ length: 32 }, (_, reason) => BigInt(reason < REASONS.length ? denied[reason]! : 0)),
      passed: sum(clientPassed),
      bytes: sum(clientBytes),
      used_cells: this.sfr.table.used,
      ring_lost: 0,
      mode: this.sfr.mode,
      ports: 1,
    };
  }

  async sync(): Promise<void> {}

  ready(): void {
    this.count("ready");
  }

  close(): void {
    this.handlers.closed();
  }

  private askMirrors(): void {
    this.sfr.writeThrough = this.writeThrough ? this.mirrorsKnown : 0;
  }

  private ring(event: RingEvent): void {
    if (event.kind === RING.arrived) this.handlers.arrived(macFromBytes(event.mac), event.slot, this.portZone);
    if (event.kind === RING.denied) this.handlers.denied(event);
    if (event.kind === RING.traced || event.kind === RING.opened) this.handlers.passed?.(event);
  }

  private mark(at: number, mark: number): void {
    const { table } = this.sfr;
    table.owners[at] = (table.owners[at]! & OWNER_SLOT_MASK) | (mark << OWNER_MARK_SHIFT);
    table.dirty[Math.floor(at / DIRTY_CELLS)] = 1;
  }

  /** The cell is told of, and clean. */
  private report(at: number): void {
    this.sfr.table.owners[at] = this.sfr.table.owners[at]! & OWNER_SLOT_MASK;
    this.collect(at);
  }

  private collect(at: number, dumped = 0): void {
    this.dumped[this.reported] = dumped;
    this.coordinates[this.reported] = at;
    this.cells[this.reported] = this.sfr.table.cells[at]!;
    this.owners[this.reported++] = this.sfr.table.owners[at]! & OWNER_SLOT_MASK;
  }

  private deliver(): void {
    const count = this.reported;
    this.reported = 0;
    if (count > 0) this.handlers.cells(this.coordinates, this.cells, this.owners, count, this.dumped);
  }

  private count(name: string): void {
    this.calls[name] = (this.calls[name] ?? 0) + 1;
  }
}

/** In steps so short that no expiry passes unseen and comes round again as live. */
function advance(table: Dlcbf, fast: number, slow: number): void {
  const { modulus, liveMax } = table.geometry;
  const slack = modulus - 1 - liveMax;
  // Whole rounds of the modulus change no cell's meaning; one round sees every cell pass.
  const near = (from: number, to: number) => from + Math.max(0, Math.floor((to - from) / modulus) - 1) * modulus;
  let [f, s] = [near(Math.min(table.fast, fast), fast), near(Math.min(table.slow, slow), slow)];
  do {
    f = Math.min(fast, f + slack);
    s = Math.min(slow, s + slack);
    table.fast = f;
    table.slow = s;
    table.sweep();
  } while (f !== fast || s !== slow);
}
