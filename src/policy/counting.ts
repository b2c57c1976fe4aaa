import { xxh32Words, xxh32WordsReversed } from "../base/hash.ts";
import type { FilterContent } from "./compile.ts";
import { probeBits, type Seeds } from "./filter.ts";
import type { AclKey } from "./keys.ts";

/** Positions at which one filter differs from another of the same size, seed and probes. */
export interface FilterChange {
  readonly set: readonly number[];
  readonly clear: readonly number[];
}

/**
 * The editing side of a filter: counts in place of bits, so that a key can be taken away again. Counts stop at 255: such a
 * position stays set for ever, which lets a key through by chance and denies none. One byte a position, while it is edited.
 */
export class CountingFilter {
  private readonly counts: Uint8Array;
  /** by direction and template: keys of the kind, since a filter says which kinds it has */
  private readonly kinds: [Uint32Array, Uint32Array] = [new Uint32Array(16), new Uint32Array(16)];

  constructor(
    private readonly shape: Pick<FilterContent, "bits" | "seed" | "probes">,
    private readonly seeds: Seeds,
  ) {
    this.counts = new Uint8Array(shape.bits);
  }

  add(keys: Iterable<AclKey>): void {
    for (const key of keys) {
      this.kinds[key.direction as 0 | 1][key.template]!++;
      for (const at of this.places(key)) if (this.counts[at]! < 255) this.counts[at]!++;
    }
  }

  /** Of keys that were added. */
  remove(keys: Iterable<AclKey>): void {
    for (const key of keys) {
      this.kinds[key.direction as 0 | 1][key.template]!--;
      for (const at of this.places(key)) if (this.counts[at]! < 255) this.counts[at]!--;
    }
  }

  /** What the kernel gets: the same bits as a filter of these keys that was never edited. */
  content(): FilterContent {
    const { bits } = this.shape;
    const data = new Uint8Array(bits / 8);
    for (let at = 0; at < bits; at++) if (this.counts[at] !== 0) data[at >> 3]! |= 1 << (at & 7);
    const [out, into] = this.kinds.map((counts) => counts.reduce((mask, count, i) => mask | (count ? 1 << i : 0), 0));
    const { seed, probes } = this.shape;
    return { bits, seed, probes, out: out!, in: into!, data };
  }

  private places({ words }: AclKey): number[] {
    const { bits, probes, seed } = this.shape;
    const key = Uint32Array.from(words);
    const [h1, h2] = [xxh32Words(key, this.seeds[2]), xxh32WordsReversed(key, this.seeds[3])];
    return probeBits(h1, h2, bits, probes, seed);
  }
}

export function isSameShape(a: FilterContent, b: FilterContent): boolean {
  return a.bits === b.bits && a.seed === b.seed && a.probes === b.probes;
}

/** Undefined: their shapes differ, only the whole filter helps. */
export function difference(from: FilterContent, to: FilterContent): FilterChange | undefined {
  if (!isSameShape(from, to)) return undefined;
  const set: number[] = [];
  const clear: number[] = [];
  for (let byte = 0; byte < from.data.length; byte++) {
    const changed = from.data[byte]! ^ to.data[byte]!;
    for (let bit = 0; changed >> bit !== 0; bit++)
      if ((changed >> bit) & 1) ((to.data[byte]! >> bit) & 1 ? set : clear).push(byte * 8 + bit);
  }
  return { set, clear };
}

/** Keys of either. Undefined: their shapes differ. */
export function union(a: FilterContent, b: FilterContent): FilterContent | undefined {
  if (!isSameShape(a, b)) return undefined;
  return { ...a, out: a.out | b.out, in: a.in | b.in, data: a.data.map((byte, i) => byte | b.data[i]!) };
}

export function applyChange(filter: FilterContent, { set, clear }: FilterChange): Uint8Array {
  const data = filter.data.slice();
  for (const bit of set) data[bit >> 3]! |= 1 << (bit & 7);
  for (const bit of clear) data[bit >> 3]! &= ~(1 << (bit & 7));
  return data;
}
