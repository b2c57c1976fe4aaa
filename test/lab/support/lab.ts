import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AgentStatus } from "../../../src/control/status.ts";
import type { Reason } from "../../../src/datapath/abi.ts";
import type { NeighbourStatus, ReplicationCounters } from "../../../src/replication/status.ts";
import { AccessPoint, type ApOptions, type Denied, writeMeshFiles } from "./access-point.ts";
import { BadLink } from "./bad-link.ts";
import { buildLab } from "./build.ts";
import { EMULATED_CPUS } from "./engine.ts";
import { Intruder } from "./intruder.ts";
import { Namespaces } from "./namespaces.ts";
import { Processes, pause, until } from "./processes.ts";
import { type Ap, type Place, Topology } from "./topology.ts";
import type { TrafficSize } from "./traffic/plan.ts";
import { Traffic } from "./traffic.ts";

/** How long a station is heard by nobody while it changes its AP: what 802.11r takes. */
const OFF_AIR_MS = 40;
/** After its first frame at the new AP a station is where the whole network expects it. */
const SETTLE_MS = 20;
const NEIGHBOUR_PATIENCE_MS = 40_000;

export interface LabOptions extends Place {
  /** Of namespaces, pins and folders; a few letters. */
  readonly prefix: string;
  readonly size: TrafficSize;
  /** `none`: no firewall at all, to know what the place itself does to traffic. */
  readonly firewall: "replicating" | "alone" | "none";
  readonly mode?: ApOptions["mode"];
  readonly path?: ApOptions["path"];
  readonly engine?: ApOptions["engine"];
  readonly memoryBytes?: ApOptions["memoryBytes"];
  readonly table?: string;
  /** More of the policy, in place of what has the same name. */
  readonly policy?: object;
  /** More for single APs. */
  readonly each?: (ap: Ap) => Partial<ApOptions>;
  /** More of an agent's settings; the folder is the lab's. */
  readonly settings?: (ap: Ap, directory: string) => object;
  /** Called as soon as there is anything to clean up, long before it is ready. */
  readonly built?: (lab: Lab) => void;
}

/** APs (two, if nothing is said), a client that roams, a server, their traffic and an intruder. */
export class Lab {
  readonly namespaces: Namespaces;
  readonly processes: Processes;
  readonly topology: Topology;
  readonly directory: string;
  readonly aps: readonly AccessPoint[];
  readonly traffic: Traffic;
  readonly intruder: Intruder;

  /** Where the mesh link is a bad one. */
  readonly link: BadLink | undefined;

  private constructor(options: LabOptions) {
    this.directory = mkdtempSync(join(tmpdir(), `${options.prefix}-`));
    mkdirSync(join(this.directory, "logs"));
    this.namespaces = new Namespaces(options.prefix);
    this.processes = new Processes(join(this.directory, "logs"));
    this.topology = new Topology(this.namespaces, options);
    try {
      this.topology.build();
      if (options.backhaul === "bad") this.link = new BadLink(this.namespaces, this.processes, this.topology);
      writeMeshFiles(this.directory, options.policy);
      const settings = {
        replication: options.firewall === "replicating",
        ...(options.mode && { mode: options.mode }),
        ...(options.path && { path: options.path }),
        ...(options.engine && { engine: options.engine }),
        // The emulators refuse IP_MULTICAST_IF.
        ...(EMULATED_CPUS.some((cpu) => cpu === options.engine) && { peers: this.topology.aps }),
        ...(options.memoryBytes !== undefined && { memoryBytes: options.memoryBytes }),
        ...(options.table && { table: options.table }),
      };
      this.aps = (options.firewall === "none" ? [] : this.topology.aps).map(
        (ap) =>
          new AccessPoint(ap, this.namespaces, this.processes, this.directory, {
            ...settings,
            ...(options.settings && { settings: options.settings(ap, this.directory) }),
            ...options.each?.(ap),
          }),
      );
      this.traffic = new Traffic(this.namespaces, this.processes, options.size);
      this.intruder = new Intruder(this.namespaces, this.processes, this.topology);
    } catch (error) {
      this.processes.killAll();
      this.namespaces.remove();
      throw error;
    }
  }

