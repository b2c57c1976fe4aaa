/**
 * The bench's network: one client and one server namespace, and between them one access point per thing measured, all
 * of one make. Everything is named `rwbench-PID-…` and gone afterwards.
 *
 *   client  c0 ------ lan  [ap 0: no filter ]  wan ------ s0  server
 *           c1 ------ lan  [ap 1: nft       ]  wan ------ s1
 *           c2 ------ lan  [ap 2: Roamwall  ]  wan ------ s2
 */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createInterface } from "node:readline";

const PREFIX = `rwbench-${process.pid}`;

/** Where the bench keeps what it compiles. */
const TOOLS = "build/bench";

export interface Host {
  readonly mac: string;
  readonly address: string;
}

export interface Path {
  readonly name: string;
  readonly index: number;
  readonly namespace: string;
  readonly clientAddress: string;
  /** Bursts run between these two, whom nobody is: the receiver counts a frame and drops it as somebody else's. */
  readonly burstClient: Host;
  readonly burstServer: Host;
  /** On a link to a neighbour, `mesh` on both sides. */
  readonly neighbour: string;
  readonly meshAddress: string;
  readonly neighbourAddress: string;
}

/** Runs a command; throws with what it said on failure. */
export function run(command: string, args: readonly string[], input?: string): string {
  try {
    return execFileSync(command, args, { encoding: "utf8", input: input ?? "", stdio: ["pipe", "pipe", "pipe"] });
  } catch (error) {
    const said = (error as { stderr?: string }).stderr ?? "";
    throw new Error(`${command} ${args.join(" ")}: ${said.trim() || (error as Error).message}`);
  }
}

/** Compiles `scripts/bench/NAME.c` unless that has been done since it changed. */
export function tool(name: string, libraries: readonly string[] = []): string {
  const source = `scripts/bench/${name}.c`;
  const binary = `${TOOLS}/${name}`;
  mkdirSync(TOOLS, { recursive: true });
  const built = statSync(binary, { throwIfNoEntry: false });
  const headers = readdirSync("scripts/bench").filter((file) => file.endsWith(".h"));
  const changedMs = [source, ...headers.map((file) => `scripts/bench/${file}`)].map((file) => statSync(file).mtimeMs);
  if (!built || built.mtimeMs < Math.max(...changedMs)) {
    const includes = ["-Ifirmware"];
    run("gcc", ["-O2", "-Wall", "-Wextra", "-Werror", ...includes, "-o", binary, source, ...libraries]);
  }
  return binary;
}

/** Asks a tool that answers every line with a line. */
export class LineTool {
  private readonly waiting: Array<{ done: (line: string) => void; failed: (error: Error) => void }> = [];
  private readonly child: ChildProcessWithoutNullStreams;

  constructor(command: string, args: readonly string[]) {
    this.child = spawn(command, args);
    let said = "";
    this.child.stderr.on("data", (bytes: Buffer) => {
      said += bytes.toString();
    });
    createInterface({ input: this.child.stdout }).on("line", (line) => this.waiting.shift()?.done(line));
    this.child.on("close", (code) => {
      for (const one of this.waiting.splice(0)) one.failed(new Error(`${command} ended with ${code}: ${said.trim()}`));
    });
    this.child.stdin.on("error", () => undefined);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** A tool whose first line is `ready`. */
  static async start(name: string, command: string, args: readonly string[]): Promise<LineTool> {
    const started = new LineTool(command, args);
    const first = await started.nextLine();
    if (first !== "ready") throw new Error(`${name}: ${first}`);
    return started;
  }

  async numbers(line: string): Promise<number[]> {
    const answer = await this.ask(line);
    if (answer.startsWith("error")) throw new Error(`${line}: ${answer}`);
    return answer.split(" ").map(Number);
  }

  nextLine(): Promise<string> {
    return new Promise((done, failed) => this.waiting.push({ done, failed }));
  }

  ask(line: string): Promise<string> {
    const answer = this.nextLine();
    this.child.stdin.write(`${line}\n`);
    return answer;
  }

  stop(): void {
    this.child.stdin.end();
    this.child.kill("SIGKILL");
  }
}

export interface Burst {
  readonly nsPerPacket: number;
  readonly sent: number;
  readonly received: number;
}

export interface Connections {
  readonly perSecond: number;
  readonly opened: number;
  readonly failed: number;
}

export interface ConnectOptions {
  /** 0: as fast as they go. */
  readonly perSecond?: number;
  readonly replyBytes?: number;
  readonly parallel?: number;
  /** Nothing that is measured with it runs on the same core: then it need not share. */
  readonly alone?: boolean;
}

export class Lab {
  readonly client = `${PREFIX}-client`;
  readonly server = `${PREFIX}-server`;
  readonly paths: Path[] = [];
  /** What has to be undone, last first. */
  private readonly undo: Array<() => void> = [];
  private traffic: LineTool | undefined;

