import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { appendFileSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Processes, type ProcessOptions, tail, until } from "./processes.ts";

/** What docs/freeradius.md tells to copy: the lab uses the very files. */
const EXAMPLES = "docs/examples/freeradius";
const START_PATIENCE_MS = 40_000;
export const RADIUS_SECRET = "roamwall-example-secret";

export const hasFreeRadius = ["/usr/sbin/freeradius", "/usr/bin/radclient", "/usr/bin/eapol_test"].every(existsSync);

/** Of the example's `passwords`. */
const PASSWORDS: Readonly<Record<string, string>> = { alice: "wonderland", bob: "builder" };

export interface FreeRadiusOptions {
  readonly port: number;
  /** A user beside those of the example: name, and reply attributes as `rights` has them. The password is the name. */
  readonly user?: readonly [name: string, rights: string];
  readonly netns?: string;
}

/** The example's server, in a folder and on ports of its own. */
export class FreeRadius {
  private child: ChildProcess | undefined;
  private readonly log: string;

  constructor(
    private readonly processes: Processes,
    readonly directory: string,
    private readonly options: FreeRadiusOptions,
  ) {
    mkdirSync(directory, { recursive: true });
    for (const name of readdirSync(EXAMPLES)) copyFileSync(join(EXAMPLES, name), join(directory, name));
    execFileSync("sh", [join(directory, "make-certs.sh"), this.certs, "alice"], { stdio: "ignore" });
    this.edit("radiusd.conf", [
      [/^(confdir|logdir|run_dir) = .*$/gm, `$1 = ${directory}`],
      [/port = 1812/g, `port = ${options.port}`],
      [/port = 1813/g, `port = ${options.port + 1}`],
    ]);
    for (const name of ["peap.conf", "tls.conf"]) this.edit(name, [[/\/etc\/wpa_supplicant/g, this.certs]]);
    if (options.user) this.addUser(...options.user);
    this.log = join(processes.logs, `freeradius-${options.port}.log`);
  }

  get certs(): string {
    return join(this.directory, "certs");
  }

  private addUser(name: string, rights: string): void {
    appendFileSync(join(this.directory, "passwords"), `${name}\tCleartext-Password := "${name}"\n`);
    appendFileSync(join(this.directory, "rights"), `\n${name}\n${rights}`);
  }

  edit(name: string, changes: readonly (readonly [RegExp, string])[]): void {
    const path = join(this.directory, name);
    const text = changes.reduce((now, [pattern, by]) => now.replace(pattern, by), readFileSync(path, "utf8"));
    writeFileSync(path, text);
  }

  async start(): Promise<void> {
    const args = ["-d", this.directory, "-n", "radiusd", "-fxx", "-l", "stdout"];
    const { netns } = this.options;
    const options: ProcessOptions = { log: this.log, ...(netns !== undefined && { netns }) };
    this.child = this.processes.start("/usr/sbin/freeradius", args, options);
    await until("FreeRADIUS", START_PATIENCE_MS, () => {
      if (this.child!.exitCode !== null) throw new Error(`FreeRADIUS ended:\n${tail(this.log)}`);
      return tail(this.log, 3).includes("Ready to process requests") || undefined;
    });
  }

  async stop(): Promise<void> {
    if (this.child) await this.processes.stop(this.child);
  }

  /** One login by eapol_test, which is hostapd and station in one. Answers whether it got in, and what it printed. */
  login(conf: "peap.conf" | "tls.conf", port: number, mac: string, user = "alice", patienceS = 12): Promise<Run> {
    const own = join(this.directory, `${user}-${conf}`);
    const password = PASSWORDS[user] ?? user;
    const text = readFileSync(join(this.directory, conf), "utf8");
    writeFileSync(own, text.replace(/"alice"/, `"${user}"`).replace("wonderland", password));
    const args = ["-c", own, "-a", "127.0.0.1", "-p", `${port}`, "-s", RADIUS_SECRET, "-M", mac, "-t", `${patienceS}`];
    return this.run("eapol_test", args);
  }

  /** Attributes as radclient reads them, a line each. Event-Timestamp and Message-Authenticator must be told. */
  order(kind: "coa" | "disconnect", port: number, lines: readonly string[], secret = RADIUS_SECRET): Promise<Run> {
    const target = `127.0.0.1:${port}`;
    const args = ["-d", this.directory, "-x", "-r", "1", "-t", "10", target, kind, secret];
    return this.run("radclient", args, lines.join("\n"));
  }

  private run(program: string, args: readonly string[], input = ""): Promise<Run> {
    const { netns } = this.options;
    return netns === undefined
      ? run(program, args, input)
      : run("nsenter", [`--net=${netns}`, program, ...args], input);
  }
}

export interface Run {
  readonly code: number | null;
  readonly output: string;
}

function run(program: string, args: readonly string[], input = ""): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += String(text)));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
    child.stdin.end(`${input}\n`);
  });
}

/** Ports that nobody has at this moment: `count` in a row. */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = await freePort(0);
    const others = Array.from({ length: count - 1 }, (_, i) => freePort(first + 1 + i));
    if ((await Promise.allSettled(others)).every(({ status }) => status === "fulfilled")) return first;
  }
}

function freePort(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4");
    socket.once("error", reject);
    socket.bind(port, "127.0.0.1", () => {
      const found = socket.address().port;
      socket.close(() => resolve(found));
    });
  });
}
