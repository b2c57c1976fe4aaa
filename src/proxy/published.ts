import type { Geometry } from "../bloom/geometry.ts";
import { Digest } from "./digest.ts";
import type { Ticks } from "./ticks.ts";

/** How soon neighbours must hear of a cell: not at all, when there is room, at the next flush. */
export const URGENCY = { none: 0, refresh: 1, change: 2 } as const;
export type Urgency = (typeof URGENCY)[keyof typeof URGENCY];

/**
 * What was last published of the own table: the thing that mirrors equal. Each coordinate keeps its `ver`, used or
 * free, for ever: a free cell without one could be brought back by an older message that comes late. A doubly linked
 * list runs through all items in the order of their `ver`, so that a repair finds its range without a scan.
 *
 *   items: cells 0..cells-1, then the rights of client slots 0..slots-1
 */
export class PublishedCache {
  readonly cells: Uint32Array;
  readonly owners: Uint16Array;
  /** by item; 0: never published */
  readonly vers: Uint32Array;
  readonly digest: Digest;
  readonly items: number;
  /** Used cells. */
  used = 0;
  private readonly next: Int32Array;
  private readonly previous: Int32Array;
  private readonly sentinel: number;

  constructor(
    readonly geometry: Geometry,
    readonly slots: number,
    private readonly ticks: Ticks,
  ) {
    this.items = geometry.cells + slots;
    this.sentinel = this.items;
    this.cells = new Uint32Array(geometry.cells);
    this.owners = new Uint16Array(geometry.cells);
    this.vers = new Uint32Array(this.items);
    this.next = new Int32Array(this.items + 1).fill(-1);
    this.previous = new Int32Array(this.items + 1).fill(-1);
    this.next[this.sentinel] = this.sentinel;
    this.previous[this.sentinel] = this.sentinel;
    this.digest = new Digest(geometry.cells);
  }

  /**
   * Whether neighbours must hear of a cell: another flow in it, freed, another speed, lowered, another owner. A mere
   * refresh is worth a record when what they know has fallen below three quarters, or every busy flow would cost one
   * each phase; below a half it may wait no longer.
   */
  urgency(coordinate: number, cell: number, owner: number): Urgency {
    const known = this.cells[coordinate]!;
    const left = this.ticks.left(cell);
    const knownLeft = known === 0 ? -1 : this.ticks.left(known);
    if (left < 0) return knownLeft >= 0 ? URGENCY.change : URGENCY.none;
    if (knownLeft < 0 || left < knownLeft || this.identity(known) !== this.identity(cell)) return URGENCY.change;
    if (this.owners[coordinate] !== owner || knownLeft * 2 < left) return URGENCY.change;
    return knownLeft * 4 < left * 3 ? URGENCY.refresh : URGENCY.none;
  }

  /** `cell` 0 frees. The item goes to the young end of the list. */
  publish(coordinate: number, cell: number, owner: number, ver: number): void {
    this.write(coordinate, cell, owner);
    this.touch(coordinate, ver);
  }

  publishSlot(slot: number, ver: number): void {
    this.touch(this.geometry.cells + slot, ver);
  }

  /** Frees what has passed, as every mirror does at these ticks; `ver` stays, nothing is sent. */
  sweep(): void {
    for (let i = 0; i < this.cells.length; i++) {
      if (this.cells[i] !== 0 && this.ticks.left(this.cells[i]!) < 0) this.write(i, 0, 0);
    }
  }

  /** The oldest item whose `ver` is at least `from`, or -1. Walks from the young end: gaps are young. */
  firstFrom(from: number): number {
    let found = -1;
    for (let i = this.previous[this.sentinel]!; i !== this.sentinel && this.vers[i]! >= from; i = this.previous[i]!)
      found = i;
    return found;
  }

  /** The next younger item, or -1. */
  after(item: number): number {
    const next = this.next[item]!;
    return next === this.sentinel ? -1 : next;
  }

  /** All that was published counts as one change set of a new epoch. */
  renumber(ver: number): void {
    for (let i = this.next[this.sentinel]!; i !== this.sentinel; i = this.next[i]!) this.vers[i] = ver;
  }

  private write(coordinate: number, cell: number, owner: number): void {
    const before = this.cells[coordinate]!;
    if (before !== 0) {
      this.digest.toggle(coordinate, before, this.owners[coordinate]!);
      this.used--;
    }
    if (cell !== 0) {
      this.digest.toggle(coordinate, cell, owner);
      this.used++;
    }
    this.cells[coordinate] = cell;
    this.owners[coordinate] = cell === 0 ? 0 : owner;
  }

  private touch(item: number, ver: number): void {
    const { next, previous, sentinel } = this;
    if (next[item] !== -1) {
      next[previous[item]!] = next[item]!;
      previous[next[item]!] = previous[item]!;
    }
    const last = previous[sentinel]!;
    next[last] = item;
    previous[item] = last;
    next[item] = sentinel;
    previous[sentinel] = item;
    this.vers[item] = ver;
  }

  /** Remainder and speed. */
  private identity(cell: number): number {
    return cell >>> this.geometry.tickBits;
  }
}
