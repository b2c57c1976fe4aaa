import type { BitWriter } from "../base/bits.ts";
import { indexBits } from "../base/bits.ts";
import type { Geometry } from "../bloom/geometry.ts";
import type { Endpoint } from "../platform/platform.ts";
import type { Context } from "../proxy/contexts.ts";
import type { OwnTable } from "../proxy/own-table.ts";
import type { PublishedCache } from "../proxy/published.ts";
import type { Ticks } from "../proxy/ticks.ts";
import { TokenBucket } from "./bucket.ts";
import type { Outbox } from "./outbox.ts";
import { TO_ALL } from "./outbox.ts";
import type { Ask } from "./records/ask.ts";
import { CellBlock } from "./records/cell-block.ts";
import { CELLS_FIXED_BYTES, CELLS_KIND } from "./records/cells.ts";
import { edge } from "./records/edge.ts";
import { VER_MAX } from "./records/kinds.ts";
import type { VerRange } from "./records/nack.ts";
import { emitRepairHead, REPAIR_FIXED_BYTES, REPAIR_KIND } from "./records/repair.ts";
import { emitRights, type RightsRecord, rights, rightsBytes } from "./records/rights.ts";
import { emitSnapHead, SNAP_FIXED_BYTES, SNAP_KIND } from "./records/snap.ts";
import { RightsMap, rightsRecord } from "./rights-map.ts";
import type { ReplicationCounters } from "./status.ts";
import { UNIT_CELLS, UNIT_SLOTS, Units } from "./units.ts";

/** A lost last message would else be missed only at the next hello. */
const EDGE_AFTER_MS = [20, 60, 140];
/** A repair writes a cell set again, with a longer head. */
const REPAIR_SLACK_BYTES = 8;
/** Most bits of a repaired cell: remainder, indices, gap, and its own ver. */
const REPAIR_CELL_BITS = 64;
/** Two who miss the same within this time are served by one datagram. */
const SAME_LOSS_MS = 150;
const REPAIRS_REMEMBERED = 16;
/** A larger gap is the business of a snapshot. */
export const REPAIR_VERS_MAX = 4096;

export interface SenderParts {
  readonly geometry: Geometry;
  readonly published: PublishedCache;
  readonly own: OwnTable;
  readonly ticks: Ticks;
  readonly outbox: Outbox;
  readonly counters: ReplicationCounters;
  readonly flushMs: number;
  readonly bytesPerSecond: number;
  /** Whether anybody listens. */
  audience(): boolean;
  contextOf(slot: number): Context | undefined;
}

/** A listener that asked for something. */
export interface Asker {
  readonly id: number;
  readonly address: Endpoint;
}

/**
 * Publishes what changed, and answers those who missed some of it. It never waits for anybody, and a change costs one
 * datagram whatever the neighbours do: repairs and snapshots have budgets of their own.
 */
export class Sender {
  /** The newest change set. */
  ver = 0;
  readonly rights = new RightsMap();
  readonly units: Units;
  private readonly block: CellBlock;
  private readonly fresh: { cells: Uint32Array; owners: Uint16Array; vers: Uint32Array };
  private readonly slots = new Set<number>();
  private publishedMs = Number.NEGATIVE_INFINITY;
  private edgesSaid = EDGE_AFTER_MS.length;
  private readonly repairBudget: TokenBucket;
  private readonly snapshotBudget: TokenBucket;
  private readonly repaired: { from: number; to: number; asker: number; atMs: number }[] = [];
  private readonly scratch: Uint32Array;

  constructor(private readonly parts: SenderParts) {
    const { geometry, published, own, bytesPerSecond } = parts;
    this.block = new CellBlock(geometry);
    this.fresh = { cells: own.cells, owners: own.owners, vers: published.vers };
    this.units = new Units(published.slots, geometry);
    this.repairBudget = new TokenBucket(bytesPerSecond / 4, bytesPerSecond / 8);
    this.snapshotBudget = new TokenBucket(bytesPerSecond, bytesPerSecond / 4);
    this.scratch = new Uint32Array(geometry.cells);
  }

