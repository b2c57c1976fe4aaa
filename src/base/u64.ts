/**
 * 64-bit products by 32-bit halves: the packet path holds no BigInt. All results are unsigned 32-bit numbers.
 */

/** Upper half of the 64-bit product of two 32-bit numbers. */
export function mulHigh32(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const low = aLow * bLow;
  const middle = aHigh * bLow + (low >>> 16);
  const cross = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 65536) + (cross >>> 16)) >>> 0;
}

/** Lower half of a 64-bit product modulo 2^64; only the lower halves of the factors matter. */
export function mulLow(aLo: number, bLo: number): number {
  return Math.imul(aLo, bLo) >>> 0;
}

/** Upper half of a 64-bit product modulo 2^64. */
export function mulHigh(aHi: number, aLo: number, bHi: number, bLo: number): number {
  return (mulHigh32(aLo >>> 0, bLo >>> 0) + Math.imul(aHi, bLo) + Math.imul(aLo, bHi)) >>> 0;
}
