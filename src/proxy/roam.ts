import type { Mac } from "../base/mac.ts";
import { Belongings, type BelongingsParts } from "./belongings.ts";
import { isAbove, numberAbove } from "./claim-number.ts";
import { ClaimSessions, claimOf, SESSION_MS } from "./claim-sessions.ts";
import { type Context, type Contexts, heardClaim } from "./contexts.ts";
import type { Phases } from "./phase.ts";
import { differs, type Rights } from "./rights.ts";
import {
  type ClaimOf,
  type FoundClient,
  type HandedPart,
  type HeardPresence,
  type Hint,
  newRoamCounters,
  type RoamWire,
  type Whereabouts,
} from "./roam-api.ts";
import { RoamHistory } from "./roam-history.ts";

/** A claim heard this short a time ago may have been made by a frame that is older than ours. */
const EVIDENCE_AFTER_MS = 100;
/** At most four claims a second of one client. */
const CLAIM_EVERY_MS = 250;
const CLAIM_BACKOFF_MAX_MS = 8_000;
/** Two stations with one MAC look like a client that goes to and fro this often. */
const CLONED_FLIPS = 5;
const FLIPS_WITHIN_MS = 10_000;
/** A claim is evidence that the client is here for so long: it was made by a frame of it. */
const CLAIM_COUNTS_MS = 2_000;
/** RIGHTS of a claim come with the claim. When it is lost, it is answered all the same after so long. */
const UNASKED_AFTER_MS = 200;
/** The answer may be lost, too: until it is acknowledged it is said again after so long, then after twice that. */
const UNASKED_AGAIN_MS = 500;
const UNASKED_TRIES_MAX = 5;
/** After a restart: neighbours believe us by then. And one client after the other: what one AP forgot is no storm. */
const RESUME_AFTER_MS = 1_000;
const RESUME_EVERY_MS = 100;
/** A newcomer hears old news beside new ones, in any order. */
const NEWS_AFTER_MS = 5_000;

export interface RoamParts extends BelongingsParts {
  readonly contexts: Contexts;
  readonly wire: RoamWire;
  /** Rights that this AP's own policy gives a client that nobody told of. */
  localRights(mac: Mac): Rights | undefined;
  /** False: clients of that zone stay this AP's own affair. */
  exports(zone: number): boolean;
}

/**
 * Who serves a client, and how its expectations follow it.
 *
 *   elsewhere --ingress frame--> here: claim (n+1); packets pass by own table, then by the mirrors of `holders`
 *   here, holders owe --HANDOVER of each--> adopted: ADOPTED, neighbours stop asking the old AP
 *   here, holders owe --100 ms--> adopted from their mirrors; a HANDOVER that comes late still counts
 *   here --higher claim of another--> elsewhere: HANDOVER to it; nothing is cut
 *   here --higher claim of another, which saw it come before us--> here: claim above it
 */
