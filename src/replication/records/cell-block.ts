import { type BitReader, type BitWriter, indexBits } from "../../base/bits.ts";
import type { Geometry } from "../../bloom/geometry.ts";
import { CONSTANTS } from "../../datapath/abi.ts";
import type { Ticks } from "../../proxy/ticks.ts";

const { SLOT_SHARED } = CONSTANTS;

/** Most cells of one block: its count has ten bits. */
export const BLOCK_CELLS_MAX = 1023;

const COUNT_BITS = 10;
const RICE_BITS = 5;
const COORDINATE_BITS = 24;
/** Slots have at most so many bits; the dictionary is written as wide as its largest needs. */
const OWNER_BITS = 14;
const OWNER_WIDTH_BITS = 4;
const TIMER_COUNT_BITS = 7;
const VER_BITS_BITS = 5;
/** Timer fields of a dictionary entry that leaves no cell: one that says so, and one that was over before it came. */
const FREED = 0;
const PASSED = 0xff;
const HEADER_BITS =
  COUNT_BITS + RICE_BITS + COORDINATE_BITS + COUNT_BITS + OWNER_WIDTH_BITS + TIMER_COUNT_BITS + VER_BITS_BITS;

/** A cache that cells are read from. */
export interface CellSource {
  readonly cells: Uint32Array;
  readonly owners: Uint16Array;
  readonly vers: Uint32Array;
  /** How many of the cells are used, where somebody counts. */
  readonly used?: number;
}

/** Cells as they were read from a block; reused by the next. */
export class CellBatch {
  readonly coordinates = new Uint32Array(BLOCK_CELLS_MAX + 1);
  /** As stored, the expiry counted in the source's ticks; 0: freed. */
  readonly cells = new Uint32Array(BLOCK_CELLS_MAX + 1);
  readonly owners = new Uint16Array(BLOCK_CELLS_MAX + 1);
  /** Above the block's base. */
  readonly verOffsets = new Uint32Array(BLOCK_CELLS_MAX + 1);
  count = 0;
}

/**
 * By place: the first cells of all buckets, then the second ones, and so on. A bucket is filled from its first cell on, so
 * what changes lies close together in that order: 2.2 bits a cell less. By coordinate: as the ranges of a snapshot are.
 */
export type CellOrder = "coordinate" | "place";

/** Which owners the block at hand has named: those whose stamp is its. One for all blocks, since none is begun inside another. */
const ownerIndex = new Uint16Array(1 << OWNER_BITS);
const ownerStamp = new Uint32Array(1 << OWNER_BITS);
let stamp = 0;

/**
 * Cells of one datagram, in order of their ranks (`CellOrder`). What repeats is said once: owners and timers stand in a
 * dictionary, gaps between ranks are Rice coded (k = 0 is a bitmap). `left` is counted at the ticks that the datagram carries.
 *
 *   count:10 k:5 first:24 owners:10 width:4 timers:7 verBits:5 | owners x slot:width | timers x (speed:1 left:t) |
 *   count x { gap: Rice, none for the first | ver: verBits | timer: index | live: remainder:r, owner: index }
 *
 * The timer of all ones means that the cell was freed, the slot of all ones that several clients share it.
 */
export class CellBlock {
  private readonly codeBits: number;
  private readonly freeCode: number;
  private readonly tickMask: number;
  private readonly owners = new Uint16Array(BLOCK_CELLS_MAX + 1);
  private readonly timerIndex: Int32Array;
  private readonly timerStamp: Uint32Array;
  private readonly timers: Uint8Array;
  private readonly timerFields: Uint8Array;
  private ownerCount = 0;
  private ownerWidth = 0;
  private timerCount = 0;

  /** Cells of a bucket, and buckets; by coordinate: one and all. */
  private readonly places: number;
  private readonly rows: number;

  constructor(
    private readonly geometry: Geometry,
    order: CellOrder,
  ) {
    this.places = order === "place" ? geometry.bucketCells : 1;
    this.rows = geometry.cells / this.places;
    this.codeBits = geometry.timerBits;
    this.freeCode = (1 << this.codeBits) - 1;
    this.tickMask = (1 << geometry.tickBits) - 1;
    this.timerIndex = new Int32Array(this.freeCode + 1);
    this.timerStamp = new Uint32Array(this.freeCode + 1);
    this.timers = new Uint8Array(this.freeCode + 1);
    this.timerFields = new Uint8Array(this.freeCode + 1);
  }

