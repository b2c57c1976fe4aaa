/**
 * Canonical XXH32 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md) of 32-bit words, each serialised
 * little-endian. A lane over the words in reverse order stands beside it, because one lane, or two in the same order, can be
 * made to collide at will whatever the seed (`sfr/flow-key.test.ts` shows it): never use one alone as a secret.
 */
const PRIME_1 = 0x9e3779b1;
const PRIME_2 = 0x85ebca77;
const PRIME_3 = 0xc2b2ae3d;
const PRIME_4 = 0x27d4eb2f;
const PRIME_5 = 0x165667b1;

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function round(lane: number, word: number): number {
  return Math.imul(rotate((lane + Math.imul(word, PRIME_2)) | 0, 13), PRIME_1);
}

/** XXH32 of the first `count` words. */
export function xxh32Words(words: ArrayLike<number>, seed: number, count = words.length): number {
  return xxh32Strided(words, seed, 0, 1, count);
}

/** XXH32 of the first `count` words, last word first. */
export function xxh32WordsReversed(words: ArrayLike<number>, seed: number, count = words.length): number {
  return xxh32Strided(words, seed, count - 1, -1, count);
}

function xxh32Strided(words: ArrayLike<number>, seed: number, from: number, step: number, count: number): number {
  let at = from;
  let left = count;
  let hash: number;
  if (left >= 4) {
    let a = (seed + PRIME_1 + PRIME_2) | 0;
    let b = (seed + PRIME_2) | 0;
    let c = seed | 0;
    let d = (seed - PRIME_1) | 0;
    for (; left >= 4; left -= 4) {
      a = round(a, words[at]!);
      b = round(b, words[at + step]!);
      c = round(c, words[at + 2 * step]!);
      d = round(d, words[at + 3 * step]!);
      at += 4 * step;
    }
    hash = (rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)) | 0;
  } else {
    hash = (seed + PRIME_5) | 0;
  }
  hash = (hash + count * 4) | 0;
  for (; left > 0; left--) {
    hash = Math.imul(rotate((hash + Math.imul(words[at]!, PRIME_3)) | 0, 17), PRIME_4);
    at += step;
  }
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2);
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3);
  return (hash ^ (hash >>> 16)) >>> 0;
}
