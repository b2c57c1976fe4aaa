import type { Clock, Log } from "../../platform/platform.ts";
import type { Machine } from "./machine.ts";
import { PROBES, type Probe } from "./probes.ts";
import type { Risk } from "./risk.ts";

const ROOM = "risks";
/** Some programs are started for a look: not more often than somebody could act on it. */
const EVERY_MS = 300_000;
/** After a start or a change, what is on its way up has come. */
const SOON_MS = 5_000;

export interface RiskParts {
  readonly clock: Clock;
  readonly log: Log;
  machine(): Machine;
  /** Tests replace it. */
  readonly probes?: readonly Probe[];
}

/** Looks for what lets packets pass beside the filter, now and then; each finding is logged once, and once when it is over. */
export class RiskWatch {
  /** The last look's. */
  risks: readonly Risk[] = [];
  private readonly told = new Set<string>();
  private looking: Promise<readonly Risk[]> | undefined;
  private cancel = () => {};
  private isStopped = false;

  constructor(private readonly parts: RiskParts) {}

  start(): void {
    this.changed();
  }

  stop(): void {
    this.isStopped = true;
    this.cancel();
  }

  /** A port came or went. */
  changed(): void {
    this.cancel();
    if (this.isStopped) return;
    this.cancel = this.parts.clock.after(SOON_MS, () => void this.look().then(() => this.again()));
  }

  /** Several that ask at once get one answer. */
  look(): Promise<readonly Risk[]> {
    this.looking ??= this.probe().finally(() => {
      this.looking = undefined;
    });
    return this.looking;
  }

  private again(): void {
    if (this.isStopped) return;
    this.cancel();
    this.cancel = this.parts.clock.after(EVERY_MS, () => void this.look().then(() => this.again()));
  }

  private async probe(): Promise<readonly Risk[]> {
    const machine = this.parts.machine();
    const risks: Risk[] = [];
    for (const { id, severity, remedy, look } of this.parts.probes ?? PROBES) {
      const finding = await look(machine);
      if (finding !== undefined) risks.push({ id, severity, finding, remedy });
    }
    this.risks = risks;
    this.tell(risks);
    return risks;
  }

  private tell(risks: readonly Risk[]): void {
    const { log } = this.parts;
    for (const { id, severity, finding, remedy } of risks) {
      if (this.told.has(id)) continue;
      this.told.add(id);
      log[severity === "low" ? "info" : "warn"](ROOM, id, { severity, finding, remedy });
    }
    for (const id of this.told) {
      if (risks.some((risk) => risk.id === id)) continue;
      this.told.delete(id);
      log.info(ROOM, `${id} is over`);
    }
  }
}
