/** One Roamwall in a namespace of the lab: its daemon, its agent, and a look into its maps. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type Engine, roamwallAt } from "../../test/lab/support/engine.ts";
import { cpuSecondsOf, type Lab, LineTool, run, sleep, tool } from "./lab.ts";

const READY_MS = 15_000;

export interface RoamwallOptions {
  readonly namespace: string;
  /** Its number in the mesh, and the last byte of its address there. */
  readonly id: number;
  readonly table: string;
  readonly clients: readonly string[];
  /** Most that roamwalld knows; half of them may be listed. */
  readonly clientsMax?: number;
  readonly engine?: Engine;
  /** Default: the one that was built for this machine. */
  readonly daemon?: string;
  readonly mesh: { readonly address: string; readonly peers: readonly string[] } | undefined;
  /** The core of daemon and agent. */
  readonly cpu: number;
  /** Default: a dozen rules. */
  readonly policy?: string;
  /** What `replication` says besides; the bench's own values stand where it says nothing. */
  readonly replication?: Readonly<Record<string, string>>;
  readonly daemonOptions?: readonly string[];
  /** For the agent's process. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** As many rules as the baseline has, of the kinds that people write; what the bench sends matches one by zone. */
const RULES = [
  "out web to uplink",
  "out mail to mailers",
  "out udp/53 to uplink",
  "out udp/123 to uplink",
  "out bench to uplink",
  "out icmp to any",
  "out proto/47 to uplink",
  "out tcp/* to 10.61.200.7",
  "out tcp/631 to 10.61.200.8",
  "in tcp/22 from uplink",
  "in icmp from uplink",
  "in udp/5353 from uplink",
];

export function policyText(clients: readonly string[], rules: readonly string[] = RULES): string {
  return JSON.stringify({
    zones: { uplink: ["10.61.0.0/16"], mailers: ["10.61.201.0/24"] },
    services: {
      web: ["tcp/80", "tcp/443"],
      mail: ["tcp/25", "tcp/465", "tcp/587"],
      bench: ["udp/20000-20200", "tcp/8000-8015"],
    },
    roles: { staff: { rules } },
    clients: Object.fromEntries(clients.map((mac) => [mac, "staff"])),
  });
}

export class Roamwall {
  private readonly directory: string;
  private readonly pin: string;
  private readonly children: Array<{ name: "daemon" | "agent"; child: ChildProcess; said: string }> = [];
  private looker: LineTool | undefined;
  /** How many cells the table has. */
  readonly cells: number;
  private cpu: number;

  constructor(
    lab: Lab,
    private readonly options: RoamwallOptions,
  ) {
    this.cpu = options.cpu;
    this.directory = `/tmp/${options.namespace}-${options.id}`;
    this.pin = `${this.directory}/bpf/pin`;
    const [, buckets] = options.table.split("x").map(Number);
    this.cells = 4 * (buckets as number) * 8;
    mkdirSync(`${this.directory}/bpf`, { recursive: true, mode: 0o700 });
    lab.onCleanup(() => this.remove());
    run("mount", ["-t", "bpf", "bpf", `${this.directory}/bpf`]);
    this.write("key", `mesh ${"5a".repeat(32)}\nseed 9e3779b97f4a7c15c2b2ae3d27d4eb4f\n`);
    this.write("policy.json", options.policy ?? policyText(options.clients));
  }

  get controlPath(): string {
    return `${this.directory}/agent.sock`;
  }

  private write(name: string, text: string): void {
    writeFileSync(`${this.directory}/${name}`, text, { mode: 0o600 });
  }

  /** What is started from now on. */
  runOn(cpu: number): void {
    this.cpu = cpu;
  }

  async startDaemon(): Promise<void> {
    const { directory, pin, options } = this;
    const socket = `${directory}/daemon.sock`;
    const paths = ["--key", `${directory}/key`, "--pin", pin, "--socket", socket, "--object", "build/sfr.bpf.o"];
    const table = ["--table", options.table, "--mirrors", "2", "--clients", `${options.clientsMax ?? 64}`];
    this.spawn("daemon", [
      options.daemon ?? "build/roamwalld",
      "--port",
      "lan",
      ...paths,
      ...table,
      ...(options.daemonOptions ?? []),
    ]);
    await this.until(`${socket}`, () => existsSync(socket));
  }

