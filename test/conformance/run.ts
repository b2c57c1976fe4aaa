import { parseArgs } from "node:util";
import { badInput } from "../../src/base/errors.ts";
import { RESIDUES, type Residue } from "./limits.ts";
import type { Failure } from "./path.ts";
import { type SimulationResult, simulate } from "./simulation.ts";

const USAGE = `Conforming endpoints talk through the model of the datapath; a denied packet is a failure.

  node scripts/ts.mjs test/conformance/run.ts [--packets N] [--seed N] [--geometry 4x1024x8/r26]
      [--loss SHARE] [--load SHARE] [--seconds N] [--residues] [--json]

--residues shows the first flow of each kind of denial that a stated lifetime excuses.
Defaults: 1000000 packets, a random seed (printed), 4x1024x8/r26, loss 0.03 on each side, flows at rest up to load 0.74,
spread over 30000 simulated seconds. Exit status 1 if a packet was denied without a stated reason.`;

const { values } = parseArgs({
  options: {
    packets: { type: "string", default: "1000000" },
    seed: { type: "string" },
    geometry: { type: "string", default: "4x1024x8/r26" },
    loss: { type: "string", default: "0.03" },
    load: { type: "string", default: "0.74" },
    seconds: { type: "string", default: "30000" },
    residues: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function main(): void {
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const seed =
    values.seed === undefined
      ? (Date.now() ^ (process.pid << 12)) >>> 0
      : number("--seed", values.seed, 0, 2 ** 32 - 1);
  const packets = number("--packets", values.packets, 1, 1e9);
  if (!values.json) console.log(`seed ${seed}`);
  const result = simulate({
    packets,
    seed,
    geometry: values.geometry,
    conditions: { loss: number("--loss", values.loss, 0, 0.5) },
    load: number("--load", values.load, 0.01, 0.8),
    seconds: number("--seconds", values.seconds, 60, 1e7),
    onProgress: (done, firewall) => progress(done, packets, firewall.load),
  });
  if (process.stderr.isTTY) process.stderr.write("\n");
  if (values.json) console.log(JSON.stringify({ ...result, firewall: undefined }));
  else report(result);
  process.exitCode = result.denied > 0 ? 1 : 0;
}

function number(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text === "" || !(value >= least && value <= most))
    throw badInput(name, `"${text}"`, `a number from ${least} to ${most}`);
  return value;
}

function progress(done: number, packets: number, load: number): void {
  if (!process.stderr.isTTY) return;
  const share = done / packets;
  const bar = "#".repeat(Math.round(share * 30)).padEnd(30, ".");
  process.stderr.write(
    `\r[${bar}] ${(share * 100).toFixed(0)} % of ${packets} packets, table ${(load * 100).toFixed(0)} % full `,
  );
}

function report(result: SimulationResult): void {
  const { packets, denied, geometry, seed } = result;
  console.log(
    `${packets} packets in ${Math.round(result.simulatedSeconds)} simulated s (${result.wallSeconds.toFixed(1)} s), ${geometry}, load up to ${(result.maxLoad * 100).toFixed(1)} %`,
  );
  for (const [kind, count] of Object.entries(result.byKind))
    console.log(`  ${kind.padEnd(24)} ${String(count).padStart(8)}`);
  const residues = Object.entries(result.residues) as [Residue, number][];
  console.log("denied for a stated reason (lifetimes and limits that docs/conformance.md explains):");
  if (residues.length === 0) console.log("  none");
  for (const [name, count] of residues)
    console.log(`  ${name.padEnd(24)} ${String(count).padStart(8)}  ${RESIDUES[name]}`);
  console.log(`denied without a reason: ${denied}`);
  for (const [kind, count] of Object.entries(result.failuresByKind)) console.log(`  ${kind.padEnd(40)} ${count}`);
  for (const failure of result.failures) show(`${failure.kind}, seed ${seed}: denied ${failure.reason}`, failure);
  if (!values.residues) return;
  for (const [name, first] of result.residueSamples) show(`${name} (${first.kind})`, first);
}

function show(title: string, failure: Failure): void {
  console.log(`\n${title}: ${failure.packet}`);
  for (const line of failure.transcript) console.log(`  ${line}`);
}

try {
  main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 2;
}
