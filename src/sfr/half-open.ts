import type { Dlcbf } from "../bloom/dlcbf.ts";
import { CONSTANTS } from "../datapath/abi.ts";

/**
 * Openings that nobody has answered yet, by client slot and by the side that opened. A byte for each cell says that it is
 * one, and whose: a cell itself does not tell its state. Counted up and down as packets pass, and anew by every sweep, which
 * forgets those that expired and what races between two CPUs lost. Only clients with a limit are counted.
 */
export class HalfOpen {
  /** by coordinate: 1 + the side that opened, 0 = not waiting for an answer */
  readonly opener: Uint8Array;
  /** by slot * 2 + side */
  readonly counts: Uint32Array;

  constructor(
    private readonly table: Dlcbf,
    slots: number,
  ) {
    this.opener = new Uint8Array(table.cells.length);
    this.counts = new Uint32Array(slots * 2);
  }

  of(slot: number, side: number): number {
    return this.counts[slot * 2 + side]!;
  }

  begin(at: number, slot: number, side: number): void {
    this.opener[at] = 1 + side;
    this.counts[slot * 2 + side]!++;
  }

  /** An answer passed. The slot is that of the packet's client: who shares the cell is counted right by the next sweep. */
  end(at: number, slot: number): void {
    const opener = this.opener[at]!;
    if (opener === 0) return;
    this.opener[at] = 0;
    const counter = slot * 2 + opener - 1;
    if (this.counts[counter]! > 0) this.counts[counter]!--;
  }

  /** After the sweep of the table. */
  recount(): void {
    const { cells, owners } = this.table;
    this.counts.fill(0);
    for (let at = 0; at < cells.length; at++) {
      if (cells[at] === 0) this.opener[at] = 0;
      const slot = owners[at]! & CONSTANTS.OWNER_SLOT_MASK;
      if (this.opener[at] === 0 || slot * 2 >= this.counts.length) continue;
      this.counts[slot * 2 + this.opener[at]! - 1]!++;
    }
  }
}
