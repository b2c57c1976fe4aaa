import { parseArgs } from "node:util";
import { AclFilter, buildFilter, sizeFilter } from "../src/policy/filter.ts";
import type { AclKey } from "../src/policy/keys.ts";

const USAGE = `Tables I to III of ICC'07 (Bloom filters of a mesh firewall), reproduced: bytes of the three filters by the paper's formula and
as built here, the iptables rules that they stand for, and the share of strangers that pass, measured.

  node scripts/ts.mjs scripts/icc07.ts [--queries N] [--filters F] [--json]

--queries   keys that no filter was given, asked of each filter (default 200000)
--filters   different filters in the mesh, for the chance that two APs of a path err alike (default 4)`;

/** Sizes of the host classes in table III, and what it prints: bytes of filters 1 and 2, bytes of filter 3. */
const TABLE_III = [
  { ic: 20, is: 20, ec: 20, es: 20, bytes12: 1_000, bytes3: 1_000 },
  { ic: 40, is: 40, ec: 40, es: 40, bytes12: 2_000, bytes3: 4_000 },
  { ic: 60, is: 60, ec: 60, es: 60, bytes12: 3_000, bytes3: 9_000 },
  { ic: 80, is: 80, ec: 80, es: 80, bytes12: 4_000, bytes3: 16_000 },
  { ic: 100, is: 100, ec: 100, es: 100, bytes12: 5_000, bytes3: 25_000 },
  { ic: 140, is: 20, ec: 140, es: 20, bytes12: 4_000, bytes3: 7_000 },
  { ic: 120, is: 40, ec: 120, es: 40, bytes12: 4_000, bytes3: 12_000 },
] as const;
/** Section IV: "we chose 10". */
const SERVICES = 10;
/** Equation 3: 20 bits an element, 13 hashes. It says 0.1 %; its arithmetic is that of 0.0001, which is what 20 bits give. */
const PAPER_BITS = 20;
const PAPER_PROBES = 13;
const RATE = 0.001;
const SEEDS = [1, 2, 0x1cc07, 0x10_0df] as const;
const FILTER_SEED = 7;

/** A stream's filter holds pairs: (host, low port) in filters 1 and 2, (internal client, internal server) in filter 3. */
type Pair = readonly [a: number, b: number];

interface Measured {
  readonly bytes: number;
  readonly passed: number;
}

function pairs(hosts: number, others: number): Pair[] {
  return Array.from({ length: hosts * others }, (_, i) => [Math.floor(i / others), i % others] as const);
}

function wordsOf(stream: number, [a, b]: Pair): number[] {
  return [stream, a, b];
}

function asKey(stream: number, pair: Pair): AclKey {
  return { words: wordsOf(stream, pair), direction: 0, template: 0 };
}

/** Share of pairs of hosts and ports beyond the classes that the filter takes for its own. */
function strangers(has: (words: number[]) => boolean, stream: number, queries: number): number {
  let passed = 0;
  for (let i = 0; i < queries; i++) if (has(wordsOf(stream, [1_000 + (i >> 8), i & 255]))) passed++;
  return passed / queries;
}

function measurePaper(stream: number, elements: readonly Pair[], queries: number): Measured {
  const filter = new AclFilter(elements.length * PAPER_BITS, PAPER_PROBES, FILTER_SEED, SEEDS);
  for (const pair of elements) filter.addKey(wordsOf(stream, pair));
  return {
    bytes: Math.ceil((elements.length * PAPER_BITS) / 8),
    passed: strangers((words) => filter.hasKey(words), stream, queries),
  };
}

function measureOurs(stream: number, elements: readonly Pair[], queries: number): Measured {
  const { bits, probes } = sizeFilter(elements.length, RATE);
  const filter = new AclFilter(bits, probes, FILTER_SEED, SEEDS);
  for (const pair of elements) filter.addKey(wordsOf(stream, pair));
  const built = buildFilter(
    elements.map((pair) => asKey(stream, pair)),
    RATE,
    FILTER_SEED,
    SEEDS,
  );
  if (!filter.bytes().every((byte, i) => byte === built.data[i])) throw new Error("the built filter is another");
  return { bytes: built.data.length, passed: strangers((words) => filter.hasKey(words), stream, queries) };
}

function measureRow(sizes: (typeof TABLE_III)[number], queries: number) {
  const streams: readonly Pair[][] = [pairs(sizes.ec, SERVICES), pairs(sizes.es, SERVICES), pairs(sizes.ic, sizes.is)];
  const paper = streams.map((elements, i) => measurePaper(i + 1, elements, queries));
  const ours = streams.map((elements, i) => measureOurs(i + 1, elements, queries));
  const rules = streams.map((elements) => elements.length);
  const worst = (list: readonly Measured[]) => Math.max(...list.map(({ passed }) => passed));
  return {
    hosts: sizes.ic + sizes.is + sizes.ec + sizes.es,
    ...sizes,
    rules12: rules[0]! + rules[1]!,
    rules3: rules[2]!,
    formula12: paper[0]!.bytes + paper[1]!.bytes,
    formula3: paper[2]!.bytes,
    passedAt20Bits: worst(paper),
    ours12: ours[0]!.bytes + ours[1]!.bytes,
    ours3: ours[2]!.bytes,
    oursPassed: worst(ours),
  };
}

type Row = ReturnType<typeof measureRow>;

function printRows(rows: readonly Row[], filters: number): void {
  const head = [
    "hosts",
    "IC/IS/EC/ES",
    "paper 1+2",
    "20 bit",
    "ours",
    "paper 3",
    "20 bit",
    "ours",
    "rules",
    "20 bit pass",
    "ours pass",
  ];
  const lines = rows.map((row) => [
    `${row.hosts}`,
    [row.ic, row.is, row.ec, row.es].join("/"),
    `${row.bytes12}`,
    `${row.formula12}`,
    `${row.ours12}`,
    `${row.bytes3}`,
    `${row.formula3}`,
    `${row.ours3}`,
    `${row.rules12}+${row.rules3}`,
    `${(row.passedAt20Bits * 100).toFixed(4)} %`,
    `${(row.oursPassed * 100).toFixed(3)} %`,
  ]);
  const widths = head.map((_, i) => Math.max(...[head, ...lines].map((line) => line[i]!.length)));
  for (const line of [head, ...lines]) console.log(line.map((cell, i) => cell.padStart(widths[i]!)).join("  "));
  const worst = Math.max(...rows.map(({ oursPassed }) => oursPassed));
  console.log(
    `\nbytes; ours: ${RATE * 100} %, at least 128 bytes a filter. Pass: share of strangers, the worst of the three filters.`,
  );
  console.log(
    `A stranger over a path of two filtering APs, with ${filters} different filters in the mesh: ${(worst / filters ** 2).toExponential(1)} (section IV: P * (1/F)^2).`,
  );
}

const { values } = parseArgs({
  options: {
    queries: { type: "string", default: "200000" },
    filters: { type: "string", default: "4" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(USAGE);
} else {
  const rows = TABLE_III.map((sizes) => measureRow(sizes, Number(values.queries)));
  if (values.json) console.log(JSON.stringify({ rows }));
  else printRows(rows, Number(values.filters));
}
