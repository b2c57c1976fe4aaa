import { xxh32Words } from "../base/hash.ts";
import type { Geometry } from "../bloom/geometry.ts";

/** Raised whenever the same packet would make another cell: permutations, hashes, mixing, numbers of automata states. */
const FINGERPRINT_VERSION = 1;

/**
 * Two APs whose values differ place or time cells differently: mirrored, they would be noise. Rights still travel.
 */
export function compatHash(geometry: Geometry, seedId: number): bigint {
  const { subtables, buckets, bucketCells, remainderBits, timerBits, modulus, liveMax, fastTickMs, slowTickMs } =
    geometry;
  const words = [
    FINGERPRINT_VERSION,
    seedId >>> 0,
    subtables,
    buckets,
    bucketCells,
    remainderBits,
    timerBits,
    modulus,
    liveMax,
    fastTickMs,
    slowTickMs,
  ];
  return (BigInt(xxh32Words(words, 0x726f616d)) << 32n) | BigInt(xxh32Words(words, 0x77616c6c));
}