  /** Coordinates, into the order in which `fit` and `emit` want them. */
  sort(items: Uint32Array): Uint32Array {
    if (this.places === 1) return items.sort();
    for (let i = 0; i < items.length; i++) items[i] = this.rankOf(items[i]!);
    items.sort();
    for (let i = 0; i < items.length; i++) items[i] = this.coordinateOf(items[i]!);
    return items;
  }

  /** How many of `items[from..to)` (coordinates, sorted) surely fit into `bits`; at least one. */
  fit(
    source: CellSource,
    ticks: Ticks,
    items: Uint32Array,
    from: number,
    to: number,
    verBits: number,
    bits: number,
  ): number {
    this.begin();
    const most = Math.min(to, from + BLOCK_CELLS_MAX);
    const first = this.rankOf(items[from]!);
    let live = 0;
    for (let i = from; i < most; i++) {
      if (this.learn(source, ticks, items[i]!)) live++;
      const count = i - from + 1;
      const span = this.rankOf(items[i]!) - first + 1;
      if (this.bits(count, live, riceBitsBound(span, count), verBits) > bits) return Math.max(1, i - from);
    }
    return most - from;
  }

  emit(
    writer: BitWriter,
    source: CellSource,
    ticks: Ticks,
    items: Uint32Array,
    from: number,
    to: number,
    verBase: number,
    verBits: number,
  ): void {
    this.begin();
    for (let i = from; i < to; i++) this.learn(source, ticks, items[i]!);
    const count = to - from;
    const first = count === 0 ? 0 : this.rankOf(items[from]!);
    const k = count === 0 ? 0 : riceParameter(this.rankOf(items[to - 1]!) - first + 1, count);
    writer.write(count, COUNT_BITS);
    writer.write(k, RICE_BITS);
    writer.write(first, COORDINATE_BITS);
    writer.write(this.ownerCount, COUNT_BITS);
    writer.write(this.ownerWidth, OWNER_WIDTH_BITS);
    writer.write(this.timerCount, TIMER_COUNT_BITS);
    writer.write(verBits, VER_BITS_BITS);
    for (let i = 0; i < this.ownerCount; i++) this.writeOwner(writer, this.owners[i]!);
    for (let i = 0; i < this.timerCount; i++) writer.write(this.timers[i]!, this.codeBits);
    const ownerBits = indexBits(this.ownerCount);
    const timerBits = indexBits(this.timerCount);
    const { timerBits: shift, remainderBits } = this.geometry;
    let before = first;
    for (let i = from; i < to; i++) {
      const coordinate = items[i]!;
      const rank = this.rankOf(coordinate);
      if (i > from) writer.writeRice(rank - before - 1, k);
      before = rank;
      if (verBits > 0) writer.write(source.vers[coordinate]! - verBase, verBits);
      const cell = source.cells[coordinate]!;
      const code = this.codeOf(cell, ticks);
      writer.write(this.timerIndex[code]!, timerBits);
      if (code === this.freeCode) continue;
      writer.write(cell >>> shift, remainderBits);
      writer.write(ownerIndex[source.owners[coordinate]!]!, ownerBits);
    }
  }

  /**
   * False when the block is cut short or lies; then nothing of the batch counts. `ticks`: the source's, when built; `now`:
   * as far as they are known to be, never before. A recording may be so late that what was over would come round as live.
   */
  parse(reader: BitReader, ticks: Ticks, now: Ticks, batch: CellBatch): boolean {
    batch.count = 0;
    const count = reader.read(COUNT_BITS);
    const k = reader.read(RICE_BITS);
    let rank = reader.read(COORDINATE_BITS);
    const ownerCount = reader.read(COUNT_BITS);
    const ownerWidth = reader.read(OWNER_WIDTH_BITS);
    const timerCount = reader.read(TIMER_COUNT_BITS);
    const verBits = reader.read(VER_BITS_BITS);
    if (ownerCount > count || timerCount > Math.min(count, this.freeCode + 1) || k > COORDINATE_BITS) return false;
    if (count > 0 && timerCount === 0) return false;
    if (ownerWidth > OWNER_BITS) return false;
    const shared = 2 ** ownerWidth - 1;
    for (let i = 0; i < ownerCount; i++) {
      const slot = reader.read(ownerWidth);
      this.owners[i] = slot === shared ? SLOT_SHARED : slot;
    }
    if (!this.readTimers(reader, ticks, now, timerCount)) return false;
    const ownerBits = indexBits(ownerCount);
    const timerBits = indexBits(timerCount);
    const { timerBits: shift, remainderBits, cells } = this.geometry;
    for (let i = 0; i < count; i++) {
      if (i > 0) rank += reader.readRice(k) + 1;
      batch.verOffsets[i] = reader.read(verBits);
      const timer = reader.read(timerBits);
      if (rank >= cells || timer >= timerCount || reader.failed) return false;
      batch.coordinates[i] = this.coordinateOf(rank);
      const field = this.timerFields[timer]!;
      if (field === FREED) {
        batch.cells[i] = 0;
        batch.owners[i] = 0;
        continue;
      }
      const cell = (reader.read(remainderBits) << shift) | field;
      batch.cells[i] = field === PASSED ? 0 : cell;
      const owner = reader.read(ownerBits);
      if (owner >= ownerCount) return false;
      batch.owners[i] = this.owners[owner]!;
    }
    if (!reader.atEnd) return false;
    batch.count = count;
    return true;
  }

