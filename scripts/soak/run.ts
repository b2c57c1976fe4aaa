/** Two access points that replicate under TCP connections for a long time, and what they then need more than before. */
import { readFileSync, rmSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { askAgent } from "../../src/control/api.ts";
import type { AgentStatus } from "../../src/control/status.ts";
import { nodePlatform } from "../../src/platform/node/platform.ts";
import type { ReplicationCounters } from "../../src/replication/status.ts";
import { type Lab, LineTool, type Path, sleep, tool, withLab } from "../bench/lab.ts";
import { Roamwall } from "../bench/roamwall.ts";
import { type Growth, growthOf, type Sample } from "./slope.ts";

/** Connections leave cells behind for four minutes: room for a thousand a second. */
const TABLE = "4x16384x8/r26";
const REPLY_BYTES = 4_096;
const PARALLEL = 64;
/** Connections are made in runs of so long. */
const CHUNK_S = 5;
const SAMPLES = 60;
const SAMPLE_MIN_MS = 1_000;
const ANSWER_MS = 5_000;
const DRAIN_MS = 1_500;
/** Two collected heaps of an agent that did the same work twice differ by less. */
const HEAP_NOISE_BYTES = 768 * 1024;
/** Pages of a C program that allocates nothing while it runs. */
const DAEMON_NOISE_BYTES = 256 * 1024;

export interface SoakOptions {
  readonly minutes: number;
  /** Connections a second. */
  readonly rate: number;
  /** Bytes a second that the neighbour's agent is made to lose: the control. */
  readonly leakBytesPerSecond?: number | undefined;
  readonly cpus: { readonly traffic: number; readonly processes: number };
  progress(text: string): void;
}

export interface SoakedProcess {
  readonly name: string;
  /** Per cent of one core. */
  readonly cpu: number;
  readonly rssStartMb: number;
  readonly rssEndMb: number;
  readonly growth: Growth;
}

export interface SoakResult {
  readonly seconds: number;
  readonly connections: number;
  readonly failed: number;
  /** On the mesh link, all headers, both ways. */
  readonly bytesPerConnection: number;
  readonly bytesPerExpectation: number;
  readonly tableUsed: number;
  readonly tableCells: number;
  readonly processes: readonly SoakedProcess[];
}

const platform = nodePlatform();

/** One process that is watched. */
class Watched {
  readonly samples: Sample[] = [];
  private cpuStart = 0;
  private rssStart = 0;

  constructor(
    readonly label: string,
    private readonly ap: Roamwall,
    private readonly part: "agent" | "daemon",
    private readonly file: string,
  ) {}

  begin(): void {
    this.cpuStart = this.ap.cpuSeconds(this.part);
    this.rssStart = this.ap.residentMb(this.part);
  }

  async look(atS: number): Promise<void> {
    const bytes = this.part === "agent" ? await this.heapBytes() : this.ap.residentMb("daemon") * 2 ** 20;
    this.samples.push({ atS, bytes });
  }

  /** What the agent still holds when all garbage is gone. */
  private async heapBytes(): Promise<number> {
    rmSync(this.file, { force: true });
    process.kill(this.ap.pidOf("agent"), "SIGUSR2");
    const deadline = Date.now() + ANSWER_MS;
    while (!statSync(this.file, { throwIfNoEntry: false })) {
      if (Date.now() > deadline) throw new Error(`${this.label}: no answer to SIGUSR2`);
      await sleep(10);
    }
    return Number(readFileSync(this.file, "utf8"));
  }

  end(seconds: number): SoakedProcess {
    const noise = this.part === "agent" ? HEAP_NOISE_BYTES : DAEMON_NOISE_BYTES;
    return {
      name: this.label,
      cpu: ((this.ap.cpuSeconds(this.part) - this.cpuStart) / seconds) * 100,
      rssStartMb: this.rssStart,
      rssEndMb: this.ap.residentMb(this.part),
      growth: growthOf(this.samples, noise),
    };
  }
}

interface Soaked {
  readonly lab: Lab;
  readonly path: Path;
  readonly own: Roamwall;
  readonly neighbour: Roamwall;
  readonly mesh: LineTool;
  readonly watched: readonly Watched[];
}

export function soak(options: SoakOptions): Promise<SoakResult> {
  return withLab(async (lab) => run(await prepare(lab, options), options));
}

async function prepare(lab: Lab, { cpus, leakBytesPerSecond = 0 }: SoakOptions): Promise<Soaked> {
  const path = lab.addPath("soak");
  lab.addNeighbour(path);
  const clients = [lab.clientMac(path)];
  const fileOf = (id: number) => `/tmp/${path.namespace}-heap${id}`;
  const make = (id: number, namespace: string, address: string, peer: string, leak: number): Roamwall => {
    lab.onCleanup(() => rmSync(fileOf(id), { force: true }));
    return new Roamwall(lab, {
      namespace,
      id,
      table: TABLE,
      clients,
      mesh: { address, peers: [peer] },
      cpu: cpus.processes,
      // The probe, which collects garbage and leaks on purpose, is Node's.
      engine: "node",
      environment: {
        NODE_OPTIONS: `--expose-gc --require ${resolve("scripts/soak/probe.cjs")}`,
        SOAK_FILE: fileOf(id),
        SOAK_LEAK: `${leak}`,
      },
    });
  };
  const own = make(1, path.namespace, path.meshAddress, path.neighbourAddress, 0);
  const neighbour = make(2, path.neighbour, path.neighbourAddress, path.meshAddress, leakBytesPerSecond);
  for (const ap of [own, neighbour]) await ap.startDaemon();
  for (const ap of [own, neighbour]) await ap.startAgent();
  await lab.start(cpus.traffic);
  const mesh = await LineTool.start("mesh", tool("mesh"), [path.neighbour, "mesh"]);
  lab.onCleanup(() => mesh.stop());
  await lab.connect(path, 500);
  await sleep(DRAIN_MS);
  const watched = [
    new Watched("agent", own, "agent", fileOf(1)),
    new Watched("agent of the neighbour", neighbour, "agent", fileOf(2)),
    new Watched("roamwalld", own, "daemon", ""),
    new Watched("roamwalld of the neighbour", neighbour, "daemon", ""),
  ];
  return { lab, path, own, neighbour, mesh, watched };
}

const statusOf = (ap: Roamwall): Promise<AgentStatus> => askAgent<AgentStatus>(platform, ap.controlPath, "status");

async function cellsTaken(ap: Roamwall): Promise<number> {
  const { datapath } = await statusOf(ap);
  if (!datapath) throw new Error("an agent without roamwalld");
  return (datapath.replication as ReplicationCounters).cellsTaken;
}

async function run(s: Soaked, options: SoakOptions): Promise<SoakResult> {
  const { own, neighbour, mesh, watched } = s;
  const lengthS = options.minutes * 60;
  const start = Date.now();
  const passedS = () => (Date.now() - start) / 1_000;
  const takenBefore = await cellsTaken(neighbour);
  await mesh.ask("reset");
  for (const one of watched) one.begin();
  const [traffic] = await Promise.all([connectFor(s, options, passedS), watch(watched, lengthS, passedS)]);
  const seconds = passedS();
  const processes = watched.map((one) => one.end(seconds));
  await sleep(DRAIN_MS);
  const bytes = traffic.bytes + ((await mesh.numbers("read both all"))[1] as number);
  return {
    seconds,
    connections: traffic.connections,
    failed: traffic.failed,
    bytesPerConnection: bytes / traffic.connections,
    bytesPerExpectation: bytes / ((await cellsTaken(neighbour)) - takenBefore),
    tableUsed: await own.usedCells(),
    tableCells: own.cells,
    processes,
  };
}

/** Connects at the rate until the time is over, and empties the counter of the link now and then. */
async function connectFor({ lab, path, mesh }: Soaked, options: SoakOptions, passedS: () => number) {
  const total = { connections: 0, failed: 0, bytes: 0 };
  const how = { perSecond: options.rate, replyBytes: REPLY_BYTES, parallel: PARALLEL };
  while (passedS() < options.minutes * 60) {
    const count = options.rate * CHUNK_S;
    const done = await lab.connect(path, count, how);
    total.connections += count;
    total.failed += done.failed;
    total.bytes += (await mesh.numbers("read both all"))[1] as number;
    await mesh.ask("reset");
    options.progress(`${Math.round(passedS())} of ${options.minutes * 60} s, ${total.connections} connections`);
  }
  return total;
}

async function watch(watched: readonly Watched[], lengthS: number, passedS: () => number): Promise<void> {
  const everyMs = Math.max(SAMPLE_MIN_MS, (lengthS * 1_000) / SAMPLES);
  while (passedS() < lengthS) {
    for (const one of watched) await one.look(passedS());
    await sleep(everyMs);
  }
}
