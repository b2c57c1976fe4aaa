import { type Geometry, parseGeometry } from "../../src/bloom/geometry.ts";
import { CONSTANTS } from "../../src/datapath/abi.ts";
import type { Sfr } from "../../src/sfr/sfr.ts";
import { SEEDS } from "../support/firewall.ts";
import { MIRRORS, ScriptGenerator } from "./kernel-model.generator.ts";
import { Pair, SLOTS } from "./kernel-model.pair.ts";
import type { Step } from "./kernel-model.script.ts";
import { KernelRunner, type Result } from "./kernel-runner.ts";

/**
 * The kernel's program against the model: the same script of packets and changes through both, and after every packet the
 * same verdict, reason, type, cells, owners, marks, dirty blocks and ring events. A difference is shrunk and printed.
 *
 *     node scripts/ts.mjs test/lab/kernel-model.ts --packets 1000000 --seed 1 [--geometry 4x32x8/r26] [--atomics 0]
 */
export interface ComparisonOptions {
  readonly geometry: string;
  readonly seed: number;
  readonly packets: number;
  readonly atomics?: boolean;
  /** Something wrong with the model, to prove that the comparison sees it. */
  readonly spoil?: (model: Sfr) => void;
}

export interface Comparison {
  readonly packets: number;
  /** Packets by reason; passed ones at 0. */
  readonly reasons: readonly number[];
  readonly changedCells: number;
  /** The first difference, shrunk, for people; "" = none. */
  readonly difference: string;
}

const EPISODE_STEPS = 2000;
const SHRINK_TRIALS = 400;

export async function compareWithModel(options: ComparisonOptions): Promise<Comparison> {
  const geometry = parseGeometry(options.geometry, "geometry");
  const runner = new KernelRunner({
    geometry,
    seeds: SEEDS,
    mirrors: MIRRORS,
    slots: SLOTS,
    atomics: options.atomics ?? true,
  });
  const reasons = new Array<number>(CONSTANTS.COUNTERS).fill(0);
  let packets = 0;
  let changedCells = 0;
  try {
    for (let episode = 0; packets < options.packets; episode++) {
      const generator = new ScriptGenerator(options.seed * 100_003 + episode, SEEDS, geometry.cells);
      const script = [...generator.beginning()];
      for (let i = 0; i < EPISODE_STEPS; i++) script.push(generator.next());
      const run = await runScript(runner, geometry, script, options.spoil);
      packets += run.packets;
      changedCells += run.changedCells;
      for (let i = 0; i < reasons.length; i++) reasons[i]! += run.reasons[i]!;
      if (run.difference) {
        const text = await shrink(runner, geometry, script.slice(0, run.at + 1), options.spoil);
        return { packets, reasons, changedCells, difference: `seed ${options.seed}, episode ${episode}\n${text}` };
      }
    }
    return { packets, reasons, changedCells, difference: "" };
  } finally {
    await runner.close();
  }
}

interface Run {
  readonly packets: number;
  readonly reasons: readonly number[];
  readonly changedCells: number;
  readonly difference: string;
  /** Index of the step that differed. */
  readonly at: number;
}

async function runScript(
  runner: KernelRunner,
  geometry: Geometry,
  script: readonly Step[],
  spoil: (model: Sfr) => void = () => {},
): Promise<Run> {
  const pair = new Pair(runner, geometry);
  spoil(pair.model);
  const reasons = new Array<number>(CONSTANTS.COUNTERS).fill(0);
  let packets = 0;
  let changedCells = 0;
  let difference = "";
  let at = -1;
  for (const [i, step] of script.entries()) {
    if (step.kind !== "packet") {
      pair.apply(step);
      continue;
    }
    const expected = pair.judge(step);
    packets++;
    reasons[expected.reason]!++;
    if (expected.cells) changedCells++;
    runner.run(step.frame, (result) => {
      if (difference || same(result, expected)) return;
      at = i;
      difference = describe(result, expected);
    });
    if (i % 500 === 0) await runner.settle();
    if (difference) break;
  }
  await runner.settle();
  return { packets, reasons, changedCells, difference, at };
}

function same(a: Result, b: Result): boolean {
  return (
    a.pass === b.pass &&
    a.reason === b.reason &&
    a.type === b.type &&
    a.monitored === b.monitored &&
    a.slot === b.slot &&
    a.cells === b.cells &&
    a.events === b.events &&
    a.dirty === b.dirty &&
    a.halfOpen === b.halfOpen
  );
}

function describe(kernel: Result, model: Result): string {
  const lines = (Object.keys(kernel) as (keyof Result)[])
    .filter((key) => kernel[key] !== model[key])
    .map((key) => `  ${key}: kernel ${JSON.stringify(kernel[key])}, model ${JSON.stringify(model[key])}`);
  return lines.join("\n");
}

/** Leaves out ever smaller pieces as long as a difference remains. */
async function shrink(
  runner: KernelRunner,
  geometry: Geometry,
  script: readonly Step[],
  spoil?: (model: Sfr) => void,
): Promise<string> {
  let best = script;
  let trials = 0;
  for (let size = Math.ceil(best.length / 2); size >= 1 && trials < SHRINK_TRIALS; size = Math.floor(size / 2)) {
    for (let from = 0; from < best.length && trials < SHRINK_TRIALS; trials++) {
      const shorter = [...best.slice(0, from), ...best.slice(from + size)];
      const run = await runScript(runner, geometry, shorter, spoil);
      if (run.difference) best = shorter.slice(0, run.at + 1);
      else from += size;
    }
  }
  const run = await runScript(runner, geometry, best, spoil);
  return [...best.map(print), run.difference].join("\n");
}

function print(step: Step): string {
  if (step.kind === "packet") {
    const { bytes, ...how } = step.frame;
    return `packet (${step.what}) ${JSON.stringify(how)} ${Buffer.from(bytes).toString("hex")}`;
  }
  if (step.kind === "filter") {
    return `filter ${JSON.stringify({ ...step.filter, data: Buffer.from(step.filter.data).toString("hex") })}`;
  }
  return `${step.kind} ${JSON.stringify(step)}`;
}

function option(name: string, fallback: string): string {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : (process.argv[at + 1] ?? fallback);
}

if (process.argv[1]?.endsWith("kernel-model.ts")) {
  const geometry = option("geometry", "4x32x8/r26");
  const seed = Number(option("seed", "1"));
  const started = Date.now();
  const result = await compareWithModel({
    geometry,
    seed,
    packets: Number(option("packets", "100000")),
    atomics: option("atomics", "1") === "1",
  });
  const seconds = (Date.now() - started) / 1000;
  console.log(
    `${result.packets} packets, seed ${seed}, ${geometry}: ${result.difference ? "DIFFERENT" : "same"} in ${seconds} s`,
  );
  console.log(`by reason: ${result.reasons.join(" ")}; packets that changed cells: ${result.changedCells}`);
  if (result.difference) {
    console.log(result.difference);
    process.exitCode = 1;
  }
}
