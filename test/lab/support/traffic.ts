import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { BUILT } from "./build.ts";
import type { Namespaces } from "./namespaces.ts";
import type { Processes } from "./processes.ts";
import { CLIENT, SERVER } from "./topology.ts";
import {
  type ClientReport,
  type Death,
  LOST_AFTER_MS,
  PING_PERIOD_MS,
  type Plan,
  type ServerReport,
  type TrafficSize,
} from "./traffic/plan.ts";

interface Answer {
  readonly id?: number;
  readonly ready?: boolean;
  readonly answer?: unknown;
  readonly error?: string;
}

/** One end's program, asked over IPC. */
export class Program {
  private nextId = 0;
  private readonly waiting = new Map<number, (message: Answer) => void>();
  readonly ready: Promise<void>;

  constructor(
    private readonly name: string,
    private readonly child: ChildProcess,
  ) {
    this.ready = new Promise((resolve, reject) => {
      child.on("message", (message: Answer) => {
        if (message.ready) return resolve();
        this.waiting.get(message.id!)?.(message);
        this.waiting.delete(message.id!);
      });
      child.on("exit", () => {
        const error = `the ${this.name} program ended`;
        reject(new Error(error));
        for (const answer of this.waiting.values()) answer({ error });
        this.waiting.clear();
      });
    });
    // Whoever starts the traffic hears of it; a lab that ends without any traffic need not.
    this.ready.catch(() => {});
  }

  ask<T>(question: string, argument?: unknown): Promise<T> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, ({ answer, error }) => {
        if (error === undefined) resolve(answer as T);
        else reject(new Error(`${this.name}, asked to ${question}: ${error}`));
      });
      this.child.send({ id, ask: question, argument });
    });
  }
}

export interface TrafficReport {
  readonly client: ClientReport;
  readonly server: ServerReport;
  /** What either end holds for lost, or one end never heard of: a flow's id, or a name. */
  readonly lost: (number | string)[];
  /** How old what was lost had become; the briefly open ones too. */
  readonly deaths: Death[];
  readonly longestGapMs: number;
}

export interface PingReport {
  readonly sent: number;
  readonly received: number;
  readonly longestGapMs: number;
}

/** All valid traffic of a lab. */
export class Traffic {
  private readonly client: Program;
  private readonly server: Program;
  private readonly plan: Plan;
  private readonly startPinger: () => ChildProcess;
  private pinger: ChildProcess | undefined;

  constructor(namespaces: Namespaces, processes: Processes, size: TrafficSize) {
    this.plan = { ...size, client: CLIENT, server: SERVER };
    const start = (name: "client" | "server") =>
      new Program(
        name,
        processes.start(process.execPath, [join(BUILT, `${name}.cjs`)], {
          netns: namespaces.path(name),
          log: join(processes.logs, `${name}.log`),
          ipc: true,
        }),
      );
    this.startPinger = () =>
      processes.start(join(BUILT, "pinger"), [SERVER.v4, String(PING_PERIOD_MS)], {
        netns: namespaces.path("client"),
        log: join(processes.logs, "pinger.log"),
        stdin: "pipe",
        stdout: "pipe",
      });
    this.server = start("server");
    this.client = start("client");
  }

  /** Resolves when all long-lived flows are open. */
  async start(): Promise<void> {
    await Promise.all([this.client.ready, this.server.ready]);
    await this.client.ask("start", this.plan);
    await this.server.ask("start", this.plan);
  }

  /** Echo requests from now on, beside all that. */
  startPings(): void {
    this.pinger = this.startPinger();
    this.pinger.stdin!.on("error", () => {});
  }

  async pings(): Promise<PingReport> {
    const { stdin, stdout } = this.pinger!;
    const line = once(stdout!, "data");
    stdin!.write("report\n");
    return JSON.parse(String((await line)[0]));
  }

  /** Gaps are measured from here. */
  async mark(): Promise<void> {
    await Promise.all([this.client.ask("mark"), this.server.ask("mark")]);
  }

  /** Idle flows begin to speak. */
  async wake(): Promise<void> {
    await Promise.all([this.client.ask("wake"), this.server.ask("wake")]);
  }

  /** Whether the client begins anything new; what is under way goes on. */
  async open(wanted: boolean): Promise<void> {
    await this.client.ask("open", wanted);
  }

  async report(): Promise<TrafficReport> {
    const [client, server] = await Promise.all([
      this.client.ask<ClientReport>("report"),
      this.server.ask<ServerReport>("report"),
    ]);
    const silentMs = (this.plan.download ?? true) ? client.download.silentMs : 0;
    const deaths = [client.flows, server.flows, client.stream, server.stream].flatMap(({ lost }) => lost);
    const neverHeardOf = [
      this.chats - Math.min(client.flows.known, server.flows.known),
      this.streams - server.stream.known,
    ].flatMap((count, kind) => Array.from({ length: count }, (_, i) => `never heard of ${kind ? "stream" : ""} ${i}`));
    return {
      client,
      server,
      lost: [
        ...new Set(deaths.map(({ id }) => id)),
        ...neverHeardOf,
        ...(silentMs > LOST_AFTER_MS ? ["download"] : []),
      ],
      deaths: [...deaths, ...client.connects.lost],
      longestGapMs: Math.max(client.flows.longestGapMs, server.flows.longestGapMs),
    };
  }

  /** Long-lived flows in all. */
  get flows(): number {
    return this.chats + this.streams + ((this.plan.download ?? true) ? 1 : 0);
  }

  private get streams(): number {
    return this.plan.streams ?? 1;
  }

  private get chats(): number {
    const { clientFlows, serverFlows, idleFlows, greetedFlows = 0, nappingFlows = 0 } = this.plan;
    return clientFlows + serverFlows + idleFlows + greetedFlows + nappingFlows;
  }
}
