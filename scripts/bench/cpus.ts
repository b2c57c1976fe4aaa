/** Instructions of old and small CPUs, counted by their emulators: a packet of the routine in user space; the engine's start. */
import { buildFor, CPUS, type Cpu, countInstructions, missingFor, runVectors } from "../../test/cpus/cpus.ts";
import { COSTS, type Cost, makeVectors, makeWork } from "../../test/cpus/vectors.ts";
import { canEmulate, EMULATED_CPUS, type EmulatedCpu, emulated } from "../../test/lab/support/engine.ts";
import type { Context, Group, Row } from "./row.ts";
import { figure } from "./stats.ts";

const VECTORS = ["4x32x8/r26", "4x32x8/r12", "4x32x8/r4"].map((geometry) => ({ geometry, seed: 11, packets: 3_000 }));
/** The difference of two lengths leaves out the start, and the first denials, which are told. */
const REPEATS = [100, 300] as const;

const rowName = (cpu: Cpu, what: string) => `${cpu.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}.${what}`;

async function instructionsOf(cpu: Cpu, program: string, cost: Cost): Promise<number> {
  const [short, long] = await Promise.all(
    REPEATS.map((repeat) => countInstructions(cpu.emulator, [program], makeWork(cost, repeat))),
  );
  return (long! - short!) / (REPEATS[1] - REPEATS[0]);
}

async function measure(context: Context): Promise<Row[]> {
  const vectors = VECTORS.map((options) => makeVectors(options));
  const rows: Row[] = [];
  for (const cpu of CPUS) {
    const measured = await context.attempt(rowName(cpu, "vectors"), async () => {
      const missing = missingFor(cpu);
      if (missing.length > 0) throw new Error(`${missing.join(", ")} not installed`);
      const program = buildFor(cpu);
      const outcomes = vectors.map(({ bytes }) => runVectors(cpu, program, bytes));
      const sum = (of: "packets" | "wrong") => outcomes.reduce((total, one) => total + one[of], 0);
      const right = { name: rowName(cpu, "vectors"), unit: "wrong", value: figure(sum("wrong")) };
      const own: Row[] = [{ ...right, note: `of ${sum("packets")} packets; ${cpu.note}` }];
      for (const cost of COSTS) {
        const value = figure(await instructionsOf(cpu, program, cost));
        const here = rows.find(({ name }) => name === rowName(CPUS[0]!, cost))?.value;
        own.push({ name: rowName(cpu, cost), unit: "instructions", value, ...(here && { baseline: here }), note: "" });
      }
      return own;
    });
    rows.push(...measured);
  }
  for (const cpu of EMULATED_CPUS) rows.push(...(await context.attempt(`${cpu}.start`, () => startOf(cpu))));
  return rows;
}

/** From nothing to an answer: the command line's bundle is read and run. */
async function startOf(cpu: EmulatedCpu): Promise<Row[]> {
  if (!canEmulate(cpu)) throw new Error(`no emulator, or no npm run package -- --arch ${cpu}`);
  const words = emulated(cpu);
  const command = [words.at(-1)!, "--bundle", "dist/roamwall-qjs.js", "--version"];
  const value = figure(await countInstructions(words.slice(0, -1), command, new Uint8Array(0)));
  return [{ name: `${cpu}.start`, unit: "instructions", value, note: "roamwall-qjs, roamwall --version" }];
}

export const cpus: Group = {
  names: [
    ...CPUS.flatMap((cpu) => ["vectors", ...COSTS].map((what) => rowName(cpu, what))),
    ...EMULATED_CPUS.map((cpu) => `${cpu}.start`),
  ],
  measure,
};
