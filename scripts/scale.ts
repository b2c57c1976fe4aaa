/**
 * What replication costs an access point as the mesh grows: real replicators, all of them, on one virtual clock.
 * `node scripts/ts.mjs scripts/scale.ts [--quick] [--seconds N] [--write]`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Panel, plot } from "../src/control/report/plot.ts";
import { portableCrypto } from "../src/platform/portable-crypto.ts";
import { full, planar, type Radio } from "../src/simulate/radio.ts";
import { randomOf } from "../src/simulate/random.ts";
import { runCommand, UsageError } from "./command.ts";
import { ScaleMesh, type Work } from "./scale/mesh.ts";

const USAGE = `usage: node scripts/ts.mjs scripts/scale.ts [--quick] [--seconds N] [--write]
  --quick      meshes of up to 100 access points
  --seconds N  virtual seconds that are measured (default 30)
  --write      puts the table into docs/scale.md and draws docs/scale.svg`;

const SIZES = [10, 30, 100, 300, 1_000];
/** Everybody keeps at most 32 neighbours: a larger crowd would be no control. */
const FULL_SIZES = [10, 20, 30];
const QUICK_MAX = 100;
const CLIENTS_PER_AP = 100;
const SETTLES_MS = 12_000;
const SETUP = {
  geometry: "4x64x8/r26",
  slots: 2_048,
  clientsPerAp: CLIENTS_PER_AP,
  loss: 0.01,
  expectationEveryMs: 20_000,
  staysMs: 60_000,
} as const;
const DOCUMENT = "docs/scale.md";
const FIGURE = "docs/scale.svg";
const HEAP_MB = 16_000;

/** Figures of one AP, means over all. */
interface Cost {
  readonly radio: string;
  readonly aps: number;
  readonly clients: number;
  readonly neighbours: number;
  readonly settled: number;
  readonly datagramsSent: number;
  readonly datagramsHeard: number;
  readonly kilobytesHeard: number;
  readonly cellsMirrored: number;
  /** The model of the kernel and the network included: by the processor's clock, so other work does not count. */
  readonly cpuMs: number;
  readonly contexts: number;
  readonly megabytes: number;
}

interface Options {
  readonly sizes: readonly number[];
  readonly seconds: number;
  readonly write: boolean;
}

function parseArguments(list: readonly string[]): Options {
  let [sizes, seconds, write] = [SIZES, 30, false];
  const words = [...list];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === "--quick") sizes = SIZES.filter((size) => size <= QUICK_MAX);
    else if (word === "--write") write = true;
    else if (word === "--seconds") seconds = Number(words.shift());
    else throw new UsageError(`${word}: not an option`);
  }
  if (!(seconds >= 1)) throw new UsageError("--seconds: a number from 1 on");
  return { sizes, seconds, write };
}

setFlagsFromString("--expose-gc");
setFlagsFromString(`--max-old-space-size=${HEAP_MB}`);
const collect: () => void = runInNewContext("gc");

