// All checks and tests, one after the other: `npm test [-- vitest arguments]`. The last line has the counts.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { resolve as resolvePath } from "node:path";
import { CHROMIUM } from "../test/page/chromium.ts";
import { LAB_RUN, leftovers } from "./test/leftovers.ts";
import { type Result, resultOf, slowestOf, takeReport } from "./test/vitest.ts";

interface Step {
  readonly title: string;
  readonly command: readonly string[];
  /** Why it cannot run here. */
  readonly leftOut?: string | undefined;
  readonly environment?: NodeJS.ProcessEnv;
  readonly judge: (exitCode: number, output: string) => Result | Promise<Result>;
}

const isRoot = process.getuid?.() === 0;
const bin = (name: string) => `node_modules/.bin/${name}`;

/** A tool that only says yes or no. */
const one =
  (title: string) =>
  (exitCode: number): Result => ({
    passed: exitCode === 0 ? 1 : 0,
    failures: exitCode === 0 ? [] : [`${title}: exit status ${exitCode}`],
    skipped: 0,
  });

/** Every `N checks, N failed` line; a command that failed without one counts as one failure. */
const closingLines =
  (title: string) =>
  (exitCode: number, output: string): Result => {
    let passed = 0;
    const failures: string[] = [];
    for (const [line, checks, failed] of output.matchAll(/^(?:\S+: )?(\d+) checks, (\d+) failed/gm)) {
      passed += Number(checks) - Number(failed);
      for (let i = 0; i < Number(failed); i++) failures.push(`${title}: ${line}`);
    }
    return {
      passed,
      failures: exitCode !== 0 && failures.length === 0 ? one(title)(exitCode).failures : failures,
      skipped: 0,
    };
  };

function tool(title: string, ...command: string[]): Step {
  return { title, command, judge: one(title) };
}

function vitest(title: string, name: string, args: readonly string[], leftOut?: string): Step {
  const path = `build/vitest-${name}.json`;
  const run = resolvePath(`build/lab-run-${name}.${process.pid}`);
  const judge = async (exitCode: number): Promise<Result> => {
    const left = await leftovers(run);
    const report = takeReport(path);
    if (!report) return one(title)(exitCode || 1);
    console.log(`\n   slowest: ${slowestOf(report)}`);
    const { failures, ...counts } = resultOf(report);
    const all = [...failures, ...left.map((what) => `${title}: left behind: ${what}`)];
    return { ...counts, failures: all.length > 0 ? all : one(title)(exitCode).failures };
  };
  const reporters = ["--reporter=dot", "--reporter=json", `--outputFile.json=${path}`];
  return {
    title,
    command: [bin("vitest"), "run", ...args, ...reporters],
    environment: { [LAB_RUN]: run },
    leftOut,
    judge,
  };
}

function run(step: Step): Promise<Result> {
  return new Promise((resolve) => {
    const [program, ...args] = step.command;
    const colour = process.stdout.isTTY ? { FORCE_COLOR: "1" } : { NO_COLOR: "1" };
    const child = spawn(program!, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...colour, ...step.environment },
    });
    let output = "";
    for (const [from, to] of [
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ] as const) {
      from.on("data", (bytes: Buffer) => {
        output += bytes;
        to.write(bytes);
      });
    }
    child.on("error", (error) => {
      process.stderr.write(`${error.message}\n`);
      resolve(one(step.title)(1));
    });
    child.on("close", (code) => resolve(step.judge(code ?? 1, output)));
  });
}

const noClang = existsSync("build/sfr.bpf.o") ? undefined : "the kernel's half is not built";
/** They measure a machine that does nothing else. */
const MEASURING = ["test/lab/soak.test.ts"];
/** Labs wait more than they work, and their namespaces have names of their own. */
const LABS_AT_ONCE = 2;
/** Packages on a stand-in for a device: namespaces and the real filter, as in the lab. */
const INSTALL = "test/openwrt/install.test.ts";
const noLab = isRoot ? noClang : "network namespaces and BPF need root";
const excluding = (paths: readonly string[]) => paths.flatMap((path) => ["--exclude", path]);
const all: Step[] = [
  tool("lint", bin("biome"), "check", "--error-on-warnings"),
  tool("types", bin("tsc"), "--noEmit"),
  tool("types of the page", bin("tsc"), "-p", "page"),
  vitest("unit and property tests", "unit", excluding(["test/lab/**", "test/page/**", INSTALL])),
  vitest(
    "status page in a real Chromium",
    "page",
    ["test/page"],
    CHROMIUM ? undefined : "no Chromium here: npm run page-test installs one",
  ),
  {
    title: "C routines",
    command: ["make", "-s", "-C", "firmware", "check"],
    leftOut: noClang,
    judge: closingLines("C routines"),
  },
  vitest(
    "lab: real kernel, real traffic",
    "lab",
    ["test/lab", INSTALL, `--maxWorkers=${LABS_AT_ONCE}`, ...excluding(MEASURING)],
    noLab,
  ),
  vitest("lab: measured alone", "alone", MEASURING, noLab),
];
const args = process.argv.slice(2);
const steps = args.length === 0 ? all : [vitest("chosen tests", "chosen", args)];

mkdirSync("build", { recursive: true });
let [passed, skipped] = [0, 0];
const failures: string[] = [];
const leftOut: string[] = [];
for (const step of steps) {
  if (step.leftOut !== undefined) {
    leftOut.push(`${step.title} (${step.leftOut})`);
    continue;
  }
  const startedMs = performance.now();
  console.log(`\n== ${step.title}`);
  const result = await run(step);
  passed += result.passed;
  skipped += result.skipped;
  failures.push(...result.failures);
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
  console.log(`   ${result.failures.length === 0 ? "passed" : "FAILED"} in ${seconds} s`);
}
console.log();
for (const what of leftOut) console.log(`left out: ${what}`);
// Logs are often cut to their end: what failed stands there once more, in short.
for (const line of failures) console.log(`failed: ${line}`);
console.log(`${passed} passed, ${failures.length} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exitCode = failures.length > 0 ? 1 : 0;
