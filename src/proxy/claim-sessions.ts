import type { Mac } from "../base/mac.ts";
import { type Belongings, type BelongingsParts, HANDOVER_WITHIN_MS } from "./belongings.ts";
import type { Context, Contexts } from "./contexts.ts";
import type { Phases } from "./phase.ts";
import type { ClaimOf, HandedPart, RoamCounters, RoamWire } from "./roam-api.ts";
import type { RoamHistory } from "./roam-history.ts";

/** A claim may be lost: it is said again until all holders have answered. */
const CLAIM_AGAIN_MS = [20, 60, 140];
export const SESSION_MS = 1_000;
/** A holder that is there and has not answered is asked for so many seconds: at 30 % loss it is reached in two. */
const ROUNDS_MAX = 8;
/** One that is not there: who mirrors it answers in its stead. */
const ROUNDS_OF_GONE = 3;

export interface ClaimSessionsParts extends BelongingsParts {
  readonly contexts: Contexts;
  readonly wire: RoamWire;
  readonly belongings: Belongings;
  readonly counters: RoamCounters;
  readonly history: RoamHistory;
}

/** A client that came: who still owes its state. */
interface ClaimSession {
  readonly context: Context;
  readonly n: number;
  startedMs: number;
  said: number;
  /** by holder: parts taken so far */
  readonly waiting: Map<number, Set<number>>;
  mirrorsTaken: boolean;
  /** How many there were of this claim. */
  readonly round: number;
}

/** The state of clients that came, collected from those that hold it: asked for by the claim, until all have answered. */
export class ClaimSessions {
  private readonly byMac = new Map<Mac, ClaimSession>();

  constructor(private readonly parts: ClaimSessionsParts) {}

  has(mac: Mac): boolean {
    return this.byMac.has(mac);
  }

  /** Somebody else serves the client. */
  end(mac: Mac): void {
    this.byMac.delete(mac);
  }

  /** Says the claim to those that may hold state of the client, until they have answered. */
  begin(context: Context, nowMs: number, round = 1): void {
    const owing = [...context.holders].filter((ap) => !context.handedBy.has(ap));
    const waiting = new Map(owing.map((ap) => [ap, new Set<number>()]));
    const { mac, n } = context;
    const session = { context, n, startedMs: nowMs, said: 0, waiting, mirrorsTaken: false, round };
    this.byMac.set(mac, session);
    this.parts.history.came(mac, n, owing, nowMs);
    this.say(session);
  }

  /** One more AP that may hold state of a client that is here. */
  askToo(context: Context, ap: number, nowMs: number): void {
    const session = this.byMac.get(context.mac);
    if (!session) this.begin(context, nowMs);
    else if (!session.waiting.has(ap)) this.ask(session, ap, nowMs);
  }

  /** An AP that did not speak to us before does now: what it holds is asked for at once. */
  reached(ap: number, nowMs: number): void {
    for (const session of this.byMac.values()) {
      if (session.waiting.has(ap)) this.ask(session, ap, nowMs);
    }
  }

  /** `source`: how much of its ticks has gone by since, in 256ths. */
  handedOver(from: number, part: HandedPart, source: Phases): void {
    const { contexts, carry, counters, history } = this.parts;
    const context = contexts.get(part.mac);
    if (!context?.here || part.n !== context.n) return;
    const session = this.byMac.get(part.mac);
    const taken = session?.waiting.get(from) ?? new Set<number>();
    if (taken.has(part.part)) return;
    taken.add(part.part);
    session?.waiting.set(from, taken);
    const adopted = carry.adopt(context.slot, part, source);
    counters.adoptedCells += adopted;
    history.took(part.mac, part.n, adopted);
    if (taken.size < part.parts) return;
    session?.waiting.delete(from);
    context.handedBy.add(from);
    counters.handoversTaken++;
    this.confirm(context, from, session);
  }

  tick(nowMs: number): void {
    for (const session of this.byMac.values()) this.drive(session, nowMs);
  }

  nextAtMs(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { waiting, said, startedMs, mirrorsTaken } of this.byMac.values()) {
      const again = waiting.size > 0 ? CLAIM_AGAIN_MS[said] : undefined;
      if (again !== undefined) next = Math.min(next, startedMs + again);
      if (!mirrorsTaken) next = Math.min(next, startedMs + HANDOVER_WITHIN_MS);
      next = Math.min(next, startedMs + SESSION_MS);
    }
    return next;
  }

  /** Only what stands in the table, and was published from there, may be let go elsewhere. */
  private confirm(context: Context, from: number, session: ClaimSession | undefined): void {
    const { datapath, wire, history, nowMs } = this.parts;
    const { n } = context;
    datapath.flushHeld(context.slot);
    datapath.sync().then(
      () => {
        if (!context.here || context.n !== n) return;
        wire.adopted(context.mac, n, from);
        if (!session?.waiting.size) history.complete(context.mac, n, "handover", nowMs());
      },
      () => {},
    );
  }

  private ask(session: ClaimSession, ap: number, nowMs: number): void {
    if (!session.waiting.has(ap)) session.waiting.set(ap, new Set());
    this.parts.history.came(session.context.mac, session.n, [ap], nowMs);
    session.startedMs = nowMs;
    session.said = 0;
    session.mirrorsTaken = false;
    this.say(session);
  }

  private say({ context, waiting }: ClaimSession): void {
    this.parts.counters.claims++;
    this.parts.wire.claim(claimOf(context, [...waiting.keys()], this.parts.nowMs()), undefined);
  }

  private drive(session: ClaimSession, nowMs: number): void {
    const age = nowMs - session.startedMs;
    const again = CLAIM_AGAIN_MS[session.said];
    if (session.waiting.size > 0 && again !== undefined && age >= again) {
      session.said++;
      this.say(session);
    }
    if (!session.mirrorsTaken && age >= HANDOVER_WITHIN_MS) {
      session.mirrorsTaken = true;
      this.takeMirrors(session, nowMs);
    }
    if (age >= SESSION_MS) this.close(session, nowMs);
  }

  private takeMirrors({ context, n, waiting }: ClaimSession, nowMs: number): void {
    const { belongings, history } = this.parts;
    let adopted = 0;
    for (const ap of waiting.keys()) adopted += belongings.adoptFromMirrors(context, ap);
    history.took(context.mac, n, adopted);
    if (adopted > 0) history.complete(context.mac, n, "mirror", nowMs);
  }

  private close({ context, waiting, round }: ClaimSession, nowMs: number): void {
    this.byMac.delete(context.mac);
    const isOwed = [...waiting.keys()].some((ap) => round < ROUNDS_OF_GONE || this.parts.wire.reaches(ap));
    if (isOwed && context.here && round < ROUNDS_MAX) this.begin(context, nowMs, round + 1);
  }
}

export function claimOf({ mac, n, zone, bind, seenMs }: Context, holders: readonly number[], nowMs: number): ClaimOf {
  return { mac, n, zone, bind, seenAgeMs: nowMs - seenMs, holders };
}
