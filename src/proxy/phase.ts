import type { Geometry } from "../bloom/geometry.ts";

/** A phase is the share of the present tick that has gone by, in 256ths. */
const WHOLE = 256;

/** When the present ticks of a table began, on this AP's clock. */
export class PhaseClock {
  private fastBeganMs = Number.NaN;
  private slowBeganMs = Number.NaN;

  constructor(private readonly geometry: Geometry) {}

  fastBegan(nowMs: number): void {
    this.fastBeganMs = nowMs;
  }

  slowBegan(nowMs: number): void {
    this.slowBeganMs = nowMs;
  }

  /** What a hello said. */
  set(fastPhase: number, slowPhase: number, nowMs: number): void {
    this.fastBeganMs = nowMs - (fastPhase / WHOLE) * this.geometry.fastTickMs;
    this.slowBeganMs = nowMs - (slowPhase / WHOLE) * this.geometry.slowTickMs;
  }

  /** Never too small, as a source must state it: what is left is then not overstated. Unknown: the tick is over. */
  atLatest(slow: boolean, nowMs: number): number {
    const share = this.share(slow, nowMs);
    return Number.isNaN(share) ? WHOLE - 1 : Math.min(WHOLE - 1, Math.ceil(share * WHOLE));
  }

  /** Never too large, as a receiver must use it. Unknown: the tick has just begun. */
  atEarliest(slow: boolean, nowMs: number): number {
    const share = this.share(slow, nowMs);
    return Number.isNaN(share) ? 0 : Math.min(WHOLE - 1, Math.floor(share * WHOLE));
  }

  private share(slow: boolean, nowMs: number): number {
    const began = slow ? this.slowBeganMs : this.fastBeganMs;
    return Math.max(0, nowMs - began) / (slow ? this.geometry.slowTickMs : this.geometry.fastTickMs);
  }
}

export interface Phases {
  readonly fast: number;
  readonly slow: number;
}

/**
 * The largest code at `own` that does not outlive `code` at `source`, or -1 when there is none. Copying what is left, or
 * rounding it up, would let a flow without any packet live for ever by going to and fro; rounding down costs it at most
 * one tick for each new AP.
 */
export function adoptedCode(code: number, source: Phases, own: Phases, geometry: Geometry): number {
  const slow = (code >>> geometry.tickBits) & 1;
  const left = code & geometry.modulus;
  const fits = slow ? own.slow >= source.slow : own.fast >= source.fast;
  const kept = fits ? left : left - 1;
  // A code of no ticks is none: what is in its last tick may end with it.
  return kept < 1 ? -1 : (slow << geometry.tickBits) | kept;
}
