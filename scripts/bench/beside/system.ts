/**
 * The two ways to keep a neighbour informed, behind one face: what a suite asks of either is defined once, and equally.
 *
 *   client  c -- lan [ own       ] wan -- s  server
 *                        | mesh   (losses are made here, what it carries is counted here)
 *           d -- lan [ neighbour ] wan -- t
 */
import { forgetFlows, startNft } from "../baseline.ts";
import { Conntrackd, type ConntrackdMode } from "../conntrackd.ts";
import { type Lab, LineTool, type Path, run, sleep, tool } from "../lab.ts";
import { Roamwall } from "../roamwall.ts";

export interface Cores {
  readonly own: number;
  readonly neighbour: number;
}

export interface SyncResult {
  /** From the first datagram of (Roamwall) or the request to (conntrackd) to the neighbour's full copy; undefined: never. */
  readonly ms: number | undefined;
  /** How many of the states the neighbour held at the end. */
  readonly held: number;
}

export interface System {
  readonly name: string;
  readonly path: Path;
  start(): Promise<void>;
  /** Both sides forget every flow; the client is at home. Processes may be new. */
  clear(): Promise<void>;
  /** Nothing of what has ended says so later, in somebody else's measure. */
  tidy(): Promise<void>;
  /** The neighbour forgets what it holds, and gets all of it again. `count` flows are open at home. */
  sync(count: number, timeoutMs: number): Promise<SyncResult>;
  /** States of `count` open flows that the neighbour holds. */
  held(): Promise<number>;
  /** All processes that replicate, both sides. */
  cpuSeconds(): number;
  readonly pids: readonly number[];
  /** Where the neighbour's processes run, those that start later too. */
  placeNeighbour(cpu: number): void;
  /** What the arrival of the client at the neighbour sets off there by hand: a socket and what is written to it. */
  readonly onArrival: string;
}

/** Counts a path's mesh link, headers included. */
export async function meshCounter(lab: Lab, path: Path): Promise<LineTool> {
  const counter = await LineTool.start("mesh", tool("mesh"), [path.neighbour, "mesh"]);
  lab.onCleanup(() => counter.stop());
  return counter;
}

/** Loses this share of what either side of the mesh link receives. */
export function loseOnMesh(lab: Lab, path: Path, percent: number): void {
  for (const namespace of [path.namespace, path.neighbour]) {
    const rule = percent > 0 ? `iifname "mesh" numgen random mod 100 < ${percent} drop` : "";
    const chain = `chain input { type filter hook input priority -500; policy accept; ${rule}\n}\n`;
    const text = `table inet benchloss\ndelete table inet benchloss\ntable inet benchloss {\n${chain}}\n`;
    lab.inside(namespace, "nft", ["-f", "-"], text);
  }
}

export function pin(pids: readonly number[], cpu: number): void {
  for (const pid of pids) run("taskset", ["-a", "-p", "-c", `${cpu}`, `${pid}`]);
}

/** Ours, then the neighbour's. */
export function halves(pids: readonly number[]): [number[], number[]] {
  const half = pids.length / 2;
  return [pids.slice(0, half), pids.slice(half)];
}

const TABLE = "4x8192x8/r26";
const SETTLE_MS = 1_500;

export class RoamwallSystem implements System {
  readonly onArrival = "";
  private own!: Roamwall;
  private neighbour!: Roamwall;

  constructor(
    readonly name: string,
    private readonly lab: Lab,
    readonly path: Path,
    private readonly cores: Cores,
    private readonly replication: Readonly<Record<string, string>>,
  ) {}

  async start(): Promise<void> {
    const { lab, path, cores, replication } = this;
    const shared = { table: TABLE, clients: [path.burstClient.mac, lab.clientMac(path)], replication };
    const mesh = { address: path.meshAddress, peers: [path.neighbourAddress] };
    const back = { address: path.neighbourAddress, peers: [path.meshAddress] };
    this.own = new Roamwall(lab, { ...shared, namespace: path.namespace, id: 1, mesh, cpu: cores.own });
    this.neighbour = new Roamwall(lab, {
      ...shared,
      namespace: path.neighbour,
      id: 2,
      mesh: back,
      cpu: cores.neighbour,
    });
    for (const ap of this.both) await ap.startDaemon();
    for (const ap of this.both) await ap.startAgent();
  }

  private get both(): Roamwall[] {
    return [this.own, this.neighbour];
  }

  /** Agents remember what maps held: they start anew on empty ones. */
  async clear(): Promise<void> {
    for (const ap of this.both) {
      await ap.stopAgent();
      await ap.wipe();
      await ap.look("wipe mirrors");
    }
    for (const ap of this.both) await ap.startAgent();
    await sleep(SETTLE_MS);
  }

  /** What has ended ages silently. */
  async tidy(): Promise<void> {}

  async held(): Promise<number> {
    return (await this.neighbour.look("mirror 0 4000000000 0"))[1] as number;
  }

  async sync(_count: number, timeoutMs: number): Promise<SyncResult> {
    const wanted = await this.held();
    await this.neighbour.stopAgent();
    await sleep(200);
    await this.neighbour.look("wipe mirrors");
    const counter = await meshCounter(this.lab, this.path);
    const started = this.neighbour.startAgent();
    const [at, held] = (await this.neighbour.look(`mirror 0 ${wanted} ${timeoutMs}`)) as [number, number];
    await started;
    const [, , first] = (await counter.numbers("read out udp")) as [number, number, number];
    counter.stop();
    return { ms: at === 0 ? undefined : (at - first) / 1e6, held };
  }

  cpuSeconds(): number {
    return this.own.cpuSeconds() + this.neighbour.cpuSeconds();
  }

  get pids(): number[] {
    return this.both.flatMap((ap) => [ap.pidOf("daemon"), ap.pidOf("agent")]);
  }

  placeNeighbour(cpu: number): void {
    this.neighbour.runOn(cpu);
    pin(halves(this.pids)[1], cpu);
  }
}

export class ConntrackdSystem implements System {
  private readonly pair: Conntrackd;

  constructor(
    readonly name: string,
    private readonly lab: Lab,
    readonly path: Path,
    cores: Cores,
    mode: ConntrackdMode,
  ) {
    this.pair = new Conntrackd(lab, path, cores, mode);
  }

  async start(): Promise<void> {
    for (const namespace of [this.path.namespace, this.path.neighbour]) {
      startNft(this.lab, { namespace });
      // No flow may end while ALARM takes its time to copy it.
      this.lab.sysctl(namespace, "net.netfilter.nf_conntrack_udp_timeout=300");
    }
    await this.pair.start();
  }

  async clear(): Promise<void> {
    await this.tidy();
    await this.pair.forgetAll();
  }

  async tidy(): Promise<void> {
    for (const namespace of [this.path.namespace, this.path.neighbour]) forgetFlows(this.lab, { namespace });
    await sleep(SETTLE_MS);
  }

  held(): Promise<number> {
    return this.pair.held();
  }

  async sync(count: number, timeoutMs: number): Promise<SyncResult> {
    const { ns, held } = await this.pair.resync(count, timeoutMs);
    return { ms: ns === undefined ? undefined : ns / 1e6, held };
  }

  cpuSeconds(): number {
    return this.pair.cpuSeconds();
  }

  get pids(): number[] {
    return this.pair.pids;
  }

  placeNeighbour(cpu: number): void {
    pin(halves(this.pids)[1], cpu);
  }

  get onArrival(): string {
    return this.pair.commitRequest;
  }
}
