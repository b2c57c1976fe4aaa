import type { Files } from "../../platform/platform.ts";

/** What this process has used. */
export interface Usage {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

/** Of /proc/PID/stat, whatever the kernel's own: proc(5), sysconf(_SC_CLK_TCK). */
const TICKS_PER_SECOND = 100;
/** Fields after the name, which ends with the last bracket: utime and stime are the 14th and 15th of all. */
const UTIME = 11;

/** Undefined where there is no /proc. */
export function readUsage(files: Pick<Files, "readText">): Usage | undefined {
  try {
    const stat = files.readText("/proc/self/stat");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const resident = /^VmRSS:\s+(\d+) kB$/m.exec(files.readText("/proc/self/status"));
    return {
      cpuSeconds: (Number(fields[UTIME]) + Number(fields[UTIME + 1])) / TICKS_PER_SECOND,
      residentBytes: Number(resident?.[1] ?? 0) * 1024,
    };
  } catch {
    return undefined;
  }
}
