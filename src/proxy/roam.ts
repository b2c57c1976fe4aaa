import type { Mac } from "../base/mac.ts";
import type { Geometry } from "../bloom/geometry.ts";
import { codeFor } from "../bloom/timer.ts";
import type { Datapath } from "../datapath/datapath.ts";
import type { Log } from "../platform/platform.ts";
import type { Carry, Expectations } from "./carry.ts";
import type { Context, Contexts } from "./contexts.ts";
import type { Mirror } from "./mirror.ts";
import type { OwnTable } from "./own-table.ts";
import type { PhaseClock, Phases } from "./phase.ts";
import { differs, outranks, type Rights } from "./rights.ts";

/** A claim heard this short a time ago may have been made by a frame that is older than ours. */
const EVIDENCE_AFTER_MS = 100;
/** At most four claims a second of one client. */
const CLAIM_EVERY_MS = 250;
const CLAIM_BACKOFF_MAX_MS = 8_000;
/** Two stations with one MAC look like a client that goes to and fro this often. */
const CLONED_FLIPS = 5;
const FLIPS_WITHIN_MS = 10_000;
/** A claim may be lost: it is said again until all holders have answered. */
const CLAIM_AGAIN_MS = [20, 60, 140];
/** Then the mirror must do. */
const HANDOVER_WITHIN_MS = 100;
const SESSION_MS = 1_000;
/** An agent that starts hears from its neighbours which of its clients they served before. */
const RECALLED_WITHIN_MS = 10_000;
/** RIGHTS and CLAIM of one roam come together, and a claim may come twice: one answer is enough. */
const HANDOVER_EVERY_MS = 10;

/** "I serve this client", on whose port it is, and who logged in there. */
export interface ClaimOf {
  readonly mac: Mac;
  readonly n: number;
  readonly zone: number;
  /** 0: nobody said. */
  readonly bind: bigint;
  readonly holders: readonly number[];
}

/** What an AP says of a client in its RIGHTS: whether it serves it, where, and whom. */
export interface HeardPresence {
  readonly n: number;
  readonly here: boolean;
  readonly zone: number;
  readonly bind: bigint;
}

/** Where a client was found that nobody near had told of. */
export interface FoundClient {
  readonly mac: Mac;
  /** Where it came, and as whom. */
  readonly zone: number;
  readonly bind: bigint;
  /** The AP that answers for it. */
  readonly holder: number;
  /** Zone where the holder serves it. */
  readonly holderZone: number;
  readonly n: number;
  readonly rights: Rights;
}

/** What this AP can say to somebody who looks for a client. */
export type Whereabouts =
  | { readonly kind: "here"; readonly context: Context }
  | { readonly kind: "at"; readonly ap: number }
  | { readonly kind: "unknown" };

/** What the roam needs of the wire. */
export interface RoamWire {
  claim(claim: ClaimOf, to: number | undefined): void;
  /** Asks for a client that nobody near told of; `found` is the answer, if there is one. */
  locate(mac: Mac, zone: number, bind: bigint): void;
  /** That AP is alive, as far as is known. */
  reaches(ap: number): boolean;
  handover(to: number, of: Handed): void;
  adopted(mac: Mac, n: number, source: number): void;
  /** The slot's RIGHTS changed. */
  announce(slot: number): void;
  /** Mirrors of what an AP published, its orphans included, with the slot that it gave the client there. */
  sources(ap: number, mac: Mac): readonly { mirror: Mirror; slot: number; phases: PhaseClock }[];
}

export interface Handed extends Expectations {
  readonly mac: Mac;
  readonly n: number;
  readonly fastPhase: number;
  readonly slowPhase: number;
}

export interface HandedPart extends Handed {
  readonly part: number;
  readonly parts: number;
}

export interface RoamParts {
  readonly id: number;
  readonly geometry: Geometry;
  readonly datapath: Pick<Datapath, "shortenClient" | "flushHeld" | "sync">;
  readonly contexts: Contexts;
  readonly own: OwnTable;
  readonly carry: Carry;
  readonly wire: RoamWire;
  readonly log: Log;
  /** 0: expectations of a client that went age normally. */
  readonly handoverLifetimeS: number;
  nowMs(): number;
  /** Rights that this AP's own policy gives a client that nobody told of. */
  localRights(mac: Mac): Rights | undefined;
  /** False: clients of that zone stay this AP's own affair. */
  exports(zone: number): boolean;
}

