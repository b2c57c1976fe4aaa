import { badInput } from "../base/errors.ts";

/**
 * The shape of a dlCBF: d subtables of b buckets of c cells; a cell holds a remainder and a timer. Written
 * `4x1024x8/r26`: r bits of remainder. The kernel takes 4 subtables, 8 cells, 2^5..2^17 buckets and r26 or r12; the model
 * takes any shape, so that the tables of the papers (`3x341x6/r10/t2`) and remainders of a few bits can be tried.
 */
export interface Geometry {
  readonly text: string;
  readonly subtables: number;
  readonly buckets: number;
  /** log2(buckets), or -1 when buckets is no power of two. */
  readonly bucketBits: number;
  readonly bucketCells: number;
  readonly remainderBits: number;
  /** Width of the stored cell. */
  readonly cellBits: 16 | 32;
  /** Bits of the whole timer: the speed bit (none below 4 bits: a plain counter of fast ticks) and the tick field. */
  readonly timerBits: number;
  /** Bits of the tick field; the value 0 means free, so that an expiry counts modulo 2^tickBits - 1. */
  readonly tickBits: number;
  readonly modulus: number;
  /** Most ticks that a live cell has left. The rest of the modulus is the sweeper's slack: an expiry passed that long ago is still known as passed. */
  readonly liveMax: number;
  readonly fastTickMs: number;
  readonly slowTickMs: number;
  /** Subtables x buckets x cells of a bucket. */
  readonly cells: number;
}

/** By bits of the whole timer. 6 and 4 are the kernel's; 240 s (handshake) and 7,440 s (idle TCP) fit both. */
const TIMERS: Readonly<Record<number, { liveMax: number; fastTickMs: number; slowTickMs: number }>> = {
  2: { liveMax: 1, fastTickMs: 60_000, slowTickMs: 1_860_000 },
  3: { liveMax: 4, fastTickMs: 60_000, slowTickMs: 1_860_000 },
  4: { liveMax: 4, fastTickMs: 60_000, slowTickMs: 1_860_000 },
  5: { liveMax: 10, fastTickMs: 24_000, slowTickMs: 744_000 },
  6: { liveMax: 25, fastTickMs: 10_000, slowTickMs: 340_000 },
};

const FORM = "SUBTABLESxBUCKETSxCELLS/rBITS[/tBITS] with 1-4 subtables, r 1-26, t 2-6, as 4x1024x8/r26";
const CELLS_MAX = 2 ** 24;

/** Throws ROAMWALL_ERR_INPUT. */
export function parseGeometry(text: string, place: string): Geometry {
  const match = /^([1-4])x(\d{1,7})x(\d{1,2})\/r(\d{1,2})(?:\/t([2-6]))?$/.exec(text);
  if (!match) throw badInput(place, `"${text}" is no geometry`, FORM);
  const [subtables, buckets, bucketCells, remainderBits] = match.slice(1, 5).map(Number) as [
    number,
    number,
    number,
    number,
  ];
  // Without /t the two widths of the kernel: 12-bit remainders leave 4 bits of a 16-bit cell, all others have room for 6.
  const timerBits = match[5] === undefined ? (remainderBits === 12 ? 4 : 6) : Number(match[5]);
  const cells = subtables * buckets * bucketCells;
  if (cells < 1 || cells > CELLS_MAX) throw badInput(place, `${cells} cells`, `1 to ${CELLS_MAX} cells`);
  if (remainderBits < 1 || remainderBits > 26)
    throw badInput(place, `r${remainderBits}`, "a remainder of 1 to 26 bits");
  const tickBits = timerBits < 4 ? timerBits : timerBits - 1;
  return {
    text,
    subtables,
    buckets,
    bucketBits: isPowerOfTwo(buckets) ? 31 - Math.clz32(buckets) : -1,
    bucketCells,
    remainderBits,
    cellBits: remainderBits + timerBits <= 16 ? 16 : 32,
    timerBits,
    tickBits,
    // Not 2 ** tickBits: V8 would compute with doubles wherever it came to.
    modulus: (1 << tickBits) - 1,
    ...TIMERS[timerBits]!,
    cells,
  };
}

function isPowerOfTwo(value: number): boolean {
  return (value & (value - 1)) === 0;
}

export const DEFAULT_GEOMETRY = "4x1024x8/r26";