  announce(slot: number): void {
    this.slots.add(slot);
  }

  /** What stands in the table at start is published as one change set that nobody is sent: neighbours ask for it. */
  prime(nowMs: number): void {
    const { own, published } = this.parts;
    this.ver = 1;
    for (const at of own.take()) published.publish(at, this.freshCell(at), own.owners[at]!, this.ver);
    for (const slot of this.slots) this.publishSlot(slot, nowMs);
    this.slots.clear();
  }

  /** Everything counts as one change set again: neighbours believe the new epoch, then ask for a snapshot. */
  beginEpoch(): void {
    this.ver = 1;
    this.parts.published.renumber(this.ver);
  }

  get epochEnds(): boolean {
    return this.ver >= VER_MAX;
  }

  nextAtMs(): number {
    const { own, flushMs } = this.parts;
    const waits = own.pending > 0 || this.slots.size > 0;
    const flush = waits ? this.publishedMs + flushMs : Number.POSITIVE_INFINITY;
    const edgeAfter = EDGE_AFTER_MS[this.edgesSaid];
    return Math.min(flush, edgeAfter === undefined ? Number.POSITIVE_INFINITY : this.publishedMs + edgeAfter);
  }

  tick(nowMs: number): void {
    const { own, flushMs, outbox } = this.parts;
    if ((own.pending > 0 || this.slots.size > 0) && nowMs >= this.publishedMs + flushMs) this.publish(nowMs);
    const edgeAfter = EDGE_AFTER_MS[this.edgesSaid];
    if (edgeAfter === undefined || nowMs < this.publishedMs + edgeAfter) return;
    this.edgesSaid++;
    if (!this.parts.audience()) return;
    outbox.add(edge, { ver: this.ver });
    outbox.flush(TO_ALL, undefined);
  }

  /** Everything that waits, now. */
  publish(nowMs: number): void {
    const before = this.ver;
    this.publishSlots(nowMs);
    this.publishCells();
    if (this.ver === before) return;
    this.publishedMs = nowMs;
    this.edgesSaid = 0;
  }

  /** Answers what one asker misses, with what stands there now. */
  repair(asker: Asker, range: VerRange, nowMs: number): void {
    const from = range.from;
    const to = Math.min(this.ver, from + range.count - 1);
    if (to < from || to - from >= REPAIR_VERS_MAX) return;
    const { published, outbox } = this.parts;
    const answer: Answer = { asker, shared: this.alsoAsked(asker.id, from, to, nowMs), nowMs };
    const capacityBits = (outbox.room - REPAIR_FIXED_BYTES - REPAIR_SLACK_BYTES) * 8;
    let chunk: RepairChunk = { from, items: [], bits: 0 };
    let item = published.firstFrom(from);
    while (item >= 0 && published.vers[item]! <= to) {
      // Whole change sets only: a repair closes all that it spans.
      const ver = published.vers[item]!;
      const set: number[] = [];
      let bits = 0;
      for (; item >= 0 && published.vers[item] === ver; item = published.after(item)) {
        set.push(item);
        bits += item < published.cells.length ? REPAIR_CELL_BITS : this.slotBits(item);
      }
      if (chunk.items.length > 0 && chunk.bits + bits > capacityBits) {
        if (!this.sendRepair(answer, chunk, ver - 1)) return;
        chunk = { from: ver, items: [], bits: 0 };
      }
      chunk.items.push(...set);
      chunk.bits += bits;
    }
    this.sendRepair(answer, chunk, to);
  }

  /** One round of a snapshot: at most `window` datagrams of the asked units, from the first on. */
  snapshot(asker: Asker, { round, window, units }: Ask, nowMs: number): void {
    const { outbox, counters } = this.parts;
    const chunks: Chunk[] = [];
    for (const range of units) {
      const end = Math.min(this.units.count, range.from + range.count);
      for (let unit = range.from; unit < end && chunks.length < window; ) {
        if (!this.snapshotBudget.take(outbox.room, nowMs)) break;
        const chunk = this.chunkAt(unit, end);
        chunks.push(chunk);
        unit = chunk.next;
      }
    }
    chunks.forEach((chunk, i) => {
      chunk.emit(chunks.length - 1 - i, round);
      outbox.flush(asker.id, asker.address);
      counters.snapshotsSent++;
    });
  }

