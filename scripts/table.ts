import { parseArgs } from "node:util";
import { LIFETIMES } from "../src/automata/lifetimes.ts";
import { badInput } from "../src/base/errors.ts";
import { type Geometry, parseGeometry } from "../src/bloom/geometry.ts";
import { codeFor } from "../src/bloom/timer.ts";
import { CONSTANTS } from "../src/datapath/abi.ts";
import { falsePositiveRate, fill, measure, probesNeeded } from "../test/falsepositive/measure.ts";

const USAGE = `The table of NTMS'08, section III.A, reproduced and measured; then what a network needs.

  node scripts/ts.mjs scripts/table.ts [--clients N] [--flows N] [--tcp-rate N] [--udp-rate N] [--mirrors N] [--json]

--clients   clients of one access point (default 50)
--flows     TCP flows that a client holds open at a time (default 100)
--tcp-rate  TCP connections that all of them open a second (default 5)
--udp-rate  UDP exchanges that all of them open a second (default 10)
--mirrors   neighbours whose tables are mirrored (default 8)`;

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

/** CONSTANTS.* of the datapath: budget at 80 %, nothing opened at 88 %. */
const SHARED_OUT_LOAD = 205 / 256;
const REFUSAL_LOAD = 225 / 256;
const KERNEL_BUCKET_BITS = { least: 5, most: 17 } as const;
const OWNER_BYTES = 2;

interface Row {
  readonly filter: string;
  readonly elements: number;
  readonly bytes: number;
  readonly bitsPerElement: number;
  readonly byFormula: number;
  readonly measured: number;
}

interface Needs {
  readonly clients: number;
  readonly flows: number;
  readonly tcpRate: number;
  readonly udpRate: number;
  readonly mirrors: number;
}

interface Sizing {
  readonly cellBits: number;
  readonly cellsNeeded: number;
  /** undefined: more than the largest table. */
  readonly geometry: string | undefined;
  readonly cells: number;
  readonly load: number;
  readonly tableBytes: number;
  readonly ownerBytes: number;
  readonly mirrorBytes: number;
  readonly falsePositiveRate: number;
  readonly budgetAtCells: number;
  readonly refusedAtCells: number;
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

/** Seconds that an expectation may stay: a tick more than promised, since it begins in the middle of one. */
function staysS(lifetimeS: number, geometry: Geometry): number {
  const code = codeFor(lifetimeS, geometry);
  const slow = code >> geometry.tickBits;
  return (((code & geometry.modulus) + 1) * (slow ? geometry.slowTickMs : geometry.fastTickMs)) / 1000;
}

/** An open flow is one cell; one that comes and goes leaves others for a while. */
function cellsNeeded(needs: Needs, geometry: Geometry): number {
  const stays = (lifetimeS: number) => staysS(lifetimeS, geometry);
  const shortens = geometry.cellBits === 32;
  // With shortening: E and both FINs while it closes. Without: E alone, as long as any idle flow.
  const closing = shortens ? 3 * stays(LIFETIMES.closing) : stays(LIFETIMES.established);
  const tcp = needs.tcpRate * (stays(LIFETIMES.handshake) + closing);
  const udp = needs.udpRate * (stays(LIFETIMES.udpOpened) + stays(LIFETIMES.udpReplied));
  return Math.ceil(needs.clients * needs.flows + tcp + udp);
}

function size(needs: Needs, remainderBits: 26 | 12): Sizing {
  let bits: number = KERNEL_BUCKET_BITS.least;
  const at = (bucketBits: number) => parseGeometry(`4x${2 ** bucketBits}x8/r${remainderBits}`, "sizing");
  const needed = cellsNeeded(needs, at(bits));
  while (bits < KERNEL_BUCKET_BITS.most && at(bits).cells * SHARED_OUT_LOAD < needed) bits++;
  const geometry = at(bits);
  const fits = needed <= geometry.cells * SHARED_OUT_LOAD;
  const tableBytes = (geometry.cells * geometry.cellBits) / 8;
  return {
    cellBits: geometry.cellBits,
    cellsNeeded: needed,
    geometry: fits ? geometry.text : undefined,
    cells: geometry.cells,
    load: needed / geometry.cells,
    tableBytes,
    ownerBytes: geometry.cells * OWNER_BYTES + Math.ceil(geometry.cells / CONSTANTS.DIRTY_CELLS),
    mirrorBytes: tableBytes * needs.mirrors,
    falsePositiveRate: falsePositiveRate(needed, geometry),
    budgetAtCells: Math.ceil(geometry.cells * SHARED_OUT_LOAD),
    refusedAtCells: Math.ceil(geometry.cells * REFUSAL_LOAD),
  };
}

function main(): void {
  const { values } = parseArgs({
    options: {
      clients: { type: "string", default: "50" },
      flows: { type: "string", default: "100" },
      "tcp-rate": { type: "string", default: "5" },
      "udp-rate": { type: "string", default: "10" },
      mirrors: { type: "string", default: "8" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const needs: Needs = {
    clients: number("--clients", values.clients, 1, 16_382),
    flows: number("--flows", values.flows, 0, 1e6),
    tcpRate: number("--tcp-rate", values["tcp-rate"], 0, 1e6),
    udpRate: number("--udp-rate", values["udp-rate"], 0, 1e6),
    mirrors: number("--mirrors", values.mirrors, 0, CONSTANTS.MIRRORS_MAX),
  };
  const dlcbf = dlcbfRow(PAPER.geometry, PAPER.elements);
  const table = [dlcbf, countingRow(PAPER.elements, dlcbf.byFormula)];
  const sizing = [size(needs, 26), size(needs, 12)];
  if (values.json) console.log(JSON.stringify({ paper: PAPER, table, needs, sizing }));
  else print(table, needs, sizing);
}

function number(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= least && value <= most)) {
    throw badInput(name, `"${text}"`, `a number from ${least} to ${most}`);
  }
  return value;
}

function print(table: readonly Row[], needs: Needs, sizing: readonly Sizing[]): void {
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
  console.log(
    `\n${needs.clients} clients with ${needs.flows} flows each, ${needs.tcpRate} TCP and ${needs.udpRate} UDP flows opened a second, ${needs.mirrors} mirrors`,
  );
  for (const row of sizing) printSizing(row);
}

function printSizing(row: Sizing): void {
  const kib = (bytes: number) => `${Math.ceil(bytes / 1024)} KiB`;
  console.log(
    `${row.cellBits}-bit cells: ${row.cellsNeeded} cells needed -> ${row.geometry ?? `more than ${row.cells} cells: split the clients`}`,
  );
  console.log(
    `  table ${kib(row.tableBytes)}, owners ${kib(row.ownerBytes)}, mirrors ${kib(row.mirrorBytes)}; load ${(row.load * 100).toFixed(1)} %`,
  );
  console.log(
    `  false positives: ${row.falsePositiveRate.toExponential(1)} a lookup, at most ${(3 * row.falsePositiveRate).toExponential(1)} a packet that nothing expects`,
  );
  console.log(
    `  from ${row.budgetAtCells} cells on clients over their share open nothing, from ${row.refusedAtCells} nobody does`,
  );
}

try {
  main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 2;
}
