import { parseArgs } from "node:util";
import { parseGeometry } from "../src/bloom/geometry.ts";
import { falsePositiveRate, fill, measure, probesNeeded } from "../test/falsepositive/measure.ts";

const USAGE = `The table of NTMS'08, section III.A, reproduced and measured (roamwall size tells what a network needs).

  node scripts/ts.mjs scripts/table.ts [--json]`;

/** NTMS'08 III.A: "3 subtables, 341 buckets, 6 cells per bucket, fingerprints of 10 bits, and counters of 2 bits", 4096 elements. */
const PAPER = {
  geometry: "3x341x6/r10/t2",
  elements: 4_096,
  bytes: "about 9 KB",
  bitsPerElement: 19,
  falsePositiveRate: 0.015,
  countingBytes: "21 KB",
} as const;
/** Fan, Cao, Almeida, Broder (2000): four bits let no counter overflow in practice. */
const COUNTER_BITS = 4;
const SEEDS = [0x4e544d53, 0x2008] as const;

interface Row {
  readonly filter: string;
  readonly elements: number;
  readonly bytes: number;
  readonly bitsPerElement: number;
  readonly byFormula: number;
  readonly measured: number;
}

function dlcbfRow(text: string, elements: number): Row {
  const geometry = parseGeometry(text, "table");
  const filled = fill(geometry, elements / geometry.cells, SEEDS);
  const byFormula = falsePositiveRate(filled.live, geometry);
  const bits = geometry.cells * (geometry.remainderBits + geometry.timerBits);
  return {
    filter: `dlCBF ${text}`,
    elements: filled.live,
    bytes: Math.ceil(bits / 8),
    bitsPerElement: bits / filled.live,
    byFormula,
    measured: measure(filled, probesNeeded(byFormula)),
  };
}

/** A standard counting Bloom filter with the false-positive rate of the dlCBF beside it: m = -n ln p / (ln 2)^2 counters. */
function countingRow(elements: number, rate: number): Row {
  const counters = Math.ceil((-elements * Math.log(rate)) / Math.LN2 ** 2);
  const hashes = Math.round((counters / elements) * Math.LN2);
  const bits = counters * COUNTER_BITS;
  return {
    filter: `counting Bloom filter, ${counters} counters, ${hashes} hashes`,
    elements,
    bytes: Math.ceil(bits / 8),
    bitsPerElement: bits / elements,
    byFormula: (1 - Math.exp((-hashes * elements) / counters)) ** hashes,
    measured: measureCounting(counters, hashes, elements),
  };
}

/** The same keys, hashed the same way, spread by double hashing. */
function measureCounting(counters: number, hashes: number, elements: number): number {
  const { x } = fill(parseGeometry("1x1024x1/r22/t2", "table"), 0.001, SEEDS);
  const used = new Uint8Array(counters);
  const places = (key: number) => {
    const a = x(key).lo;
    const b = (x(key ^ 0x8000000).lo | 1) >>> 0;
    return Array.from({ length: hashes }, (_, i) => (a + i * b) % counters);
  };
  for (let key = 0; key < elements; key++) for (const at of places(key)) used[at] = 1;
  const probes = 200_000;
  let hits = 0;
  for (let i = 0; i < probes; i++) if (places(elements + i).every((at) => used[at] === 1)) hits++;
  return hits / probes;
}

function main(): void {
  const { values } = parseArgs({
    options: { json: { type: "boolean", default: false }, help: { type: "boolean", default: false } },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const dlcbf = dlcbfRow(PAPER.geometry, PAPER.elements);
  const table = [dlcbf, countingRow(PAPER.elements, dlcbf.byFormula)];
  if (values.json) console.log(JSON.stringify({ paper: PAPER, table }));
  else print(table);
}

function print(table: readonly Row[]): void {
  console.log("NTMS'08, section III.A");
  console.log(
    `${"".padEnd(50)}${"elements".padStart(9)}${"bytes".padStart(8)}${"bits/element".padStart(14)}${"formula".padStart(10)}${"measured".padStart(10)}`,
  );
  for (const row of table) {
    const cells = [
      row.elements,
      row.bytes,
      row.bitsPerElement.toFixed(1),
      row.byFormula.toFixed(4),
      row.measured.toFixed(4),
    ];
    console.log(row.filter.padEnd(50) + cells.map((cell, i) => String(cell).padStart([9, 8, 14, 10, 10][i]!)).join(""));
  }
  const ratio = table[1]!.bytes / table[0]!.bytes;
  console.log(`the dlCBF needs ${ratio.toFixed(2)} times less`);
  console.log(
    `the paper prints ${PAPER.bytes}, ${PAPER.bitsPerElement} bits an element, rate ${PAPER.falsePositiveRate}; counting Bloom filter ${PAPER.countingBytes}`,
  );
}

try {
  main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 2;
}