/** What a finished function still held, and buffers whose views are gone, are free some turns of the loop later. */
async function memoryBytes(): Promise<number> {
  for (let turn = 0; turn < 4; turn++) {
    await new Promise((done) => setTimeout(done, 50));
    collect();
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

async function measure(radio: Radio, seconds: number): Promise<Cost> {
  const before = await memoryBytes();
  const mesh = new ScaleMesh({ ...SETUP, radio, crypto: portableCrypto, random: randomOf(radio.neighbours.length) });
  await mesh.run(SETTLES_MS);
  const start: Work = { ...mesh.work };
  const cpuBefore = process.cpuUsage();
  await mesh.run(seconds * 1_000);
  const aps = mesh.aps.length;
  const perSecond = (of: keyof Work) => (mesh.work[of] - start[of]) / aps / seconds;
  const cpu = process.cpuUsage(cpuBefore);
  const megabytes = ((await memoryBytes()) - before) / aps / 1e6;
  const mean = (of: (ap: (typeof mesh.aps)[number]) => number) => mesh.aps.reduce((sum, ap) => sum + of(ap), 0) / aps;
  return {
    radio: radio.name,
    aps,
    clients: aps * CLIENTS_PER_AP,
    neighbours: mean((ap) => ap.hears.length),
    settled: mesh.settledShare(),
    datagramsSent: perSecond("datagramsSent"),
    datagramsHeard: perSecond("datagramsHeard"),
    kilobytesHeard: perSecond("bytesHeard") / 1_000,
    cellsMirrored: perSecond("cellsMirrored"),
    cpuMs: (cpu.user + cpu.system) / 1_000 / aps / seconds,
    contexts: mean((ap) => [...ap.replicator.proxy.contexts.all()].length),
    megabytes,
  };
}

const COLUMNS: ReadonlyArray<readonly [title: string, of: (cost: Cost) => string]> = [
  ["radio", (c) => c.radio],
  ["APs", (c) => c.aps.toLocaleString("en")],
  ["clients", (c) => c.clients.toLocaleString("en")],
  ["neighbours", (c) => c.neighbours.toFixed(1)],
  ["datagrams sent/s", (c) => c.datagramsSent.toFixed(1)],
  ["datagrams heard/s", (c) => c.datagramsHeard.toFixed(0)],
  ["kB heard/s", (c) => c.kilobytesHeard.toFixed(1)],
  ["heard/s per neighbour", (c) => (c.datagramsHeard / c.neighbours).toFixed(1)],
  ["cells mirrored/s", (c) => c.cellsMirrored.toFixed(0)],
  ["CPU ms/s", (c) => c.cpuMs.toFixed(2)],
  ["clients known", (c) => c.contexts.toFixed(0)],
  ["MB", (c) => c.megabytes.toFixed(2)],
  ["in step", (c) => `${(c.settled * 100).toFixed(1)} %`],
];

const lineOf = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
const rowOf = (cost: Cost): string => lineOf(COLUMNS.map(([, of]) => of(cost)));
const HEAD = [lineOf(COLUMNS.map(([title]) => title)), lineOf(COLUMNS.map(() => "---"))].join("\n");

function figureOf(costs: readonly Cost[]): string {
  const series = (of: (cost: Cost) => number): Panel["series"] => [
    { name: "plane: neighbours stay", style: "a", points: pointsOf(costs, "planar", of) },
    { name: "control: everybody hears all", style: "b", points: pointsOf(costs, "full", of) },
  ];
  const panels: Panel[] = [
    { title: "kB heard a second, per AP", series: series((c) => c.kilobytesHeard) },
    { title: "CPU ms a second, per AP", series: series((c) => c.cpuMs) },
    { title: "MB, per AP", series: series((c) => c.megabytes) },
  ];
  return plot(panels, "access points");
}

const pointsOf = (costs: readonly Cost[], radio: string, of: (cost: Cost) => number) =>
  costs.filter((cost) => cost.radio === radio).map((cost) => ({ x: cost.aps, y: of(cost) }));

function writeDocument(costs: readonly Cost[]): void {
  const text = readFileSync(DOCUMENT, "utf8");
  const next = text.replace(
    /(<!-- table -->\n)[\s\S]*?(\n<!-- end -->)/,
    `$1${[HEAD, ...costs.map(rowOf)].join("\n")}$2`,
  );
  if (next === text) throw new Error(`${DOCUMENT}: no place for the table`);
  writeFileSync(DOCUMENT, next);
  writeFileSync(FIGURE, figureOf(costs));
}

async function main(): Promise<number> {
  const { sizes, seconds, write } = parseArguments(process.argv.slice(2));
  const radios = [...FULL_SIZES.map(full), ...sizes.map((size) => planar(size, randomOf(size)))];
  const costs: Cost[] = [];
  process.stdout.write(`${HEAD}\n`);
  for (const radio of radios) {
    const cost = await measure(radio, seconds);
    costs.push(cost);
    process.stdout.write(`${rowOf(cost)}\n`);
  }
  if (write) writeDocument(costs);
  return 0;
}

await runCommand(USAGE, main);
