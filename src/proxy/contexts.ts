import { type Mac, macToBytes } from "../base/mac.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import type { Datapath } from "../datapath/datapath.ts";
import type { ClientRecord } from "../datapath/map-records.ts";
import { isAbove } from "./claim-number.ts";
import type { Rights, RoleGrant } from "./rights.ts";
import type { Ticks } from "./ticks.ts";

const NO_FILTER = 0xffff;
/** `written` of a record that must be written again, or go. */
const ENDED = "ended";
/** `ends` counts fast ticks by this, and tells past from future by half of it: three days of 8 s. */
const ENDS_MODULO = 65_535;
const ENDS_AHEAD = 32_768;
/** Of a client whose own filters are all it has. */
const NO_ROLE: RoleGrant = { filters: [], limits: { openOut: 0, openIn: 0, halfOpen: 0 } };

/** What this AP knows of a client: whose slot, what rights, who serves it, who holds state of it. */
export interface Context {
  readonly mac: Mac;
  readonly slot: number;
  rights: Rights | undefined;
  /** APs that said that it has these very rights, or told us of them. */
  readonly tellers: Set<number>;
  /** When one that need not be a neighbour, or is no AP at all, said so. */
  toldMs: number;
  /** Rights whose time was over: who counts otherwise must not bring them back. */
  ended: Rights | undefined;
  /** Served by this AP. */
  here: boolean;
  /** The highest claim heard: (n, ap); ap 0: nobody's. */
  n: number;
  ap: number;
  /** When `n` was first heard, or claimed here. */
  claimHeardMs: number;
  /** When a frame of it, or hostapd, last told this AP that it came here. */
  seenMs: number;
  /** Zone of the port where it is served, here or elsewhere; 0 until somebody serves it. */
  zone: number;
  /** Identity of its login here, or of the rights that came with it; 0: nobody said. */
  bind: bigint;
  /** Why its rights don't count now, though they stand: what this AP's own policy says counts instead. */
  withheld: "" | "stale" | "zone" | "identity";
  /** Other APs whose table may hold expectations of it that nobody adopted. */
  readonly holders: Set<number>;
  /** APs that have handed over all they had to our present claim. */
  readonly handedBy: Set<number>;
  foreignClaimMs: number;
  /** Last claim of our own. */
  claimedMs: number;
  /** No claim of our own before. */
  nextClaimMs: number;
  /** Times at which it was claimed away from here. */
  flips: number[];
  /** It was served here in this epoch: its slot stands in our RIGHTS. */
  announced: boolean;
  /** Last HANDOVER: to whom, for which claim, when, and when first for that claim. */
  handed: { readonly to: number; readonly n: number; readonly atMs: number; readonly sinceMs: number } | undefined;
  /** Last write to the datapath, as text; "" when there is no record. */
  written: string;
  /** Record of an earlier run, while nobody has said what the client's rights are. */
  kept: ClientRecord | undefined;
  /** When the rights in that record end: as in the record. */
  ends: number;
  touchedMs: number;
}

export interface ClientStatus {
  readonly mac: Mac;
  readonly slot: number;
  readonly role: string | undefined;
  readonly revoked: boolean;
  /** Rights that stand but don't count now, and why; "": they count. */
  readonly withheld: string;
  readonly here: boolean;
  readonly claim: { readonly n: number; readonly ap: number };
  readonly holders: readonly number[];
  readonly from: number;
  readonly cells: number;
}

export interface ContextParts {
  readonly datapath: Pick<Datapath, "setClient" | "deleteClient">;
  /** Slots 1..slots-1 name clients. */
  readonly slots: number;
  /** They go on while no agent runs. */
  readonly ticks: Pick<Ticks, "fast">;
  readonly fastTickMs: number;
  nowMs(): number;
  resolveRole(role: string): RoleGrant | undefined;
  /** Number of a client's own filter; undefined: it has not come yet. */
  filterId(digest: bigint): number | undefined;
  /** Flags of a record, where this AP's operator said otherwise than the client's rights. */
  flagsOf?(mac: Mac, role: string, flags: number): number;
  /** Which of the datapath's two tables of zones and services the filters were made for: 0, or CLIENT_GENERATION. */
  generation(): number;
  /** What this AP's own policy gives. */
  localRights(mac: Mac): Rights | undefined;
  /** A revocation that outlived the client's slot. */
  tombstone(mac: Mac): Rights | undefined;
  /** Mirrors (bits) that hold what this AP published, orphans included. */
  maskOf(ap: number): number;
  /** Used cells of the own table that name the slot: it must not name another client meanwhile. */
  cellsOfSlot(slot: number): number;
  /** The slot names another client from now on, or nobody. */
  slotFreed(slot: number): void;
}

