import { mulHigh, mulLow } from "../base/u64.ts";
import type { Geometry } from "./geometry.ts";

/**
 * Subtable i places the fingerprint integer x by the permutation y = a_i * x modulo the space (buckets x remainders): the
 * bucket is the high part of y, the remainder the low part. So equality of (bucket, remainder) in any subtable *is*
 * equality of x, and from where an entry lies one gets x back: an entry can move to another subtable or table without
 * the tuple it came from.
 */
const MULTIPLIERS = [0x9e3779b97f4a7c55n, 0xc2b2ae3d27d4eb4fn, 0x165667b19e3779f9n, 0x27d4eb2f165667c5n];

/** Below this space the products of a table with any number of buckets are exact in a double. */
const EXACT_SPACE = 2 ** 26;

export interface Fingerprint {
  readonly hi: number;
  readonly lo: number;
}

export class Permutations {
  /** What the last `place` found; fields, not a result, so that a packet allocates nothing. */
  bucket = 0;
  remainder = 0;
  /** Buckets x remainders. */
  readonly space: number;
  /** log2(space), or -1. */
  readonly spaceBits: number;
  /** By subtable. */
  readonly multipliers: readonly bigint[];
  readonly #inverses: readonly bigint[];
  readonly #hi: Uint32Array;
  readonly #lo: Uint32Array;
  /** Mask of the upper half of y. */
  readonly #maskHi: number;
  readonly #maskLo: number;

  constructor(readonly geometry: Geometry) {
    this.space = geometry.buckets * 2 ** geometry.remainderBits;
    this.spaceBits = geometry.bucketBits < 0 ? -1 : geometry.bucketBits + geometry.remainderBits;
    const space = BigInt(this.space);
    this.multipliers = MULTIPLIERS.slice(0, geometry.subtables).map((a) => nextCoprime(a % space, space));
    this.#inverses = this.multipliers.map((a) => inverse(a, space));
    this.#hi = Uint32Array.from(this.multipliers, (a) => Number(a >> 32n));
    this.#lo = Uint32Array.from(this.multipliers, (a) => Number(a & 0xffffffffn));
    const bits = this.spaceBits;
    this.#maskHi = bits > 32 ? 2 ** (bits - 32) - 1 : 0;
    this.#maskLo = bits >= 32 ? 0xffffffff : 2 ** Math.max(bits, 0) - 1;
  }

  /** Sets `bucket` and `remainder` of x in a subtable. */
  place(subtable: number, xHi: number, xLo: number): void {
    if (this.spaceBits < 0) {
      this.#placeInAnySpace(subtable, xHi, xLo);
      return;
    }
    const r = this.geometry.remainderBits;
    const aLo = this.#lo[subtable]!;
    const yLo = (Math.imul(aLo, xLo) & this.#maskLo) >>> 0;
    this.remainder = yLo & ((1 << r) - 1);
    if (this.#maskHi === 0) {
      this.bucket = yLo >>> r;
      return;
    }
    const yHi = (mulHigh(this.#hi[subtable]!, aLo, xHi, xLo) & this.#maskHi) >>> 0;
    this.bucket = ((yHi << (32 - r)) | (yLo >>> r)) >>> 0;
  }

  #placeInAnySpace(subtable: number, xHi: number, xLo: number): void {
    const x = xHi * 2 ** 32 + xLo;
    const y =
      this.space <= EXACT_SPACE
        ? (Number(this.multipliers[subtable]) * x) % this.space
        : Number((this.multipliers[subtable]! * BigInt(x)) % BigInt(this.space));
    const remainders = 2 ** this.geometry.remainderBits;
    this.bucket = Math.floor(y / remainders);
    this.remainder = y % remainders;
  }

  /** x of an entry, from where it lies and its remainder. */
  xOf(coordinate: number, remainder: number): Fingerprint {
    const { buckets, bucketCells, remainderBits } = this.geometry;
    const row = Math.floor(coordinate / bucketCells);
    const subtable = Math.floor(row / buckets);
    const y = BigInt(row % buckets) * (1n << BigInt(remainderBits)) + BigInt(remainder);
    const x = (y * this.#inverses[subtable]!) % BigInt(this.space);
    return { hi: Number(x >> 32n), lo: Number(x & 0xffffffffn) };
  }

  /** Brings a 64-bit mix into the space: its top bits, or its remainder where the space is no power of two. */
  reduceHi(mixHi: number, mixLo: number): number {
    if (this.spaceBits < 0) return Math.floor(this.#modulo(mixHi, mixLo) / 2 ** 32);
    return this.spaceBits > 32 ? mixHi >>> (64 - this.spaceBits) : 0;
  }

  reduceLo(mixHi: number, mixLo: number): number {
    const bits = this.spaceBits;
    if (bits < 0) return this.#modulo(mixHi, mixLo) % 2 ** 32;
    if (bits <= 32) return mixHi >>> (32 - bits);
    return ((mixHi << (bits - 32)) | (mixLo >>> (64 - bits))) >>> 0;
  }

  #modulo(hi: number, lo: number): number {
    if (this.space > EXACT_SPACE) return Number(((BigInt(hi) << 32n) | BigInt(lo)) % BigInt(this.space));
    return ((hi % this.space) * (2 ** 32 % this.space) + lo) % this.space;
  }
}

const GOLDEN_HI = 0x9e3779b9;
const GOLDEN_LO = 0x7f4a7c15;
const MIX_HI = 0xd6e8feb8;
const MIX_LO = 0x6659fd93;

/**
 * x of an expectation: the tuple's two lanes, and `expectation` = state << 1 | side, mixed in cheaply, so that a packet
 * hashes its tuple once for all its candidates. Both lanes go through one product: no lane alone decides x.
 */
export class Mixer {
  xHi = 0;
  xLo = 0;

  constructor(readonly permutations: Permutations) {}

  /** `h1` and `h2`: the lanes over the words, and over the words reversed. Sets `xHi` and `xLo`. */
  mix(h1: number, h2: number, expectation: number): void {
    const lo = (h1 ^ mulLow(expectation, GOLDEN_LO)) >>> 0;
    const hi = (h2 ^ mulHigh(0, expectation, GOLDEN_HI, GOLDEN_LO)) >>> 0;
    const mixHi = mulHigh(hi, lo, MIX_HI, MIX_LO);
    const mixLo = mulLow(lo, MIX_LO);
    this.xHi = this.permutations.reduceHi(mixHi, mixLo);
    this.xLo = this.permutations.reduceLo(mixHi, mixLo);
  }
}

function nextCoprime(from: bigint, space: bigint): bigint {
  let a = from;
  while (gcd(a, space) !== 1n) a++;
  return a;
}

function gcd(a: bigint, b: bigint): bigint {
  while (b !== 0n) [a, b] = [b, a % b];
  return a;
}

/** Extended Euclid: a * inverse = 1 modulo the space. */
function inverse(a: bigint, space: bigint): bigint {
  let [r0, r1, t0, t1] = [space, a % space, 0n, 1n];
  while (r1 !== 0n) {
    const q = r0 / r1;
    [r0, r1] = [r1, r0 - q * r1];
    [t0, t1] = [t1, t0 - q * t1];
  }
  return ((t0 % space) + space) % space;
}
