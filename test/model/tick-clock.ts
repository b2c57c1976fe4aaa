import type { Geometry } from "../../src/bloom/geometry.ts";

/** Catching up after a standstill goes at this multiple of the usual pace. */
const CATCH_UP = 4;

/** The ticks that one table should have had, and those that its roamwalld gave it. */
export class TickClock {
  fast: number;
  slow: number;
  private nextFastMs: number;
  private nextSlowMs: number;
  private stoppedMs: number | undefined;

  /** `bornMs`: when tick 0 would have begun; differs from table to table. */
  constructor(
    private readonly geometry: Geometry,
    private readonly bornMs: number,
    nowMs: number,
  ) {
    this.fast = this.dueFast(nowMs);
    this.slow = this.dueSlow(nowMs);
    this.nextFastMs = this.fastBeginsMs(this.fast + 1);
    this.nextSlowMs = this.slowBeginsMs(this.slow + 1);
  }

  dueFast(nowMs: number): number {
    return Math.floor((nowMs - this.bornMs) / this.geometry.fastTickMs);
  }

  dueSlow(nowMs: number): number {
    return Math.floor((nowMs - this.bornMs) / this.geometry.slowTickMs);
  }

  fastBeginsMs(tick: number): number {
    return this.bornMs + tick * this.geometry.fastTickMs;
  }

  slowBeginsMs(tick: number): number {
    return this.bornMs + tick * this.geometry.slowTickMs;
  }

  stop(nowMs: number): void {
    this.stoppedMs ??= nowMs;
  }

  /** Goes on, and tells how long it stood. */
  go(nowMs: number): number {
    const stoodMs = this.stoppedMs === undefined ? 0 : nowMs - this.stoppedMs;
    this.stoppedMs = undefined;
    return stoodMs;
  }

  get stands(): boolean {
    return this.stoppedMs !== undefined;
  }

  nextAtMs(): number {
    return this.stands ? Number.POSITIVE_INFINITY : Math.min(this.nextFastMs, this.nextSlowMs);
  }

  /** One tick at a time, at most one of each speed. */
  advance(nowMs: number): void {
    if (this.stands) return;
    const { fastTickMs, slowTickMs } = this.geometry;
    if (nowMs >= this.nextFastMs) {
      this.fast++;
      const isLate = this.fast < this.dueFast(nowMs);
      this.nextFastMs = isLate ? nowMs + fastTickMs / CATCH_UP : this.fastBeginsMs(this.fast + 1);
    }
    if (nowMs >= this.nextSlowMs) {
      this.slow++;
      const isLate = this.slow < this.dueSlow(nowMs);
      this.nextSlowMs = isLate ? nowMs + slowTickMs / CATCH_UP : this.slowBeginsMs(this.slow + 1);
    }
  }
}
