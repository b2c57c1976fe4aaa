import { type ChildProcess, execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type ApiVerb, askAgent } from "../../../src/control/api.ts";
import type { AgentStatus } from "../../../src/control/status.ts";
import { REASONS, type Reason } from "../../../src/datapath/abi.ts";
import { nodePlatform } from "../../../src/platform/node/platform.ts";
import type { ModeName } from "../../../src/replication/modes.ts";
import { BUILT } from "./build.ts";
import { type Engine, roamwallAt } from "./engine.ts";
import { MemoryGroup } from "./memory-group.ts";
import { isOrphan, type Namespaces } from "./namespaces.ts";
import { type Processes, tail, until } from "./processes.ts";
import { type Ap, BACKHAUL, CLIENT, CLIENT_PORT } from "./topology.ts";
import { PORTS } from "./traffic/plan.ts";

const BPFFS = "/sys/fs/bpf";
const DAEMON = resolve("build/roamwalld");
const START_PATIENCE_MS = 40_000;
const platform = nodePlatform();

export type Denied = Record<Reason, number>;

/** What a mesh shares: the key, and what its client may do. */
export function writeMeshFiles(directory: string, more: object = {}): void {
  const key = `mesh ${randomBytes(32).toString("hex")}\nseed ${randomBytes(16).toString("hex")}\n`;
  writeFileSync(join(directory, "key"), key, { mode: 0o600 });
  const rules = [
    `out tcp/${PORTS.web} to servers`,
    `out tcp/${PORTS.chat} to servers`,
    `out tcp/${PORTS.mail} to servers`,
    `out udp/${PORTS.stream} to servers`,
    "out icmp to servers",
    `out tcp/${PORTS.probe} to servers`,
    `out udp/${PORTS.probe} to servers`,
    `out udp/${PORTS.lookup} to servers`,
    `in tcp/${PORTS.shell} from servers`,
  ];
  const policy = {
    zones: { servers: ["10.1.1.0/24", "fd00:1:0:1::/64"] },
    roles: { staff: { rules } },
    clients: { [CLIENT.mac]: "staff" },
    ...more,
  };
  // JSON is YAML too.
  writeFileSync(join(directory, "policy.yaml"), JSON.stringify(policy, null, 2));
}

export interface ApOptions {
  readonly replication: boolean;
  /** Of replication; default as shipped. */
  readonly mode?: ModeName;
  readonly path?: "symmetric" | "asymmetric";
  readonly table?: string;
  readonly engine?: Engine;
  /** APs that are written to one by one, instead of the group. */
  readonly peers?: readonly Ap[];
  /** Of the agent. */
  readonly memoryBytes?: number;
  /** More of the agent's settings. */
  readonly settings?: object;
  /** Behind netfilter's queue instead of in the kernel: options of roamwalld that say how. */
  readonly nfqueue?: readonly string[];
}

/** roamwalld and the agent of one AP, in its namespace, with files, sockets and pins of their own. */
export class AccessPoint {
  private daemon: ChildProcess | undefined;
  private agent: ChildProcess | undefined;
  private readonly pins: string;
  private readonly memory: MemoryGroup | undefined;
  private readonly files: string;

  constructor(
    readonly ap: Ap,
    private readonly namespaces: Namespaces,
    private readonly processes: Processes,
    private readonly directory: string,
    private readonly options: ApOptions,
  ) {
    mountBpffs();
    this.pins = join(BPFFS, namespaces.full(`ap${ap}`));
    this.files = join(directory, `ap${ap}`);
    const { memoryBytes } = options;
    this.memory = memoryBytes === undefined ? undefined : new MemoryGroup(namespaces.full(`ap${ap}`), memoryBytes);
    mkdirSync(this.files, { recursive: true });
    this.writeSettings();
  }

  async start(): Promise<void> {
    await this.startDaemon();
    await this.startAgent();
  }

  /** `as`: an upgrade, of the program or of its settings. */
  async startDaemon(as: Pick<ApOptions, "table"> & { program?: string } = {}): Promise<void> {
    const { files, pins, directory } = this;
    const { program = DAEMON, ...other } = as;
    const options = { ...this.options, ...other };
    const socket = join(files, "daemon.sock");
    rmSync(socket, { force: true });
    const table = options.table === undefined ? [] : ["--table", options.table];
    const datapath = options.nfqueue && ["--datapath", "nfqueue", "--state", this.tables, ...options.nfqueue];
    const paths = [
      "--key",
      join(directory, "key"),
      "--pin",
      pins,
      "--socket",
      socket,
      "--object",
      resolve("build/sfr.bpf.o"),
    ];
    const args = ["--port", CLIENT_PORT, ...paths, ...table, ...(datapath ?? [])];
    this.daemon = this.run(program, args, "roamwalld");
    await this.awaitFile(this.daemon, socket, "roamwalld");
  }

  /** Resolves when it has loaded its policy into the datapath. */
  async startAgent(): Promise<void> {
    const socket = join(this.files, "agent.sock");
    rmSync(socket, { force: true });
    const [program, first] = roamwallAt(this.ap, this.options.engine);
    const args = [...first, "agent", "--config", join(this.files, "agent.yaml")];
    this.agent = this.run(...(this.memory?.around(program, args) ?? [program, args]), "agent");
    await this.awaitFile(this.agent, socket, "agent");
    // A socket is there before somebody answers on it.
    const loaded = () =>
      this.ask<AgentStatus>("status").then(
        ({ datapath }) => datapath,
        () => undefined,
      );
    await until(`the agent of AP ${this.ap} to find roamwalld`, START_PATIENCE_MS, loaded).catch((error) => {
      throw new Error(`${error.message}:\n${tail(this.log("agent"))}\n${tail(this.log("roamwalld"))}`);
    });
  }

