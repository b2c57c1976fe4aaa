import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, readdirSync } from "node:fs";
import { LAB_RUN } from "../../../scripts/test/leftovers.ts";

const RUN = "/run/netns";

/**
 * Network namespaces named `prefix-pid-name`, so that two runs never meet and a run that was killed can be cleaned up
 * by the next one. `ip netns exec` is never used: it hides bpffs from the programs it runs.
 */
export class Namespaces {
  private readonly names: string[] = [];

  constructor(
    private readonly prefix: string,
    private readonly pid = process.pid,
  ) {}

  add(...names: string[]): void {
    for (const name of names) {
      tellRun(this.full(name));
      run("ip", ["netns", "add", this.full(name)]);
      this.names.push(name);
      this.ip(name, "link set lo up");
    }
  }

  full(name: string): string {
    return `${this.prefix}-${this.pid}-${name}`;
  }

  path(name: string): string {
    return `${RUN}/${this.full(name)}`;
  }

  /** Lines of `ip -batch`; all of them in one process, so that a roam takes milliseconds. */
  ip(name: string, ...lines: string[]): void {
    run("ip", ["-n", this.full(name), "-batch", "-"], lines.join("\n"));
  }

  /** Runs a program to its end inside. */
  exec(name: string, program: string, ...args: string[]): string {
    return run("nsenter", [`--net=${this.path(name)}`, program, ...args]);
  }

  /** `setting` as under /proc/sys/net, with slashes: an interface's name may have dots. */
  sysctl(name: string, setting: string, value: number | string): void {
    this.exec(name, "sh", "-c", `echo ${value} > /proc/sys/net/${setting}`);
  }

  /** Bytes and packets that an interface has sent, by the kernel's own count. */
  sent(name: string, iface: string): { packets: number; bytes: number } {
    const [link] = JSON.parse(run("ip", ["-n", this.full(name), "-s", "-json", "link", "show", "dev", iface]));
    return { packets: link.stats64.tx.packets, bytes: link.stats64.tx.bytes };
  }

  remove(): void {
    for (const name of this.names.splice(0)) removeNamespace(this.full(name));
  }

  /** Removes what runs of this prefix left whose process is gone. */
  static removeOrphans(prefix: string): void {
    for (const full of existsSync(RUN) ? readdirSync(RUN) : []) if (isOrphan(full, prefix)) removeNamespace(full);
  }
}

/** Whether `prefix-pid-name` belongs to a process that is gone. */
export function isOrphan(full: string, prefix: string): boolean {
  const pid = new RegExp(`^${prefix}-(\\d+)-`).exec(full)?.[1];
  return pid !== undefined && !existsSync(`/proc/${pid}`);
}

/** Whoever runs all labs looks afterwards whether any namespace is left. */
function tellRun(full: string): void {
  const list = process.env[LAB_RUN];
  if (list !== undefined) appendFileSync(list, `${full}\n`);
}

function removeNamespace(full: string): void {
  try {
    run("ip", ["netns", "del", full]);
  } catch {
    // Gone already: another clean-up was faster.
  }
}

function run(program: string, args: string[], input = ""): string {
  return execFileSync(program, args, { input, encoding: "utf8", stdio: ["pipe", "pipe", "pipe"] });
}
