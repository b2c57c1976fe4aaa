import type { Geometry } from "../bloom/geometry.ts";

/** The two tick counters of one table, its own or a mirror's source's: absolute counts, and modulo the tick range. */
export class Ticks {
  fast = 0;
  slow = 0;
  fastModulo = 0;
  slowModulo = 0;
  private readonly tickBits: number;
  private readonly tickMask: number;
  private readonly modulus: number;
  private readonly liveMax: number;

  constructor(geometry: Geometry) {
    this.tickBits = geometry.tickBits;
    this.tickMask = (1 << geometry.tickBits) - 1;
    this.modulus = geometry.modulus;
    this.liveMax = geometry.liveMax;
  }

  /** Returns whether anything changed. */
  set(fast: number, slow: number): boolean {
    if (fast === this.fast && slow === this.slow) return false;
    this.fast = fast;
    this.slow = slow;
    this.fastModulo = fast % this.modulus;
    this.slowModulo = slow % this.modulus;
    return true;
  }

  /**
   * As `set`, but in steps so short that no cell's expiry can pass unseen and come round again as live, however long
   * nothing was heard: `sweep` runs after each and frees what has passed.
   */
  advance(fast: number, slow: number, sweep: () => void): void {
    const slack = this.modulus - 1 - this.liveMax;
    let [f, s] = [this.near(this.fast, fast), this.near(this.slow, slow)];
    while (f !== fast || s !== slow) {
      f = Math.min(fast, f + slack);
      s = Math.min(slow, s + slack);
      this.set(f, s);
      sweep();
    }
  }

  /** A count of the same meaning for cells as `from`, at most two rounds before `to`. */
  private near(from: number, to: number): number {
    if (from > to) return to;
    const rounds = Math.floor((to - from) / this.modulus);
    return from + Math.max(0, rounds - 1) * this.modulus;
  }

  /** Ticks left of a cell: 0 in its last tick, -1 when it is free or has passed. */
  left(cell: number): number {
    const field = cell & this.tickMask;
    if (field === 0) return -1;
    let left = field - 1 - ((cell >>> this.tickBits) & 1 ? this.slowModulo : this.fastModulo);
    if (left < 0) left += this.modulus;
    return left <= this.liveMax ? left : -1;
  }

  /** The timer bits of a cell that has `left` ticks from now. */
  timer(slow: number, left: number): number {
    const now = slow ? this.slowModulo : this.fastModulo;
    return (slow << this.tickBits) | (((now + left) % this.modulus) + 1);
  }
}

/** A count sent by its low eight bits, as the count nearest to what is known. */
export function unwrapTick(low8: number, near: number): number {
  const difference = ((low8 - near) << 24) >> 24;
  return Math.max(0, near + difference);
}