  /** Client and server. */
  open(): void {
    for (const ns of [this.client, this.server]) this.addNamespace(ns);
    // A closed connection's port has to be free again at once, or the port search is what one measures.
    this.sysctl(this.client, "net.ipv4.ip_local_port_range=2000 64000", "net.ipv4.tcp_max_tw_buckets=1000");
    this.sysctl(this.server, "net.ipv4.tcp_max_tw_buckets=1000", "net.core.somaxconn=4096");
  }

  onCleanup(undo: () => void): void {
    this.undo.push(undo);
  }

  cleanup(): void {
    this.traffic?.stop();
    for (const undo of this.undo.splice(0).reverse()) {
      try {
        undo();
      } catch (error) {
        process.stderr.write(`cleanup: ${(error as Error).message}\n`);
      }
    }
  }

  addNamespace(name: string): void {
    run("ip", ["netns", "add", name]);
    this.undo.push(() => run("ip", ["netns", "del", name]));
    this.ip(name, "link set lo up");
    this.sysctl(name, "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0");
    this.sysctl(name, "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1");
  }

  private namespaceOf(name: string): string {
    return `${PREFIX}-${name}`;
  }

  ip(namespace: string, command: string): string {
    return run("ip", ["-n", namespace, ...command.split(" ")]);
  }

  sysctl(namespace: string, ...settings: string[]): void {
    this.inside(namespace, "sysctl", ["-qw", ...settings]);
  }

  /** Runs a command in a namespace, with the mounts of this one: `ip netns exec` would hide bpffs. */
  inside(namespace: string, command: string, args: readonly string[], input?: string): string {
    return run("nsenter", [`--net=/run/netns/${namespace}`, command, ...args], input);
  }

  link(a: string, aName: string, b: string, bName: string): void {
    run("ip", ["link", "add", aName, "netns", a, "type", "veth", "peer", "name", bName, "netns", b]);
    for (const [ns, name] of [
      [a, aName],
      [b, bName],
    ] as const) {
      this.ip(ns, `link set ${name} up`);
    }
  }

  macOf(namespace: string, link: string): string {
    const parsed = JSON.parse(run("ip", ["-n", namespace, "-j", "link", "show", link])) as Array<{ address: string }>;
    return parsed[0]?.address ?? "";
  }

  clientMac(path: Path): string {
    return this.macOf(this.client, `c${path.index}`);
  }

  addPath(name: string): Path {
    const index = this.paths.length;
    const path: Path = {
      name,
      index,
      namespace: this.namespaceOf(name),
      clientAddress: `10.60.${index}.1`,
      burstClient: { mac: `02:00:00:60:0${index}:09`, address: `10.60.${index}.9` },
      burstServer: { mac: `02:00:00:61:0${index}:09`, address: `10.61.${index}.9` },
      neighbour: this.namespaceOf(`${name}2`),
      meshAddress: `10.62.${index}.1`,
      neighbourAddress: `10.62.${index}.2`,
    };
    this.addNamespace(path.namespace);
    this.sysctl(path.namespace, "net.ipv4.ip_forward=1");
    this.link(this.client, `c${index}`, path.namespace, "lan");
    this.link(this.server, `s${index}`, path.namespace, "wan");
    this.ip(this.client, `addr add ${path.clientAddress}/24 dev c${index}`);
    this.route(path, path.namespace);
    this.ip(this.server, `addr add 10.61.${index}.1/24 dev s${index}`);
    this.ip(this.client, `route add 10.61.${index}.0/24 via 10.60.${index}.254`);
    this.ip(this.server, `route add 10.60.${index}.0/24 via 10.61.${index}.254`);
    this.paths.push(path);
    return path;
  }

  /** Gives a path's access point a neighbour, which has a client port too, with nobody behind it. */
  addNeighbour(path: Path): void {
    this.linkNeighbour(path);
    this.ip(path.neighbour, "link add lan type veth peer name nobody");
    this.ip(path.neighbour, "link set lan up");
  }

  /** A neighbour to which the path's client can go: it forwards between the same two networks. */
  addServingNeighbour(path: Path): void {
    this.linkNeighbour(path);
    this.sysctl(path.neighbour, "net.ipv4.ip_forward=1");
    this.link(this.client, `d${path.index}`, path.neighbour, "lan");
    this.link(this.server, `t${path.index}`, path.neighbour, "wan");
    this.route(path, path.neighbour);
  }

