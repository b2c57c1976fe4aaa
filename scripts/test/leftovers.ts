/** What a run of labs must not leave behind: processes, network namespaces and pins of it. */
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

/** In the environment of all processes of a run: the file that lists its namespaces. */
export const LAB_RUN = "ROAMWALL_LAB_RUN";
const PLACES = { "network namespace": "/run/netns", pins: "/sys/fs/bpf" } as const;
/** Who is told to end with its parent may need a moment. */
const PATIENCE_MS = 3_000;

/** Names what is left, and ends left processes: the next run must not meet them. */
export async function leftovers(run: string): Promise<string[]> {
  const deadline = performance.now() + PATIENCE_MS;
  while (processesOf(run).length > 0 && performance.now() < deadline) await new Promise((go) => setTimeout(go, 100));
  const processes = processesOf(run);
  for (const { pid } of processes) process.kill(pid, "SIGKILL");
  const names = existsSync(run) ? [...new Set(readFileSync(run, "utf8").trim().split("\n"))] : [];
  rmSync(run, { force: true });
  const places = Object.entries(PLACES).flatMap(([what, place]) =>
    names.filter((name) => name !== "" && existsSync(join(place, name))).map((name) => `${what} ${name}`),
  );
  return [...processes.map(({ pid, command }) => `process ${pid} (${command})`), ...places];
}

function processesOf(run: string): { pid: number; command: string }[] {
  const wanted = `${LAB_RUN}=${run}`;
  return readdirSync("/proc").flatMap((entry) => {
    const pid = Number(entry);
    if (!(pid > 0) || pid === process.pid) return [];
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
      if (!environment.includes(wanted)) return [];
      return [{ pid, command: readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").join(" ").trim() }];
    } catch {
      // It has just ended.
      return [];
    }
  });
}
