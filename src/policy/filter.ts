/**
 * The ACL filter: the `bloom-filters` package counts, sizes and holds the bits; which bits a key sets is ours, since
 * the kernel must find the same ones with 32-bit multiplications and no division.
 */
import * as library from "bloom-filters";
import { xxh32Words, xxh32WordsReversed } from "../base/hash.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import type { FilterBits } from "../datapath/datapath.ts";
import { FILTER_BITS_MAX, probeBit } from "../sfr/acl.ts";
import type { AclKey } from "./keys.ts";

/** Node hands a CommonJS package over as `default`, others do not. */
const { BloomFilter } = (library as unknown as { default?: typeof library }).default ?? library;

/** [flow h1, flow h2, ACL h1, ACL h2]: secret, the same on all APs of a mesh. */
export type Seeds = readonly [number, number, number, number];

const WORD_BITS = 64;
/**
 * Two hashes stand for all probes: where their second is close to a fraction of 2^32, the probes meet in a few bits. In a
 * filter of a few words that happens more often than the rate allows; 128 bytes are no price.
 */
const FILTER_BITS_MIN = 1024;

/** A library filter that places keys as the kernel does. */
export class AclFilter extends BloomFilter {
  constructor(bits: number, probes: number, seed: number, seeds: Seeds) {
    super(bits, probes);
    this.seed = seed;
    this._hashing.getIndexes = (key, size, count, filterSeed = seed) => {
      const words = new Uint32Array(key as ArrayBuffer);
      return probeBits(xxh32Words(words, seeds[2]), xxh32WordsReversed(words, seeds[3]), size, count, filterSeed);
    };
  }

  addKey(words: readonly number[]): void {
    this.add(Uint32Array.from(words).buffer);
  }

  hasKey(words: readonly number[]): boolean {
    return this.has(Uint32Array.from(words).buffer);
  }

  /** A copy, bit i in byte i >> 3 at i & 7. */
  bytes(): Uint8Array {
    return this._filter.array.slice();
  }
}

/** Bit indexes of a key's probes: the arithmetic of kernel and model. */
export function probeBits(h1: number, h2: number, bits: number, probes: number, seed: number): number[] {
  return Array.from({ length: probes }, (_, i) => probeBit(h1, h2, i, bits, seed));
}

/** Bits and probes for `keys` keys at a false-positive rate. */
export function sizeFilter(keys: number, rate: number): { bits: number; probes: number } {
  const wanted = Math.ceil((Math.max(1, keys) * -Math.log(rate)) / Math.LN2 ** 2);
  const bits = Math.min(FILTER_BITS_MAX, Math.max(FILTER_BITS_MIN, Math.ceil(wanted / WORD_BITS) * WORD_BITS));
  const probes = Math.round((bits / Math.max(1, keys)) * Math.LN2);
  // More probes than the rate needs only cost time: a filter of the least size would ask for hundreds.
  const enough = Math.ceil(-Math.log2(rate));
  return { bits, probes: Math.max(1, Math.min(probes, enough, CONSTANTS.FILTER_PROBES_MAX)) };
}

/** Everything of a filter but its number. `size`: instead of what the rate asks for. */
export function buildFilter(
  keys: readonly AclKey[],
  rate: number,
  seed: number,
  seeds: Seeds,
  size = sizeFilter(keys.length, rate),
): Omit<FilterBits, "id"> {
  const { bits, probes } = size;
  const filter = new AclFilter(bits, probes, seed, seeds);
  const templates: [number, number] = [0, 0];
  for (const key of keys) {
    filter.addKey(key.words);
    templates[key.direction as 0 | 1] |= 1 << key.template;
  }
  const [out, into] = templates;
  return { bits, seed, probes, out, in: into, data: filter.bytes() };
}