export interface RoamCounters {
  arrivals: number;
  claims: number;
  handoversSent: number;
  handoversTaken: number;
  adoptedCells: number;
  adoptedFromMirror: number;
  clonedMacs: number;
  /** A client of one zone was seen in another. */
  otherZone: number;
  /** A client came back as somebody else. */
  otherIdentity: number;
  /** Clients that another AP was asked about, and those that one had. */
  located: number;
  found: number;
}

/** A client that came: who still owes its state. */
interface Session {
  readonly context: Context;
  readonly n: number;
  startedMs: number;
  said: number;
  /** by holder: parts taken so far */
  readonly waiting: Map<number, Set<number>>;
  mirrorsTaken: boolean;
}

/**
 * Who serves a client, and how its expectations follow it.
 *
 *   elsewhere --ingress frame--> here: claim (n+1); packets pass by own table, then by the mirrors of `holders`
 *   here, holders owe --HANDOVER of each--> adopted: ADOPTED, neighbours stop asking the old AP
 *   here, holders owe --100 ms--> adopted from their mirrors; a HANDOVER that comes late still counts
 *   here --higher claim of another--> elsewhere: HANDOVER to it; nothing is cut
 */
export class Roam {
  readonly counters: RoamCounters = {
    arrivals: 0,
    claims: 0,
    handoversSent: 0,
    handoversTaken: 0,
    adoptedCells: 0,
    adoptedFromMirror: 0,
    clonedMacs: 0,
    otherZone: 0,
    otherIdentity: 0,
    located: 0,
    found: 0,
  };
  private readonly sessions = new Map<Mac, Session>();

