import type { BitReader, BitWriter } from "../base/bits.ts";
import type { Geometry } from "../bloom/geometry.ts";

/** Raised whenever the same packet would make another cell: permutations, hashes, mixing, numbers of automata states. */
const FINGERPRINT_VERSION = 1;

/**
 * What two APs must have in common so that a cell means the same at both. Where anything differs, mirrored cells would be
 * noise: rights still travel, and status says which part it is.
 */
export interface Shape {
  readonly fingerprints: number;
  readonly bucketBits: number;
  readonly remainderBits: number;
  readonly timerBits: number;
  readonly fastTickMs: number;
  readonly slowTickMs: number;
  /** 1: asymmetric. A cell that is shortened says something else there: that a flow is over, not that a client went. */
  readonly path: number;
  /** A hash of the seeds: it must not tell them. */
  readonly seedId: number;
}

export function shapeOf(
  { buckets, remainderBits, timerBits, fastTickMs, slowTickMs }: Geometry,
  seedId: number,
  path: "symmetric" | "asymmetric" = "symmetric",
): Shape {
  const bucketBits = Math.log2(buckets);
  const fingerprints = FINGERPRINT_VERSION;
  const ticks = { timerBits, fastTickMs, slowTickMs };
  return {
    fingerprints,
    bucketBits,
    remainderBits,
    ...ticks,
    path: path === "asymmetric" ? 1 : 0,
    seedId: seedId >>> 0,
  };
}

/** Bits of each field, in the order of the wire. */
const FIELDS: readonly (readonly [keyof Shape, number])[] = [
  ["fingerprints", 8],
  ["bucketBits", 8],
  ["remainderBits", 8],
  ["path", 1],
  ["timerBits", 7],
  ["fastTickMs", 32],
  ["slowTickMs", 32],
  ["seedId", 32],
];
export const SHAPE_BYTES = FIELDS.reduce((sum, [, bits]) => sum + bits / 8, 0);

export function emitShape(writer: BitWriter, shape: Shape): void {
  for (const [field, bits] of FIELDS) writer.write(shape[field], bits);
}

export function parseShape(reader: BitReader): Shape {
  return Object.fromEntries(FIELDS.map(([field, bits]) => [field, reader.read(bits)])) as unknown as Shape;
}

/** What people know the parts by. */
const PARTS: readonly (readonly [string, (shape: Shape) => string])[] = [
  ["table", (s) => `4x${2 ** s.bucketBits}x8/r${s.remainderBits}`],
  ["timer bits", (s) => `${s.timerBits}`],
  ["replication.path", (s) => (s.path === 1 ? "asymmetric" : "symmetric")],
  ["ticks", (s) => `${s.fastTickMs / 1000} s and ${s.slowTickMs / 1000} s`],
  ["seeds in the key file (by hash)", (s) => s.seedId.toString(16).padStart(8, "0")],
  ["version of fingerprints and automata", (s) => `${s.fingerprints}`],
];

/** Each part that differs, with both values; empty: each can mirror the other. */
export function differencesOf(ours: Shape, theirs: Shape): string[] {
  return PARTS.map(([name, show]) => [name, show(ours), show(theirs)] as const)
    .filter(([, here, there]) => here !== there)
    .map(([name, here, there]) => `${name}: ${here} here, ${there} there`);
}
