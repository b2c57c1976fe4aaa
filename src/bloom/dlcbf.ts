import { CONSTANTS } from "../datapath/abi.ts";
import type { Geometry } from "./geometry.ts";
import { Permutations } from "./permutation.ts";
import { cellOfCode, isLive, merge, rank } from "./timer.ts";

/**
 * The d-left counting Bloom filter of state expectations. A coordinate is (subtable * buckets + bucket) * cells + cell.
 *
 * Nothing here deletes or overwrites a live cell of somebody else: an insert takes a free cell or merges with the cell of
 * the same x, and a full table refuses. So a false positive costs strictness, and a false negative cannot happen.
 */
const { MARK_CLEAN, MARK_HELD, MARK_DIRTY, OP_SET, OWNER_MARK_SHIFT, OWNER_SLOT_MASK, SLOT_SHARED, DIRTY_CELLS } =
  CONSTANTS;

export const INSERTED = { unchanged: 0, changed: 1, full: 2 } as const;
export type Inserted = (typeof INSERTED)[keyof typeof INSERTED];

export class Dlcbf {
  readonly geometry: Geometry;
  readonly permutations: Permutations;
  readonly cells: Uint32Array;
  /** Owner slot and replication mark of each cell: `slot | mark << 14`. */
  readonly owners: Uint16Array;
  /** A byte for each 512 cells: something in there waits to be published. */
  readonly dirty: Uint8Array;
  /** Cells that are not free; passed but unswept ones count. */
  used = 0;
  /** Set with a dirty byte; who wants to know clears it. */
  raised = false;
  #fast = 0;
  #slow = 0;
  #fastModulo = 0;
  #slowModulo = 0;

  constructor(geometry: Geometry, permutations = new Permutations(geometry)) {
    this.geometry = geometry;
    this.permutations = permutations;
    this.cells = new Uint32Array(geometry.cells);
    this.owners = new Uint16Array(geometry.cells);
    this.dirty = new Uint8Array(Math.ceil(geometry.cells / DIRTY_CELLS));
  }

  /** Absolute ticks since the table was made. */
  get fast(): number {
    return this.#fast;
  }
  set fast(tick: number) {
    this.#fast = tick;
    this.#fastModulo = tick % this.geometry.modulus;
  }
  get slow(): number {
    return this.#slow;
  }
  set slow(tick: number) {
    this.#slow = tick;
    this.#slowModulo = tick % this.geometry.modulus;
  }

  /** Coordinate of the first live cell of x, or -1. */
  find(xHi: number, xLo: number): number {
    return this.seek(xHi, xLo, true);
  }

  /** Coordinate of the first used cell of x, live or not, or -1. */
  findUsed(xHi: number, xLo: number): number {
    return this.seek(xHi, xLo, false);
  }

  private seek(xHi: number, xLo: number, live: boolean): number {
    const { subtables, buckets, bucketCells, timerBits } = this.geometry;
    const { permutations, cells } = this;
    for (let subtable = 0; subtable < subtables; subtable++) {
      permutations.place(subtable, xHi, xLo);
      const remainder = permutations.remainder;
      const start = (subtable * buckets + permutations.bucket) * bucketCells;
      for (let at = start; at < start + bucketCells; at++) {
        const cell = cells[at]!;
        if (cell !== 0 && cell >>> timerBits === remainder && (!live || this.isLive(cell))) return at;
      }
    }
    return -1;
  }

  /** OP_MAX: x lives at least as long as `code` says. OP_SET: exactly as long. */
  insert(xHi: number, xLo: number, code: number, op: number, slot: number, mark: number): Inserted {
    const at = this.findUsed(xHi, xLo);
    return at < 0 ? this.#insertNew(xHi, xLo, code, slot, mark) : this.#refresh(at, code, op, slot, mark);
  }