  constructor(private readonly parts: RoamParts) {}

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
      contexts.write(known);
      return;
    }
    if (this.isLost(known) && exports(zone)) {
      this.counters.located++;
      wire.locate(mac, zone, bind);
    }
    const rights = known?.rights ?? localRights(mac);
    if (!rights) return;
    const context = contexts.getOrMake(mac, nowMs);
    if (!context) return;
    context.rights ??= rights;
    if (nowMs - context.foreignClaimMs <= EVIDENCE_AFTER_MS || nowMs < context.nextClaimMs) return;
    this.counters.arrivals++;
    this.enter(context, zone, bind);
    this.claim(context, nowMs);
  }

  /** The answer to `locate`, its rights taken: its expectations follow from the AP that holds them. */
  found(context: Context, client: FoundClient): void {
    const { contexts, id } = this.parts;
    const nowMs = this.parts.nowMs();
    this.counters.found++;
    context.n = Math.max(context.n, client.n);
    if (client.holderZone !== client.zone) this.reportZone(context, client.holderZone, client.holder);
    else if (client.holder !== id) context.holders.add(client.holder);
    this.enter(context, client.zone, client.bind);
    // Somebody claimed it while we asked: it is there.
    if (!context.here && nowMs - context.foreignClaimMs <= EVIDENCE_AFTER_MS) contexts.write(context);
    else this.claim(context, nowMs);
  }

  /** For somebody who looks for the client, in a zone. */
  whereIs(mac: Mac, zone: number, asker: number): Whereabouts {
    const { id, contexts, own, wire, exports } = this.parts;
    const context = contexts.get(mac);
    if (!context) return { kind: "unknown" };
    if (context.rights?.revoked) return { kind: "here", context };
    if (context.zone !== zone || !exports(context.zone)) return { kind: "unknown" };
    if (context.here) return { kind: "here", context };
    // Who asks may have claimed it already: then it is where it was before.
    const pointers = [context.ap, ...context.holders].filter((ap) => ap !== asker && ap !== id);
    const alive = pointers.find((ap) => wire.reaches(ap));
    if (alive !== undefined) return { kind: "at", ap: alive };
    const granted = (context.rights?.serial ?? 0) > 0 && context.withheld === "";
    const hasLeft = own.cellsOfSlot[context.slot]! > 0 || this.mirrorsOfGone(context).length > 0;
    return granted || hasLeft ? { kind: "here", context } : { kind: "unknown" };
  }

  /** An AP that did not speak to us before does now: what it holds is asked for at once. */
  reached(ap: number): void {
    const nowMs = this.parts.nowMs();
    for (const session of this.sessions.values()) {
      if (session.waiting.has(ap)) this.askAgain(session, ap, nowMs);
    }
  }

  private askAgain(session: Session, ap: number, nowMs: number): void {
    if (!session.waiting.has(ap)) session.waiting.set(ap, new Set());
    session.startedMs = nowMs;
    session.said = 0;
    session.mirrorsTaken = false;
    this.say(session);
  }

  /** Somebody says that it serves the client. */
  claimed(from: number, claim: ClaimOf): void {
    const context = this.parts.contexts.get(claim.mac);
    if (!context) return;
    const nowMs = this.parts.nowMs();
    context.touchedMs = nowMs;
    if (context.here && claim.zone !== context.zone) {
      this.reportZone(context, claim.zone, from);
    } else if (differs(claim.bind, context.bind)) {
      this.reportIdentity(context, from);
    } else if (claim.n === context.n && from === context.ap) {
      this.handOver(context, from, claim.holders);
    } else if (precedes(context.n, context.ap, claim.n, from)) {
      this.yieldTo(context, from, claim.n, nowMs);
      context.zone = claim.zone;
      this.parts.contexts.write(context);
      this.handOver(context, from, claim.holders);
    } else if (context.here && nowMs >= context.nextClaimMs) {
      // It has not heard of ours: told, it can claim above it if it still sees the client.
      this.parts.wire.claim(claimOf(context, []), from);
    }
  }

  /** RIGHTS of an AP that says it serves the client: as a claim that nobody need answer. */
  heardOf(context: Context, ap: number, { n, here, zone, bind }: HeardPresence): void {
    const nowMs = this.parts.nowMs();
    if (context.here && !here && nowMs - context.restoredMs < RECALLED_WITHIN_MS) {
      // In the midst of a handover, perhaps: this AP no longer knows who owed it what.
      context.n = Math.max(context.n, n);
      context.holders.add(ap);
      this.claim(context, nowMs);
    } else if (here && context.here && zone !== context.zone) {
      this.reportZone(context, zone, ap);
    } else if (here && differs(bind, context.bind)) {
      this.reportIdentity(context, ap);
    } else if (here && precedes(context.n, context.ap, n, ap)) {
      const wasHere = context.here;
      this.yieldTo(context, ap, n, nowMs);
      context.zone = zone;
      if (wasHere) this.handOver(context, ap, []);
    } else if (!here && !context.here && n > context.n) {
      context.n = n;
      context.ap = 0;
    } else if (!here && context.here && zone === context.zone && !differs(bind, context.bind)) {
      this.heardOfHolder(context, ap, n, nowMs);
    }
  }

  /**
   * It served the client before, and has not handed over what it had to our claim: the claim or the answer was lost, or we
   * have forgotten both by restarting.
   */
  private heardOfHolder(context: Context, ap: number, n: number, nowMs: number): void {
    const { contexts, id } = this.parts;
    if (context.handedBy.has(ap)) return;
    context.holders.add(ap);
    const session = this.sessions.get(context.mac);
    if (context.ap !== id) {
      context.n = Math.max(context.n, n);
      this.claim(context, nowMs);
    } else if (!session) this.ask(context, nowMs);
    else if (!session.waiting.has(ap)) this.askAgain(session, ap, nowMs);
    contexts.write(context);
  }

  /** `source`: how much of its ticks has gone by since, in 256ths. */
  handedOver(from: number, part: HandedPart, source: Phases): void {
    const context = this.parts.contexts.get(part.mac);
    if (!context?.here || part.n !== context.n) return;
    const session = this.sessions.get(part.mac);
    const taken = session?.waiting.get(from) ?? new Set<number>();
    if (taken.has(part.part)) return;
    taken.add(part.part);
    session?.waiting.set(from, taken);
    this.counters.adoptedCells += this.parts.carry.adopt(context.slot, part, source);
    if (taken.size < part.parts) return;
    session?.waiting.delete(from);
    context.handedBy.add(from);
    this.counters.handoversTaken++;
    // Only what stands in the table, and was published from there, may be let go elsewhere.
    const { n } = context;
    this.parts.datapath.flushHeld(context.slot);
    this.parts.datapath.sync().then(
      () => {
        if (context.here && context.n === n) this.parts.wire.adopted(context.mac, n, from);
      },
      () => {},
    );
  }

  /** The new AP holds all that `source` had; `isKnown`: it published that, and all of it came. */
  adoptedBy(from: number, { mac, n, source }: { mac: Mac; n: number; source: number }, isKnown: boolean): void {
    const { contexts, datapath, geometry, handoverLifetimeS, id } = this.parts;
    const context = contexts.get(mac);
    // A client that came back meanwhile has another claim: nothing of it is cut.
    if (!context || context.n !== n || context.ap !== from || context.here) return;
    if (source !== id) {
      if (!isKnown) return;
      context.holders.delete(source);
      contexts.write(context);
      return;
    }
    const code = handoverLifetimeS === 0 || geometry.cellBits === 16 ? 0 : codeFor(handoverLifetimeS, geometry);
    if (code !== 0) datapath.shortenClient(context.slot, code);
  }

  /** A mirror lost or gained cells: `from` bits of clients that nothing is left of can go. */
  forgetEmptyHolders(): void {
    const { contexts, wire } = this.parts;
    for (const context of contexts.all()) {
      if (!context.here || context.holders.size === 0 || this.sessions.has(context.mac)) continue;
      for (const ap of context.holders) {
        const left = wire.sources(ap, context.mac).some(({ mirror, slot }) => mirror.cellsOfSlot[slot]! > 0);
        if (!left) context.holders.delete(ap);
      }
      contexts.write(context);
    }
  }

  tick(nowMs: number): void {
    for (const session of this.sessions.values()) this.drive(session, nowMs);
  }

  nextAtMs(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const session of this.sessions.values()) {
      const again = session.waiting.size > 0 ? CLAIM_AGAIN_MS[session.said] : undefined;
      if (again !== undefined) next = Math.min(next, session.startedMs + again);
      if (!session.mirrorsTaken) next = Math.min(next, session.startedMs + HANDOVER_WITHIN_MS);
      next = Math.min(next, session.startedMs + SESSION_MS);
    }
    return next;
  }

  /** Nobody near told of it, or what they told is too old, or of an AP that is out of reach. */
  private isLost(context: Context | undefined): boolean {
    if (!context || context.withheld === "stale") return true;
    if (context.rights?.revoked) return false;
    const { id, wire } = this.parts;
    if (context.ap === 0) return context.holders.size === 0 && (context.rights?.serial ?? 0) === 0;
    return context.ap !== id && !wire.reaches(context.ap) && this.mirrorsOfGone(context).length === 0;
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

  private claim(context: Context, nowMs: number): void {
    const { id, contexts, wire, exports } = this.parts;
    const isShared = exports(context.zone);
    context.n += 1;
    context.ap = id;
    context.here = true;
    context.announced ||= isShared;
    context.touchedMs = nowMs;
    context.nextClaimMs = nowMs + backoffMs(context.flips, nowMs);
    context.holders.delete(id);
    context.handedBy.clear();
    contexts.write(context);
    if (!isShared) return;
    wire.announce(context.slot);
    this.ask(context, nowMs);
  }

  /** Says the claim to those that may hold state of the client, until they have answered. */
  private ask(context: Context, nowMs: number): void {
    const waiting = new Map([...context.holders].map((ap) => [ap, new Set<number>()]));
    const session: Session = { context, n: context.n, startedMs: nowMs, said: 0, waiting, mirrorsTaken: false };
    this.sessions.set(context.mac, session);
    this.say(session);
  }

  private say({ context, waiting }: Session): void {
    this.counters.claims++;
    this.parts.wire.claim(claimOf(context, [...waiting.keys()]), undefined);
  }

  private drive(session: Session, nowMs: number): void {
    const age = nowMs - session.startedMs;
    const again = CLAIM_AGAIN_MS[session.said];
    if (session.waiting.size > 0 && again !== undefined && age >= again) {
      session.said++;
      this.say(session);
    }
    if (!session.mirrorsTaken && age >= HANDOVER_WITHIN_MS) {
      session.mirrorsTaken = true;
      for (const ap of session.waiting.keys()) this.adoptFromMirrors(session.context, ap);
    }
    if (age >= SESSION_MS) this.sessions.delete(session.context.mac);
  }

  private yieldTo(context: Context, ap: number, n: number, nowMs: number): void {
    const { contexts, wire } = this.parts;
    const wasHere = context.here;
    context.n = n;
    context.ap = ap;
    context.here = false;
    context.foreignClaimMs = nowMs;
    context.holders.add(ap);
    this.sessions.delete(context.mac);
    contexts.write(context);
    if (!wasHere) return;
    context.flips = [...context.flips.filter((at) => nowMs - at < FLIPS_WITHIN_MS), nowMs];
    if (context.flips.length === CLONED_FLIPS) {
      this.counters.clonedMacs++;
      this.parts.log.warn("proxy", `cloned MAC? ${context.mac} went away ${CLONED_FLIPS} times in 10 s`, { to: ap });
    }
    wire.announce(context.slot);
  }

  /** Sends all expectations of the client, held ones too. Silent when there was never anything and nobody asked. */
  private handOver(context: Context, to: number, asked: readonly number[]): void {
    const { own, datapath, id } = this.parts;
    if (!context.announced && own.cellsOfSlot[context.slot] === 0 && !asked.includes(id)) return;
    const n = context.n;
    const atMs = this.parts.nowMs();
    const { handed } = context;
    if (handed && handed.to === to && handed.n === n && atMs - handed.atMs < HANDOVER_EVERY_MS) return;
    context.handed = { to, n, atMs };
    datapath.flushHeld(context.slot);
    datapath.sync().then(
      () => {
        if (context.n !== n || context.here) return;
        this.counters.handoversSent++;
        this.parts.wire.handover(to, this.collect(context));
      },
      () => this.parts.log.warn("proxy", "no handover: the datapath went away", { client: context.mac }),
    );
  }

  /** All that this AP knows of it: its own table's, and what APs that are gone had published. */
  private collect(context: Context): Handed {
    const { carry } = this.parts;
    const { fast, slow } = carry.phases();
    const kept = this.mirrorsOfGone(context).map(({ mirror, slot, phases }) =>
      carry.timed(carry.ofMirror(mirror, slot), phases.ofSource(this.parts.nowMs(), mirror.ticks)),
    );
    const all = [carry.ofOwn(context.slot), ...kept];
    return { mac: context.mac, n: context.n, fastPhase: fast, slowPhase: slow, ...joined(all) };
  }

  /** What APs that are gone had published of the client. */
  private mirrorsOfGone({ holders, mac }: Context) {
    const { wire } = this.parts;
    const gone = [...holders].filter((ap) => !wire.reaches(ap));
    return gone.flatMap((ap) => wire.sources(ap, mac)).filter(({ mirror, slot }) => mirror.cellsOfSlot[slot]! > 0);
  }

  private adoptFromMirrors(context: Context, ap: number): void {
    const { carry, wire } = this.parts;
    for (const { mirror, slot, phases } of wire.sources(ap, context.mac)) {
      const adopted = carry.adopt(
        context.slot,
        carry.ofMirror(mirror, slot),
        phases.ofSource(this.parts.nowMs(), mirror.ticks),
      );
      this.counters.adoptedFromMirror += adopted;
      this.counters.adoptedCells += adopted;
    }
  }
}

