/**
 * Measures Roamwall beside what it would replace, in one run on one machine, and prints ratios.
 * `npm run bench [-- --json] [--only NAME,...]`, or `-- --suite replication` for the table beside conntrackd. Needs
 * root; makes namespaces of its own and removes them.
 */
import { availableParallelism } from "node:os";
import { acl } from "./bench/acl.ts";
import { MEASURE_NAMES, runSuite, SYSTEM_NAMES, suiteJson, suiteTable } from "./bench/beside/suite.ts";
import { connects } from "./bench/connects.ts";
import { cpus } from "./bench/cpus.ts";
import { established, newFlow } from "./bench/forward.ts";
import { queue } from "./bench/queue.ts";
import { replicated, replication } from "./bench/replication.ts";
import type { Context, Group, Row } from "./bench/row.ts";
import { bundle, resident } from "./bench/sizes.ts";
import { testrun } from "./bench/testrun.ts";
import { runCommand, UsageError } from "./command.ts";

const GROUPS: readonly Group[] = [
  established,
  newFlow,
  acl,
  connects,
  replicated,
  testrun,
  replication,
  bundle,
  resident,
];
/** What takes long, or needs more installed, is asked for by name. */
const SUITES: Readonly<Record<string, readonly Group[]>> = { queue: [queue], cpus: [cpus] };
const SUITE_NAMES = ["replication", ...Object.keys(SUITES)];
const namesOfGroups = (groups: readonly Group[]) => groups.flatMap((group) => group.names);
const NAMES = namesOfGroups(GROUPS);

const USAGE = `usage: npm run bench -- [--json] [--only NAME,...]
       npm run bench -- --suite replication [--json] [--rounds N] [--only MEASURE,...] [--systems NAME,...]
       npm run bench -- --suite queue|cpus [--json]
  --json       one JSON object on standard output, and nothing else
  --only NAME  only these rows (and what is measured with them):
               ${NAMES.join("\n               ")}
  --suite queue  packets a second behind netfilter's queue, beside a program that accepts all
  --suite cpus   instructions a packet on old and small CPUs, counted by emulators
  --suite replication  every way to replicate, ours and conntrackd's, in one table
               measures: ${MEASURE_NAMES.join(", ")}
               systems: ${SYSTEM_NAMES.join(", ")}`;

interface Options {
  readonly json: boolean;
  readonly only: readonly string[];
  /** "": the rows that are measured without being asked for. */
  readonly suite: string;
  readonly rounds: number | undefined;
  readonly systems: readonly string[];
}

function parseArguments(list: readonly string[]): Options {
  const words = list.flatMap((argument) => (argument.startsWith("--") ? splitOption(argument) : [argument]));
  let json = false;
  let suite = "";
  let rounds: number | undefined;
  let only = "";
  let systems = "";
  const take = (option: string): string => {
    const value = words.shift();
    if (!value) throw new UsageError(`${option}: a value is missing`);
    return value;
  };
  for (let option = words.shift(); option !== undefined; option = words.shift()) {
    if (option === "--json") json = true;
    else if (option === "--only") only = `${only},${take(option)}`;
    else if (option === "--systems") systems = `${systems},${take(option)}`;
    else if (option === "--rounds") rounds = roundsOf(take(option));
    else if (option === "--suite") suite = suiteOf(take(option));
    else throw new UsageError(`${option}: not an option`);
  }
  const names = (option: string, text: string, known: readonly string[]) => namesOf(option, text, known);
  if (suite !== "replication" && (systems || rounds))
    throw new UsageError("--systems, --rounds: only with --suite replication");
  const known = suite === "replication" ? MEASURE_NAMES : suite ? namesOfGroups(SUITES[suite]!) : NAMES;
  return {
    json,
    suite,
    rounds,
    only: names("--only", only, known),
    systems: names("--systems", systems, SYSTEM_NAMES),
  };
}

function splitOption(argument: string): string[] {
  const at = argument.indexOf("=");
  return at < 0 ? [argument] : [argument.slice(0, at), argument.slice(at + 1)];
}

function suiteOf(text: string): string {
  if (!SUITE_NAMES.includes(text)) throw new UsageError(`--suite ${text}: accepted: ${SUITE_NAMES.join(", ")}`);
  return text;
}

