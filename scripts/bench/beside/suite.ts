/** Replication beside conntrackd's, in one run and one kernel: one table, a column for each system. */
import { Conntrackd } from "../conntrackd.ts";
import { type Lab, withLab } from "../lab.ts";
import type { Context } from "../row.ts";
import { type Figure, figureOf } from "../stats.ts";
import { type Bench, connections, LOSSES, rate, roams, type Samples, syncs } from "./measures.ts";
import { ConntrackdSystem, type Cores, meshCounter, RoamwallSystem, type System } from "./system.ts";

const ROUNDS = 3;
/** Who only repeats all it has every 15 s takes its time: seen once, at each loss. */
const SLOW: readonly string[] = ["conntrackd alarm", "roamwall alarm"];

const ROAMWALL: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "roamwall hold 0": { hold: "0s" },
  "roamwall hold 200": { hold: "200ms" },
  "roamwall notrack": { hold: "200ms", mode: "notrack" },
  "roamwall alarm": { hold: "200ms", mode: "alarm" },
};
const CONNTRACKD = { "conntrackd ftfw": "ftfw", "conntrackd notrack": "notrack", "conntrackd alarm": "alarm" } as const;
const HOLD_0 = "roamwall hold 0";
const HOLD_200 = "roamwall hold 200";
const FTFW = "conntrackd ftfw";

const MEASURES = {
  connections,
  rate,
  sync: (b: Bench, samples: Samples, round: number) =>
    SLOW.includes(b.system.name) && round > 0 ? Promise.resolve() : syncs(b, samples, LOSSES),
  roam: roams,
} as const;
type Measure = keyof typeof MEASURES;
export const MEASURE_NAMES = Object.keys(MEASURES) as Measure[];
export const SYSTEM_NAMES: readonly string[] = [...Object.keys(ROAMWALL), ...Object.keys(CONNTRACKD)];

/** What each row is, in the order of the table. */
const ROWS: ReadonlyArray<readonly [row: string, unit: string]> = [
  ["bytesPerConnection", "bytes"],
  ["packetsPerConnection", "packets"],
  ["cpuPer10k", "s"],
  ["pathCpuPer10k", "s"],
  ["rate.oneCore", "per second"],
  ...LOSSES.flatMap(
    (loss): Array<readonly [string, string]> => [
      [`sync20k.${loss}`, "ms"],
      [`sync20k.${loss}.held`, "states"],
      [`takeover20k.${loss}`, "ms"],
      [`takeover20k.${loss}.passed`, "flows"],
      [`takeover20k.${loss}.denied`, "packets"],
      [`takeover20k.${loss}.denying`, "ms"],
    ],
  ),
  ["takeover20k.sending", "ms"],
  ...["roam.alone", "roam.20kOthers"].flatMap(
    (name): Array<readonly [string, string]> => [
      [`${name}.kept`, "of 200"],
      [`${name}.gap`, "ms"],
      [`${name}.denied`, "packets"],
    ],
  ),
];

/** What a system shows in one row; `missed`: rounds that did not come to their end. */
interface Shown {
  readonly figure: Figure | undefined;
  readonly rounds: number;
  readonly missed: number;
}

/** by system, by row */
export type Shows = ReadonlyMap<string, ReadonlyMap<string, Shown>>;

interface Goal {
  readonly text: string;
  /** Ratio or value, and whether it is what was wanted; undefined: nothing to judge. */
  judge(of: (system: string, row: string) => number | undefined): { value: number; met: boolean } | undefined;
}

function ratioGoal(text: string, system: string, row: string, wanted: (ratio: number) => boolean): Goal {
  return {
    text,
    judge(of) {
      const [ours, theirs] = [of(system, row), of(FTFW, row)];
      if (ours === undefined || theirs === undefined) return undefined;
      return { value: ours / theirs, met: wanted(ours / theirs) };
    },
  };
}

function boundGoal(text: string, system: string, row: string, below: number): Goal {
  return {
    text,
    judge(of) {
      const value = of(system, row);
      return value === undefined ? undefined : { value, met: value < below };
    },
  };
}

/** The product's own setting is hold 200 ms; what it is not named for holds for it. */
const GOALS: readonly Goal[] = [
  ratioGoal("connections a second on one core, of FTFW's: at least 2.5", HOLD_200, "rate.oneCore", (r) => r >= 2.5),
  ratioGoal(
    "bytes per connection with hold 0, of FTFW's: at most 0.25",
    HOLD_0,
    "bytesPerConnection",
    (r) => r <= 0.25,
  ),
  ratioGoal(
    "bytes per connection with 200 ms, of FTFW's: at most 0.1",
    HOLD_200,
    "bytesPerConnection",
    (r) => r <= 0.1,
  ),
  boundGoal("sync of 20,000 without loss: under 20 ms", HOLD_200, "sync20k.0", 20),
  boundGoal("sync of 20,000 at 20 % loss: under 200 ms", HOLD_200, "sync20k.20", 200),
  {
    text: "longest gap of a roam with 20,000 other states, of that with none: at most 1 (5 % allowed)",
    judge(of) {
      const [many, none] = [of(HOLD_200, "roam.20kOthers.gap"), of(HOLD_200, "roam.alone.gap")];
      if (many === undefined || none === undefined) return undefined;
      return { value: many / none, met: many / none <= 1.05 };
    },
  },
  ratioGoal(
    "CPU of all processes per 10,000 connections, hold 0, of FTFW's: at most 1",
    HOLD_0,
    "cpuPer10k",
    (r) => r <= 1,
  ),
  ratioGoal("the same with 200 ms: at most 1", HOLD_200, "cpuPer10k", (r) => r <= 1),
];