function claimOf({ mac, n, zone, bind }: Context, holders: readonly number[]): ClaimOf {
  return { mac, n, zone, bind, holders };
}

function joined(lists: readonly Expectations[]): Expectations {
  const size = lists.reduce((sum, { codes }) => sum + codes.length, 0);
  const all = { xHi: new Uint32Array(size), xLo: new Uint32Array(size), codes: new Uint8Array(size) };
  let at = 0;
  for (const { xHi, xLo, codes } of lists) {
    all.xHi.set(xHi, at);
    all.xLo.set(xLo, at);
    all.codes.set(codes, at);
    at += codes.length;
  }
  return all;
}

/** Takes rights heard of, when they outrank what is known. */
export function takeRights(context: Context, heard: Rights): boolean {
  if (context.rights && !outranks(heard, context.rights)) return false;
  context.rights = heard;
  return true;
}

/** Order of claims: (n, ap). */
function precedes(n: number, ap: number, otherN: number, otherAp: number): boolean {
  return n < otherN || (n === otherN && ap < otherAp);
}

function backoffMs(flips: readonly number[], nowMs: number): number {
  const recent = flips.filter((at) => nowMs - at < FLIPS_WITHIN_MS).length;
  return Math.min(CLAIM_BACKOFF_MAX_MS, CLAIM_EVERY_MS * 2 ** recent);
}