  private readTimers(reader: BitReader, ticks: Ticks, now: Ticks, timerCount: number): boolean {
    const gone = [now.fast - ticks.fast, now.slow - ticks.slow] as const;
    for (let i = 0; i < timerCount; i++) {
      const code = reader.read(this.codeBits);
      const left = code & this.tickMask;
      if (code === this.freeCode) {
        this.timerFields[i] = FREED;
        continue;
      }
      if (left > this.geometry.liveMax) return false;
      const slow = code >>> this.geometry.tickBits;
      this.timerFields[i] = left < gone[slow]! ? PASSED : ticks.timer(slow, left);
    }
    return !reader.failed;
  }

  private rankOf(coordinate: number): number {
    const { places } = this;
    return places === 1 ? coordinate : (coordinate % places) * this.rows + Math.trunc(coordinate / places);
  }

  private coordinateOf(rank: number): number {
    return this.places === 1 ? rank : (rank % this.rows) * this.places + Math.trunc(rank / this.rows);
  }

  private begin(): void {
    stamp++;
    this.ownerCount = 0;
    this.ownerWidth = 1;
    this.timerCount = 0;
  }

  private writeOwner(writer: BitWriter, slot: number): void {
    writer.write(slot === SLOT_SHARED ? 2 ** this.ownerWidth - 1 : slot, this.ownerWidth);
  }

  /** Enters owner and timer of a cell into the dictionaries; whether it is live. */
  private learn(source: CellSource, ticks: Ticks, coordinate: number): boolean {
    const code = this.codeOf(source.cells[coordinate]!, ticks);
    if (this.timerStamp[code] !== stamp) {
      this.timerStamp[code] = stamp;
      this.timerIndex[code] = this.timerCount;
      this.timers[this.timerCount++] = code;
    }
    if (code === this.freeCode) return false;
    const owner = source.owners[coordinate]!;
    if (ownerStamp[owner] !== stamp) {
      ownerStamp[owner] = stamp;
      ownerIndex[owner] = this.ownerCount;
      this.owners[this.ownerCount++] = owner;
      // All ones are kept for the shared slot.
      if (owner !== SLOT_SHARED) this.ownerWidth = Math.max(this.ownerWidth, indexBits(owner + 2));
    }
    return true;
  }

  private codeOf(cell: number, ticks: Ticks): number {
    const left = cell === 0 ? -1 : ticks.left(cell);
    return left < 0 ? this.freeCode : (((cell >>> this.geometry.tickBits) & 1) << this.geometry.tickBits) | left;
  }

  private bits(count: number, live: number, riceBits: number, verBits: number): number {
    return (
      HEADER_BITS +
      this.ownerCount * this.ownerWidth +
      this.timerCount * this.codeBits +
      riceBits +
      count * (verBits + indexBits(this.timerCount)) +
      live * (this.geometry.remainderBits + indexBits(this.ownerCount))
    );
  }
}

/** The divisor with the lowest bound for gaps of `span / count` on average. */
function riceParameter(span: number, count: number): number {
  const mean = (span - count) / count;
  const near = mean < 1 ? 0 : 31 - Math.clz32(mean);
  const lower = Math.max(0, near - 1);
  return riceBits(span, count, lower) <= riceBits(span, count, near) ? lower : near;
}

function riceBits(span: number, count: number, k: number): number {
  return ((span - count) >>> k) + count * (k + 1);
}

/** No set of `count` coordinates within `span` needs more. */
function riceBitsBound(span: number, count: number): number {
  return riceBits(span, count, riceParameter(span, count));
}
