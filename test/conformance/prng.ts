/** Seeded randomness: a run is its seed, so that a failure can be run again. */
export class Prng {
  private a: number;
  private b: number;
  private c: number;
  private d = 1;

  constructor(seed: number) {
    this.a = seed >>> 0;
    this.b = 0x9e3779b9;
    this.c = 0x243f6a88;
    for (let i = 0; i < 20; i++) this.u32();
  }

  /** sfc32 */
  u32(): number {
    const t = (this.a + this.b + this.d) | 0;
    this.d = (this.d + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = ((this.c << 21) | (this.c >>> 11)) + t;
    return t >>> 0;
  }

  /** In [0, 1). */
  unit(): number {
    return this.u32() / 0x100000000;
  }

  /** Integer in [0, n). */
  below(n: number): number {
    return Math.floor(this.unit() * n);
  }

  between(low: number, high: number): number {
    return low + this.unit() * (high - low);
  }

  /** Many small, few large: evenly spread over the logarithm. */
  spread(low: number, high: number): number {
    return low * (high / low) ** this.unit();
  }

  chance(p: number): boolean {
    return this.unit() < p;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}