export interface SuiteOptions {
  readonly rounds?: number | undefined;
  readonly measures: readonly string[];
  readonly systems: readonly string[];
  progress(text: string): void;
}

export interface SuiteResult {
  readonly shows: Shows;
  readonly failed: string[];
}

function systemsOf(lab: Lab, cores: Cores, wanted: (name: string) => boolean): System[] {
  let number = 0;
  const pathOf = () => {
    const path = lab.addPath(`s${number++}`);
    lab.addServingNeighbour(path);
    return path;
  };
  const systems: System[] = [];
  for (const [name, options] of Object.entries(ROAMWALL))
    if (wanted(name)) systems.push(new RoamwallSystem(name, lab, pathOf(), cores, options));
  for (const [name, mode] of Object.entries(CONNTRACKD))
    if (wanted(name)) systems.push(new ConntrackdSystem(name, lab, pathOf(), cores, mode));
  return systems;
}

async function benchOf(lab: Lab, system: System, cores: Cores, trafficCpu: number): Promise<Bench> {
  const mesh = await meshCounter(lab, system.path);
  const roamer = await lab.startRoamer(system.path, trafficCpu);
  return { lab, system, mesh, roamer, cores, trafficCpu };
}

/** In each measure every system has its turn, round after round, so that what drifts hits all alike. */
export async function runSuite(context: Context, options: SuiteOptions): Promise<SuiteResult> {
  if (!Conntrackd.isInstalled()) throw new Error("conntrackd is not installed: apt-get install conntrackd");
  const failed: string[] = [];
  const samples = new Map<string, Samples>();
  await withLab(async (lab) => {
    // Both beside the traffic, which nothing may disturb; what needs a processor for each side places them itself.
    const cores = { own: context.otherCpu, neighbour: context.otherCpu };
    const systems = systemsOf(lab, cores, (name) => options.systems.length === 0 || options.systems.includes(name));
    for (const system of systems) await system.start();
    await lab.start(context.trafficCpu);
    const benches: Bench[] = [];
    for (const system of systems) benches.push(await benchOf(lab, system, cores, context.trafficCpu));
    const measures = MEASURE_NAMES.filter((name) => options.measures.length === 0 || options.measures.includes(name));
    for (const name of measures)
      for (let round = 0; round < (options.rounds ?? ROUNDS); round++)
        for (const bench of benches) {
          const { system } = bench;
          options.progress(`${name}, round ${round + 1}, ${system.name}`);
          const seen: Samples = samples.get(system.name) ?? new Map();
          samples.set(system.name, seen);
          await MEASURES[name](bench, seen, round).catch((error: Error) => {
            failed.push(`${name} of ${system.name}, round ${round + 1}: ${error.message}`);
          });
        }
  });
  return { shows: showsOf(samples), failed };
}

function showsOf(samples: ReadonlyMap<string, Samples>): Shows {
  return new Map(
    [...samples].map(([system, rows]) => [
      system,
      new Map([...rows].map(([row, values]) => [row, shownOf(values)] as const)),
    ]),
  );
}

function shownOf(values: ReadonlyArray<number | undefined>): Shown {
  const ended = values.filter((value) => value !== undefined);
  const rounds = values.length;
  return { figure: ended.length > 0 ? figureOf(ended) : undefined, rounds, missed: rounds - ended.length };
}

const short = (value: number): string => {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : 2);
};

function textOf(shown: Shown | undefined): string {
  if (!shown) return "";
  const { figure, missed, rounds } = shown;
  if (!figure) return "never";
  const spread = figure.min === figure.max ? "" : ` (${short(figure.min)}..${short(figure.max)})`;
  return `${short(figure.median)}${spread}${missed > 0 ? `, never in ${missed} of ${rounds}` : ""}`;
}

function ratioOf(shows: Shows, system: string, row: string): number | undefined {
  const [ours, theirs] = [system, FTFW].map((name) => shows.get(name)?.get(row)?.figure?.median);
  return ours === undefined || !theirs ? undefined : ours / theirs;
}

export function suiteTable({ shows }: SuiteResult): string {
  const systems = [...shows.keys()];
  const head = ["row", "unit", ...systems, "hold 0 / FTFW", "hold 200 / FTFW"];
  const rows = ROWS.filter(([row]) => systems.some((system) => shows.get(system)?.has(row)));
  const lines = rows.map(([row, unit]) => {
    const cells = systems.map((system) => textOf(shows.get(system)?.get(row)));
    const ratios = [HOLD_0, HOLD_200].map((system) => ratioOf(shows, system, row)?.toFixed(3) ?? "");
    return [row, unit, ...cells, ...ratios];
  });
  const widths = head.map((_, i) => Math.max(...[head, ...lines].map((line) => line[i]?.length ?? 0)));
  const table = [head, ...lines].map((line) =>
    line
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  const goals = goalsOf(shows).map(
    ({ text, value, met }) => `${met ? "met    " : "NOT MET"}  ${text}: ${short(value)}`,
  );
  return [...table, "", ...goals].join("\n");
}

function goalsOf(shows: Shows): Array<{ text: string; value: number; met: boolean }> {
  const of = (system: string, row: string) => shows.get(system)?.get(row)?.figure?.median;
  return GOALS.flatMap((goal) => {
    const judged = goal.judge(of);
    return judged ? [{ text: goal.text, ...judged }] : [];
  });
}

export function suiteJson({ shows, failed }: SuiteResult): string {
  const rows = ROWS.flatMap(([name, unit]) =>
    [...shows].flatMap(([system, rows]) => {
      const shown = rows.get(name);
      return shown ? [{ name, unit, system, ...shown.figure, rounds: shown.rounds, missed: shown.missed }] : [];
    }),
  );
  return JSON.stringify({ rows, goals: goalsOf(shows), failed });
}
