import type { Geometry } from "../bloom/geometry.ts";
import { REGIONS } from "../proxy/digest.ts";

export const UNIT_SLOTS = 8;
export const UNIT_CELLS = 64;

/**
 * What snapshots are asked and counted by: first the client slots, eight to a unit, then the cells, 64 to a unit. Any
 * unit fits into a datagram, so that a chunk is always a whole number of them.
 */
export class Units {
  readonly slotUnits: number;
  readonly cellUnits: number;
  readonly count: number;

  /** `geometry` undefined: of a source whose cells mean nothing here. */
  constructor(
    readonly slots: number,
    readonly geometry: Geometry | undefined,
  ) {
    this.slotUnits = Math.ceil(slots / UNIT_SLOTS);
    this.cellUnits = geometry ? Math.ceil(geometry.cells / UNIT_CELLS) : 0;
    this.count = this.slotUnits + this.cellUnits;
  }

  /** First unit of a region of the digest, and the first of the next. */
  ofRegion(region: number): { from: number; to: number } {
    const cells = (this.geometry?.cells ?? 0) / REGIONS;
    const from = this.slotUnits + Math.floor((region * cells) / UNIT_CELLS);
    const to = this.slotUnits + Math.ceil(((region + 1) * cells) / UNIT_CELLS);
    return { from, to };
  }
}
