import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Finding } from "../../../src/control/doctor/world.ts";
import type { Lab } from "./lab.ts";
import type { Ap } from "./topology.ts";

const BUNDLE = resolve("dist/roamwall.cjs");
const CONNECT_PATIENCE_S = "0.25";

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
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

  /** Runs a command to its end. */
  async run(...words: string[]): Promise<Said> {
    const child = this.start(...words);
    const said = { out: "", err: "" };
    child.stdout!.on("data", (bytes) => (said.out += bytes));
    child.stderr!.on("data", (bytes) => (said.err += bytes));
    const code = await new Promise<number>((done) => child.once("close", (status) => done(status ?? -1)));
    return { code, ...said };
  }

  /** Starts one, in the AP's network, with its socket. */
  start(...words: string[]): ChildProcess {
    const place = words[0] === "doctor" ? ["--config", this.path("agent.yaml")] : [];
    const call = [process.execPath, BUNDLE, ...words, ...place, "--socket", this.path("agent.sock")];
    return spawn("nsenter", [`--net=${this.lab.namespaces.path(`ap${this.ap}`)}`, ...call], {
      stdio: ["ignore", "pipe", "pipe"],
    });
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
    // The lab's ports are up before anybody filters them.
    return found.filter(({ id }) => id !== "port-was-open").map(({ severity, id }) => `${severity} ${id}`);
  }

  /** Whether a TCP connection from a place of the lab is accepted. */
  connects(from: string, address: string, port: number): boolean {
    const net = `--net=${this.lab.namespaces.path(from)}`;
    const open = `exec 3<>/dev/tcp/${address}/${port}`;
    try {
      execFileSync("nsenter", [net, "timeout", CONNECT_PATIENCE_S, "bash", "-c", open], { stdio: "ignore" });
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
