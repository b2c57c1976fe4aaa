import type { Geometry } from "../bloom/geometry.ts";

/** A phase is the share of the present tick that has gone by, in 256ths. */
export const WHOLE = 256;
/** Quartz differs by a tenth of this. */
const CLOCKS_DIFFER = 1 / 1_000;

/** When ticks of a table began, on this AP's clock. */
export class PhaseClock {
  private fastBeganMs = Number.NaN;
  private slowBeganMs = Number.NaN;
  /** The ticks that began then. */
  private fastTick = 0;
  private slowTick = 0;
  private heardMs = Number.NaN;

  constructor(private readonly geometry: Geometry) {}

  fastBegan(nowMs: number): void {
    this.fastBeganMs = nowMs;
  }

  slowBegan(nowMs: number): void {
    this.slowBeganMs = nowMs;
  }

  /**
   * What a hello said of its source's present ticks. Ticks come at equal distances, so a hello that was long on its way
   * shows itself, and moves nothing: to believe it would make what is left at the source look longer.
   */
  set(fastPhase: number, slowPhase: number, ticks: Phases, nowMs: number): void {
    const { fastTickMs, slowTickMs } = this.geometry;
    const driftMs = (nowMs - this.heardMs) * CLOCKS_DIFFER;
    const expected = (beganMs: number, passed: number) => beganMs + passed + driftMs;
    const fastMs = expected(this.fastBeganMs, (ticks.fast - this.fastTick) * fastTickMs);
    const slowMs = expected(this.slowBeganMs, (ticks.slow - this.slowTick) * slowTickMs);
    this.fastBeganMs = earlier(nowMs - (fastPhase / WHOLE) * fastTickMs, fastMs);
    this.slowBeganMs = earlier(nowMs - (slowPhase / WHOLE) * slowTickMs, slowMs);
    this.fastTick = ticks.fast;
    this.slowTick = ticks.slow;
    this.heardMs = nowMs;
  }

  /**
   * As `atLatest`, of a source whose `ticks` we know, and which may have had more that nobody told of: those count as 256
   * each. Who is silent grows older all the same.
   */
  ofSource(nowMs: number, ticks: Phases): Phases {
    return { fast: this.unheard(false, nowMs, ticks.fast), slow: this.unheard(true, nowMs, ticks.slow) };
  }

  private unheard(slow: boolean, nowMs: number, tick: number): number {
    const share = this.share(slow, nowMs) - (tick - (slow ? this.slowTick : this.fastTick));
    return Number.isNaN(share) ? WHOLE - 1 : Math.max(0, Math.ceil(share * WHOLE));
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
  const said = slow ? source.slow : source.fast;
  // The largest share that can be said stands for all beyond it: then the tick is over.
  const phase = said % WHOLE === WHOLE - 1 ? said + 1 : said;
  const unheard = Math.floor(phase / WHOLE);
  const fits = (slow ? own.slow : own.fast) >= phase - unheard * WHOLE;
  const kept = (fits ? left : left - 1) - unheard;
  if (kept >= 1) return (slow << geometry.tickBits) | kept;
  // A code of no ticks is none. The last slow tick is many fast ones; what is in its last fast tick may end with it.
  return slow ? fastCode((left + 1 - phase / WHOLE) * geometry.slowTickMs, own.fast, geometry) : -1;
}

/** The most fast ticks that are over in so many ms, or -1. */
function fastCode(leftMs: number, ownPhase: number, { fastTickMs, liveMax }: Geometry): number {
  const ticks = Math.floor(leftMs / fastTickMs - 1 + ownPhase / WHOLE);
  return ticks < 1 ? -1 : Math.min(liveMax, ticks);
}

/** `expectedMs` may be unknown. */
function earlier(saidMs: number, expectedMs: number): number {
  return Number.isNaN(expectedMs) ? saidMs : Math.min(saidMs, expectedMs);
}
