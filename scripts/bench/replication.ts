/**
 * What a neighbour costs: bytes on the mesh link with all headers, the time until a neighbour that starts knows
 * everything, and connections a second when filter, daemon and agent share the core that forwards. Beside it the same
 * by nft + conntrack + conntrackd.
 */
import { forgetFlows, startNft } from "./baseline.ts";
import { Conntrackd } from "./conntrackd.ts";
import { type Lab, LineTool, type Path, sleep, tool, withLab } from "./lab.ts";
import { Roamwall } from "./roamwall.ts";
import type { Context, Group, Row } from "./row.ts";
import { type Figure, figureOf } from "./stats.ts";

const TABLE = "4x8192x8/r26";
const ROUNDS = 3;
const CONNECTIONS = 3_000;
const CONNECTIONS_PER_SECOND = 1_000;
const REPLY_BYTES = 4_096;
/** Longer than what is held back stays held back. */
const DRAIN_MS = 1_500;
const BATCHES = 20;
const BATCH_FLOWS = 500;
const BATCH_MS = 25;
const SYNC_FLOWS = 20_000;
const SYNC_ROUNDS = 5;
const SYNC_TIMEOUT_MS = 5_000;
const RATE_ROUNDS = 5;
const RATE_CONNECTIONS = 6_000;

interface Pair {
  readonly lab: Lab;
  readonly path: Path;
  readonly nft: Path;
  readonly own: Roamwall;
  readonly neighbour: Roamwall;
  readonly mesh: LineTool;
  readonly nftMesh: LineTool | undefined;
  readonly conntrackd: Conntrackd | undefined;
}

/** The cores of an access point's processes, and of its neighbour's. */
interface Cores {
  readonly own: number;
  readonly neighbour: number;
}

async function startPair(lab: Lab, path: Path, cores: Cores): Promise<[Roamwall, Roamwall]> {
  const clients = [path.burstClient.mac, lab.clientMac(path)];
  const shared = { table: TABLE, clients };
  const mesh = { address: path.meshAddress, peers: [path.neighbourAddress] };
  const back = { address: path.neighbourAddress, peers: [path.meshAddress] };
  const own = new Roamwall(lab, { ...shared, namespace: path.namespace, id: 1, mesh, cpu: cores.own });
  const neighbour = new Roamwall(lab, {
    ...shared,
    namespace: path.neighbour,
    id: 2,
    mesh: back,
    cpu: cores.neighbour,
  });
  for (const ap of [own, neighbour]) await ap.startDaemon();
  for (const ap of [own, neighbour]) await ap.startAgent();
  return [own, neighbour];
}

const meshTool = (namespace: string): Promise<LineTool> => LineTool.start("mesh", tool("mesh"), [namespace, "mesh"]);

async function preparePair(lab: Lab, context: Context, cores: Cores): Promise<Pair> {
  const [path, nft] = [lab.addPath("roamwall"), lab.addPath("nft")];
  for (const one of [path, nft]) lab.addNeighbour(one);
  startNft(lab, nft);
  let conntrackd: Conntrackd | undefined;
  if (Conntrackd.isInstalled()) {
    conntrackd = new Conntrackd(lab, nft, cores);
    await conntrackd.start();
  }
  const [own, neighbour] = await startPair(lab, path, cores);
  await lab.start(context.trafficCpu);
  const mesh = await meshTool(path.neighbour);
  const nftMesh = conntrackd && (await meshTool(nft.neighbour));
  lab.onCleanup(() => {
    mesh.stop();
    nftMesh?.stop();
  });
  for (const one of [path, nft]) {
    await lab.burst(one, "up", 1, 0, 1);
    await lab.connect(one, 50);
  }
  await sleep(DRAIN_MS);
  return { lab, path, nft, own, neighbour, mesh, nftMesh, conntrackd };
}

/** Bytes on a mesh link while something happens and what it causes has gone over. */
async function bytesOf(mesh: LineTool, work: () => Promise<void>): Promise<number> {
  await mesh.ask("reset");
  await work();
  await sleep(DRAIN_MS);
  return (await mesh.numbers("read both all"))[1] as number;
}

async function usedMirror(ap: Roamwall): Promise<number> {
  return (await ap.look("mirror 0 4000000000 0"))[1] as number;
}

async function openFlows(p: Pair, path: Path, first: number): Promise<void> {
  for (let batch = 0; batch < BATCHES; batch++) {
    const start = Date.now();
    const burst = await p.lab.burst(path, "up", BATCH_FLOWS, first + batch * BATCH_FLOWS, BATCH_FLOWS);
    if (burst.received < burst.sent) throw new Error(`${burst.sent - burst.received} new flows were denied`);
    await sleep(Math.max(0, BATCH_MS - (Date.now() - start)));
  }
}

const note = (p: Pair): string =>
  p.conntrackd ? "against conntrackd FTFW" : "conntrackd is not installed: no baseline";

async function clear(p: Pair): Promise<void> {
  await p.own.wipe();
  await p.neighbour.look("wipe mirrors");
  forgetFlows(p.lab, p.nft);
  await sleep(DRAIN_MS);
}

async function measureExpectations(p: Pair): Promise<Row> {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await clear(p);
    const first = 200_000 + round * BATCHES * BATCH_FLOWS;
    const before = await usedMirror(p.neighbour);
    const bytes = await bytesOf(p.mesh, () => openFlows(p, p.path, first));
    const arrived = (await usedMirror(p.neighbour)) - before;
    if (arrived < BATCHES * BATCH_FLOWS * 0.99) throw new Error(`only ${arrived} expectations reached the neighbour`);
    ours.push(bytes / arrived);
    if (!p.nftMesh) continue;
    const spent = await bytesOf(p.nftMesh, () => openFlows(p, p.nft, first));
    theirs.push(spent / (BATCHES * BATCH_FLOWS));
  }
  const rate = (1000 / BATCH_MS) * BATCH_FLOWS;
  return withBaseline("replication.bytesPerExpectation", "bytes", ours, theirs, `${note(p)}; ${rate} a second`);
}

