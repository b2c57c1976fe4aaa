// node scripts/ts.mjs scripts/engines.ts [--engine node,qjs] [--daemon FILE] [--json]: what the agent costs on each engine, two APs in a mesh.
// Memory with 100 listed clients and 20,000 expectations, the time to start, CPU for 1,000 connections a second.
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { askAgent } from "../src/control/api.ts";
import type { AgentStatus } from "../src/control/status.ts";
import { nodePlatform } from "../src/platform/node/platform.ts";
import { type Engine, engineOf } from "../test/lab/support/engine.ts";
import { type Lab, type Path, sleep, withLab } from "./bench/lab.ts";
import { Roamwall } from "./bench/roamwall.ts";

const TABLE = "4x1024x8/r26";
const CLIENTS = 100;
const EXPECTATIONS = 20_000;
const BATCH_FLOWS = 500;
const BATCH_MS = 50;
const SETTLE_MS = 3_000;
const CONNECTIONS = 10_000;
const CONNECTIONS_PER_SECOND = 1_000;
const REPLY_BYTES = 4_096;
const STARTS = 5;
const platform = nodePlatform({ write: () => {} });

interface Row {
  readonly engine: Engine;
  readonly startMs: number;
  /** Of that on the CPU: what a busy machine does not change. */
  readonly startCpuMs: number;
  readonly freshMb: number;
  /** With all expectations: of the AP that serves the clients, of its neighbour, and the daemon's. */
  readonly ownMb: number;
  readonly neighbourMb: number;
  readonly daemonMb: number;
  readonly cells: number;
  readonly peakMb: number;
  /** Of one core, agent alone. */
  readonly cpuPerCent: number;
}

const {
  engine: text,
  daemon,
  json,
} = parseArgs({
  options: {
    engine: { type: "string", default: "node,qjs" },
    daemon: { type: "string" },
    json: { type: "boolean", default: false },
  },
}).values;
const rows: Row[] = [];
for (const engine of text.split(",").map(engineOf)) rows.push(await withLab((lab) => measure(lab, engine)));
if (json) console.log(JSON.stringify(rows));
else console.table(rows);

async function measure(lab: Lab, engine: Engine): Promise<Row> {
  const path = lab.addPath("roamwall");
  lab.addNeighbour(path);
  const [own, neighbour] = pair(lab, path, engine);
  for (const ap of [own, neighbour]) await ap.startDaemon();
  const starts = await startTimes(own);
  for (const ap of [own, neighbour]) await start(ap);
  await sleep(SETTLE_MS);
  const freshMb = own.residentMb("agent");
  await lab.start(availableParallelism() - 1);
  const cpuPerCent = await connect(lab, path, own);
  for (let flow = 0; (await own.usedCells()) < EXPECTATIONS; flow += BATCH_FLOWS) {
    await lab.burst(path, "up", BATCH_FLOWS, flow, BATCH_FLOWS);
    await lab.burst(path, "down", BATCH_FLOWS, flow, BATCH_FLOWS);
    await sleep(BATCH_MS);
  }
  await sleep(SETTLE_MS);
  const mb = (ap: Roamwall, name: "agent" | "daemon") => Math.round(ap.residentMb(name) * 10) / 10;
  return {
    engine,
    ...starts,
    freshMb: Math.round(freshMb * 10) / 10,
    ownMb: mb(own, "agent"),
    neighbourMb: mb(neighbour, "agent"),
    daemonMb: mb(own, "daemon"),
    cells: await own.usedCells(),
    peakMb: Math.round(own.peakMb("agent") * 10) / 10,
    cpuPerCent,
  };
}

function pair(lab: Lab, path: Path, engine: Engine): [Roamwall, Roamwall] {
  const clients = [path.burstClient.mac, "02:00:00:60:00:01"];
  for (let i = clients.length; i < CLIENTS; i++) clients.push(`02:00:00:aa:00:${i.toString(16).padStart(2, "0")}`);
  const mesh = { address: path.meshAddress, peers: [path.neighbourAddress] };
  const back = { address: path.neighbourAddress, peers: [path.meshAddress] };
  clients[1] = lab.clientMac(path);
  const shared = { table: TABLE, clients, clientsMax: 4 * CLIENTS, engine, cpu: 0, ...(daemon && { daemon }) };
  return [
    new Roamwall(lab, { ...shared, namespace: path.namespace, id: 1, mesh }),
    new Roamwall(lab, { ...shared, namespace: path.neighbour, id: 2, mesh: back }),
  ];
}

/** From its start until the datapath has its policy; the median. */
async function startTimes(ap: Roamwall): Promise<Pick<Row, "startMs" | "startCpuMs">> {
  const times: number[] = [];
  const cpuTimes: number[] = [];
  for (let i = 0; i < STARTS; i++) {
    const began = performance.now();
    await start(ap);
    times.push(performance.now() - began);
    cpuTimes.push(ap.cpuSeconds("agent") * 1_000);
    await ap.stopAgent();
    // Until roamwalld has seen it go: it takes one agent at a time.
    await sleep(SETTLE_MS / 10);
  }
  return { startMs: medianOf(times), startCpuMs: medianOf(cpuTimes) };
}

function medianOf(values: number[]): number {
  return Math.round(values.sort((a, b) => a - b)[values.length >> 1]!);
}

async function start(ap: Roamwall): Promise<void> {
  await ap.startAgent();
  for (;;) {
    const status = await askAgent<AgentStatus>(platform, ap.controlPath, "status").catch(() => undefined);
    if (status?.datapath) return;
    await sleep(2);
  }
}

async function connect(lab: Lab, path: Path, ap: Roamwall): Promise<number> {
  await lab.burst(path, "up", 1, 0, 1);
  await lab.connect(path, 50);
  await sleep(SETTLE_MS);
  const before = ap.cpuSeconds("agent");
  await lab.connect(path, CONNECTIONS, { perSecond: CONNECTIONS_PER_SECOND, replyBytes: REPLY_BYTES });
  const seconds = CONNECTIONS / CONNECTIONS_PER_SECOND;
  return Math.round(((ap.cpuSeconds("agent") - before) / seconds) * 1_000) / 10;
}
