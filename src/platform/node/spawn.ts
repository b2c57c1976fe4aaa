import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { type Log, PROCESS_LINE_MAX, type Process, type ProcessHandlers } from "../platform.ts";

export function spawnProgram(command: string, args: readonly string[], on: ProcessHandlers, log: Log): Process {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  // Who inherited its output may hold it open for longer.
  const stop = () => {
    // A program that was not found has no number yet, and Node would signal our own process group.
    if (child.pid !== undefined) child.kill();
    child.stdout.destroy();
    child.stderr.destroy();
  };
  readLines(child.stdout, (text) => on.line(text), stop);
  readLines(child.stderr, (text) => log.debug("spawn", text, { command }), stop);
  let hasEnded = false;
  const end = (code: number | undefined) => {
    if (!hasEnded) on.exit(code);
    hasEnded = true;
  };
  child.on("error", (error) => {
    log.debug("spawn", "not started", { command, reason: error.message });
    end(undefined);
  });
  // Not "exit": what the program wrote last may still be on its way.
  child.on("close", (code) => end(code ?? undefined));
  return { stop };
}

type Output = ChildProcessByStdio<null, Readable, Readable>["stdout"];

function readLines(output: Output, onLine: (text: string) => void, onTooLong: () => void): void {
  let held = "";
  output.setEncoding("utf8");
  output.on("data", (text: string) => {
    const lines = (held + text).split("\n");
    held = lines.pop()!;
    for (const line of lines) onLine(line);
    if (held.length <= PROCESS_LINE_MAX) return;
    held = "";
    onTooLong();
  });
  output.on("end", () => {
    if (held !== "") onLine(held);
  });
}