export class Roam {
  readonly counters = newRoamCounters();
  readonly history = new RoamHistory();
  private readonly sessions: ClaimSessions;
  /** Clients of which others spoke as served, but never claimed them in our hearing; when to answer, and how often we did. */
  private readonly unasked = new Map<Context, { readonly dueMs: number; readonly tries: number }>();
  private readonly belongings: Belongings;
  /** Clients that the agent before this one served: what it knew of other holders, it took with it. */
  private resumed: Context[] = [];
  private resumeAtMs = Number.POSITIVE_INFINITY;
  private startedMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly parts: RoamParts) {
    const { counters, history } = this;
    this.belongings = new Belongings(parts, counters);
    this.sessions = new ClaimSessions({ ...parts, belongings: this.belongings, counters, history });
  }

  /** The kernel serves these clients since before this agent began. */
  resume(contexts: readonly Context[], nowMs: number): void {
    this.resumed = [...contexts];
    this.startedMs = nowMs;
    this.resumeAtMs = nowMs + RESUME_AFTER_MS;
  }

  /**
   * An ingress frame of a client that is not here, or hostapd's word, which may know who logged in. Who is unknown is
   * served by this AP's own policy at once, and asked for meanwhile.
   */
  arrived(mac: Mac, zone: number, bind = 0n): void {
    const { contexts, localRights, wire, exports } = this.parts;
    const nowMs = this.parts.nowMs();
    const known = contexts.get(mac);
    if (known?.here) {
      if (bind !== 0n) this.enter(known, zone, bind);
      if (this.hasComeAgain(known, nowMs)) this.claim(known, nowMs);
      else contexts.write(known);
      known.seenMs = nowMs;
      return;
    }
    if (this.isLost(known) && exports(zone)) {
      this.counters.located++;
      wire.locate(mac, zone, bind);
    }
    const rights = known?.rights ?? localRights(mac);
    if (!rights && !known?.kept) return;
    const context = contexts.getOrMake(mac, nowMs);
    if (!context) return;
    context.rights ??= rights;
    if (nowMs - context.foreignClaimMs <= EVIDENCE_AFTER_MS || nowMs < context.nextClaimMs) return;
    this.counters.arrivals++;
    context.seenMs = nowMs;
    this.enter(context, zone, bind);
    this.claim(context, nowMs);
  }

  /**
   * Only hostapd tells of a client that is here: it was away, and we may have missed who claimed it. After a start it tells
   * of all that are here.
   */
  private hasComeAgain({ written, nextClaimMs, seenMs }: Context, nowMs: number): boolean {
    // Without a record the datapath tells of it too, again and again.
    if (written === "" || nowMs - this.startedMs < NEWS_AFTER_MS) return false;
    return nowMs >= nextClaimMs && nowMs - seenMs >= SESSION_MS;
  }

  /** The answer to `locate`, its rights taken: its expectations follow from the AP that holds them. */
  found(context: Context, client: FoundClient): void {
    const { contexts, id } = this.parts;
    const nowMs = this.parts.nowMs();
    this.counters.found++;
    heardClaim(context, client.n, nowMs);
    if (client.holderZone !== client.zone) this.reportZone(context, client.holderZone, client.holder);
    else if (client.holder !== id) context.holders.add(client.holder);
    // Its rights are here when it speaks; then it is claimed.
    if (client.again > 0 && !context.here) return;
    if (client.again === 0) context.seenMs = Math.max(context.seenMs, client.cameMs);
    this.enter(context, client.zone, client.bind);
    if (context.here && context.ap === id && isAbove(context.n, client.n))
      this.heardOfHolder(context, client.holder, client.n, nowMs);
    // Somebody claimed it while we asked: it is there.
    else if (!context.here && nowMs - context.foreignClaimMs <= EVIDENCE_AFTER_MS) contexts.write(context);
    else this.claim(context, nowMs);
  }

  /** For somebody who looks for the client, in a zone or (undefined) wherever it is. */
  whereIs(mac: Mac, zone: number | undefined, asker: number): Whereabouts {
    const { id, contexts, wire, exports } = this.parts;
    const context = contexts.get(mac);
    if (!context) return { next: "all" };
    if (context.rights?.revoked) return { context };
    const isOther = zone !== undefined && context.zone !== zone;
    if (isOther || !exports(context.zone)) return { next: "all" };
    if (context.here) return { context };
    // Who knows its rights says them, whoever has its state: the pointer may lead into a part that is cut off.
    const granted = (context.rights?.serial ?? 0) > 0 && context.withheld === "" ? { context } : {};
    // Who asks may have claimed it already: then it is where it was before.
    const pointers = [context.ap, ...context.holders].filter((ap) => ap !== asker && ap !== id);
    const alive = pointers.find((ap) => wire.hears(ap));
    if (alive !== undefined) return { ...granted, next: alive };
    const hasLeft = this.belongings.hasCells(context) || this.belongings.mirrorsOfGone(context).length > 0;
    const next = pointers.find((ap) => wire.reaches(ap));
    // Who is silent may answer all the same, and has more than what is mirrored of it, or what a flooded frame left here.
    return { ...(hasLeft ? { context } : granted), next: next ?? "all" };
  }

  /** An AP that did not speak to us before does now: what it holds is asked for at once. */
  reached(ap: number): void {
    this.sessions.reached(ap, this.parts.nowMs());
  }

  /**
   * It serves the client without knowing of a higher claim: ours, or of somebody whom it does not hear, or who is no more.
   * Nobody would give it anything for the lower one.
   */
  private correct(context: Context, ap: number): void {
    const { id, wire, nowMs } = this.parts;
    if (context.here) wire.claim(claimOf(context, [], nowMs()), ap);
    else if (context.ap !== ap) wire.hint(ap, context, context.ap || id, numberAbove(context.n));
  }

  /** Who claims may not hear whom we hear: it is told of holders that it does not name. */
  private hintAt(context: Context, claimer: number, { holders }: ClaimOf): void {
    const { id, wire } = this.parts;
    for (const ap of context.holders) {
      if (ap !== claimer && ap !== id && !holders.includes(ap) && wire.reaches(ap))
        wire.hint(claimer, context, ap, context.n);
    }
  }

  /** Somebody says that it serves the client. */
  claimed(from: number, claim: ClaimOf): void {
    const context = this.parts.contexts.get(claim.mac);
    if (!context) return;
    const nowMs = this.parts.nowMs();
    context.touchedMs = nowMs;
    this.unasked.delete(context);
    if (context.here && claim.zone !== context.zone) {
      this.reportZone(context, claim.zone, from);
    } else if (differs(claim.bind, context.bind)) {
      this.reportIdentity(context, from);
    } else if (claim.n === context.n && from === context.ap) {
      this.gather(context);
      this.hintAt(context, from, claim);
      this.belongings.handOver(context, from, claim.holders);
    } else if (precedes(context.n, this.serverOf(context), claim.n, from)) {
      if (this.outbids(context, from, claim, nowMs)) return;
      this.gather(context);
      if (!context.here) this.hintAt(context, from, claim);
      this.yieldTo(context, from, claim.n, nowMs);
      context.zone = claim.zone;
      this.parts.contexts.write(context);
      this.belongings.handOver(context, from, claim.holders);
    } else if (!context.here || nowMs >= context.nextClaimMs) {
      // It has not heard of the higher one: told, it can claim above it if it still sees the client.
      this.correct(context, from);
    }
  }

  /**
   * A client that came here since it came there, while neither AP heard of the other, is here, however often it was claimed
   * in the other part. Whoever says that it does not remember when is believed, as it may have heard of us.
   */
  private outbids(context: Context, ap: number, { n, seenAgeMs }: Pick<ClaimOf, "n" | "seenAgeMs">, nowMs: number) {
    const { here, seenMs, nextClaimMs, holders } = context;
    if (!here || nowMs < nextClaimMs) return false;
    if (seenAgeMs === Number.POSITIVE_INFINITY || nowMs - seenMs >= seenAgeMs) return false;
    holders.add(ap);
    heardClaim(context, n, nowMs);
    this.claim(context, nowMs);
    return true;
  }

  /** A neighbour (`from`) knows of one more AP that may hold state of a client of ours; `n`: the least number that counts. */
  hinted(context: Context, hint: Hint): void {
    const { id, nowMs } = this.parts;
    const { holder, n } = hint;
    if (!context.here || holder === id) return;
    if (isAbove(n, context.n)) {
      this.outdone(context, hint, nowMs());
    } else if (!context.holders.has(holder)) {
      this.heardOfHolder(context, holder, n, nowMs());
    }
  }

  /**
   * Who has seen the client since that claim claims above; who has not may have missed that it went. Unless who tells names
   * itself: it does not serve the client, and knows nobody who does.
   */
  private outdone(context: Context, { from, holder, n, claimAgeMs, isHearsay }: Hint, nowMs: number): void {
    const isSeen = nowMs - context.claimedMs <= CLAIM_COUNTS_MS || nowMs - context.seenMs < claimAgeMs;
    if (holder !== from && !isSeen && isHearsay) {
      // What it claimed it says itself, when it hears our claim.
      this.heardOfHolder(context, holder, n, nowMs);
      return;
    }
    if (holder !== from && !isSeen) {
      this.yieldTo(context, holder, n - 1, nowMs);
      this.belongings.handOver(context, holder, []);
      return;
    }
    context.holders.add(holder);
    this.claim(context, nowMs, n);
  }

  /** RIGHTS of an AP that says it serves the client: as a claim that nobody need answer. */
  heardOf(context: Context, ap: number, said: HeardPresence): void {
    const { n, here, zone, bind } = said;
    const nowMs = this.parts.nowMs();
    if (here && context.here && zone !== context.zone) {
      this.reportZone(context, zone, ap);
    } else if (here && differs(bind, context.bind)) {
      this.reportIdentity(context, ap);
    } else if (here && precedes(context.n, this.serverOf(context), n, ap)) {
      if (this.outbids(context, ap, said, nowMs)) return;
      const wasHere = context.here;
      this.yieldTo(context, ap, n, nowMs);
      context.zone = zone;
      if (wasHere) this.belongings.handOver(context, ap, []);
      else this.unasked.set(context, { dueMs: nowMs + UNASKED_AFTER_MS, tries: 0 });
    } else if (here && precedes(n, ap, context.n, this.serverOf(context))) {
      this.correct(context, ap);
    } else if (!here && !context.here && isAbove(n, context.n)) {
      heardClaim(context, n, nowMs);
      context.ap = 0;
    } else if (!here && !context.here && isAbove(context.n, n)) {
      this.missedClaim(context, ap);
    } else if (!here && context.here && zone === context.zone && !differs(bind, context.bind)) {
      this.heardOfHolder(context, ap, n, nowMs);
    }
  }

  /** It may have state of the client, and does not know who serves it; nor does who serves it know of that. */
  private missedClaim(context: Context, ap: number): void {
    const { id, wire, nowMs } = this.parts;
    if (nowMs() - this.startedMs < NEWS_AFTER_MS || context.holders.has(ap)) return;
    if (context.ap === 0 || context.ap === id || context.ap === ap) return;
    context.holders.add(ap);
    if (wire.reaches(context.ap)) wire.hint(context.ap, context, ap, context.n);
  }

  /**
   * It served the client before, and has not handed over what it had to our claim: the claim or the answer was lost, or we
   * have forgotten both by restarting.
   */
  private heardOfHolder(context: Context, ap: number, n: number, nowMs: number): void {
    const { contexts, id } = this.parts;
    if (context.handedBy.has(ap)) return;
    context.holders.add(ap);
    if (context.ap !== id) {
      heardClaim(context, n, nowMs);
      this.claim(context, nowMs);
    } else this.sessions.askToo(context, ap, nowMs);
    contexts.write(context);
  }

  /** `source`: how much of its ticks has gone by since, in 256ths. */
  handedOver(from: number, part: HandedPart, source: Phases): void {
    this.sessions.handedOver(from, part, source);
  }

  /** The new AP holds all that `source` had; `isKnown`: it published that, and all of it came. */
  adoptedBy(from: number, { mac, n, source }: { mac: Mac; n: number; source: number }, isKnown: boolean): void {
    const { contexts, id } = this.parts;
    const context = contexts.get(mac);
    // A client that came back meanwhile has another claim: nothing of it is cut.
    if (!context || context.n !== n || context.ap !== from || context.here) return;
    if (source !== id) {
      if (!isKnown) return;
      context.holders.delete(source);
      context.handedBy.add(source);
      contexts.write(context);
      return;
    }
    this.unasked.delete(context);
    this.belongings.letGo(context);
  }

  /** Whoever published something of a client that is here is asked for it: claims and answers to them may be lost. */
  gatherHolders(nowMs: number): void {
    for (const context of this.parts.contexts.all()) {
      if (!context.here) continue;
      const before = context.holders.size;
      this.gather(context);
      if (context.holders.size === before) continue;
      this.parts.contexts.write(context);
      if (!this.sessions.has(context.mac)) this.sessions.begin(context, nowMs);
    }
  }

  private gather({ mac, zone, bind, here, holders, handedBy }: Context): void {
    for (const ap of this.parts.wire.publishers(mac, zone, bind)) {
      // Elsewhere only what nobody adopted is of use.
      if (here || !handedBy.has(ap)) holders.add(ap);
    }
  }

  /** Of a client that is here since before this agent began, nobody said by whose claim. */
  private serverOf({ here, ap }: Context): number {
    return here ? this.parts.id : ap;
  }

  /** A mirror lost or gained cells: `from` bits of clients that nothing is left of can go. */
  forgetEmptyHolders(): void {
    const { contexts, wire } = this.parts;
    for (const context of contexts.all()) {
      if (!context.here || context.holders.size === 0 || this.sessions.has(context.mac)) continue;
      for (const ap of context.holders) {
        const left = wire.sources(ap, context.mac).some(({ mirror, slot }) => mirror.cellsOfSlot[slot]! > 0);
        // An empty mirror of an AP that still owes its answer may be one that is not filled yet.
        const isOwed = !context.handedBy.has(ap) && wire.reaches(ap);
        if (!left && !isOwed) context.holders.delete(ap);
      }
      contexts.write(context);
    }
  }

  tick(nowMs: number): void {
    if (nowMs >= this.resumeAtMs) this.resumeNext(nowMs);
    for (const [context, { dueMs, tries }] of this.unasked)
      if (dueMs <= nowMs) this.answerUnasked(context, tries + 1, nowMs);
    this.sessions.tick(nowMs);
  }

  nextAtMs(): number {
    let next = Math.min(this.resumeAtMs, this.sessions.nextAtMs());
    for (const { dueMs } of this.unasked.values()) next = Math.min(next, dueMs);
    return next;
  }

  private answerUnasked(context: Context, tries: number, nowMs: number): void {
    this.unasked.delete(context);
    const isForgotten = this.parts.contexts.get(context.mac) !== context;
    if (isForgotten || context.here || context.ap === 0) return;
    this.gather(context);
    this.hintAt(context, context.ap, claimOf(context, [], this.parts.nowMs()));
    const isSaid = this.belongings.handOver(context, context.ap, []);
    if (isSaid && tries < UNASKED_TRIES_MAX)
      this.unasked.set(context, { dueMs: nowMs + UNASKED_AGAIN_MS * 2 ** (tries - 1), tries });
  }

  private resumeNext(nowMs: number): void {
    const context = this.resumed.pop();
    this.resumeAtMs = this.resumed.length > 0 ? nowMs + RESUME_EVERY_MS : Number.POSITIVE_INFINITY;
    if (context?.here && this.parts.exports(context.zone))
      this.parts.wire.locate(context.mac, context.zone, context.bind);
  }

  /** Nobody near told of it, or what it may do, or what they told is too old, or of an AP that is out of reach. */
  private isLost(context: Context | undefined): boolean {
    if (!context?.rights || context.withheld === "stale") return true;
    if (context.rights.revoked) return false;
    const { id, wire } = this.parts;
    // Neighbours without it tell how often it was claimed, not by whom.
    if (context.ap === 0) return ![...context.holders].some((ap) => wire.reaches(ap));
    return context.ap !== id && !wire.reaches(context.ap) && this.belongings.mirrorsOfGone(context).length === 0;
  }

  /**
   * Where anybody may use any MAC, one who uses a known client's must not get its rights and flows: nothing crosses a
   * zone, and nothing goes to somebody who logged in as another.
   */
  private enter(context: Context, zone: number, bind: bigint): void {
    const { rights } = context;
    if (context.ap !== 0 && context.zone !== zone) {
      context.holders.clear();
      this.reportZone(context, zone, this.parts.id);
    }
    context.zone = zone;
    const granted = rights?.bind ?? 0n;
    if (differs(bind, granted) || differs(bind, context.bind)) {
      context.holders.clear();
      this.reportIdentity(context, this.parts.id);
    }
    context.bind = bind || context.bind || granted;
    if (context.withheld === "stale") return;
    const bound = rights?.zone ?? 0;
    context.withheld = bound !== 0 && bound !== zone ? "zone" : differs(bind, granted) ? "identity" : "";
  }

  private reportZone({ mac, zone }: Context, other: number, ap: number): void {
    this.counters.otherZone++;
    this.parts.log.warn("proxy", `${mac} of zone ${zone} appears in zone ${other}: nothing is handed over`, { ap });
  }

  private reportIdentity({ mac }: Context, ap: number): void {
    this.counters.otherIdentity++;
    this.parts.log.warn("proxy", `${mac} logged in as somebody else: nothing is handed over`, { ap });
  }

  /** `least`: what others said that it takes. */
  private claim(context: Context, nowMs: number, least = 0): void {
    const { id, contexts, wire, exports } = this.parts;
    const isShared = exports(context.zone);
    heardClaim(context, numberAbove(context.n), nowMs);
    heardClaim(context, least, nowMs);
    context.ap = id;
    context.here = true;
    context.announced ||= isShared;
    context.touchedMs = nowMs;
    context.claimedMs = nowMs;
    context.nextClaimMs = nowMs + backoffMs(context.flips, nowMs);
    context.holders.delete(id);
    context.handedBy.clear();
    if (isShared) this.gather(context);
    contexts.write(context);
    if (!isShared) return;
    wire.announce(context.slot);
    this.sessions.begin(context, nowMs);
  }

  private yieldTo(context: Context, ap: number, n: number, nowMs: number): void {
    const { contexts, wire } = this.parts;
    const wasHere = context.here;
    heardClaim(context, n, nowMs);
    context.ap = ap;
    context.here = false;
    context.foreignClaimMs = nowMs;
    context.holders.add(ap);
    // What it gave us once is not what it will have.
    context.handedBy.delete(ap);
    this.sessions.end(context.mac);
    contexts.write(context);
    if (!wasHere) return;
    this.history.left(context.mac, n, ap, nowMs);
    context.flips = [...context.flips.filter((at) => nowMs - at < FLIPS_WITHIN_MS), nowMs];
    if (context.flips.length === CLONED_FLIPS) {
      this.counters.clonedMacs++;
      this.parts.log.warn("proxy", `cloned MAC? ${context.mac} went away ${CLONED_FLIPS} times in 10 s`, { to: ap });
    }
    wire.announce(context.slot);
  }
}

/** Order of claims: (n, ap). */
function precedes(n: number, ap: number, otherN: number, otherAp: number): boolean {
  return isAbove(otherN, n) || (n === otherN && ap < otherAp);
}

function backoffMs(flips: readonly number[], nowMs: number): number {
  const recent = flips.filter((at) => nowMs - at < FLIPS_WITHIN_MS).length;
  return Math.min(CLAIM_BACKOFF_MAX_MS, CLAIM_EVERY_MS * 2 ** recent);
}