  private publishSlots(nowMs: number): void {
    const { outbox } = this.parts;
    const heard = this.parts.audience();
    for (const slot of this.slots) {
      this.ver++;
      this.publishSlot(slot, nowMs);
      const record = this.rights.get(slot) ?? rightsRecord(slot, undefined, this.ver, nowMs);
      if (!heard) continue;
      if (rights.length(record) > outbox.room) outbox.flush(TO_ALL, undefined);
      outbox.add(rights, record);
    }
    this.parts.counters.changeSets += this.slots.size;
    this.slots.clear();
    if (!outbox.empty) outbox.flush(TO_ALL, undefined);
  }

  private publishSlot(slot: number, nowMs: number): void {
    this.parts.published.publishSlot(slot, this.ver);
    this.rights.set(rightsRecord(slot, this.parts.contextOf(slot), this.ver, nowMs));
  }

  private publishCells(): void {
    const { own, published, ticks, outbox, counters } = this.parts;
    const items = own.take();
    const heard = this.parts.audience();
    for (let from = 0; from < items.length; ) {
      const bits = (outbox.room - CELLS_FIXED_BYTES - REPAIR_SLACK_BYTES) * 8;
      const to = from + this.block.fit(this.fresh, ticks, items, from, items.length, 0, bits);
      const ver = ++this.ver;
      counters.changeSets++;
      counters.cellsPublished += to - from;
      for (let i = from; i < to; i++) {
        const at = items[i]!;
        published.publish(at, this.freshCell(at), own.owners[at]!, ver);
      }
      if (heard) {
        const start = from;
        outbox.addRaw(CELLS_KIND, (writer) => {
          writer.write(ver, 32);
          this.block.emit(writer, published, ticks, items, start, to, ver, 0);
        });
        outbox.flush(TO_ALL, undefined);
      }
      from = to;
    }
  }

  private freshCell(at: number): number {
    const cell = this.parts.own.cells[at]!;
    return this.parts.ticks.left(cell) < 0 ? 0 : cell;
  }

  /** Remembers the question; true when somebody else asked for a part of it just now. */
  private alsoAsked(asker: number, from: number, to: number, nowMs: number): boolean {
    const shared = this.repaired.some(
      (r) => r.asker !== asker && nowMs - r.atMs <= SAME_LOSS_MS && r.from <= to && r.to >= from,
    );
    this.repaired.push({ from, to, asker, atMs: nowMs });
    if (this.repaired.length > REPAIRS_REMEMBERED) this.repaired.shift();
    return shared;
  }

  private slotBits(item: number): number {
    const record = this.rights.get(item - this.parts.published.cells.length);
    return ((record ? rightsBytes(record) : 3) + 6) * 8;
  }

  /** False when the budget for repairs is spent: the asker will ask again. */
  private sendRepair({ asker, shared, nowMs }: Answer, { from, items, bits }: RepairChunk, to: number): boolean {
    const { outbox, published, ticks, counters } = this.parts;
    const cellCount = published.cells.length;
    if (!this.repairBudget.take((bits >> 3) + 64, nowMs)) {
      counters.repairsThrottled++;
      return false;
    }
    const cells = Uint32Array.from(items.filter((item) => item < cellCount)).sort();
    for (const item of items) if (item >= cellCount) outbox.add(rights, this.presentRights(item - cellCount, nowMs));
    outbox.addRaw(REPAIR_KIND, (writer) => {
      emitRepairHead(writer, { from, to });
      this.block.emit(writer, published, ticks, cells, 0, cells.length, from, indexBits(to - from + 1));
    });
    counters.repairsSent++;
    if (shared) outbox.flush(TO_ALL, undefined);
    else outbox.flush(asker.id, asker.address);
    return true;
  }

