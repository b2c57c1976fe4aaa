import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";

export interface ProcessOptions {
  /** Path of the network namespace; without it the process stays here. */
  readonly netns?: string;
  /** File that takes stderr (and stdout, if nobody reads it). */
  readonly log: string;
  readonly stdout?: "log" | "pipe";
  readonly stdin?: "ignore" | "pipe";
  /** An IPC channel, for our own Node programs. */
  readonly ipc?: boolean;
}

/**
 * Programs of a lab, each ended by its id. They are in a group of their own, so that Ctrl-C reaches only the lab, which
 * then ends them in order; and they die with the lab, however it dies.
 */
export class Processes {
  private readonly children = new Set<ChildProcess>();

  /** `logs`: the folder where each program's log goes. */
  constructor(readonly logs: string) {}

  start(program: string, args: readonly string[], options: ProcessOptions): ChildProcess {
    const log = openSync(options.log, "a");
    const inside = options.netns === undefined ? [] : ["nsenter", `--net=${options.netns}`];
    const stdio: ("ignore" | "pipe" | "ipc" | number)[] = [
      options.stdin ?? "ignore",
      options.stdout === "pipe" ? "pipe" : log,
      log,
    ];
    if (options.ipc) stdio.push("ipc");
    const child = spawn("setpriv", ["--pdeathsig", "KILL", ...inside, program, ...args], { stdio, detached: true });
    closeSync(log);
    this.children.add(child);
    child.on("exit", () => {
      this.children.delete(child);
      endGroup(child);
    });
    child.on("error", () => this.children.delete(child));
    return child;
  }

  /** Ends one and waits until it is gone. */
  async stop(child: ChildProcess, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill(signal);
    const late = setTimeout(() => child.kill("SIGKILL"), STOP_PATIENCE_MS);
    await gone;
    clearTimeout(late);
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.children].map((child) => this.stop(child)));
  }

  /** For an exit that cannot wait. */
  killAll(): void {
    for (const child of this.children) endGroup(child);
  }
}

const STOP_PATIENCE_MS = 2_000;

/** What a program has forked and left. */
function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // Nobody was left.
  }
}

/** The last lines of a log, for an error that names its cause. */
export function tail(path: string, lines = 12): string {
  try {
    return readFileSync(path, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
  } catch {
    return "";
  }
}

/** Asks until the answer is not undefined; the error says what was waited for. */
export async function until<T>(
  what: string,
  timeoutMs: number,
  ask: () => T | undefined | Promise<T | undefined>,
  pauseMs = 20,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await pause(pauseMs);
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