/** As many as an AP has neighbours: others may name any. */
export const APS_MAX = 32;

/** The APs that were named last. */
class FewAps extends Set<number> {
  override add(ap: number): this {
    super.add(ap);
    if (this.size > APS_MAX) this.delete(this.values().next().value!);
    return this;
  }
}

/** The clients that have a slot, and their records in the datapath. Bounded by the datapath's slots. */
export class Contexts {
  private readonly byMac = new Map<Mac, Context>();
  private readonly bySlot: (Context | undefined)[];

  constructor(private readonly parts: ContextParts) {
    this.bySlot = new Array(parts.slots).fill(undefined);
  }

  get(mac: Mac): Context | undefined {
    return this.byMac.get(mac);
  }

  ofSlot(slot: number): Context | undefined {
    return this.bySlot[slot];
  }

  all(): IterableIterator<Context> {
    return this.byMac.values();
  }

  /** Undefined when all slots name clients that are here, or whose cells still live. */
  getOrMake(mac: Mac, nowMs: number): Context | undefined {
    return this.byMac.get(mac) ?? this.make(mac, this.freeSlot(), nowMs);
  }

  /** A record that the datapath kept while no agent ran. */
  restore(mac: Mac, record: ClientRecord, nowMs: number): Context | undefined {
    const { slot, presence, zone, ends } = record;
    if (this.byMac.has(mac) || slot < 1 || slot >= this.parts.slots || this.bySlot[slot]) return undefined;
    const context = this.make(mac, slot, nowMs);
    if (!context) return undefined;
    context.here = presence === CONSTANTS.PRESENCE_HERE;
    context.zone = zone;
    context.ends = ends;
    context.kept = record;
    context.written = JSON.stringify(record);
    return context;
  }

  /** Writes the client's record, if it would be another than before. */
  write(context: Context): void {
    if (this.isComplete(context.rights)) context.kept = undefined;
    const record = context.kept ? this.keptNow(context, context.kept) : this.recordOf(context);
    const text = record ? JSON.stringify(record) : "";
    if (text === context.written) return;
    if (record) this.parts.datapath.setClient(context.mac, record);
    else this.parts.datapath.deleteClient(context.mac);
    context.written = text;
  }

  /** Records of an earlier run, of which nobody has said since what the client's rights are, count no longer. */
  endKept(isOver: (context: Context) => boolean): void {
    for (const context of this.byMac.values()) {
      if (!context.kept || !isOver(context)) continue;
      context.kept = undefined;
      context.written = ENDED;
      this.write(context);
    }
  }

  /** That the time of a record of an earlier run is over, by its own word. */
  hasEnded({ ends }: Context): boolean {
    return ends !== 0 && (this.parts.ticks.fast - (ends - 1) + ENDS_MODULO) % ENDS_MODULO < ENDS_AHEAD;
  }

  /** Mirrors to ask when the own table does not know. */
  from({ holders }: Context): number {
    let mask = 0;
    for (const ap of holders) mask |= this.parts.maskOf(ap);
    return mask >>> 0;
  }

  status(context: Context): ClientStatus {
    const { mac, slot, rights, withheld, here, n, ap, holders } = context;
    return {
      mac,
      slot,
      role: rights?.role,
      revoked: rights?.revoked ?? false,
      withheld,
      here,
      claim: { n, ap },
      holders: [...holders],
      from: this.from(context),
      cells: this.parts.cellsOfSlot(slot),
    };
  }

  private isComplete(rights: Rights | undefined): boolean {
    return rights?.filters.every((digest) => this.parts.filterId(digest) !== undefined) ?? false;
  }

  /**
   * The rights that an earlier run wrote stand until somebody says what they are: a restart takes nothing away. Where the
   * client is, and whose mirrors are asked beside those of before, is this run's affair.
   */
  private keptNow(context: Context, kept: ClientRecord): ClientRecord {
    const presence = context.here ? CONSTANTS.PRESENCE_HERE : CONSTANTS.PRESENCE_REMOTE;
    return { ...kept, presence, from: (kept.from | this.from(context)) >>> 0 };
  }