  private presentRights(slot: number, nowMs: number) {
    const { published, contextOf } = this.parts;
    const ver = published.vers[published.cells.length + slot]!;
    const known = this.rights.get(slot);
    if (!known) return rightsRecord(slot, undefined, ver, nowMs);
    // Content as published; only the time that is left goes on.
    return { ...known, leftSeconds: rightsRecord(slot, contextOf(slot), ver, nowMs).leftSeconds };
  }

  private chunkAt(unit: number, end: number): Chunk {
    return unit < this.units.slotUnits
      ? this.slotChunk(unit, Math.min(end, this.units.slotUnits))
      : this.cellChunk(unit, end);
  }

  private slotChunk(unit: number, end: number): Chunk {
    const { outbox, published } = this.parts;
    const asOf = this.ver;
    const from = unit * UNIT_SLOTS;
    const records: RightsRecord[] = [];
    let bytes = SNAP_FIXED_BYTES + 2;
    let next = unit;
    for (; next < end; next++) {
      const unitEnd = Math.min(published.slots, (next + 1) * UNIT_SLOTS);
      const more: RightsRecord[] = [];
      for (let slot = next * UNIT_SLOTS; slot < unitEnd; slot++) {
        const record = this.rights.get(slot);
        if (record) more.push(record);
      }
      const size = more.reduce((sum, record) => sum + rightsBytes(record), 0);
      if (bytes + size > outbox.room && next > unit) break;
      bytes += size;
      records.push(...more);
    }
    const to = Math.min(published.slots, next * UNIT_SLOTS);
    const emit = (toCome: number, round: number) =>
      outbox.addRaw(SNAP_KIND, (writer) => {
        emitSnapHead(writer, { asOf, slots: true, toCome, round, from, to });
        writer.write(records.length, 16);
        for (const record of records) emitRights(writer, record);
      });
    return { next, emit };
  }

  private cellChunk(unit: number, end: number): Chunk {
    const { outbox, published, ticks, geometry } = this.parts;
    // Taken before reading: a change that comes later has a newer ver.
    const asOf = this.ver;
    const from = (unit - this.units.slotUnits) * UNIT_CELLS;
    const limit = Math.min(geometry.cells, (end - this.units.slotUnits) * UNIT_CELLS);
    const bits = (outbox.room - SNAP_FIXED_BYTES) * 8;
    const most = Math.ceil(bits / (geometry.remainderBits + 1)) + UNIT_CELLS;
    let count = 0;
    let read = from;
    for (; read < limit && count < most; read++) if (published.cells[read] !== 0) this.scratch[count++] = read;
    const fits = count === 0 ? 0 : this.block.fit(published, ticks, this.scratch, 0, count, 0, bits);
    const reached = fits === count ? read : this.scratch[fits]!;
    const aligned = reached === limit ? limit : Math.floor(reached / UNIT_CELLS) * UNIT_CELLS;
    let kept = fits;
    while (kept > 0 && this.scratch[kept - 1]! >= aligned) kept--;
    const items = this.scratch.slice(0, kept);
    const emit = (toCome: number, round: number) =>
      outbox.addRaw(SNAP_KIND, (writer: BitWriter) => {
        emitSnapHead(writer, { asOf, slots: false, toCome, round, from, to: aligned });
        this.block.emit(writer, published, ticks, items, 0, items.length, 0, 0);
      });
    return { next: this.units.slotUnits + Math.ceil(aligned / UNIT_CELLS), emit };
  }
}

interface Answer {
  readonly asker: Asker;
  readonly shared: boolean;
  readonly nowMs: number;
}

/** Items of whole change sets, gathered until a datagram is full. */
interface RepairChunk {
  readonly from: number;
  readonly items: number[];
  bits: number;
}

/** Units up to `next`, as one datagram. */
interface Chunk {
  readonly next: number;
  emit(toCome: number, round: number): void;
}
