// node scripts/ts.mjs test/lab/mesh.ts [--aps 4] [--flows 200] [--roams 30] [--loss 0,5,20] [--control] [--seed 1] [--engine node|qjs|mixed]
// [--json]
// A client roams through a mesh that loses datagrams between its access points (per cent). --control adds the same without
// any firewall (what a roam itself does), with firewalls that tell each other nothing, and at the highest loss the case in
// which the access point that the client leaves is cut off, so that only mirrors can serve it: with repairs, and without.
// Exit status 1 if a flow that was older than one repair round was lost, or any at up to 5 %.
import { parseArgs } from "node:util";
import { Screen } from "../../scripts/demo/screen.ts";
import type { ModeName } from "../../src/replication/modes.ts";
import { engineOf } from "./support/engine.ts";
import type { Lab } from "./support/lab.ts";
import { type Gaps, type MeshResult, REPAIR_ROUND_MS, runMesh } from "./support/mesh-run.ts";
import type { TrafficSize } from "./support/traffic/plan.ts";

const INTERRUPTED = 130;
/** Up to here none may be lost, however young. */
const GOAL_LOSS = 0.05;

let lab: Lab | undefined;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    lab?.closeNow();
    process.exit(INTERRUPTED);
  });
}

const { aps, flows, roams, losses, control, seed, engine, json } = readArguments();
const screen = new Screen(json);
const results: MeshResult[] = [];
if (control) results.push(await run("none", 0), await run("alone", 0));
for (const loss of losses) results.push(await run("replicating", loss));
if (control) {
  const loss = Math.max(...losses);
  results.push(await run("replicating", loss, { cut: true }));
  results.push(await run("replicating", loss, { cut: true, mode: "notrack" }));
}
const missed = results.filter(
  ({ firewall, mode, cut, link, flowsLost, connections, lostOld }) =>
    firewall === "replicating" &&
    mode === "ftfw" &&
    (cut || (link.loss ?? 0) > GOAL_LOSS ? lostOld > 0 : flowsLost + connections.lost > 0),
);
console.log(json ? JSON.stringify({ repairRoundMs: REPAIR_ROUND_MS, results }) : table(results));
for (const { link } of missed) screen.line(`FAILED: flows were lost at ${(link.loss ?? 0) * 100} % loss`);
process.exitCode = missed.length > 0 ? 1 : 0;

async function run(
  firewall: MeshResult["firewall"],
  loss: number,
  { cut = false, mode = "ftfw" }: { cut?: boolean; mode?: ModeName } = {},
): Promise<MeshResult> {
  const kind = `${mode === "ftfw" ? firewall : mode}${cut ? ", the AP that is left is cut off" : ""}`;
  screen.step(`${aps} APs, ${flows} flows, ${roams} roams, ${loss * 100} % loss: ${kind}`);
  return await runMesh({
    prefix: "rwmesh",
    aps,
    size: sizeOf(flows),
    roams,
    seed,
    engine,
    firewall,
    mode,
    cut,
    link: { loss },
    built: (opened) => {
      lab = opened;
    },
    progress: (text) => screen.state(text),
  });
}

/** Of 200: 112 talk, 20 are opened by the server, 20 greeted by it, 10 idle, 20 nap, 18 are UDP streams. */
function sizeOf(count: number): TrafficSize {
  const [serverFlows, greetedFlows, nappingFlows] = [0.1, 0.1, 0.1].map((share) => Math.floor(share * count));
  const [idleFlows, streams] = [0.05, 0.09].map((share) => Math.ceil(share * count));
  const others = serverFlows! + greetedFlows! + nappingFlows! + idleFlows! + streams!;
  return {
    clientFlows: count - others,
    serverFlows: serverFlows!,
    greetedFlows: greetedFlows!,
    nappingFlows: nappingFlows!,
    idleFlows: idleFlows!,
    streams: streams!,
    download: false,
    connectPeriodMs: 50,
  };
}

function table(rows: readonly MeshResult[]): string {
  const head = [
    "firewall",
    "loss",
    "flows lost",
    "brief lost",
    "older",
    "denied",
    "TCP gap",
    "UDP gap",
    "nacks",
    "repairs",
  ];
  const gap = ({ median, p99, longestMedian, longest }: Gaps) => `${median} / ${p99} / ${longestMedian} / ${longest}`;
  const body = rows.map((row) => [
    `${row.mode === "ftfw" ? row.firewall : row.mode}${row.cut ? ", left AP cut off" : ""}`,
    `${(row.link.loss ?? 0) * 100} %`,
    `${row.flowsLost} of ${row.flows}`,
    `${row.connections.lost} of ${row.connections.done + row.connections.lost}`,
    `${row.lostOld}`,
    `${row.deniedInAll}`,
    gap(row.tcp),
    gap(row.udp),
    `${row.replication.nacks}`,
    `${row.replication.repairs}`,
  ]);
  const widths = head.map((name, i) => Math.max(name.length, ...body.map((row) => row[i]!.length)));
  const lines = [head, ...body].map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join("  "));
  return [
    ...lines,
    `older: of what was lost, how many had been open for more than one repair round (${REPAIR_ROUND_MS} ms)`,
    "gaps in ms: median and p99 of all flows and roams / longest of any flow, in the median and in the worst roam",
  ].join("\n");
}

function readArguments() {
  const text = (value: string) => ({ type: "string", default: value }) as const;
  const options = {
    aps: text("4"),
    flows: text("200"),
    roams: text("30"),
    loss: text("0,5,20"),
    seed: text("1"),
    engine: { type: "string" },
    control: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  } as const;
  try {
    const { values } = parseArgs({ options });
    const number = (name: "aps" | "flows" | "roams" | "seed", least: number) => {
      const value = Number(values[name]);
      if (!Number.isInteger(value) || value < least) throw new Error(`--${name} ${values[name]}: at least ${least}`);
      return value;
    };
    const losses = values.loss.split(",").map((percent) => Number(percent) / 100);
    if (losses.some((one) => !(one >= 0 && one <= 1))) throw new Error(`--loss ${values.loss}: per cent, as 0,5,20`);
    const { control, json } = values;
    return {
      aps: number("aps", 2),
      flows: number("flows", 20),
      roams: number("roams", 1),
      seed: number("seed", 0),
      losses,
      engine: engineOf(values.engine),
      control,
      json,
    };
  } catch (error) {
    console.error(`mesh: ${(error as Error).message}`);
    process.exit(2);
  }
}
