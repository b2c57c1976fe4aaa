import { TokenBucket } from "./bucket.ts";

/** Decryptions in vain that one number may cost. The second is for the genuine datagram after a forged one. */
const TRIES = 2;
const COUNT_BITS = 2;
/** Decryptions in vain that a sender's name may cost: at 10 us each a hundredth of a core. */
const FAILED_PER_SECOND = 1_000;

/**
 * Bounds what recorded datagrams cost whose filter is right and whose rest is not. Each needs a number that has not
 * come yet, so only lost datagrams can be abused, and each of them twice. Success costs nothing: what is spent here is
 * never the genuine sender's.
 */
export class Attempts {
  /** The number's upper bits and how often it failed, at the number modulo the size. */
  private readonly failures: Uint32Array;
  private readonly bucket = new TokenBucket(FAILED_PER_SECOND, FAILED_PER_SECOND);

  /** `size`: numbers that are told apart, a power of two. */
  constructor(size: number) {
    this.failures = new Uint32Array(size);
  }

  mayTry(pn: number, nowMs: number): boolean {
    return this.failed(pn) < TRIES && this.bucket.has(1, nowMs);
  }

  fail(pn: number, nowMs: number): void {
    this.failures[pn % this.failures.length] = this.upper(pn) | (this.failed(pn) + 1);
    this.bucket.take(1, nowMs);
  }

  private failed(pn: number): number {
    const entry = this.failures[pn % this.failures.length]!;
    const count = entry & ((1 << COUNT_BITS) - 1);
    return entry - count === this.upper(pn) ? count : 0;
  }

  private upper(pn: number): number {
    return (Math.floor(pn / this.failures.length) << COUNT_BITS) >>> 0;
  }
}
