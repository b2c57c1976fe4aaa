import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runCli } from "../../../src/control/cli/cli.ts";
import type { Finding } from "../../../src/control/doctor/world.ts";
import { nodePlatform } from "../../../src/platform/node/platform.ts";
import type { Platform } from "../../../src/platform/platform.ts";
import { paperTerminal } from "../../../src/platform/testing/paper-terminal.ts";
import type { Lab } from "./lab.ts";
import type { Ap } from "./topology.ts";

const platform = nodePlatform();
/** What must be accepted may take so long on a busy machine; what must not is waited for briefly. */
const LONG_S = "5";
const SHORT_S = "0.25";

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** What is no text. */
  readonly bytes: readonly Uint8Array[];
}

/** Somebody at the command line of an AP of the lab. */
export class Operator {
  constructor(
    private readonly lab: Lab,
    private readonly ap: Ap = 1,
  ) {}

  path(name: string): string {
    return join(this.lab.directory, `ap${this.ap}`, name);
  }

  /** Runs a command to its end: in this process, since a new one costs more than all that it does; in the AP's network. */
  async run(...rest: string[]): Promise<Said> {
    const said = { out: "", err: "", bytes: [] as Uint8Array[] };
    const place = rest[0] === "doctor" ? ["--config", this.path("agent.yaml")] : [];
    const words = [...rest, ...place, "--socket", this.path("agent.sock")];
    const terminal = paperTerminal(words, said, {
      directory: this.lab.directory,
      outBytes: (bytes) => {
        said.bytes.push(bytes);
      },
    });
    const net = `--net=${this.lab.namespaces.path(`ap${this.ap}`)}`;
    const spawn: Platform["spawn"] = (command, args, on) => platform.spawn("nsenter", [net, command, ...args], on);
    const code = await runCli(terminal, { ...platform, spawn });
    return { code, ...said };
  }

  async json<T>(...words: string[]): Promise<T> {
    const { out, err } = await this.run(...words, "--json");
    try {
      return JSON.parse(out) as T;
    } catch {
      throw new Error(`roamwall ${words.join(" ")}: ${err || out}`);
    }
  }

  /** By severity and id, as `high key`. */
  async findings(...words: string[]): Promise<string[]> {
    const found = await this.json<Finding[]>("doctor", ...words);
    // The lab's ports are up before anybody filters them; what QuickJS cannot do is told of an agent that runs there.
    return found
      .filter(({ id }) => id !== "port-was-open" && id !== "engine")
      .map(({ severity, id }) => `${severity} ${id}`);
  }

  /** A TCP connection from a place of the lab is accepted. */
  connects(from: string, address: string, port: number): boolean {
    return this.isAccepted(from, address, port, LONG_S);
  }

  /** Nobody answers. */
  isKeptFrom(from: string, address: string, port: number): boolean {
    return !this.isAccepted(from, address, port, SHORT_S);
  }

  private isAccepted(from: string, address: string, port: number, patienceS: string): boolean {
    const net = `--net=${this.lab.namespaces.path(from)}`;
    const open = `exec 3<>/dev/tcp/${address}/${port}`;
    try {
      execFileSync("nsenter", [net, "timeout", patienceS, "bash", "-c", open], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  }

  /** Accepts connections, for as long as the lab lives. */
  async serve(at: string, port: number): Promise<void> {
    const program = `require("net").createServer((s) => s.on("error", () => {}).end()).listen(${port}, () => console.log("ready"))`;
    const child = this.lab.processes.start(process.execPath, ["-e", program], {
      netns: this.lab.namespaces.path(at),
      log: join(this.lab.processes.logs, `serve-${at}-${port}.log`),
      stdout: "pipe",
    });
    await new Promise<void>((done) => child.stdout!.once("data", () => done()));
  }

  /** Settings of the AP with other ones in between; answers a function that undoes it. */
  change(name: string, edit: (text: string) => string): () => void {
    const path = this.path(name);
    const before = readFileSync(path, "utf8");
    writeFileSync(path, edit(before));
    return () => writeFileSync(path, before);
  }
}
