import type { Mac } from "../base/mac.ts";
import type { Geometry } from "../bloom/geometry.ts";
import { Permutations } from "../bloom/permutation.ts";
import { codeFor } from "../bloom/timer.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import type { Datapath } from "../datapath/datapath.ts";
import type { Log } from "../platform/platform.ts";
import type { Context, Contexts } from "./contexts.ts";
import type { Mirror } from "./mirror.ts";
import type { OwnTable } from "./own-table.ts";
import { adoptedCode, type PhaseClock, type Phases } from "./phase.ts";
import { outranks, type Rights } from "./rights.ts";
import type { Ticks } from "./ticks.ts";

const { SLOT_SHARED, SLOT_UNKNOWN, MARK_DIRTY } = CONSTANTS;

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
/** RIGHTS and CLAIM of one roam come together, and a claim may come twice: one answer is enough. */
const HANDOVER_EVERY_MS = 10;
/** A handover of more is no single client's. */
const HANDOVER_CELLS_MAX = 8_192;

/** What the roam needs of the wire. */
export interface RoamWire {
  claim(claim: { mac: Mac; n: number; zone: number; holders: number[] }, to: number | undefined): void;
  handover(to: number, of: Handed): void;
  adopted(mac: Mac, n: number, source: number): void;
  /** The slot's RIGHTS changed. */
  announce(slot: number): void;
  /** Mirrors of what an AP published, its orphans included, with the slot that it gave the client there. */
  sources(ap: number, mac: Mac): readonly { mirror: Mirror; slot: number; phases: PhaseClock }[];
}

export interface Handed {
  readonly mac: Mac;
  readonly n: number;
  readonly fastPhase: number;
  readonly slowPhase: number;
  readonly xHi: Uint32Array;
  readonly xLo: Uint32Array;
  readonly codes: Uint8Array;
}

export interface HandedPart extends Handed {
  readonly part: number;
  readonly parts: number;
}

export interface RoamParts {
  readonly id: number;
  readonly geometry: Geometry;
  readonly datapath: Pick<Datapath, "adopt" | "shortenClient" | "flushHeld" | "sync">;
  readonly contexts: Contexts;
  readonly own: OwnTable;
  readonly ticks: Ticks;
  readonly phases: PhaseClock;
  readonly wire: RoamWire;
  readonly log: Log;
  /** 0: expectations of a client that went age normally. */
  readonly handoverLifetimeS: number;
  nowMs(): number;
  /** Rights that this AP's own policy gives a client that nobody told of. */
  localRights(mac: Mac): Rights | undefined;
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
}

