import type { Platform } from "../platform/platform.ts";

/** Runs a program to its end; undefined when it is not there or failed. */
export type Run = (command: string, ...args: string[]) => Promise<readonly string[] | undefined>;

/** More than any program that we ask prints; what is beyond is not kept. */
const LINES_MAX = 20_000;
const WITHIN_MS = 5_000;

/** What a program prints; undefined when it is not there, fails, or takes longer than 5 s. */
export function linesOf(
  { spawn, clock }: Pick<Platform, "spawn" | "clock">,
  command: string,
  args: readonly string[],
): Promise<string[] | undefined> {
  return new Promise((resolve) => {
    const lines: string[] = [];
    const program = spawn(command, args, {
      line: (text) => {
        if (lines.length < LINES_MAX) lines.push(text);
      },
      exit(code) {
        cancel();
        resolve(code === 0 ? lines : undefined);
      },
    });
    const cancel = clock.after(WITHIN_MS, () => {
      resolve(undefined);
      program.stop();
    });
  });
}
