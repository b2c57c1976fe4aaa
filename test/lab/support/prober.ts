import { join } from "node:path";
import { BUILT } from "./build.ts";
import type { Namespaces } from "./namespaces.ts";
import type { Processes } from "./processes.ts";
import { Program } from "./traffic.ts";

/** What must come may take so long on a busy machine; it is waited for no longer than it takes. */
const LONG_MS = 10_000;
/** What must not come is waited for so long: each denial costs it. */
const SHORT_MS = 700;

export interface Answered {
  /** Empty: nobody answered. */
  readonly hex: string;
  readonly ms: number;
}

/** One end of a few flows, in a namespace: opens them, and speaks on them, when told to. */
export class Prober {
  private readonly program: Program;

  constructor(namespaces: Namespaces, processes: Processes, name: string) {
    const child = processes.start(process.execPath, [join(BUILT, "probe.cjs")], {
      netns: namespaces.path(name),
      log: join(processes.logs, `probe-${name}.log`),
      ipc: true,
    });
    this.program = new Program(name, child);
  }

  get ready(): Promise<void> {
    return this.program.ready;
  }

  /** Echoes on these ports. */
  serve(...ports: number[]): Promise<void> {
    return this.program.ask("serve", ports);
  }

  /** A flow is open. Its port is its name. */
  opens(address: string, port: number): Promise<boolean> {
    return this.program.ask("open", { address, port, patienceMs: LONG_MS });
  }

  /** Nobody answers. */
  async isKeptFrom(address: string, port: number): Promise<boolean> {
    return !(await this.program.ask<boolean>("open", { address, port, patienceMs: SHORT_MS }));
  }

  /** What is said on the flow comes back. */
  echoes(port: number): Promise<boolean> {
    return this.program.ask("echo", { port, patienceMs: LONG_MS });
  }

  /** Nothing comes back any more. */
  async isSilenced(port: number): Promise<boolean> {
    return !(await this.program.ask<boolean>("echo", { port, patienceMs: SHORT_MS }));
  }

  /** Opens a flow to each address, so many times; nobody waits for an answer. */
  flood(addresses: readonly string[], port: number, times: number): Promise<void> {
    return this.program.ask("flood", { addresses, port, times });
  }

  /** Datagrams as fast as they go, until `rest`, which answers how many there were. */
  hammer(address: string, port: number): Promise<void> {
    return this.program.ask("hammer", { address, port });
  }

  rest(): Promise<number> {
    return this.program.ask("rest");
  }

  datagram(to: { address: string; port: number }, bytes: Uint8Array): Promise<Answered> {
    const hex = Buffer.from(bytes).toString("hex");
    return this.program.ask("datagram", { ...to, hex, patienceMs: LONG_MS });
  }
}
