/** What a run of vitest says in its JSON report. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { relative } from "node:path";

export interface Result {
  readonly passed: number;
  readonly skipped: number;
  /** A line each. */
  readonly failures: readonly string[];
}

interface FileReport {
  readonly name: string;
  readonly startTime: number;
  readonly endTime: number;
  readonly status: string;
  /** Why the file could not be loaded. */
  readonly message: string;
  readonly assertionResults: readonly {
    readonly status: string;
    readonly fullName: string;
    readonly failureMessages?: readonly string[];
  }[];
}
export interface VitestReport {
  readonly numPassedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly FileReport[];
}

const SLOWEST_TOLD = 10;
const LINE_CHARACTERS = 200;

/** Reads the report and removes it; undefined: there is none, vitest itself failed. */
export function takeReport(path: string): VitestReport | undefined {
  if (!existsSync(path)) return undefined;
  const report = JSON.parse(readFileSync(path, "utf8")) as VitestReport;
  rmSync(path);
  return report;
}

export function resultOf(report: VitestReport): Result {
  const { numPassedTests, numPendingTests, testResults } = report;
  return { passed: numPassedTests, skipped: numPendingTests, failures: testResults.flatMap(failuresOf) };
}

/** `file > name: first line of the message`. A file that cannot be loaded, or whose hooks fail, may have no failed test. */
function failuresOf({ name, status, message, assertionResults }: FileReport): string[] {
  const file = relative(process.cwd(), name);
  const failed = assertionResults.filter((one) => one.status === "failed");
  if (failed.length === 0)
    return status === "failed" ? [oneLine(file, message || "it cannot be loaded, or a hook failed")] : [];
  return failed.map(({ fullName, failureMessages }) => oneLine(`${file} > ${fullName}`, failureMessages?.[0] ?? ""));
}

function oneLine(where: string, message: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's colours are what goes
  const [first = ""] = message.replace(/\x1b\[[\d;]*m/g, "").split("\n", 1);
  return `${where}: ${first}`.slice(0, LINE_CHARACTERS);
}

/** Where the time went: the whole has a limit. */
export function slowestOf({ testResults }: VitestReport): string {
  const took = testResults.map(({ name, startTime, endTime }) => ({ name, seconds: (endTime - startTime) / 1_000 }));
  const slowest = took.sort((a, b) => b.seconds - a.seconds).slice(0, SLOWEST_TOLD);
  return slowest.map(({ name, seconds }) => `${relative(process.cwd(), name)} ${seconds.toFixed(0)} s`).join(", ");
}
