// All checks and tests, one after the other: `npm test [-- vitest arguments]`. The last line has the counts.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { relative } from "node:path";
import { CHROMIUM } from "../test/page/chromium.ts";

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}
interface Step {
  readonly title: string;
  readonly command: readonly string[];
  /** Why it cannot run here. */
  readonly leftOut?: string | undefined;
  readonly count: (exitCode: number, output: string) => Counts;
}

const SLOWEST_TOLD = 10;

const isRoot = process.getuid?.() === 0;
const bin = (name: string) => `node_modules/.bin/${name}`;

/** A tool that only says yes or no. */
const one = (exitCode: number): Counts => ({
  passed: exitCode === 0 ? 1 : 0,
  failed: exitCode === 0 ? 0 : 1,
  skipped: 0,
});

/** Every `N checks, N failed` line; a command that failed without one counts as one failure. */
function closingLines(exitCode: number, output: string): Counts {
  let [passed, failed] = [0, 0];
  for (const [, checks, f] of output.matchAll(/^(?:\S+: )?(\d+) checks, (\d+) failed/gm)) {
    passed += Number(checks) - Number(f);
    failed += Number(f);
  }
  return { passed, failed: exitCode !== 0 && failed === 0 ? 1 : failed, skipped: 0 };
}

interface FileResult {
  readonly name: string;
  readonly startTime: number;
  readonly endTime: number;
}

/** Where the time goes: the whole has a limit. */
function tellSlowest(files: readonly FileResult[]): void {
  const took = files.map(({ name, startTime, endTime }) => ({ name, seconds: (endTime - startTime) / 1_000 }));
  const slowest = took.sort((a, b) => b.seconds - a.seconds).slice(0, SLOWEST_TOLD);
  const told = slowest.map(({ name, seconds }) => `${relative(process.cwd(), name)} ${seconds.toFixed(0)} s`);
  console.log(`\n   slowest: ${told.join(", ")}`);
}

function vitest(title: string, name: string, args: readonly string[], leftOut?: string): Step {
  const results = `build/vitest-${name}.json`;
  const count = (exitCode: number): Counts => {
    if (!existsSync(results)) return one(exitCode || 1);
    const { numPassedTests, numFailedTests, numPendingTests, testResults } = JSON.parse(readFileSync(results, "utf8"));
    rmSync(results);
    tellSlowest(testResults);
    // A file that cannot even be loaded has no failed test of its own.
    return { passed: numPassedTests, failed: numFailedTests || (exitCode === 0 ? 0 : 1), skipped: numPendingTests };
  };
  const reporters = ["--reporter=dot", "--reporter=json", `--outputFile.json=${results}`];
  return { title, command: [bin("vitest"), "run", ...args, ...reporters], leftOut, count };
}

function run(step: Step): Promise<Counts> {
  return new Promise((resolve) => {
    const [program, ...args] = step.command;
    const colour = process.stdout.isTTY ? { FORCE_COLOR: "1" } : { NO_COLOR: "1" };
    const child = spawn(program!, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...colour } });
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
      resolve(one(1));
    });
    child.on("close", (code) => resolve(step.count(code ?? 1, output)));
  });
}

const noClang = existsSync("build/sfr.bpf.o") ? undefined : "the kernel's half is not built";
/** Packages on a stand-in for a device: namespaces and the real filter, as in the lab. */
const INSTALL = "test/openwrt/install.test.ts";
const all: Step[] = [
  { title: "lint", command: [bin("biome"), "check", "--error-on-warnings"], count: one },
  { title: "types", command: [bin("tsc"), "--noEmit"], count: one },
  { title: "types of the page", command: [bin("tsc"), "-p", "page"], count: one },
  vitest(
    "unit and property tests",
    "unit",
    ["test/lab/**", "test/page/**", INSTALL].flatMap((path) => ["--exclude", path]),
  ),
  vitest(
    "status page in a real Chromium",
    "page",
    ["test/page"],
    CHROMIUM ? undefined : "no Chromium here: npm run page-test installs one",
  ),
  { title: "C routines", command: ["make", "-s", "-C", "firmware", "check"], leftOut: noClang, count: closingLines },
  vitest(
    "lab: real kernel, real traffic",
    "lab",
    ["test/lab", INSTALL, "--no-file-parallelism"],
    isRoot ? noClang : "network namespaces and BPF need root",
  ),
];
const args = process.argv.slice(2);
const steps = args.length === 0 ? all : [vitest("chosen tests", "chosen", args)];

mkdirSync("build", { recursive: true });
const total = { passed: 0, failed: 0, skipped: 0 };
const leftOut: string[] = [];
for (const step of steps) {
  if (step.leftOut !== undefined) {
    leftOut.push(`${step.title} (${step.leftOut})`);
    continue;
  }
  const startedMs = performance.now();
  console.log(`\n== ${step.title}`);
  const counts = await run(step);
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped;
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
  console.log(`   ${counts.failed === 0 ? "passed" : "FAILED"} in ${seconds} s`);
}
console.log();
for (const what of leftOut) console.log(`left out: ${what}`);
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ""}`);
process.exitCode = total.failed > 0 ? 1 : 0;