  /** Everything is up, the APs filter and (unless alone) know each other, but nobody speaks yet. */
  static async open(options: LabOptions): Promise<Lab> {
    Namespaces.removeOrphans(options.prefix);
    AccessPoint.removeOrphans(options.prefix);
    await buildLab();
    const lab = new Lab(options);
    options.built?.(lab);
    try {
      await Promise.all(lab.aps.map((ap) => ap.start()));
      if (options.firewall === "replicating") await lab.awaitNeighbours();
    } catch (error) {
      await lab.close();
      throw error;
    }
    return lab;
  }

  /** Off the air, on it again at the other AP, and the frame by which the network learns of it. */
  async roam(to: Ap, offAirMs = OFF_AIR_MS): Promise<void> {
    const intruding = this.intruder.pause();
    // What was sent to the client is judged before it leaves.
    await pause(SETTLE_MS);
    await this.hop(to, offAirMs);
    await pause(SETTLE_MS);
    if (intruding) this.intruder.start();
  }

  /** The same, and nobody waits before or after: what is under way may be lost. */
  async hop(to: Ap, offAirMs = OFF_AIR_MS): Promise<void> {
    this.topology.leaveAir(to);
    await pause(offAirMs);
    this.topology.enterAir();
    this.intruder.announceClient();
  }

  /**
   * Denials that no bad frame accounts for, by reason. Call it with the intruder at rest, so that none is under way.
   * Below zero: a bad frame was neither denied for its reason nor seen behind the firewall.
   */
  unexplainedDenials(): Partial<Record<Reason, number>> {
    const { sent, unstopped } = this.intruder;
    const denied = Object.entries(this.denied()) as [Reason, number][];
    const excess = denied.map(([reason, n]) => [reason, n - (sent[reason] ?? 0) + (unstopped[reason] ?? 0)] as const);
    return Object.fromEntries(excess.filter(([, n]) => n !== 0));
  }

  /** Denials of all APs by reason. */
  denied(): Denied {
    const all = this.aps.map((ap) => ap.denied());
    const sum = { ...all[0] } as Denied;
    for (const reason of Object.keys(sum) as (keyof Denied)[]) {
      sum[reason] = all.reduce((total, one) => total + one[reason], 0);
    }
    return sum;
  }

  /** Resolves when each agent holds the tables of all others. */
  async awaitNeighbours(): Promise<void> {
    for (const ap of this.aps) {
      await until(`AP ${ap.ap} to hold its neighbours' tables`, NEIGHBOUR_PATIENCE_MS, async () => {
        const neighbours = await ap.ask<NeighbourStatus[]>("neighbours");
        const held = neighbours.filter((one) => one.state === "alive" && one.mirror >= 0 && !one.syncing);
        return held.length === this.aps.length - 1 || undefined;
      });
    }
  }

  /** Expectations that the agents have published, each publication counted. */
  async publishedExpectations(): Promise<number> {
    const each = await Promise.all(this.aps.map((ap) => ap.ask<AgentStatus>("status")));
    const published = each.map(({ datapath }) => (datapath!.replication as ReplicationCounters).cellsPublished);
    return published.reduce((sum, one) => sum + one, 0);
  }

  /** What replication has cost so far, counted by the kernel on its own network, with all headers. */
  replicated(): { packets: number; bytes: number } {
    const each = this.topology.aps.map((ap) => this.namespaces.sent(`ap${ap}`, "back0"));
    return {
      packets: each.reduce((sum, one) => sum + one.packets, 0),
      bytes: each.reduce((sum, one) => sum + one.bytes, 0),
    };
  }

  /** Ends every process, then removes pins, namespaces and (unless something is to be looked at) files. */
  async close(keepFiles = false): Promise<void> {
    this.intruder.pause();
    await this.processes.stopAll();
    this.remove(keepFiles);
  }

  /** The same at once, for an exit that cannot wait. */
  closeNow(): void {
    this.intruder.pause();
    this.processes.killAll();
    this.remove(false);
  }

  private remove(keepFiles: boolean): void {
    for (const ap of this.aps) ap.removePins();
    this.namespaces.remove();
    if (!keepFiles) rmSync(this.directory, { recursive: true, force: true });
  }
}
