/** Regions of a table whose digests are compared apart, so that a difference costs 1/64 of a snapshot. */
export const REGIONS = 64;

/**
 * XOR of a mix of every used cell, kept while cells change. Equal caches have equal digests; unequal ones differ but
 * for 2^-64 (2^-32 a region). Against faults, not against forgers: those are the seal's business.
 */
export class Digest {
  /** by region */
  readonly regions = new Uint32Array(REGIONS);
  private low = 0;
  private readonly shift: number;

  /** `cells` a power of two, at least 64. */
  constructor(cells: number) {
    this.shift = Math.clz32(REGIONS) - Math.clz32(cells);
  }

  /** Adds a used cell, or takes it out again. */
  toggle(coordinate: number, cell: number, owner: number): void {
    const a = mix(mix(coordinate ^ 0x9e3779b1) ^ cell) ^ owner;
    this.regions[coordinate >>> this.shift]! ^= mix(a);
    this.low ^= mix(a ^ 0x85ebca77);
  }

  clear(): void {
    this.regions.fill(0);
    this.low = 0;
  }

  value(): bigint {
    let high = 0;
    for (const region of this.regions) high = Math.imul(high, 31) ^ region;
    return (BigInt(high >>> 0) << 32n) | BigInt(this.low >>> 0);
  }
}

function mix(word: number): number {
  word = Math.imul(word ^ (word >>> 16), 0x7feb352d);
  word = Math.imul(word ^ (word >>> 15), 0x846ca68b);
  return (word ^ (word >>> 16)) >>> 0;
}
