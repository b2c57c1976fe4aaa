import { parseGeometry } from "../../src/bloom/geometry.ts";
import { SEEDS } from "../support/firewall.ts";
import { COST_PACKETS, sendCostRules, synOf } from "./cost-packets.ts";
import { KernelRunner } from "./kernel-runner.ts";
import type { Frame } from "./routine-records.ts";

/**
 * What a packet costs in the kernel's program, by BPF_PROG_TEST_RUN: the best of several rounds, since other work only adds.
 *
 *     node scripts/ts.mjs test/lab/kernel-speed.ts [--geometry 4x1024x8/r26] [--atomics 0]
 */
const ROUNDS = 15;
const REPEAT = 200_000;
const NEW_FLOWS = 4000;

const at = process.argv.indexOf("--geometry");
const geometry = parseGeometry(at < 0 ? "4x1024x8/r26" : (process.argv[at + 1] ?? ""), "--geometry");
const atomics = !process.argv.includes("--atomics") || process.argv[process.argv.indexOf("--atomics") + 1] === "1";
const runner = new KernelRunner({ geometry, seeds: SEEDS, mirrors: 1, slots: 64, atomics });

sendCostRules(runner, geometry);
const { syn, synAck, ack, answer, deniedByRules, deniedByState } = COST_PACKETS;
for (const each of [syn, synAck, ack]) runner.run(each, () => {});
await report("established, from client", ack);
await report("established, to client", answer);
await report("SYN again", syn);
await report("denied by the access list", deniedByRules);
await report("denied, no expectation", deniedByState);
const single = await median(() => ack);
const opening = await median((i) => synOf(2000 + i));
console.log(`first packet of a flow: ${opening - single} ns more than an established one (single runs, median)`);
await runner.close();

async function report(what: string, of: Frame): Promise<void> {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < ROUNDS; i++) best = Math.min(best, await runner.bench(of, REPEAT));
  console.log(`${what}: ${best} ns`);
}

async function median(of: (i: number) => Frame): Promise<number> {
  const all: number[] = [];
  for (let i = 0; i < NEW_FLOWS; i++) all.push(await runner.bench(of(i), 1));
  return all.sort((a, b) => a - b)[NEW_FLOWS / 2]!;
}