  /** Undefined: the client is nobody special here; the datapath's record for unknown clients decides. */
  private recordOf(context: Context): ClientRecord | undefined {
    const rights = context.withheld === "" ? context.rights : this.parts.localRights(context.mac);
    if (!rights || rights.revoked) return undefined;
    const role = this.parts.resolveRole(rights.role) ?? (ownFiltersOnly(rights) ? NO_ROLE : undefined);
    if (!role) return undefined;
    // A filter that has not come yet gives nothing until it does: never more rights than were granted.
    const own = rights.filters.flatMap((digest) => this.parts.filterId(digest) ?? []);
    const filters = [...role.filters, ...own];
    return {
      slot: context.slot,
      presence: context.here ? CONSTANTS.PRESENCE_HERE : CONSTANTS.PRESENCE_REMOTE,
      flags: this.flagsOf(context.mac, rights) | this.parts.generation(),
      filter: Array.from({ length: CONSTANTS.CLIENT_FILTERS }, (_, i) => filters[i] ?? NO_FILTER),
      from: this.from(context),
      zone: rights.zone || context.zone,
      open_out: rights.openOut ?? role.limits.openOut,
      open_in: rights.openIn ?? role.limits.openIn,
      half_open: rights.halfOpen ?? role.limits.halfOpen,
      ends: this.endsOf(context, rights),
      pad: 0,
    };
  }

  private flagsOf(mac: Mac, { role, monitor }: Rights): number {
    const flags = monitor ? CONSTANTS.CLIENT_MONITOR : 0;
    return this.parts.flagsOf?.(mac, role, flags) ?? flags;
  }

  /** Counted once: a record is written again only when something in it changes. */
  private endsOf(context: Context, { endsAtMs }: Rights): number {
    const { ticks, fastTickMs, nowMs } = this.parts;
    if (endsAtMs === Number.POSITIVE_INFINITY) return 0;
    const inTicks = Math.max(0, Math.ceil((endsAtMs - nowMs()) / fastTickMs));
    if (inTicks >= ENDS_AHEAD) return 0;
    const ends = ((ticks.fast + inTicks) % ENDS_MODULO) + 1;
    // Rounding moves by a tick between its beginning and its end.
    if (Math.abs(ends - context.ends) > 1) context.ends = ends;
    return context.ends;
  }

  private make(mac: Mac, slot: number, nowMs: number): Context | undefined {
    if (slot === 0) return undefined;
    const context: Context = {
      mac,
      slot,
      rights: this.parts.tombstone(mac),
      here: false,
      n: 0,
      ap: 0,
      zone: 0,
      bind: 0n,
      withheld: "",
      tellers: new FewAps(),
      toldMs: Number.NEGATIVE_INFINITY,
      ended: undefined,
      holders: new FewAps(),
      handedBy: new FewAps(),
      claimHeardMs: nowMs,
      seenMs: Number.NEGATIVE_INFINITY,
      foreignClaimMs: Number.NEGATIVE_INFINITY,
      claimedMs: Number.NEGATIVE_INFINITY,
      nextClaimMs: Number.NEGATIVE_INFINITY,
      flips: [],
      announced: false,
      handed: undefined,
      written: "",
      kept: undefined,
      ends: 0,
      touchedMs: nowMs,
    };
    this.byMac.set(mac, context);
    this.bySlot[slot] = context;
    return context;
  }

  private freeSlot(): number {
    for (let slot = 1; slot < this.bySlot.length; slot++) {
      if (!this.bySlot[slot] && this.parts.cellsOfSlot(slot) === 0) return slot;
    }
    return this.evict();
  }

  /** The client that was heard of longest ago, of those that are elsewhere and left nothing here; revoked ones last. */
  private evict(): number {
    let oldest: Context | undefined;
    for (const context of this.byMac.values()) {
      if (context.here || this.parts.cellsOfSlot(context.slot) > 0) continue;
      if (!oldest || goesBefore(context, oldest)) oldest = context;
    }
    if (!oldest) return 0;
    this.byMac.delete(oldest.mac);
    this.bySlot[oldest.slot] = undefined;
    if (oldest.announced) this.parts.slotFreed(oldest.slot);
    if (oldest.written !== "") this.parts.datapath.deleteClient(oldest.mac);
    return oldest.slot;
  }
}

/** The highest claim heard is at least this one. */
export function heardClaim(context: Context, n: number, nowMs: number): void {
  if (!isAbove(n, context.n)) return;
  context.claimHeardMs = nowMs;
  context.n = n;
}

/** Somebody with authority gave it no role: without a record of its own it would have the unknown client's rights. */
function ownFiltersOnly({ role, serial }: Rights): boolean {
  return role === "" && serial > 0;
}

/** A revocation is remembered without its slot, but only a slot tells newcomers of it. */
function goesBefore(a: Context, b: Context): boolean {
  const [aRevoked, bRevoked] = [a.rights?.revoked ?? false, b.rights?.revoked ?? false];
  return aRevoked === bRevoked ? a.touchedMs < b.touchedMs : bRevoked;
}

/** Bits of a MAC for digests of rights. */
export function macWords(mac: Mac): [number, number] {
  const b = macToBytes(mac);
  return [((b[0]! << 24) | (b[1]! << 16) | (b[2]! << 8) | b[3]!) >>> 0, (b[4]! << 8) | b[5]!];
}
