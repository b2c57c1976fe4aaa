import type { Geometry } from "../bloom/geometry.ts";
import type { PublishedCache } from "./published.ts";
import type { Ticks } from "./ticks.ts";

/**
 * The own table as the datapath last reported it, and which of it waits to be published. Reports say where something
 * changed and what stands there now; the newest counts, whether it came from a flush, from a dump or after an overflow.
 */
export class OwnTable {
  readonly cells: Uint32Array;
  readonly owners: Uint16Array;
  /** by slot: used cells */
  readonly cellsOfSlot = new Uint32Array(1 << 14);
  private readonly waits: Uint8Array;
  private readonly waiting: Uint32Array;
  private waitingCount = 0;
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
    return this.waitingCount;
  }

  note(coordinates: Uint32Array, cells: Uint32Array, owners: Uint16Array, count: number): void {
    for (let i = 0; i < count; i++) this.noteCell(coordinates[i]!, cells[i]!, owners[i]!);
  }

  /** What waits and still differs, ascending; it waits no more. The array is reused by the next call. */
  take(): Uint32Array {
    const taken = this.waiting.subarray(0, this.waitingCount);
    this.waitingCount = 0;
    taken.sort();
    let kept = 0;
    for (let i = 0; i < taken.length; i++) {
      const at = taken[i]!;
      this.waits[at] = 0;
      if (this.published.differs(at, this.cells[at]!, this.owners[at]!)) taken[kept++] = at;
    }
    return taken.subarray(0, kept);
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
    if (this.waits[coordinate] === 1) return;
    if (!this.published.differs(coordinate, this.cells[coordinate]!, this.owners[coordinate]!)) return;
    this.waits[coordinate] = 1;
    this.waiting[this.waitingCount++] = coordinate;
  }

  private set(coordinate: number, cell: number, owner: number): void {
    if (this.cells[coordinate] !== 0) this.cellsOfSlot[this.owners[coordinate]!]!--;
    if (cell !== 0) this.cellsOfSlot[owner]!++;
    this.cells[coordinate] = cell;
    this.owners[coordinate] = owner;
  }
}