  async startAgent(): Promise<void> {
    const { directory, options } = this;
    const settings = {
      id: options.id,
      name: `ap${options.id}`,
      daemon: `${directory}/daemon.sock`,
      control: this.controlPath,
      key: `${directory}/key`,
      mode: "enforce",
      policy: `${directory}/policy.json`,
      pickup: "0s",
      ...(options.mesh && {
        replication: {
          bind: options.mesh.address,
          port: 4755,
          peers: options.mesh.peers,
          hold: "200ms",
          rate: "20MB/s",
          enabled: true,
          ...options.replication,
        },
      }),
    };
    this.write("agent.yaml", JSON.stringify(settings));
    const [program, args] = roamwallAt(options.id, options.engine);
    this.spawn("agent", [program, ...args, "agent", "--config", `${directory}/agent.yaml`]);
    await this.until(this.controlPath, () => existsSync(this.controlPath));
  }

  private spawn(name: "daemon" | "agent", command: readonly string[]): void {
    const inside = [`--net=/run/netns/${this.options.namespace}`, "taskset", "-c", `${this.cpu}`, "nice", "-n", "-20"];
    const env = { ...process.env, ...(name === "agent" && this.options.environment) };
    const child = spawn("nsenter", [...inside, ...command], { stdio: ["ignore", "pipe", "pipe"], env });
    const entry = { name, child, said: "" };
    const keep = (bytes: Buffer): void => {
      entry.said = (entry.said + bytes.toString()).slice(-4000);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    this.children.push(entry);
  }

  private async until(what: string, holds: () => boolean): Promise<void> {
    const deadline = Date.now() + READY_MS;
    while (!holds()) {
      const dead = this.children.find((one) => one.child.exitCode !== null);
      if (dead) throw new Error(`${dead.name} of ap${this.options.id} ended: ${dead.said.trim()}`);
      if (Date.now() > deadline) throw new Error(`${what}: not there after ${READY_MS} ms\n${this.said}`);
      await sleep(20);
    }
  }

  /** What daemon and agent wrote last. */
  get said(): string {
    return this.children.map((one) => `${one.name}: ${one.said}`).join("\n");
  }

  async look(line: string): Promise<number[]> {
    this.looker ??= await LineTool.start("kernel", tool("kernel", ["-lbpf"]), [this.pin]);
    return this.looker.numbers(line);
  }

  async usedCells(): Promise<number> {
    return (await this.look("used"))[0] as number;
  }

  /** Forgets all flows and waits until the program has heard that there is room again. */
  async wipe(): Promise<void> {
    await this.look("wipe");
    const deadline = Date.now() + READY_MS;
    while (((await this.look("load"))[0] as number) > 200 && Date.now() < deadline) {
      await sleep(50);
    }
  }

  pidOf(name: "daemon" | "agent"): number {
    return this.children.find((one) => one.name === name)?.child.pid ?? 0;
  }

  /** Resident memory, MB. */
  residentMb(name: "daemon" | "agent"): number {
    return this.statusMb(name, "VmRSS");
  }

  /** The most that was resident, MB. */
  peakMb(name: "daemon" | "agent"): number {
    return this.statusMb(name, "VmHWM");
  }

  private statusMb(name: "daemon" | "agent", field: string): number {
    const status = readFileSync(`/proc/${this.pidOf(name)}/status`, "utf8");
    return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1] ?? Number.NaN) / 1024;
  }

  /** Of one, or of both together. */
  cpuSeconds(name?: "daemon" | "agent"): number {
    const names: Array<"daemon" | "agent"> = name ? [name] : ["daemon", "agent"];
    return names.map((one) => cpuSecondsOf(this.pidOf(one))).reduce((sum, one) => sum + one, 0);
  }

  /** Ends the agent, and waits until it is gone. */
  async stopAgent(): Promise<void> {
    const at = this.children.findIndex((one) => one.name === "agent");
    const [entry] = at < 0 ? [] : this.children.splice(at, 1);
    if (!entry) return;
    const gone = new Promise<void>((done) => entry.child.once("exit", () => done()));
    entry.child.kill("SIGTERM");
    await gone;
    rmSync(this.controlPath, { force: true });
  }

  private remove(): void {
    this.looker?.stop();
    for (const one of this.children.splice(0).reverse()) one.child.kill("SIGKILL");
    // The dead daemon holds its pins until the kernel has buried it.
    run("sleep", ["0.1"]);
    try {
      run("build/roamwalld", ["--remove", "--pin", this.pin]);
    } finally {
      run("umount", [`${this.directory}/bpf`]);
      rmSync(this.directory, { recursive: true, force: true });
    }
  }
}
