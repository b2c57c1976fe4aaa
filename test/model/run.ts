import { CONTROLS } from "./controls.ts";
import { INVARIANTS } from "./invariants/index.ts";
import { ACTS, type Outcome, type RunOptions, tell } from "./story.ts";

/**
 * The model check: seeded runs of whole meshes in a network that misbehaves.
 *
 *   node scripts/ts.mjs test/model/run.ts [--runs N] [--seed FIRST] [--jobs N] [--naive NAME] [--without ACT,..]
 *                                         [--check I1,..] [--only SEED] [--json]
 */
const USAGE = `--runs N      seeds, from --seed on (20)
--seed FIRST  first seed (1)
--jobs N      processes (1)
--only SEED   one seed, and the history of a failure
--find        stops at the first seed that fails, of --runs; with "--naive all" for each design
--weights A=N acts of other weights than the usual ones, A=N,B=M
--naive NAME  a design that must fail: ${Object.keys(CONTROLS).join(", ")}
--without A,B acts that do not happen: ${Object.keys(ACTS).join(", ")}
--check I,J   invariants that are looked at: ${Object.keys(INVARIANTS).join(", ")}
--json        the sum as JSON`;

interface Sum {
  runs: number;
  virtualS: number;
  cpuS: number;
  readonly failed: { readonly seed: number; readonly invariant: string; readonly text: string }[];
  readonly counts: Record<string, number>;
  readonly excused: Record<string, number>;
}

const arguments_ = process.argv.slice(2);

function option(name: string): string | undefined {
  const at = arguments_.indexOf(`--${name}`);
  return at < 0 ? undefined : arguments_[at + 1];
}

function add(to: Record<string, number>, from: Iterable<readonly [string, number]>): void {
  for (const [name, value] of from) to[name] = (to[name] ?? 0) + value;
}

function take(sum: Sum, outcome: Outcome): void {
  sum.runs++;
  sum.virtualS += outcome.virtualMs / 1000;
  add(sum.counts, Object.entries(outcome.counts));
  add(sum.counts, Object.entries(outcome.network));
  add(sum.excused, outcome.excused);
  const [failure] = outcome.failures;
  if (failure) sum.failed.push({ seed: outcome.seed, invariant: failure.invariant, text: failure.text });
}

function optionsOf(naive = option("naive")): RunOptions & { undo?: (() => void) | undefined } {
  const control = naive === undefined ? undefined : CONTROLS[naive];
  if (naive !== undefined && !control) throw new Error(`no naive design "${naive}"\n${USAGE}`);
  const undo = control?.install?.();
  const weights =
    option("weights")
      ?.split(",")
      .map((pair) => pair.split("=")) ?? [];
  return {
    weights: { ...control?.weights, ...Object.fromEntries(weights.map(([act, weight]) => [act, Number(weight)])) },
    without: option("without")?.split(",") ?? [],
    ...(option("check") ? { only: option("check")!.split(",") } : {}),
    ...(control?.patches ? { patches: control.patches } : {}),
    undo,
  };
}

/** Seeds `first`, `first + stride`, ... */
async function runSeeds(
  sum: Sum,
  first: number,
  count: number,
  stride: number,
  told: (sum: Sum) => void,
): Promise<void> {
  const options = optionsOf();
  for (let i = 0; i < count; i++) {
    const outcome = await tell(first + i * stride, options);
    take(sum, outcome);
    sum.cpuS = cpuS();
    told(sum);
  }
}

