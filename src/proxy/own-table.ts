import type { Geometry } from "../bloom/geometry.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import { type PublishedCache, URGENCY } from "./published.ts";
import type { Ticks } from "./ticks.ts";

const { SLOT_UNKNOWN } = CONSTANTS;

/**
 * The own table as the datapath last reported it, and which of it waits to be published. Reports say where something
 * changed and what stands there now; the newest counts, whether it came from a flush, from a dump or after an overflow.
 */
export class OwnTable {
  readonly cells: Uint32Array;
  readonly owners: Uint16Array;
  /** by slot: used cells */
  readonly cellsOfSlot = new Uint32Array(1 << 14);
  /** Slots that cells stand under, and nobody knows of which client: their records ended before this agent began. */
  readonly nameless = new Set<number>();
  /** by coordinate: its urgency while it waits */
  private readonly waits: Uint8Array;
  /** Changes that wait; refreshes are found by their mark, from `cursor` on, so that none waits for another twice. */
  private readonly waiting: Uint32Array;
  /** Changes and refreshes that wait. */
  changes = 0;
  refreshes = 0;
  private cursor = 0;
  private seen: Uint8Array | undefined;

  constructor(
    geometry: Geometry,
    private readonly published: PublishedCache,
    private readonly ticks: Ticks,
  ) {
    this.cells = new Uint32Array(geometry.cells);
    this.owners = new Uint16Array(geometry.cells);
    this.waits = new Uint8Array(geometry.cells);
    this.waiting = new Uint32Array(geometry.cells);
  }

  get pending(): number {
    return this.changes + this.refreshes;
  }

  note(coordinates: Uint32Array, cells: Uint32Array, owners: Uint16Array, count: number): void {
    for (let i = 0; i < count; i++) this.noteCell(coordinates[i]!, cells[i]!, owners[i]!);
  }

  /** The slot under which neighbours hear of a cell: one that nobody can name may be any client's. */
  ownerTold(owner: number): number {
    return this.nameless.has(owner) ? SLOT_UNKNOWN : owner;
  }

  ownerOf(coordinate: number): number {
    return this.ownerTold(this.owners[coordinate]!);
  }

  /** Of slots 1 to `slots` - 1: those with cells that `isNamed` does not know have no name from now on. */
  forgetNames(slots: number, isNamed: (slot: number) => boolean): void {
    for (let slot = 1; slot < slots; slot++) if (this.cellsOfSlot[slot]! > 0 && !isNamed(slot)) this.nameless.add(slot);
  }

  get isRereading(): boolean {
    return this.seen !== undefined;
  }

  isWaiting(coordinate: number): boolean {
    return this.waits[coordinate] !== URGENCY.none;
  }

  /**
   * All changes and at most `refreshesMost` refreshes that wait and still differ, in no order; they wait no more. The array
   * is reused by the next call.
   */
  take(refreshesMost: number): Uint32Array {
    let kept = 0;
    for (let i = 0; i < this.changes; i++) {
      const at = this.waiting[i]!;
      this.waits[at] = URGENCY.none;
      if (this.urgency(at) !== URGENCY.none) this.waiting[kept++] = at;
    }
    this.changes = 0;
    const end = kept + refreshesMost;
    for (; this.refreshes > 0 && kept < end; this.cursor = (this.cursor + 1) % this.waits.length) {
      if (this.waits[this.cursor] !== URGENCY.refresh) continue;
      this.waits[this.cursor] = URGENCY.none;
      this.refreshes--;
      if (this.urgency(this.cursor) !== URGENCY.none) this.waiting[kept++] = this.cursor;
    }
    return this.waiting.subarray(0, kept);
  }

  /** From here to `endReread` every cell that is reported is known to be used; the others are known to be free. */
  beginReread(): void {
    this.seen = new Uint8Array(this.cells.length);
  }

  endReread(): void {
    const seen = this.seen;
    this.seen = undefined;
    for (let i = 0; seen && i < seen.length; i++) {
      if (seen[i] === 0 && this.cells[i] !== 0) this.noteCell(i, 0, 0);
    }
  }

  /**
   * Ticks went on. What has passed is free: the datapath does not report it. A refresh that was not worth a record may be
   * worth one now, when what neighbours know has fallen further behind in proportion.
   */
  sweep(): void {
    for (let i = 0; i < this.cells.length; i++) {
      if (this.cells[i] === 0) continue;
      if (this.ticks.left(this.cells[i]!) < 0) this.set(i, 0, 0);
      else this.compare(i);
    }
  }

  private noteCell(coordinate: number, cell: number, owner: number): void {
    this.set(coordinate, cell, owner);
    if (this.seen) this.seen[coordinate] = 1;
    this.compare(coordinate);
  }

  private compare(coordinate: number): void {
    if (this.waits[coordinate] === URGENCY.change) return;
    const urgency = this.urgency(coordinate);
    if (urgency === this.waits[coordinate] || urgency === URGENCY.none) return;
    if (urgency === URGENCY.refresh) this.refreshes++;
    else {
      if (this.waits[coordinate] === URGENCY.refresh) this.refreshes--;
      this.waiting[this.changes++] = coordinate;
    }
    this.waits[coordinate] = urgency;
  }

  private urgency(coordinate: number) {
    return this.published.urgency(coordinate, this.cells[coordinate]!, this.ownerOf(coordinate));
  }

  private set(coordinate: number, cell: number, owner: number): void {
    if (this.cells[coordinate] !== 0) this.left(this.owners[coordinate]!);
    if (cell !== 0) this.cellsOfSlot[owner]!++;
    this.cells[coordinate] = cell;
    this.owners[coordinate] = owner;
  }

  private left(slot: number): void {
    // Without cells it may be given to another client.
    if (--this.cellsOfSlot[slot]! === 0) this.nameless.delete(slot);
  }
}
