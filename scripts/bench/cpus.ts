/** Instructions a packet of the routine in user space on old and small CPUs, counted by their emulators. */
import { buildFor, CPUS, type Cpu, countInstructions, missingFor, runVectors } from "../../test/cpus/cpus.ts";
import { COSTS, type Cost, makeVectors, makeWork } from "../../test/cpus/vectors.ts";
import type { Context, Group, Row } from "./row.ts";
import { figure } from "./stats.ts";

const VECTORS = ["4x32x8/r26", "4x32x8/r12", "4x32x8/r4"].map((geometry) => ({ geometry, seed: 11, packets: 3_000 }));
/** The difference of two lengths leaves out the start, and the first denials, which are told. */
const REPEATS = [100, 300] as const;

const rowName = (cpu: Cpu, what: string) => `${cpu.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}.${what}`;

async function instructionsOf(cpu: Cpu, program: string, cost: Cost): Promise<number> {
  const [short, long] = await Promise.all(
    REPEATS.map((repeat) => countInstructions(cpu, program, makeWork(cost, repeat))),
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
  return rows;
}

export const cpus: Group = {
  names: CPUS.flatMap((cpu) => ["vectors", ...COSTS].map((what) => rowName(cpu, what))),
  measure,
};
