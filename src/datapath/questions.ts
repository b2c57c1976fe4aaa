/** What the agent asked of roamwalld and was not answered yet: counters come in the order of the questions, a sync by its token. */
import { RoamwallError } from "../base/errors.ts";
import type { Counters } from "./datapath.ts";
import type { Framing } from "./framing.ts";
import { COMMANDS } from "./stream-records.ts";

interface Waiting<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

export class Questions {
  private nextToken = 1;
  private readonly syncs = new Map<number, Waiting<void>>();
  private readonly counts: Waiting<Counters>[] = [];

  constructor(private readonly framing: Framing) {}

  counters(): Promise<Counters> {
    return this.ask((waiting) => {
      this.counts.push(waiting);
      this.framing.send(COMMANDS.counters, {});
    });
  }

  sync(): Promise<void> {
    return this.ask((waiting) => {
      const token = this.nextToken++ >>> 0;
      this.syncs.set(token, waiting);
      this.framing.send(COMMANDS.sync, { token });
    });
  }

  counted(counters: Counters): void {
    this.counts.shift()?.resolve(counters);
  }

  synced(token: number): void {
    this.syncs.get(token)?.resolve();
    this.syncs.delete(token);
  }

  /** A question that was refused will not be answered. */
  refused(command: number, text: string): void {
    if (command !== COMMANDS.counters.number) return;
    this.counts.shift()?.reject(new RoamwallError("ROAMWALL_ERR_REFUSED", text));
  }

  end(error: Error): void {
    for (const waiting of [...this.syncs.values(), ...this.counts]) waiting.reject(error);
    this.syncs.clear();
    this.counts.length = 0;
  }

  private ask<T>(put: (waiting: Waiting<T>) => void): Promise<T> {
    const { framing } = this;
    if (framing.closed) return Promise.reject(new RoamwallError("ROAMWALL_ERR_CLOSED", `${framing.path}: closed`));
    return new Promise((resolve, reject) => {
      put({ resolve, reject });
      framing.resume();
    });
  }
}
