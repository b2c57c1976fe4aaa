import type { Geometry } from "../bloom/geometry.ts";
import { Permutations } from "../bloom/permutation.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import type { Datapath } from "../datapath/datapath.ts";
import type { Mirror } from "./mirror.ts";
import type { OwnTable } from "./own-table.ts";
import { adoptedCode, type PhaseClock, type Phases } from "./phase.ts";
import type { Ticks } from "./ticks.ts";

const { SLOT_SHARED, SLOT_UNKNOWN, MARK_DIRTY } = CONSTANTS;

/** More expectations than this are no single client's. */
const CELLS_MAX = 8_192;

/** Expectations as integers that any table of the geometry places by itself, with what is left of each. */
export interface Expectations {
  readonly xHi: Uint32Array;
  readonly xLo: Uint32Array;
  /** speed << tick bits | ticks left */
  readonly codes: Uint8Array;
}

export interface CarryParts {
  readonly geometry: Geometry;
  readonly datapath: Pick<Datapath, "adopt">;
  readonly own: OwnTable;
  readonly ticks: Ticks;
  readonly phases: PhaseClock;
  nowMs(): number;
}

/** Takes a client's expectations out of a table, and puts them into ours. */
export class Carry {
  private readonly permutations: Permutations;

  constructor(private readonly parts: CarryParts) {
    this.permutations = new Permutations(parts.geometry);
  }

  /** Phases of the own table, as a source must state them. */
  phases(): Phases {
    const { phases, nowMs } = this.parts;
    const now = nowMs();
    return { fast: phases.atLatest(false, now), slow: phases.atLatest(true, now) };
  }

  /** Live cells of the slot alone, and those of which nobody knows for sure whose they are. */
  ofOwn(slot: number): Expectations {
    const { own, ticks } = this.parts;
    return this.of(
      coordinates(own.cells, (at) => mayBelong(own.ownerOf(at), slot) && ticks.left(own.cells[at]!) >= 0),
      (at) => own.cells[at]!,
      ticks,
    );
  }

  /** What a source published of a slot, in the source's numbering. */
  ofMirror(mirror: Mirror, slot: number): Expectations {
    return this.of(
      coordinates(mirror.cells, (at) => mayBelong(mirror.owners[at]!, slot)),
      (at) => mirror.cells[at]!,
      mirror.ticks,
    );
  }

  /**
   * Puts them into the own table, each with the largest timer that does not outlive what was left at the source. Marked
   * dirty: what was adopted is published from here, or idle flows would be lost at the next roam but one. Returns how many.
   */
  adopt(slot: number, expectations: Expectations, source: Phases): number {
    const kept = this.timed(expectations, source);
    const { datapath } = this.parts;
    if (kept.codes.length > 0) datapath.adopt(slot, MARK_DIRTY, kept.xHi, kept.xLo, kept.codes);
    return kept.codes.length;
  }

  /** As they may stand in the own table. */
  timed({ xHi, xLo, codes }: Expectations, source: Phases): Expectations {
    const { geometry, phases, nowMs } = this.parts;
    const now = nowMs();
    const own = { fast: phases.atEarliest(false, now), slow: phases.atEarliest(true, now) };
    const out = { xHi: Uint32Array.from(xHi), xLo: Uint32Array.from(xLo), codes: new Uint8Array(codes.length) };
    let kept = 0;
    for (let i = 0; i < codes.length; i++) {
      const code = adoptedCode(codes[i]!, source, own, geometry);
      if (code < 0) continue;
      out.xHi[kept] = xHi[i]!;
      out.xLo[kept] = xLo[i]!;
      out.codes[kept++] = code;
    }
    return { xHi: out.xHi.subarray(0, kept), xLo: out.xLo.subarray(0, kept), codes: out.codes.subarray(0, kept) };
  }

  /** Of cells that stand at these coordinates of any table. */
  of(at: readonly number[], cellAt: (coordinate: number) => number, ticks: Ticks): Expectations {
    const { geometry } = this.parts;
    const xHi = new Uint32Array(at.length);
    const xLo = new Uint32Array(at.length);
    const codes = new Uint8Array(at.length);
    at.forEach((coordinate, i) => {
      const cell = cellAt(coordinate);
      const x = this.permutations.xOf(coordinate, cell >>> geometry.timerBits);
      xHi[i] = x.hi;
      xLo[i] = x.lo;
      const slow = (cell >>> geometry.tickBits) & 1;
      codes[i] = (slow << geometry.tickBits) | Math.max(0, ticks.left(cell));
    });
    return { xHi, xLo, codes };
  }
}

function coordinates(cells: Uint32Array, isWanted: (at: number) => boolean): number[] {
  const found: number[] = [];
  for (let i = 0; i < cells.length && found.length < CELLS_MAX; i++) if (cells[i] !== 0 && isWanted(i)) found.push(i);
  return found;
}

function mayBelong(owner: number, slot: number): boolean {
  return owner === slot || owner === SLOT_SHARED || owner === SLOT_UNKNOWN;
}
