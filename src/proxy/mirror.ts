import type { Geometry } from "../bloom/geometry.ts";
import { Permutations } from "../bloom/permutation.ts";
import type { Datapath } from "../datapath/datapath.ts";
import { Digest } from "./digest.ts";
import { Ticks } from "./ticks.ts";

const BATCH = 1024;

/** Cells as a datagram names them, by ascending coordinate. */
export interface CellsRead {
  readonly coordinates: ArrayLike<number>;
  readonly cells: ArrayLike<number>;
  readonly owners: ArrayLike<number>;
  readonly count: number;
}

/**
 * A neighbour's published cache, as far as it was heard: content, `ver` and owner of every coordinate. What is written
 * here is written through to the datapath's mirror of the same number, which the packets ask.
 */
export class Mirror {
  readonly cells: Uint32Array;
  readonly owners: Uint16Array;
  readonly vers: Uint32Array;
  readonly digest: Digest;
  readonly ticks: Ticks;
  used = 0;
  /** by source slot: live cells; counted at each sweep and kept by each write */
  readonly cellsOfSlot = new Uint32Array(1 << 14);
  private readonly batch = new Uint32Array(2 * BATCH);
  private batched = 0;
  private readonly permutations: Permutations;

  /** The datapath has its ticks: a table that has just begun counts from zero, and another may have had this mirror before. */
  private isTimed = false;

  constructor(
    readonly index: number,
    readonly geometry: Geometry,
    private readonly datapath: Pick<Datapath, "mirrorCells" | "clearMirror" | "mirrorTicks" | "lower">,
    private readonly writeThrough = false,
  ) {
    this.cells = new Uint32Array(geometry.cells);
    this.owners = new Uint16Array(geometry.cells);
    this.vers = new Uint32Array(geometry.cells);
    this.digest = new Digest(geometry.cells);
    this.ticks = new Ticks(geometry);
    this.permutations = new Permutations(geometry);
    datapath.clearMirror(index);
  }

  /** Takes the cell when `ver` is newer than what is known of this coordinate. */
  apply(coordinate: number, cell: number, owner: number, ver: number): void {
    if (ver <= this.vers[coordinate]!) return;
    this.vers[coordinate] = ver;
    this.write(coordinate, cell, owner);
  }

  /**
   * A snapshot's view of the coordinates `from` to `to` (exclusive), those that are not named free: wins on a tie, since
   * it was read after that `ver` was published.
   */
  applySnapshot(from: number, to: number, asOf: number, named: CellsRead): void {
    const { vers, cells } = this;
    let next = 0;
    for (let at = from; at < to; at++) {
      const i = next < named.count && named.coordinates[next] === at ? next++ : -1;
      if (asOf < vers[at]!) continue;
      vers[at] = asOf;
      if (i >= 0) this.write(at, named.cells[i]!, named.owners[i]!);
      else if (cells[at] !== 0) this.write(at, 0, 0);
    }
  }

  /** Ticks of the source never go back: a late message carries old ones. */
  advance(fast: number, slow: number): void {
    const toFast = Math.max(fast, this.ticks.fast);
    const toSlow = Math.max(slow, this.ticks.slow);
    if (this.isTimed && toFast === this.ticks.fast && toSlow === this.ticks.slow) return;
    this.isTimed = true;
    this.flush();
    this.datapath.mirrorTicks(this.index, toFast, toSlow);
    this.ticks.advance(toFast, toSlow, () => this.sweep());
  }

  /** Sends the datapath what was written since the last flush. */
  flush(): void {
    if (this.batched === 0) return;
    this.datapath.mirrorCells(this.index, this.batch, this.batched);
    this.batched = 0;
  }

  /** A new epoch on the same table counts from the start; the contents stay. */
  forgetVers(): void {
    this.vers.fill(0);
  }

  private sweep(): void {
    if (this.used === 0) return;
    for (let i = 0; i < this.cells.length; i++) {
      // The datapath frees it by the same ticks: nothing to send.
      if (this.cells[i] !== 0 && this.ticks.left(this.cells[i]!) < 0) this.set(i, 0, 0);
    }
  }

  private write(coordinate: number, cell: number, owner: number): void {
    if (cell !== 0 && this.ticks.left(cell) < 0) cell = 0;
    const same = this.cells[coordinate] === cell;
    if (same && this.owners[coordinate] === (cell === 0 ? 0 : owner)) return;
    if (this.writeThrough && !same) this.lowerOwn(this.cells[coordinate]!, cell, coordinate);
    this.set(coordinate, cell, owner);
    if (same) return;
    if (this.batched === BATCH) this.flush();
    this.batch[2 * this.batched] = coordinate;
    this.batch[2 * this.batched++ + 1] = cell;
  }

  /** The neighbour saw the end of a flow whose other half may pass here: only FIN and RST ever shorten a live cell. */
  private lowerOwn(before: number, cell: number, coordinate: number): void {
    const { timerBits, tickBits } = this.geometry;
    if (before === 0 || cell === 0 || before >>> timerBits !== cell >>> timerBits) return;
    const [was, is] = [this.code(before), this.code(cell)];
    // A code without ticks is none; a moment later there is nothing to shorten.
    if (is >= was || is % 2 ** tickBits === 0) return;
    const { hi, lo } = this.permutations.xOf(coordinate, cell >>> timerBits);
    this.datapath.lower([hi], [lo], [is]);
  }

  /** What is left of a live cell. */
  private code(cell: number): number {
    const { tickBits } = this.geometry;
    return (((cell >>> tickBits) & 1) << tickBits) | this.ticks.left(cell);
  }

  private set(coordinate: number, cell: number, owner: number): void {
    const before = this.cells[coordinate]!;
    if (before !== 0) {
      const was = this.owners[coordinate]!;
      this.digest.toggle(coordinate, before, was);
      this.cellsOfSlot[was]!--;
      this.used--;
    }
    if (cell !== 0) {
      this.digest.toggle(coordinate, cell, owner);
      this.cellsOfSlot[owner]!++;
      this.used++;
    }
    this.cells[coordinate] = cell;
    this.owners[coordinate] = cell === 0 ? 0 : owner;
  }
}