async function measureConnections(p: Pair): Promise<Row> {
  const ours: number[] = [];
  const theirs: number[] = [];
  const connect = async (path: Path): Promise<void> => {
    const how = { perSecond: CONNECTIONS_PER_SECOND, replyBytes: REPLY_BYTES, parallel: 64 };
    const done = await p.lab.connect(path, CONNECTIONS, how);
    if (done.failed > 0) throw new Error(`${path.name}: ${done.failed} connections failed`);
  };
  for (let round = 0; round < ROUNDS; round++) {
    await clear(p);
    ours.push((await bytesOf(p.mesh, () => connect(p.path))) / CONNECTIONS);
    if (p.nftMesh) theirs.push((await bytesOf(p.nftMesh, () => connect(p.nft))) / CONNECTIONS);
  }
  const what = `${note(p)}; open, 4 KB, close, ${CONNECTIONS_PER_SECOND} a second`;
  return withBaseline("replication.bytesPerConnection", "bytes", ours, theirs, what);
}

function withBaseline(name: string, unit: string, ours: number[], theirs: number[], text: string): Row {
  const value: Figure = figureOf(ours);
  return { name, unit, value, ...(theirs.length > 0 && { baseline: figureOf(theirs) }), note: text };
}

/** 20,000 answered flows, whose expectations have reached the neighbour. Returns how many the neighbour holds. */
async function fill(p: Pair): Promise<number> {
  await clear(p);
  for (const path of [p.path, p.nft]) {
    for (let first = 0; first < SYNC_FLOWS; first += 1_000) {
      for (const way of ["up", "down", "up"] as const) await p.lab.burst(path, way, 1_000, first, 1_000);
      await sleep(20);
    }
  }
  await sleep(DRAIN_MS);
  return usedMirror(p.neighbour);
}

/** From the first packet of an agent that starts to the moment its kernel's mirror holds everything. */
async function measureSync(p: Pair): Promise<Row> {
  const held = await fill(p);
  if (held < SYNC_FLOWS) throw new Error(`the neighbour holds ${held} of ${SYNC_FLOWS} expectations`);
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < SYNC_ROUNDS; round++) {
    await p.neighbour.stopAgent();
    await sleep(200);
    await p.neighbour.look("wipe mirrors");
    await p.mesh.ask("reset");
    const started = p.neighbour.startAgent();
    const [at] = (await p.neighbour.look(`mirror 0 ${SYNC_FLOWS} ${SYNC_TIMEOUT_MS}`)) as [number, number];
    await started;
    if (at === 0) throw new Error(`the mirror was not complete after ${SYNC_TIMEOUT_MS} ms`);
    const [, , first] = (await p.mesh.numbers("read out udp")) as [number, number, number];
    ours.push((at - first) / 1e6);
    if (!p.nftMesh) continue;
    await p.nftMesh.ask("reset");
    const { ns, held } = (await p.conntrackd?.resync(SYNC_FLOWS)) ?? { ns: undefined, held: 0 };
    if (ns === undefined) throw new Error(`conntrackd's neighbour has ${held} of ${SYNC_FLOWS} flows`);
    theirs.push(ns / 1e6);
  }
  const text = `${note(p)}'s bulk update, request to full cache; ours: the agent's first packet to the kernel's full mirror`;
  return withBaseline("sync.20k", "ms", ours, theirs, text);
}

/** Everything on one core: what replication takes from forwarding. */
async function measureRate(p: Pair): Promise<Row> {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < RATE_ROUNDS; round++) {
    await clear(p);
    for (const path of round % 2 ? [p.path, p.nft] : [p.nft, p.path]) {
      const done = await p.lab.connect(path, RATE_CONNECTIONS);
      if (done.failed > 0) throw new Error(`${path.name}: ${done.failed} connections failed`);
      (path === p.path ? ours : theirs).push(done.perSecond);
      await sleep(DRAIN_MS / 2);
    }
  }
  const text = `${p.conntrackd ? "against nft + conntrack + conntrackd FTFW" : note(p)}; both APs and traffic on one core`;
  return withBaseline("tcp.connects.replicated", "per second", ours, p.conntrackd ? theirs : [], text);
}

const MEASURES: ReadonlyArray<readonly [string, (p: Pair) => Promise<Row>]> = [
  ["replication.bytesPerExpectation", measureExpectations],
  ["replication.bytesPerConnection", measureConnections],
  ["sync.20k", measureSync],
];

export const replication: Group = {
  names: MEASURES.map(([name]) => name),
  measure: (context) =>
    withLab(async (lab) => {
      const cores = { own: context.otherCpu, neighbour: context.trafficCpu };
      const pair = await preparePair(lab, context, cores);
      const rows: Row[] = [];
      for (const [name, measure] of MEASURES) {
        rows.push(...(await context.attempt(name, async () => [await measure(pair)])));
      }
      return rows;
    }),
};

export const replicated: Group = {
  names: ["tcp.connects.replicated"],
  measure: (context) =>
    withLab(async (lab) => {
      const cores = { own: context.trafficCpu, neighbour: context.trafficCpu };
      const pair = await preparePair(lab, context, cores);
      return context.attempt("tcp.connects.replicated", async () => [await measureRate(pair)]);
    }),
};
