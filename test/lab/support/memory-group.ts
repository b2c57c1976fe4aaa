import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Where the kernel's second interface is complete, and the first one's controller. */
const INTERFACES = [
  {
    root: "/sys/fs/cgroup",
    needs: "cgroup.controllers",
    most: "memory.max",
    peak: "memory.peak",
    now: "memory.current",
  },
  {
    root: "/sys/fs/cgroup/memory",
    needs: "memory.limit_in_bytes",
    most: "memory.limit_in_bytes",
    peak: "memory.max_usage_in_bytes",
    now: "memory.usage_in_bytes",
  },
];

/** A limit on the memory of some programs, their page cache and kernel memory included; who exceeds it is ended. */
export class MemoryGroup {
  private readonly path: string;
  private readonly files = interfaceHere();

  constructor(name: string, bytes: number) {
    this.path = join(this.files.root, name);
    mkdirSync(this.path, { recursive: true });
    writeFileSync(join(this.path, this.files.most), `${bytes}`);
  }

  /** How to start a program in it. */
  around(program: string, args: readonly string[]): [program: string, args: string[]] {
    const enter = `echo $$ > ${join(this.path, "cgroup.procs")} && exec "$@"`;
    return ["sh", ["-c", enter, "sh", program, ...args]];
  }

  /** The most that was in use. */
  get peakBytes(): number {
    const { peak, now } = this.files;
    const file = existsSync(join(this.path, peak)) ? peak : now;
    return Number(readFileSync(join(this.path, file), "utf8"));
  }

  /** Its programs have ended by now. */
  remove(): void {
    if (existsSync(this.path)) rmdirSync(this.path);
  }
}

function interfaceHere(): (typeof INTERFACES)[number] {
  const found = INTERFACES.find(({ root, needs }) => existsSync(join(root, needs)));
  if (!found)
    throw new Error("no memory controller: neither cgroup v2 at /sys/fs/cgroup nor v1 at /sys/fs/cgroup/memory");
  return found;
}
