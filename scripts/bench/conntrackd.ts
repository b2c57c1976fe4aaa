/** A pair of conntrackd (one process a side) as what replication is compared with, if it is installed. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { cpuSecondsOf, type Lab, type Path, run, sleep } from "./lab.ts";

const BINARY = "/usr/sbin/conntrackd";
const READY_MS = 5_000;
const POLL_MS = 1;

/** What its control socket takes: one int in the machine's byte order (conntrackd.h). */
const REQUEST = { commit: 46, statistics: 21, sendBulk: 22, flushInternal: 33, flushExternal: 34 } as const;

/** As its manual suggests each; no timeout cuts what a test of minutes compares. */
const MODES = {
  ftfw: `FTFW { ResendQueueSize 131072
    PurgeTimeout 60
    ACKWindowSize 300
    DisableExternalCache off
  }`,
  notrack: `NOTRACK { PurgeTimeout 60
    CommitTimeout 180
    DisableExternalCache off
  }`,
  alarm: `ALARM { RefreshTime 15
    CacheTimeout 180
    CommitTimeout 180
    PurgeTimeout 60
  }`,
} as const;

export type ConntrackdMode = keyof typeof MODES;

function configText(mode: ConntrackdMode, own: string, peer: string, directory: string): string {
  return `
Sync {
  Mode ${MODES[mode]}
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
      IPv4_address ${own}
      IPv4_address ${peer}
    }
  }
}
`;
}

type Side = "own" | "neighbour";

export class Conntrackd {
  private readonly children: ChildProcess[] = [];
  private readonly directory: string;

  constructor(
    lab: Lab,
    private readonly path: Path,
    private readonly cores: { readonly own: number; readonly neighbour: number },
    private readonly mode: ConntrackdMode = "ftfw",
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

  private async startSide(side: Side, namespace: string, own: string, peer: string): Promise<void> {
    const directory = `${this.directory}/${side}`;
    mkdirSync(directory, { recursive: true });
    writeFileSync(`${directory}/conf`, configText(this.mode, own, peer, directory));
    const inside = [`--net=/run/netns/${namespace}`, "taskset", "-c", `${this.cores[side]}`, "nice", "-n", "-20"];
    const child = spawn("nsenter", [...inside, BINARY, "-C", `${directory}/conf`], { stdio: "ignore" });
    this.children.push(child);
    const deadline = Date.now() + READY_MS;
    while (!existsSync(this.socketOf(side))) {
      if (child.exitCode !== null || Date.now() > deadline) throw new Error(`conntrackd (${side}) did not start`);
      await sleep(20);
    }
  }

  get pids(): number[] {
    return this.children.map(({ pid }) => pid ?? 0);
  }

  /** Of both sides. */
  cpuSeconds(): number {
    return this.pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0);
  }

  /** Where, and with what, the neighbour is told to put what it holds into its kernel. */
  get commitRequest(): string {
    return `${this.socketOf("neighbour")} ${REQUEST.commit}`;
  }

  /** How many flows of the own side the neighbour holds. */
  async held(): Promise<number> {
    const said = await this.ask("neighbour", "statistics");
    return Number(/cache external:\s+current active connections:\s+(\d+)/.exec(said)?.[1] ?? 0);
  }

  async forgetAll(): Promise<void> {
    for (const side of ["own", "neighbour"] as const) {
      await this.ask(side, "flushInternal");
      await this.ask(side, "flushExternal");
    }
  }

  /**
   * Makes the neighbour forget everything and this side send it anew. Returns ns from telling it so until the neighbour
   * said that it holds `count` flows (undefined: it never did within the time), and how many it held.
   */
  async resync(count: number, timeoutMs = READY_MS): Promise<{ ns: number | undefined; held: number }> {
    await this.ask("neighbour", "flushExternal");
    const start = process.hrtime.bigint();
    const bulk = this.ask("own", "sendBulk");
    let held = await this.held();
    while (held < count && Number(process.hrtime.bigint() - start) < timeoutMs * 1e6) {
      await sleep(POLL_MS);
      held = await this.held();
    }
    const ns = Number(process.hrtime.bigint() - start);
    await bulk;
    return { ns: held < count ? undefined : ns, held };
  }

  private socketOf(side: Side): string {
    return `${this.directory}/${side}/control`;
  }

  private ask(side: Side, request: keyof typeof REQUEST): Promise<string> {
    return new Promise((done, failed) => {
      const socket = connect(this.socketOf(side));
      let said = "";
      socket.on("data", (bytes) => {
        said += bytes.toString();
      });
      socket.on("error", failed);
      socket.on("close", () => done(said));
      socket.write(Uint8Array.from(new Uint8Array(Int32Array.of(REQUEST[request]).buffer)));
    });
  }

  private remove(): void {
    for (const child of this.children.splice(0)) child.kill("SIGKILL");
    run("sleep", ["0.1"]);
    rmSync(this.directory, { recursive: true, force: true });
  }
}
