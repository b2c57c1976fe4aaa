/** A pair of conntrackd (FTFW, one process a side) as what replication is compared with, if it is installed. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { type Lab, type Path, run, sleep } from "./lab.ts";

const BINARY = "/usr/sbin/conntrackd";
const READY_MS = 5_000;

function configText(own: string, peer: string, directory: string): string {
  return `
Sync {
  Mode FTFW { ResendQueueSize 131072
    PurgeTimeout 60
    ACKWindowSize 300
    DisableExternalCache off
  }
  UDP { IPv4_address ${own}
    IPv4_Destination_Address ${peer}
    Port 3780
    Interface mesh
    SndSocketBuffer 24985600
    RcvSocketBuffer 24985600
    Checksum on
  }
}
General {
  HashSize 32768
  HashLimit 524288
  LogFile off
  Syslog off
  LockFile ${directory}/lock
  UNIX { Path ${directory}/control
    Backlog 20
  }
  NetlinkBufferSize 8388608
  NetlinkBufferSizeMaxGrowth 67108864
  Filter From Userspace {
    Protocol Accept { TCP
      UDP
    }
    Address Ignore { IPv4_address 127.0.0.1
    }
  }
}
`;
}

export class Conntrackd {
  private readonly children: ChildProcess[] = [];
  private readonly directory: string;

  constructor(
    private readonly lab: Lab,
    private readonly path: Path,
    private readonly cores: { readonly own: number; readonly neighbour: number },
  ) {
    this.directory = `/tmp/${path.namespace}-conntrackd`;
    lab.onCleanup(() => this.remove());
  }

  static isInstalled(): boolean {
    return existsSync(BINARY);
  }

  async start(): Promise<void> {
    const { path } = this;
    await this.startSide("own", path.namespace, path.meshAddress, path.neighbourAddress);
    await this.startSide("neighbour", path.neighbour, path.neighbourAddress, path.meshAddress);
    await sleep(500);
  }

  private async startSide(side: "own" | "neighbour", namespace: string, own: string, peer: string): Promise<void> {
    const directory = `${this.directory}/${side}`;
    mkdirSync(directory, { recursive: true });
    writeFileSync(`${directory}/conf`, configText(own, peer, directory));
    const inside = [`--net=/run/netns/${namespace}`, "taskset", "-c", `${this.cores[side]}`, "nice", "-n", "-20"];
    const child = spawn("nsenter", [...inside, BINARY, "-C", `${directory}/conf`], { stdio: "ignore" });
    this.children.push(child);
    const deadline = Date.now() + READY_MS;
    while (!existsSync(`${directory}/control`)) {
      if (child.exitCode !== null || Date.now() > deadline) throw new Error(`conntrackd (${side}) did not start`);
      await sleep(20);
    }
  }

  /**
   * Makes the neighbour forget everything and this side send it anew. Returns CLOCK_MONOTONIC ns of when the neighbour
   * said that it holds `count` flows; undefined: it never did.
   */
  resync(count: number): number | undefined {
    this.ask("neighbour", this.path.neighbour, "-f", "external");
    this.ask("own", this.path.namespace, "-B");
    const deadline = Date.now() + READY_MS;
    while (Date.now() < deadline) {
      const said = this.ask("neighbour", this.path.neighbour, "-s");
      const held = /cache external:\s+current active connections:\s+(\d+)/.exec(said);
      if (Number(held?.[1]) >= count) return Number(process.hrtime.bigint());
    }
    return undefined;
  }

  private ask(side: string, namespace: string, ...args: string[]): string {
    return this.lab.inside(namespace, BINARY, ["-C", `${this.directory}/${side}/conf`, ...args]);
  }

  private remove(): void {
    for (const child of this.children.splice(0)) child.kill("SIGKILL");
    run("sleep", ["0.1"]);
    rmSync(this.directory, { recursive: true, force: true });
  }
}
