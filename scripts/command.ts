/** How a measurement's script runs and ends: 2 and the usage after a wrong argument, 1 after any other fault. */

export class UsageError extends Error {}

/** `main` answers the exit code. */
export async function runCommand(usage: string, main: () => Promise<number>): Promise<void> {
  // Labs are taken down when the process exits, whatever ends it.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(130));
  try {
    process.exitCode = await main();
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    if (error instanceof UsageError) process.stderr.write(`${usage}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}