  async killDaemon(): Promise<void> {
    await this.processes.stop(this.daemon!, "SIGKILL");
  }

  async killAgent(): Promise<void> {
    await this.processes.stop(this.agent!, "SIGKILL");
  }

  /** What the agent says of itself. */
  ask<T>(verb: ApiVerb): Promise<T> {
    return askAgent<T>(platform, join(this.files, "agent.sock"), verb);
  }

  /** Where those of a daemon behind a queue are. */
  get tables(): string {
    return join(this.files, "tables");
  }

  /** What roamwalld has said. */
  get said(): string {
    return readFileSync(this.log("roamwalld"), "utf8");
  }

  /** Denials by reason, read from the table: true whoever is dead. */
  denied(): Denied {
    const each = [this.peek("denied_counters"), ...this.formerCounters().map((path) => peek(path))].map(deniedIn);
    return Object.fromEntries(REASONS.map(([name]) => [name, each.reduce((sum, one) => sum + one[name], 0)])) as Denied;
  }

  /** New maps count anew. Called right before they replace the pinned ones, so that `denied` has both. */
  keepCounters(): void {
    mkdirSync(this.former, { recursive: true });
    linkSync(join(this.pins, "denied_counters"), join(this.former, `${this.formerCounters().length}`));
  }

  /** The pinned table says from now on that this version has made it. */
  pretendMadeBy(abi: number): void {
    execFileSync(join(BUILT, "poke"), [join(this.pins, "meta"), "0", `${abi}`]);
  }

  /** A table's values: those of a pinned map, or of a file. */
  peek(map: string): Buffer {
    if (this.options.nfqueue) return readFileSync(join(this.tables, map));
    return peek(join(this.pins, map));
  }

  private get former(): string {
    return `${this.pins}-former`;
  }

  private formerCounters(): string[] {
    return existsSync(this.former) ? readdirSync(this.former).map((name) => join(this.former, name)) : [];
  }

  /** The most that the agent used, where that is limited. */
  get memoryPeakBytes(): number | undefined {
    return this.memory?.peakBytes;
  }

  /** Kernel pins outlive their daemon: that is their purpose, so a lab must remove them. */
  removePins(): void {
    this.memory?.remove();
    for (const pins of [this.pins, this.former]) rmSync(pins, { recursive: true, force: true });
  }

  /** Removes the pins of runs whose process is gone. */
  static removeOrphans(prefix: string): void {
    for (const name of existsSync(BPFFS) ? readdirSync(BPFFS) : []) {
      if (isOrphan(name, prefix)) rmSync(join(BPFFS, name), { recursive: true, force: true });
    }
  }

  private run(program: string, args: string[], name: string): ChildProcess {
    return this.processes.start(program, args, {
      netns: this.namespaces.path(`ap${this.ap}`),
      log: this.log(name),
    });
  }

  private log(name: string): string {
    return join(this.processes.logs, `ap${this.ap}-${name}.log`);
  }

  private async awaitFile(child: ChildProcess, path: string, name: string): Promise<void> {
    const ready = () => {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(
          `${name} of AP ${this.ap} ended (${child.exitCode ?? child.signalCode}):\n${tail(this.log(name))}`,
        );
      }
      return existsSync(path) || undefined;
    };
    await until(`${name} of AP ${this.ap}`, START_PATIENCE_MS, ready);
  }

  /** For the agent's next start. */
  writeSettings(more: object = {}): void {
    const { ap, files, directory } = this;
    const { peers } = this.options;
    const settings = {
      id: ap,
      name: `ap${ap}`,
      daemon: join(files, "daemon.sock"),
      control: join(files, "agent.sock"),
      key: join(directory, "key"),
      mode: "enforce",
      policy: join(directory, "policy.yaml"),
      // An AP that picks running flows up would keep flows whose state it never had, and hide what replication does.
      pickup: "0s",
      replication: {
        bind: BACKHAUL.address(ap),
        port: BACKHAUL.port,
        ...(peers ? { peers: peers.filter((other) => other !== ap).map(BACKHAUL.address) } : { group: BACKHAUL.group }),
        enabled: this.options.replication,
        ...(this.options.mode && { mode: this.options.mode }),
        ...(this.options.path && { path: this.options.path }),
      },
      ...this.options.settings,
      ...more,
    };
    writeFileSync(join(files, "agent.yaml"), JSON.stringify(settings, null, 2));
  }
}

const REASON_ENTRIES = 32;

function peek(path: string): Buffer {
  return execFileSync(join(BUILT, "peek"), [path], { maxBuffer: 1 << 28 });
}

function deniedIn(bytes: Buffer): Denied {
  const perCpu = 8;
  const cpus = bytes.length / perCpu / REASON_ENTRIES;
  const sum = (reason: number) => {
    let total = 0n;
    for (let cpu = 0; cpu < cpus; cpu++) total += bytes.readBigUInt64LE((reason * cpus + cpu) * perCpu);
    return Number(total);
  };
  return Object.fromEntries(REASONS.map(([name], reason) => [name, reason === 0 ? 0 : sum(reason)])) as Denied;
}

/** Mounted twice, the second would hide the pins in the first: two labs may begin at once. */
function mountBpffs(): void {
  const mount = `grep -q ' ${BPFFS} bpf ' /proc/mounts || mount -t bpf bpf ${BPFFS}`;
  execFileSync("flock", [join(tmpdir(), "roamwall-bpffs.lock"), "sh", "-c", mount]);
}