function roundsOf(text: string): number {
  const rounds = Number(text);
  if (!Number.isInteger(rounds) || rounds < 1) throw new UsageError(`--rounds ${text}: a whole number from 1 on`);
  return rounds;
}

function namesOf(option: string, text: string, known: readonly string[]): string[] {
  const names = text.split(",").filter((name) => name !== "");
  for (const name of names)
    if (!known.includes(name)) throw new UsageError(`${option} ${name}: accepted: ${known.join(", ")}`);
  return names;
}

const short = (value: number): string => {
  const digits = Math.abs(value) >= 1000 ? 0 : Math.abs(value) >= 100 ? 1 : 2;
  return value.toFixed(digits);
};

const ratioOf = (row: Row): number | null =>
  row.baseline && row.baseline.median !== 0 ? row.value.median / row.baseline.median : null;

const rounded = (value: number): number => Number(value.toPrecision(5));

function jsonOf(rows: readonly Row[]): string {
  const list = rows.map((row) => {
    const ratio = ratioOf(row);
    return {
      name: row.name,
      value: rounded(row.value.median),
      unit: row.unit,
      baseline: row.baseline ? rounded(row.baseline.median) : null,
      ratio: ratio === null ? null : rounded(ratio),
    };
  });
  return JSON.stringify({ rows: list });
}

function tableOf(rows: readonly Row[]): string {
  const head = ["row", "unit", "median", "min..max", "baseline", "min..max", "ratio", ""];
  const spread = (figure: Row["value"]): string =>
    figure.min === figure.max ? "" : `${short(figure.min)}..${short(figure.max)}`;
  const lines = rows.map((row) => {
    const ratio = ratioOf(row);
    const theirs = row.baseline ? [short(row.baseline.median), spread(row.baseline)] : ["", ""];
    const ours = [row.name, row.unit, short(row.value.median), spread(row.value)];
    return [...ours, ...theirs, ratio === null ? "" : ratio.toFixed(3), row.note];
  });
  const widths = head.map((_, column) => Math.max(...[head, ...lines].map((line) => (line[column] as string).length)));
  return [head, ...lines]
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] as number))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Says on a terminal what is being measured; otherwise keeps quiet. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

async function measureAll(options: Options): Promise<{ rows: Row[]; failed: string[] }> {
  const wanted = (name: string): boolean => options.only.length === 0 || options.only.includes(name);
  const failed: string[] = [];
  const guard = async (names: string, work: () => Promise<Row[]>): Promise<Row[]> => {
    progress(names);
    try {
      return await work();
    } catch (error) {
      failed.push(`${names}: ${(error as Error).message}`);
      return [];
    }
  };
  const attempt = async (name: string, work: () => Promise<Row[]>) => (wanted(name) ? guard(name, work) : []);
  const context = contextOf(attempt);
  const rows: Row[] = [];
  for (const group of options.suite ? SUITES[options.suite]! : GROUPS) {
    const names = group.names.filter(wanted).join(", ");
    if (names) rows.push(...(await guard(names, () => group.measure(context))));
  }
  progress("");
  return { rows, failed };
}

interface Measured {
  readonly text: string;
  readonly failed: readonly string[];
}

const contextOf = (attempt: Context["attempt"]): Context => ({
  attempt,
  trafficCpu: availableParallelism() - 1,
  otherCpu: 0,
});

async function measureRows(options: Options): Promise<Measured> {
  const { rows, failed } = await measureAll(options);
  return { text: options.json ? jsonOf(rows) : tableOf(rows), failed };
}

async function measureSuite({ json, rounds, only, systems }: Options): Promise<Measured> {
  const context = contextOf((_name, work) => work());
  const result = await runSuite(context, { rounds, measures: only, systems, progress });
  progress("");
  return { text: json ? suiteJson(result) : suiteTable(result), failed: result.failed };
}

async function main(): Promise<number> {
  const options = parseArguments(process.argv.slice(2));
  if (process.getuid?.() !== 0) throw new Error("the bench needs root: it makes network namespaces and loads BPF");
  const { text, failed } = await (options.suite === "replication" ? measureSuite(options) : measureRows(options));
  process.stdout.write(`${text}\n`);
  for (const text of failed) process.stderr.write(`not measured: ${text}\n`);
  return failed.length === 0 ? 0 : 1;
}

await runCommand(USAGE, main);
