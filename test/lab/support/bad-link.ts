import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { BUILT } from "./build.ts";
import type { Namespaces } from "./namespaces.ts";
import type { Processes } from "./processes.ts";
import { type Ap, STRANGER, type Topology } from "./topology.ts";

const SEED = 1;

/** What the link does to each copy of a datagram: chances from 0 to 1, and a delay of its own. */
export interface Misbehaviour {
  readonly loss?: number;
  readonly duplicate?: number;
  /** Held back for up to 20 ms. */
  readonly reorder?: number;
  /** One bit of the payload is turned. */
  readonly corrupt?: number;
  readonly delayMs?: readonly [min: number, max: number];
}

/** What it has done so far, in copies: a multicast datagram is one for each port. */
export interface LinkReport {
  readonly forwarded: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly corrupted: number;
  readonly delayed: number;
  readonly cut: number;
  readonly overflowed: number;
}

/** The link between the APs: real sockets, real frames, and a switch (`badlink.c`) that treats them as it is told. */
export class BadLink {
  private readonly child: ChildProcess;
  private readonly waiting: ((line: string) => void)[] = [];
  private readonly ports: number;

  constructor(namespaces: Namespaces, processes: Processes, topology: Topology) {
    const names = [...topology.aps, STRANGER.port].map((port) => `back${port}`);
    this.ports = names.length;
    this.child = processes.start(join(BUILT, "badlink"), [String(SEED), ...names], {
      netns: namespaces.path("core"),
      log: join(processes.logs, "badlink.log"),
      stdin: "pipe",
      stdout: "pipe",
    });
    this.child.stdin!.on("error", () => {});
    createInterface(this.child.stdout!).on("line", (line) => this.waiting.shift()?.(line));
    this.child.on("exit", () => {
      for (const answer of this.waiting.splice(0)) answer("error: the link is gone");
    });
  }

  /** Replaces what was said before. */
  async behave({ loss = 0, duplicate = 0, reorder = 0, corrupt = 0, delayMs = [0, 0] }: Misbehaviour): Promise<void> {
    const thousandths = { loss, duplicate, reorder, corrupt };
    for (const [name, chance] of Object.entries(thousandths)) await this.tell(`${name} ${Math.round(chance * 1_000)}`);
    await this.tell(`delay ${delayMs[0]} ${delayMs[1]}`);
  }

  /** Nothing of anybody reaches this AP's agent, and nothing of it anybody. */
  async isolate(ap: Ap): Promise<void> {
    await this.tell(`cut ${ap} 0`);
    await this.tell(`cut 0 ${ap}`);
  }

  async heal(): Promise<void> {
    await this.tell("join 0 0");
  }

  /** The next datagrams, into a file; the file is whole when as many have passed. */
  async record(path: string, count: number): Promise<void> {
    await this.tell(`record ${path} ${count}`);
  }

  async report(): Promise<LinkReport> {
    return JSON.parse(await this.ask("report"));
  }

  private async tell(command: string): Promise<void> {
    const answer = await this.ask(command);
    if (answer !== "ok") throw new Error(`the bad link of ${this.ports} ports, told to ${command}: ${answer}`);
  }

  private ask(command: string): Promise<string> {
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      this.child.stdin!.write(`${command}\n`);
    });
  }
}
