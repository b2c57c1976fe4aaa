import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { BUILT } from "./build.ts";
import type { Namespaces } from "./namespaces.ts";
import type { Processes } from "./processes.ts";
import { CLIENT, SERVER } from "./topology.ts";
import { type ClientReport, LOST_AFTER_MS, type Plan, type ServerReport } from "./traffic/plan.ts";

interface Answer {
  readonly id?: number;
  readonly ready?: boolean;
  readonly answer?: unknown;
  readonly error?: string;
}

/** One end's program, asked over IPC. */
class Program {
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
  readonly longestGapMs: number;
}

/** They live as long as the message flows, and count as flows. */
const OTHER_FLOWS = ["download", "stream"];

/** All valid traffic of a lab. */
export class Traffic {
  private readonly client: Program;
  private readonly server: Program;
  private readonly plan: Plan;

  constructor(
    namespaces: Namespaces,
    processes: Processes,
    size: Pick<Plan, "clientFlows" | "serverFlows" | "idleFlows">,
  ) {
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
    this.server = start("server");
    this.client = start("client");
  }

  /** Resolves when all long-lived flows are open. */
  async start(): Promise<void> {
    await Promise.all([this.client.ready, this.server.ready]);
    await this.client.ask("start", this.plan);
    await this.server.ask("start", this.plan);
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
    const neverHeardOf = this.chats - Math.min(client.flows.known, server.flows.known);
    const silent = {
      download: client.download.silentMs,
      stream: Math.max(client.stream.silentMs, server.stream.silentMs),
    };
    return {
      client,
      server,
      lost: [
        ...new Set([...client.flows.lost, ...server.flows.lost]),
        ...Array.from({ length: neverHeardOf }, (_, i) => `never heard of ${i}`),
        ...Object.entries(silent).flatMap(([name, silentMs]) => (silentMs > LOST_AFTER_MS ? [name] : [])),
      ],
      longestGapMs: Math.max(client.flows.longestGapMs, server.flows.longestGapMs),
    };
  }

  /** Long-lived flows in all. */
  get flows(): number {
    return this.chats + OTHER_FLOWS.length;
  }

  private get chats(): number {
    return this.plan.clientFlows + this.plan.serverFlows + this.plan.idleFlows;
  }
}