/** A client that came: who still owes its state. */
interface Session {
  readonly context: Context;
  readonly n: number;
  readonly startedMs: number;
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
  };
  private readonly sessions = new Map<Mac, Session>();
  private readonly permutations: Permutations;

  constructor(private readonly parts: RoamParts) {
    this.permutations = new Permutations(parts.geometry);
  }

  /** An ingress frame of a client that is not here, or hostapd's word. */
  arrived(mac: Mac, zone: number): void {
    const { contexts, localRights } = this.parts;
    const nowMs = this.parts.nowMs();
    const known = contexts.get(mac);
    const rights = known?.rights ?? localRights(mac);
    if (!rights) return;
    const context = contexts.getOrMake(mac, nowMs);
    if (!context || context.here) return;
    context.rights ??= rights;
    if (nowMs - context.foreignClaimMs <= EVIDENCE_AFTER_MS || nowMs < context.nextClaimMs) return;
    this.counters.arrivals++;
    this.enterZone(context, zone);
    this.claim(context, nowMs);
  }

  /** Somebody says that it serves the client. */
  claimed(from: number, claim: { mac: Mac; n: number; zone: number; holders: readonly number[] }): void {
    const context = this.parts.contexts.get(claim.mac);
    if (!context) return;
    const nowMs = this.parts.nowMs();
    context.touchedMs = nowMs;
    if (context.here && claim.zone !== context.zone) {
      this.reportZone(context, claim.zone, from);
    } else if (claim.n === context.n && from === context.ap) {
      this.handOver(context, from, claim.holders);
    } else if (precedes(context.n, context.ap, claim.n, from)) {
      this.yieldTo(context, from, claim.n, nowMs);
      context.zone = claim.zone;
      this.parts.contexts.write(context);
      this.handOver(context, from, claim.holders);
    } else if (context.here && nowMs >= context.nextClaimMs) {
      // It has not heard of ours: told, it can claim above it if it still sees the client.
      this.parts.wire.claim({ mac: context.mac, n: context.n, zone: context.zone, holders: [] }, from);
    }
  }

  /** RIGHTS of an AP that says it serves the client: as a claim that nobody need answer. */
  heardOf(context: Context, ap: number, n: number, here: boolean, zone: number): void {
    const nowMs = this.parts.nowMs();
    if (here && context.here && zone !== context.zone) {
      this.reportZone(context, zone, ap);
    } else if (here && precedes(context.n, context.ap, n, ap)) {
      const wasHere = context.here;
      this.yieldTo(context, ap, n, nowMs);
      context.zone = zone;
      if (wasHere) this.handOver(context, ap, []);
    } else if (!here && !context.here && n > context.n) {
      context.n = n;
      context.ap = 0;
    }
  }

  handedOver(from: number, part: HandedPart): void {
    const context = this.parts.contexts.get(part.mac);
    if (!context?.here || part.n !== context.n) return;
    const session = this.sessions.get(part.mac);
    const taken = session?.waiting.get(from) ?? new Set<number>();
    if (taken.has(part.part)) return;
    taken.add(part.part);
    session?.waiting.set(from, taken);
    this.adopt(context, part.xHi, part.xLo, part.codes, { fast: part.fastPhase, slow: part.slowPhase });
    if (taken.size < part.parts) return;
    session?.waiting.delete(from);
    this.counters.handoversTaken++;
    // Only what stands in the table may be let go elsewhere.
    const { n } = context;
    this.parts.datapath.sync().then(
      () => {
        if (context.here && context.n === n) this.parts.wire.adopted(context.mac, n, from);
      },
      () => {},
    );
  }

  /** The new AP holds all that `source` had. */
  adoptedBy(from: number, mac: Mac, n: number, source: number): void {
    const { contexts, datapath, geometry, handoverLifetimeS, id } = this.parts;
    const context = contexts.get(mac);
    // A client that came back meanwhile has another claim: nothing of it is cut.
    if (!context || context.n !== n || context.ap !== from || context.here) return;
    if (source !== id) {
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

  /** Where anybody may use any MAC, one who uses a known client's must not get its flows: nothing crosses a zone. */
  private enterZone(context: Context, zone: number): void {
    if (context.ap !== 0 && context.zone !== zone) {
      context.holders.clear();
      this.reportZone(context, zone, this.parts.id);
    }
    context.zone = zone;
  }

  private reportZone({ mac, zone }: Context, other: number, ap: number): void {
    this.counters.otherZone++;
    this.parts.log.warn("proxy", `${mac} of zone ${zone} appears in zone ${other}: nothing is handed over`, { ap });
  }

  private claim(context: Context, nowMs: number): void {
    const { id, contexts, wire } = this.parts;
    context.n += 1;
    context.ap = id;
    context.here = true;
    context.announced = true;
    context.touchedMs = nowMs;
    context.nextClaimMs = nowMs + backoffMs(context.flips, nowMs);
    context.holders.delete(id);
    contexts.write(context);
    wire.announce(context.slot);
    const waiting = new Map([...context.holders].map((ap) => [ap, new Set<number>()]));
    const session: Session = { context, n: context.n, startedMs: nowMs, said: 0, waiting, mirrorsTaken: false };
    this.sessions.set(context.mac, session);
    this.say(session);
  }

  private say({ context, waiting }: Session): void {
    this.counters.claims++;
    const { mac, n, zone } = context;
    this.parts.wire.claim({ mac, n, zone, holders: [...waiting.keys()] }, undefined);
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
      for (const ap of session.waiting.keys()) this.adoptFromMirrors(session.context, ap, nowMs);
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

  /** Cells of the client alone, and those of which nobody knows for sure whose they are. */
  private collect(context: Context): Handed {
    const { own, ticks, phases, nowMs } = this.parts;
    const found: number[] = [];
    for (let i = 0; i < own.cells.length && found.length < HANDOVER_CELLS_MAX; i++) {
      if (own.cells[i] !== 0 && mayBelong(own.owners[i]!, context.slot) && ticks.left(own.cells[i]!) >= 0)
        found.push(i);
    }
    const now = nowMs();
    return {
      mac: context.mac,
      n: context.n,
      fastPhase: phases.atLatest(false, now),
      slowPhase: phases.atLatest(true, now),
      ...this.expectations(found, own.cells, ticks),
    };
  }

  private adoptFromMirrors(context: Context, ap: number, nowMs: number): void {
    for (const { mirror, slot, phases } of this.parts.wire.sources(ap, context.mac)) {
      const found: number[] = [];
      for (let i = 0; i < mirror.cells.length && found.length < HANDOVER_CELLS_MAX; i++) {
        if (mirror.cells[i] !== 0 && mayBelong(mirror.owners[i]!, slot)) found.push(i);
      }
      const { xHi, xLo, codes } = this.expectations(found, mirror.cells, mirror.ticks);
      const source = { fast: phases.atLatest(false, nowMs), slow: phases.atLatest(true, nowMs) };
      this.counters.adoptedFromMirror += this.adopt(context, xHi, xLo, codes, source);
    }
  }

  private expectations(coordinates: readonly number[], cells: Uint32Array, ticks: Ticks) {
    const { geometry } = this.parts;
    const xHi = new Uint32Array(coordinates.length);
    const xLo = new Uint32Array(coordinates.length);
    const codes = new Uint8Array(coordinates.length);
    coordinates.forEach((at, i) => {
      const x = this.permutations.xOf(at, cells[at]! >>> geometry.timerBits);
      xHi[i] = x.hi;
      xLo[i] = x.lo;
      const slow = (cells[at]! >>> geometry.tickBits) & 1;
      codes[i] = (slow << geometry.tickBits) | Math.max(0, ticks.left(cells[at]!));
    });
    return { xHi, xLo, codes };
  }

  /** Marked dirty: what was adopted is published from here, or idle flows would be lost at the next roam but one. */
  private adopt(context: Context, xHi: Uint32Array, xLo: Uint32Array, codes: Uint8Array, source: Phases): number {
    const { datapath, geometry, phases, nowMs } = this.parts;
    const now = nowMs();
    const own = { fast: phases.atEarliest(false, now), slow: phases.atEarliest(true, now) };
    let kept = 0;
    for (let i = 0; i < codes.length; i++) {
      const code = adoptedCode(codes[i]!, source, own, geometry);
      if (code < 0) continue;
      xHi[kept] = xHi[i]!;
      xLo[kept] = xLo[i]!;
      codes[kept++] = code;
    }
    this.counters.adoptedCells += kept;
    if (kept === 0) return 0;
    datapath.adopt(context.slot, MARK_DIRTY, xHi.subarray(0, kept), xLo.subarray(0, kept), codes.subarray(0, kept));
    return kept;
  }
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

function mayBelong(owner: number, slot: number): boolean {
  return owner === slot || owner === SLOT_SHARED || owner === SLOT_UNKNOWN;
}

function backoffMs(flips: readonly number[], nowMs: number): number {
  const recent = flips.filter((at) => nowMs - at < FLIPS_WITHIN_MS).length;
  return Math.min(CLAIM_BACKOFF_MAX_MS, CLAIM_EVERY_MS * 2 ** recent);
}
