import { xxh32Words, xxh32WordsReversed } from "../../src/base/hash.ts";
import { Dlcbf } from "../../src/bloom/dlcbf.ts";
import type { Geometry } from "../../src/bloom/geometry.ts";
import { Mixer, type Permutations } from "../../src/bloom/permutation.ts";
import { codeOf } from "../../src/bloom/timer.ts";
import { CONSTANTS } from "../../src/datapath/abi.ts";

/**
 * The formula: permutations are bijections, so a lookup meets a stranger exactly if one of the n live cells has the same x,
 * in whichever subtable it lies. With x even over the space that is n / 2^(z+r) (n / (buckets x 2^r) in general).
 */
export function falsePositiveRate(live: number, geometry: Geometry): number {
  return live / (geometry.buckets * 2 ** geometry.remainderBits);
}

/** Relative tolerance asked for, and how many standard deviations of a count of hits it has to be worth. */
export const TOLERANCE = 0.1;
const SIGMAS = 4;

/** Hits are a binomial count of small p: its relative deviation is 1/sqrt(hits), so tolerance = sigmas / sqrt(hits). */
export const HITS_NEEDED = (SIGMAS / TOLERANCE) ** 2;

export function probesNeeded(rate: number): number {
  return Math.ceil(HITS_NEEDED / rate);
}

export interface FilledTable {
  readonly table: Dlcbf;
  readonly live: number;
  readonly x: (key: number) => { hi: number; lo: number };
  /** Keys below this were inserted. */
  readonly keys: number;
}

/** Fills a table with expectations of consecutive flows, as a scan or a busy server makes them, up to the load. */
export function fill(
  geometry: Geometry,
  load: number,
  seeds: readonly [number, number],
  permutations?: Permutations,
): FilledTable {
  const table = new Dlcbf(geometry, permutations);
  const mixer = new Mixer(table.permutations);
  const words = new Uint32Array(5);
  const x = (key: number) => {
    // Client, peer and ports of neighbouring flows differ in a few bits only: what the hash has to spread.
    words.set([
      0x02000000,
      0x0a010604,
      0x0a000001 + (key & 63),
      0xc6120001 + ((key >>> 12) & 0xffff),
      (0xc000 + ((key >>> 6) & 63)) * 65_536 + 443,
    ]);
    mixer.mix(xxh32Words(words, seeds[0]), xxh32WordsReversed(words, seeds[1]), 2);
    return { hi: mixer.xHi, lo: mixer.xLo };
  };
  const code = codeOf(false, 1, geometry);
  let keys = 0;
  while (table.used < geometry.cells * load) {
    const { hi, lo } = x(keys++);
    table.insert(hi, lo, code, CONSTANTS.OP_MAX, 1, CONSTANTS.MARK_CLEAN);
  }
  return { table, live: table.used, x, keys };
}

/** Share of flows never inserted that the table takes for known. */
export function measure(filled: FilledTable, probes: number): number {
  let hits = 0;
  for (let i = 0; i < probes; i++) {
    const { hi, lo } = filled.x(filled.keys + i);
    if (filled.table.find(hi, lo) >= 0) hits++;
  }
  return hits / probes;
}
