/**
 * Measures Roamwall beside what it would replace, in one run on one machine, and prints ratios.
 * `npm run bench [-- --json] [--only NAME,...]`. Needs root; makes namespaces of its own and removes them.
 */
import { availableParallelism } from "node:os";
import { acl } from "./bench/acl.ts";
import { connects } from "./bench/connects.ts";
import { established, newFlow } from "./bench/forward.ts";
import { replicated, replication } from "./bench/replication.ts";
import type { Context, Group, Row } from "./bench/row.ts";
import { bundle, resident } from "./bench/sizes.ts";
import { testrun } from "./bench/testrun.ts";

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
const NAMES = GROUPS.flatMap((group) => group.names);

const USAGE = `usage: npm run bench -- [--json] [--only NAME,...]
  --json       one JSON object on standard output, and nothing else
  --only NAME  only these rows (and what is measured with them):
               ${NAMES.join("\n               ")}`;

interface Options {
  readonly json: boolean;
  readonly only: readonly string[];
}

class UsageError extends Error {}

function parseArguments(list: readonly string[]): Options {
  let json = false;
  const only: string[] = [];
  for (let i = 0; i < list.length; i++) {
    const argument = list[i] as string;
    if (argument === "--json") json = true;
    else if (argument === "--only") only.push(...namesOf(list[++i]));
    else if (argument.startsWith("--only=")) only.push(...namesOf(argument.slice("--only=".length)));
    else throw new UsageError(`${argument}: not an option`);
  }
  return { json, only };
}

function namesOf(text: string | undefined): string[] {
  if (!text) throw new UsageError("--only: a name is missing");
  const names = text.split(",");
  for (const name of names) if (!NAMES.includes(name)) throw new UsageError(`--only ${name}: no such row`);
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
  const context: Context = { attempt, trafficCpu: availableParallelism() - 1, otherCpu: 0 };
  const rows: Row[] = [];
  for (const group of GROUPS) {
    const names = group.names.filter(wanted).join(", ");
    if (names) rows.push(...(await guard(names, () => group.measure(context))));
  }
  progress("");
  return { rows, failed };
}

async function main(): Promise<number> {
  const options = parseArguments(process.argv.slice(2));
  if (process.getuid?.() !== 0) throw new Error("the bench needs root: it makes network namespaces and loads BPF");
  const { rows, failed } = await measureAll(options);
  process.stdout.write(`${options.json ? jsonOf(rows) : tableOf(rows)}\n`);
  for (const text of failed) process.stderr.write(`not measured: ${text}\n`);
  return failed.length === 0 ? 0 : 1;
}

// Labs are taken down when the process exits, whatever ends it.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(130));

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  if (error instanceof UsageError) process.stderr.write(`${USAGE}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