  #refresh(at: number, code: number, op: number, slot: number, mark: number): Inserted {
    const old = this.cells[at]!;
    const live = this.isLive(old);
    const wanted = live && op !== OP_SET ? merge(this.rank(old), code, this.geometry) : code;
    const cell = this.#cell(old >>> this.geometry.timerBits, wanted);
    if (cell === old) return INSERTED.unchanged;
    this.cells[at] = cell;
    const owner = this.owners[at]! & OWNER_SLOT_MASK;
    this.#own(at, live && owner !== slot ? SLOT_SHARED : slot, this.owners[at]! >>> OWNER_MARK_SHIFT, mark);
    return INSERTED.changed;
  }

  /** The least used bucket, leftmost on a tie: what lets 4x1024x8 fill to 90 % before anything is refused. */
  #insertNew(xHi: number, xLo: number, code: number, slot: number, mark: number): Inserted {
    const { subtables, buckets, bucketCells } = this.geometry;
    const { permutations, cells } = this;
    let fewest = bucketCells;
    let best = -1;
    let bestRemainder = 0;
    for (let subtable = 0; subtable < subtables; subtable++) {
      permutations.place(subtable, xHi, xLo);
      const start = (subtable * buckets + permutations.bucket) * bucketCells;
      let used = 0;
      let free = -1;
      for (let at = start + bucketCells - 1; at >= start; at--) {
        if (cells[at] === 0) free = at;
        else used++;
      }
      if (used < fewest) {
        fewest = used;
        best = free;
        bestRemainder = permutations.remainder;
      }
    }
    if (best < 0) return INSERTED.full;
    cells[best] = this.#cell(bestRemainder, code);
    this.used++;
    this.#own(best, slot, MARK_CLEAN, mark);
    return INSERTED.changed;
  }

  /** x lives at most as long as `code` says. */
  min(xHi: number, xLo: number, code: number, mark: number): Inserted {
    const at = this.find(xHi, xLo);
    if (at < 0 || this.rank(this.cells[at]!) <= code) return INSERTED.unchanged;
    this.cells[at] = this.#cell(this.cells[at]! >>> this.geometry.timerBits, code);
    this.#own(at, this.owners[at]! & OWNER_SLOT_MASK, this.owners[at]! >>> OWNER_MARK_SHIFT, mark);
    return INSERTED.changed;
  }

  /** x is no longer expected. The owner word stays: the freeing may have to be published. */
  drop(xHi: number, xLo: number, mark: number): Inserted {
    const at = this.find(xHi, xLo);
    if (at < 0) return INSERTED.unchanged;
    this.cells[at] = 0;
    this.used--;
    this.#own(at, this.owners[at]! & OWNER_SLOT_MASK, this.owners[at]! >>> OWNER_MARK_SHIFT, mark);
    return INSERTED.changed;
  }

  /** The cell's content has been superseded before it was published: nobody needs to hear of it. */
  withholdHeld(at: number): void {
    const mark = this.owners[at]! >>> OWNER_MARK_SHIFT;
    if (mark === MARK_HELD || mark === CONSTANTS.MARK_AGED) this.owners[at] = this.owners[at]! & OWNER_SLOT_MASK;
  }

  /** Writes a cell from outside (a mirror's content); 0 frees. */
  setCell(at: number, cell: number): void {
    this.used += (cell === 0 ? 0 : 1) - (this.cells[at] === 0 ? 0 : 1);
    this.cells[at] = cell;
  }

  /** Frees what has passed. Must run at least once in (modulus - liveMax) ticks of each speed. Returns the number freed. */
  sweep(): number {
    let freed = 0;
    for (let at = 0; at < this.cells.length; at++) {
      const cell = this.cells[at]!;
      if (cell === 0 || this.isLive(cell)) continue;
      this.cells[at] = 0;
      this.owners[at] = 0;
      freed++;
    }
    this.used -= freed;
    return freed;
  }

  clear(): void {
    this.cells.fill(0);
    this.owners.fill(0);
    this.dirty.fill(0);
    this.used = 0;
    this.raised = false;
  }

  /** Numbers of the blocks of 512 cells in which something waits to be published; forgets them. */
  takeDirty(): number[] {
    const blocks: number[] = [];
    this.dirty.forEach((byte, block) => {
      if (byte !== 0) blocks.push(block);
    });
    this.dirty.fill(0);
    return blocks;
  }

  isLive(cell: number): boolean {
    return isLive(cell, this.#fastModulo, this.#slowModulo, this.geometry);
  }

  /** The code that a live cell now stands for. */
  rank(cell: number): number {
    return rank(cell, this.#fastModulo, this.#slowModulo, this.geometry);
  }

  #cell(remainder: number, code: number): number {
    return cellOfCode(remainder, code, this.#fastModulo, this.#slowModulo, this.geometry);
  }

  /** Owner and mark of a cell that has just changed. DIRTY beats HELD: what must go out soon is never put off again. */
  #own(at: number, slot: number, markBefore: number, step: number): void {
    let mark = markBefore;
    if (step === MARK_DIRTY || (step === MARK_HELD && markBefore === MARK_CLEAN)) mark = step;
    this.owners[at] = slot | (mark << OWNER_MARK_SHIFT);
    if (step === MARK_CLEAN) return;
    this.dirty[Math.floor(at / DIRTY_CELLS)] = 1;
    this.raised = true;
  }
}