  private linkNeighbour(path: Path): void {
    this.addNamespace(path.neighbour);
    this.link(path.namespace, "mesh", path.neighbour, "mesh");
    this.ip(path.namespace, `addr add ${path.meshAddress}/24 dev mesh`);
    this.ip(path.neighbour, `addr add ${path.neighbourAddress}/24 dev mesh`);
  }

  /** Gives an access point its two networks, and the hosts that bursts stand for. */
  private route({ index, burstClient, burstServer }: Path, namespace: string): void {
    this.ip(namespace, `addr add 10.60.${index}.254/24 dev lan`);
    this.ip(namespace, `addr add 10.61.${index}.254/24 dev wan`);
    for (const [host, port] of [
      [burstClient, "lan"],
      [burstServer, "wan"],
    ] as const) {
      this.ip(namespace, `neigh add ${host.address} lladdr ${host.mac} dev ${port} nud permanent`);
    }
  }

  /** Client's and server's end of an access point, as the tools read them. */
  private endsOf(path: Path, namespace: string, client: string, server: string): [string, string] {
    const { burstClient, burstServer } = path;
    const lan = this.macOf(namespace, "lan");
    const wan = this.macOf(namespace, "wan");
    return [
      [this.client, client, lan, burstClient.mac, burstClient.address].join(","),
      [this.server, server, wan, burstServer.mac, burstServer.address].join(","),
    ];
  }

  /** A process that lets the path's client go to its serving neighbour. */
  async startRoamer(path: Path, cpu: number): Promise<LineTool> {
    const { index, namespace, neighbour } = path;
    const home = this.endsOf(path, namespace, `c${index}`, `s${index}`);
    const away = this.endsOf(path, neighbour, `d${index}`, `t${index}`);
    const roamer = await LineTool.start("roam", tool("roam"), [`${cpu}`, ...home, ...away]);
    this.undo.push(() => roamer.stop());
    return roamer;
  }

  get trafficPid(): number {
    return this.traffic?.pid ?? 0;
  }

  /** Starts the traffic process over all paths, on one core. */
  async start(cpu: number): Promise<void> {
    const described = this.paths.map((path) => {
      const ends = this.endsOf(path, path.namespace, `c${path.index}`, `s${path.index}`);
      return [path.name, ...ends, `10.61.${path.index}.1`].join("/");
    });
    this.traffic = await LineTool.start("traffic", tool("traffic"), [`${cpu}`, ...described]);
  }

  /** `packets` frames over `flows` flows, from flow number `first` on. */
  async burst(path: Path, way: "up" | "down", flows: number, first: number, packets: number): Promise<Burst> {
    const [ns, sent, received] = await this.numbers(`burst ${path.name} ${way} ${flows} ${first} ${packets}`);
    return { nsPerPacket: (ns as number) / packets, sent: sent as number, received: received as number };
  }

  /** The same, with so few on their way that a queue holds them, until they have arrived. */
  async paced(path: Path, way: "up" | "down", flows: number, first: number, packets: number): Promise<Burst> {
    const [ns, sent, received] = await this.numbers(`paced ${path.name} ${way} ${flows} ${first} ${packets}`);
    return { nsPerPacket: (ns as number) / packets, sent: sent as number, received: received as number };
  }

  /** Connections that open and close. */
  async connect(path: Path, count: number, options: ConnectOptions = {}): Promise<Connections> {
    const { perSecond = 0, replyBytes = 0, parallel = 32, alone = false } = options;
    const how = `${perSecond} ${replyBytes} ${parallel} ${alone ? "alone" : "beside"}`;
    const line = `connects ${path.name} ${count} ${how}`;
    const [ns, opened, closed, failed] = (await this.numbers(line)) as [number, number, number, number];
    return { perSecond: (closed * 1e9) / ns, opened, failed: failed + (count - closed - failed) };
  }

  private async numbers(line: string): Promise<number[]> {
    if (!this.traffic) throw new Error("the lab has not started");
    return this.traffic.numbers(line);
  }
}

/** Builds a lab, works in it, and takes it down, whatever happens. */
export async function withLab<T>(work: (lab: Lab) => Promise<T>): Promise<T> {
  const lab = new Lab();
  const interrupted = (): void => lab.cleanup();
  process.once("exit", interrupted);
  try {
    lab.open();
    return await work(lab);
  } finally {
    process.removeListener("exit", interrupted);
    lab.cleanup();
  }
}

/** CPU seconds of a process, all its threads, as the scheduler counts them. */
export function cpuSecondsOf(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const ns = tasks.map((task) => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]));
  return ns.reduce((sum, one) => sum + one, 0) / 1e9;
}

export const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