function cpuS(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function emptySum(): Sum {
  return { runs: 0, virtualS: 0, cpuS: 0, failed: [], counts: {}, excused: {} };
}

/** One process for each job, each with every n-th seed; they tell their sums line by line. */
async function runJobs(jobs: number, first: number, runs: number): Promise<Sum> {
  const { fork } = await import("node:child_process");
  const sums: Sum[] = [];
  const passed = arguments_.filter(
    (_, i) => !["--jobs", "--runs", "--seed"].some((n) => arguments_[i] === n || arguments_[i - 1] === n),
  );
  await Promise.all(
    Array.from({ length: jobs }, (_, job) => {
      const count = Math.ceil((runs - job) / jobs);
      const child = fork("scripts/ts.mjs", [
        ...[
          "test/model/run.ts",
          "--worker",
          "--seed",
          String(first + job),
          "--runs",
          String(count),
          "--stride",
          String(jobs),
        ],
        ...passed,
      ]);
      child.on("message", (sum: Sum) => {
        sums[job] = sum;
        progress(merged(sums), runs);
      });
      return new Promise((resolve, reject) =>
        child.on("exit", (code) => (code === 0 ? resolve(0) : reject(new Error(`job ${job} ended with ${code}`)))),
      );
    }),
  );
  return merged(sums);
}

function merged(sums: readonly Sum[]): Sum {
  const all = emptySum();
  for (const sum of sums) {
    if (!sum) continue;
    all.runs += sum.runs;
    all.virtualS += sum.virtualS;
    all.cpuS += sum.cpuS;
    all.failed.push(...sum.failed);
    add(all.counts, Object.entries(sum.counts));
    add(all.excused, Object.entries(sum.excused));
  }
  return all;
}

let shownMs = 0;

/** One line, written over. */
function progress(sum: Sum, runs: number): void {
  if (!process.stderr.isTTY || process.uptime() * 1000 - shownMs < 200) return;
  shownMs = process.uptime() * 1000;
  process.stderr.write(`\r${sum.runs} of ${runs} runs, ${sum.failed.length} failed, ${sum.cpuS.toFixed(0)} s `);
}

function conclude(sum: Sum): void {
  sum.failed.sort((a, b) => a.seed - b.seed);
  if (arguments_.includes("--json")) {
    process.stdout.write(`${JSON.stringify(sum, undefined, 2)}\n`);
    return;
  }
  const naive = option("naive") ? ` --naive ${option("naive")}` : "";
  for (const { seed, invariant, text } of sum.failed)
    process.stdout.write(
      `\nseed ${seed} fails ${invariant}: ${text}\n  node scripts/ts.mjs test/model/run.ts --only ${seed}${naive}\n`,
    );
  const { runs, virtualS, cpuS: cpu, failed, counts, excused } = sum;
  const perRun = (value: number, digits: number) => (value / runs).toFixed(digits);
  process.stdout.write(
    `\n${runs} runs, ${failed.length} failed; ${perRun(virtualS, 0)} s of virtual time and ${perRun(cpu, 2)} s of CPU each\n`,
  );
  process.stdout.write(
    `${Object.entries(counts)
      .map(([name, value]) => `${value} ${name}`)
      .join(", ")}\n`,
  );
  for (const [name, value] of Object.entries(excused).sort()) process.stdout.write(`  excused: ${name}: ${value}\n`);
}

/** Looks at the invariant that the design breaks, and at none other. False when it held in all seeds. */
async function find(naive: string, first: number, runs: number): Promise<boolean> {
  const { undo, ...options } = optionsOf(naive);
  const { invariant } = CONTROLS[naive]!;
  try {
    for (let seed = first; seed < first + runs; seed++) {
      const { failures } = await tell(seed, { ...options, only: [invariant] });
      if (failures.length === 0) continue;
      process.stdout.write(`| ${naive} | ${invariant} | ${seed} | ${failures[0]!.text} |\n`);
      return true;
    }
  } finally {
    undo?.();
  }
  process.stdout.write(`| ${naive} | ${invariant} | holds from ${first} to ${first + runs - 1} | |\n`);
  return false;
}

async function main(): Promise<void> {
  if (arguments_.includes("--help")) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const runs = Number(option("runs") ?? 20);
  const first = Number(option("seed") ?? 1);
  const jobs = Number(option("jobs") ?? 1);
  const naive = option("naive");
  if (naive !== undefined && arguments_.includes("--find")) {
    let found = true;
    for (const name of naive === "all" ? Object.keys(CONTROLS) : [naive])
      found = (await find(name, first, runs)) && found;
    process.exitCode = found ? 0 : 1;
    return;
  }
  if (option("only")) {
    const outcome = await tell(Number(option("only")), optionsOf());
    for (const line of outcome.history()) process.stdout.write(`${line}\n`);
    const sum = emptySum();
    take(sum, outcome);
    conclude(sum);
    process.stdout.write(`event log ${outcome.hash.toString(16)}\n`);
    process.exitCode = sum.failed.length > 0 ? 1 : 0;
    return;
  }
  if (arguments_.includes("--worker")) {
    await runSeeds(emptySum(), first, runs, Number(option("stride")), (sum) => process.send?.(sum));
    process.disconnect?.();
    return;
  }
  let sum = emptySum();
  if (jobs > 1) sum = await runJobs(jobs, first, runs);
  else await runSeeds(sum, first, runs, 1, () => progress(sum, runs));
  conclude(sum);
  // A naive design that holds is a check that sees nothing.
  process.exitCode = sum.failed.length > 0 === (option("naive") !== undefined) ? 0 : 1;
}

await main();
