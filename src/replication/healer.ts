import type { Geometry } from "../bloom/geometry.ts";
import type { Neighbour } from "./neighbour.ts";
import { type Outbox, TO_ALL } from "./outbox.ts";
import { ASK, ask } from "./records/ask.ts";
import { NACK_RANGES_MAX, nack } from "./records/nack.ts";
import { REPAIR_VERS_MAX } from "./repairs.ts";
import type { ReplicationCounters } from "./status.ts";

export interface HealerParts {
  readonly geometry: Geometry;
  readonly outbox: Outbox;
  readonly counters: ReplicationCounters;
}

/** Asks sources for what is missing of them: single change sets, or a snapshot where that is cheaper. */
export class Healer {
  private readonly gapMax: number;

  constructor(private readonly parts: HealerParts) {
    this.gapMax = Math.min(REPAIR_VERS_MAX, parts.geometry.cells / 4);
  }

  nextAtMs(of: Neighbour, nowMs: number): number {
    if (!of.believed || of.state === "dead") return Number.POSITIVE_INFINITY;
    if (of.sync) return of.sync.nextAtMs();
    const askedLater = of.breath.isSlow || this.isHopeless(of);
    return askedLater ? of.breath.nextAtMs(nowMs) : of.gaps.nextAtMs();
  }

  heal(of: Neighbour, nowMs: number): void {
    if (!of.believed || of.state === "dead") return;
    if (!of.mode.repairs) of.giveUpGaps();
    if (!of.sync && (of.breath.isSlow || this.isHopeless(of)) && of.breath.ready(nowMs)) {
      of.breath.taken(nowMs);
      of.startSync(undefined, nowMs);
    }
    if (of.sync) this.askSnapshot(of, nowMs);
    else if (!of.breath.isSlow) this.askRepairs(of, nowMs);
  }

  private isHopeless({ gaps }: Neighbour): boolean {
    return gaps.count > 0 && (gaps.hopeless || gaps.missing > this.gapMax);
  }

  private askSnapshot(of: Neighbour, nowMs: number): void {
    const wanted = of.sync!.ask(nowMs);
    if (!wanted) return;
    const { outbox, counters } = this.parts;
    counters.snapshotsAsked++;
    for (let i = 0; i < ASK_COPIES; i++) {
      outbox.add(ask, { what: ASK.snapshot, ...wanted });
      outbox.flush(of.id, of.address);
    }
  }

  private askRepairs(of: Neighbour, nowMs: number): void {
    const { outbox, counters } = this.parts;
    const due = of.gaps.takeDue(nowMs, NACK_RANGES_MAX);
    if (due.length === 0) return;
    counters.nacksSent++;
    const ranges = due.map(({ from, to }) => ({ from, count: Math.min(NACK_COUNT_MAX, to - from + 1) }));
    outbox.add(nack, { target: of.id, ranges });
    outbox.flush(TO_ALL, undefined);
  }
}

/**
 * A lost question costs a timeout, its copy some 60 bytes. Of the last few units the answer comes twice too, since one of
 * them lost costs a round trip more.
 */
const ASK_COPIES = 2;
/** The field has 16 bits; a gap so large is asked for as a snapshot anyway. */
const NACK_COUNT_MAX = 0xffff;
