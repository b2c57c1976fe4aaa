import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { BUILT } from "./build.ts";
import { Lab } from "./lab.ts";
import { pause } from "./processes.ts";
import { SERVER } from "./topology.ts";
import { PORTS } from "./traffic/plan.ts";

/** A client is noticed, a flow is published. */
const SETTLE_MS = 400;

export type Path = "symmetric" | "asymmetric";

/** A lab in which an asker asks, over AP 1; their answers come by AP 2 when the path is split. */
export class SplitPath {
  private wire: ChildProcess | undefined;

  private constructor(readonly lab: Lab) {}

  static async open(prefix: string, path: Path): Promise<SplitPath> {
    const size = { clientFlows: 0, serverFlows: 0, idleFlows: 0 };
    const lab = await Lab.open({ prefix, kind: "routed", size, firewall: "replicating", path });
    const split = new SplitPath(lab);
    split.start("asker", "server", "serve", `${PORTS.probe}`, `${PORTS.probe}`);
    await pause(SETTLE_MS);
    split.ask("ask", 1);
    await pause(SETTLE_MS);
    return split;
  }

  /** Answers come by AP 2 from now on, so much later. */
  async split(delayMs: number): Promise<void> {
    if (!this.wire) this.lab.topology.splitPath();
    else await this.lab.processes.stop(this.wire);
    this.wire = this.start("slowwire", "core", "slow", "ap2", `${delayMs}`);
    await pause(SETTLE_MS);
  }

  /** Microseconds of each try; NaN: lost. See `asker.c`. */
  ask(what: "race" | "ask" | "connect", count: number): number[] {
    const said = this.lab.namespaces.exec(
      "client",
      join(BUILT, "asker"),
      what,
      SERVER.v4,
      `${PORTS.probe}`,
      `${count}`,
    );
    return said.trim().split("\n").map(Number);
  }

  /** Echo requests every 100 ms: how many of about `count` were lost. */
  ping(count: number): number {
    const pinger = `(sleep ${count / 10}; echo) | ${join(BUILT, "pinger")} ${SERVER.v4} 100`;
    const { sent, received } = JSON.parse(this.lab.namespaces.exec("client", "sh", "-c", pinger));
    return Math.max(0, sent - received - 1);
  }

  private start(name: string, where: string, ...args: string[]): ChildProcess {
    return this.lab.processes.start(join(BUILT, name), args, {
      netns: this.lab.namespaces.path(where),
      log: join(this.lab.processes.logs, `${name}.log`),
    });
  }
}
