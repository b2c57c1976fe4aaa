import type { Mac } from "../base/mac.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import type { Log } from "../platform/platform.ts";
import type { Context, Contexts } from "./contexts.ts";
import { type FilterContent, type FilterStore, filterDigest } from "./filter-store.ts";
import {
  differs,
  type Grant,
  newestOf,
  outranks,
  type Rights,
  type RoleGrant,
  sameMeaning,
  sameRights,
  sameStamp,
} from "./rights.ts";
import type { Verdict } from "./roam-api.ts";
import { Serials } from "./serial.ts";
import { Tombstones, tombstoneMs } from "./tombstones.ts";

/** What is asked of replication. */
export interface RightsWire {
  /** All shall know of the client in that slot. */
  announce(slot: number): void;
  /** That AP said hello since then. */
  heardSince(ap: number, sinceMs: number): boolean;
  /** A filter that a client's rights name is not here. */
  wanted(digest: bigint): void;
}

export interface RightsCounters {
  /** What other APs said of rights and was not believed: no more revocations can be remembered, or a serial out of reach. */
  grantsRefused: number;
  /** Filters of single clients that found no room. */
  filtersRefused: number;
}

export interface RightsKeeperParts {
  readonly id: number;
  readonly log: Log;
  readonly wire: RightsWire;
  readonly contexts: Contexts;
  readonly filters: FilterStore;
  readonly counters: RightsCounters;
  /** What nobody confirms counts no longer than this. */
  readonly rightsStaleMs: number;
  nowMs(): number;
  resolveRole(role: string): RoleGrant | undefined;
  localRole(mac: Mac): string | undefined;
  exports(zone: number): boolean;
  /** Other rights count for the client than those that were last given here. */
  superseded?(mac: Mac, revoked: boolean): void;
}

/** After a start, whoever knows the rights of a client elsewhere has said so by then. */
const SAID_WITHIN_MS = 10_000;

/** The rights of clients: given here, heard of from others, told on, and ended. Where a client is, is `roam.ts`. */
export class RightsKeeper {
  readonly tombstones = new Tombstones();
  private readonly serials = new Serials();
  private startedMs = Number.POSITIVE_INFINITY;

  constructor(private readonly parts: RightsKeeperParts) {}

  start(nowMs: number): void {
    this.startedMs = nowMs;
  }

  give(mac: Mac, grant: Grant): void {
    const context = this.parts.contexts.getOrMake(mac, this.parts.nowMs());
    if (!context) {
      this.parts.log.warn("proxy", `no slot left for ${mac}: it is treated as an unknown client`);
      return;
    }
    if (grant.authority) this.serials.next();
    // The file is the floor: what RADIUS or an operator said outranks it, here and elsewhere.
    else if (context.rights && context.rights.serial > 0) return;
    const before = context.rights;
    const given = this.rightsOf(grant, grant.authority ? this.serials.newest : 0, this.keepFilters(grant));
    giveRights(context, given);
    context.toldMs = this.parts.nowMs();
    const isElsewhere = context.here && grant.zone !== undefined && grant.zone !== context.zone;
    context.withheld = isElsewhere ? "zone" : "";
    if (grant.bind) context.bind = grant.bind;
    if (grant.authority) this.tombstones.remove(mac);
    this.parts.contexts.write(context);
    const same = before !== undefined && sameRights(before, given);
    if ((context.announced && !same) || grant.authority) this.announce(context);
  }

  revoke(mac: Mac): void {
    this.enact(mac, this.stamp(mac, "revoke"));
  }

  /** Of all rights that were heard or stamped here. */
  get serialOfNewest(): number {
    return this.serials.newest;
  }

  /** Rights that outrank all that were heard so far; they count when they are enacted. */
  stamp(mac: Mac, change: Grant | "revoke"): Rights {
    const serial = this.serials.next();
    if (change !== "revoke") return this.rightsOf(change, serial, this.keepFilters(change));
    const nowMs = this.parts.nowMs();
    const { rights } = this.parts.contexts.get(mac) ?? {};
    const endsAtMs = nowMs + tombstoneMs(rights, nowMs);
    return { ...this.rightsOf({ role: rights?.role ?? "" }, serial), revoked: true, endsAtMs };
  }

  /** Stamped rights count from now on, and all hear of it, unless they did already. False: higher ones stand, or there is no room. */
  enact(mac: Mac, rights: Rights): boolean {
    const context = this.parts.contexts.getOrMake(mac, this.parts.nowMs());
    if (!context) return false;
    if (context.rights && sameStamp(context.rights, rights)) return true;
    if (!this.take(context, rights)) return false;
    context.toldMs = this.parts.nowMs();
    const isElsewhere = context.here && rights.zone !== 0 && rights.zone !== context.zone;
    context.withheld = isElsewhere ? "zone" : context.here && differs(rights.bind, context.bind) ? "identity" : "";
    this.parts.contexts.write(context);
    this.announce(context);
    return true;
  }

  /** Rights that another AP stamped for a client which it believes to be served here: enacted whole, or not at all. */
  ordered(mac: Mac, rights: Rights): Verdict | "waits" {
    const context = this.parts.contexts.get(mac);
    if (!context?.here || !this.parts.exports(context.zone)) return "elsewhere";
    const standing = context.rights;
    if (standing && !sameStamp(standing, rights) && !outranks(rights, standing)) return "newer";
    if (rights.revoked) return this.enact(mac, rights) ? "in force" : "newer";
    const role = rights.role === "" ? undefined : this.parts.resolveRole(rights.role);
    const filters = (role?.filters.length ?? 0) + rights.filters.length;
    if ((rights.role !== "" && !role) || filters > CONSTANTS.CLIENT_FILTERS) return "refused";
    const missing = rights.filters.filter((digest) => this.parts.filters.idOf(digest) === undefined);
    for (const digest of missing) this.parts.wire.wanted(digest);
    if (missing.length > 0) return "waits";
    return this.enact(mac, rights) ? "in force" : "full";
  }

  /** Rights of a higher stamp than one of ours, as the AP told that has them. */
  learn(mac: Mac, rights: Rights): void {
    const context = this.parts.contexts.get(mac);
    if (context && this.take(context, rights)) this.parts.contexts.write(context);
  }

  granted(mac: Mac): Grant | undefined {
    const rights = this.parts.contexts.get(mac)?.rights;
    if (!rights || rights.revoked || rights.serial === 0) return undefined;
    const { role, zone, bind, monitor, openOut, openIn, halfOpen, endsAtMs } = rights;
    const leftSeconds = Math.max(0, Math.ceil((endsAtMs - this.parts.nowMs()) / 1000));
    return {
      role,
      filters: rights.filters.flatMap((digest) => this.parts.filters.content(digest) ?? []),
      zone,
      bind,
      monitor,
      ...(openOut !== undefined && { openOut }),
      ...(openIn !== undefined && { openIn }),
      ...(halfOpen !== undefined && { halfOpen }),
      ...(endsAtMs !== Number.POSITIVE_INFINITY && { leftSeconds }),
    };
  }

  /** A filter that was asked for is here: it takes effect for all whose rights name it. */
  filterCame(digest: bigint, content: FilterContent): void {
    if (!this.parts.filters.keep(digest, content, this.parts.nowMs())) {
      this.refuseFilter();
      return;
    }
    for (const context of this.parts.contexts.all())
      if (context.rights?.filters.includes(digest)) this.parts.contexts.write(context);
  }

  /** True when the rights of the client are others now. */
  take(context: Context, heard: Rights): boolean {
    const nowMs = this.parts.nowMs();
    context.touchedMs = nowMs;
    if (!this.serials.hear(heard.serial, this.startedMs, nowMs)) {
      this.refuse(
        `serial ${heard.serial} is out of reach of ${this.serials.newest}: rights of another AP are not believed`,
      );
      return false;
    }
    if (heard.serial > 0 && !heard.revoked && this.tombstones.isFull(nowMs)) {
      this.refuse("too many revocations to remember: grants of other APs are not believed");
      return false;
    }
    // An AP that has no rights for the client says nothing of them.
    if (heard.serial === 0 && heard.role === "" && !heard.revoked) return false;
    if (context.ended && !outranks(heard, context.ended)) return false;
    const before = context.rights;
    if (!takeRights(context, heard)) return false;
    if (heard.serial > 0 && !(before && sameMeaning(before, heard)))
      this.parts.superseded?.(context.mac, heard.revoked);
    if (heard.revoked) this.bury(context, nowMs);
    else this.tombstones.remove(context.mac);
    if (heard.endsAtMs <= nowMs) this.end(context);
    for (const digest of heard.filters)
      if (this.parts.filters.idOf(digest) === undefined) this.parts.wire.wanted(digest);
    return true;
  }

  /**
   * Whoever is told of a revocation tells it: who only hears us must be stopped too, and who revoked, or was told,
   * forgets it in a restart. Grants are told by those who told of the client before.
   */
  passOn(context: Context, { revoked, serial }: Rights): void {
    if (revoked || (context.announced && serial > 0)) this.announce(context);
  }

  knowsNewer(context: Context, heard: Rights): boolean {
    const newest = newestOf(context);
    return newest !== undefined && context.withheld === "" && outranks(newest, heard);
  }

  announce(context: Context): void {
    const { rights, zone } = context;
    // Revocations are for all: whoever heard of the client before must hear that too.
    if (!rights?.revoked && !this.parts.exports(rights?.zone || zone)) return;
    context.announced = true;
    this.parts.wire.announce(context.slot);
  }

  /** Rights whose time is over: what this AP's own policy says counts again. */
  expire(nowMs: number): void {
    for (const context of this.parts.contexts.all()) {
      if (!context.rights || context.rights.endsAtMs > nowMs) continue;
      this.end(context);
      this.parts.contexts.write(context);
      if (context.announced) this.announce(context);
    }
  }

  /**
   * What APs said that are silent for long may have been revoked since: it serves nobody who comes now. One that is heard,
   * and only forgot what it said by restarting, would have told of a revocation.
   */
  withholdStale(nowMs: number): void {
    const { id, wire, rightsStaleMs } = this.parts;
    const sinceMs = nowMs - rightsStaleMs;
    for (const context of this.parts.contexts.all()) {
      const { rights, here, ap, withheld, tellers, toldMs } = context;
      if (!rights || rights.serial === 0 || rights.revoked) continue;
      const isElsewhere = ap !== 0 && ap !== id;
      const mayBeStale = withheld === "stale" || (withheld === "" && !here && isElsewhere);
      if (!mayBeStale) continue;
      const isFresh = toldMs >= sinceMs || [...tellers].some((teller) => wire.heardSince(teller, sinceMs));
      context.withheld = isFresh ? "" : "stale";
      if (context.withheld !== withheld) this.parts.contexts.write(context);
    }
  }

  /**
   * A grant that ended or was revoked while no agent ran is remembered by nobody: its record would stay for ever. The end of
   * its time it says itself.
   */
  endKept(nowMs: number): void {
    const upMs = nowMs - this.startedMs;
    // Who comes from elsewhere is asked for; who is here already would be denied.
    const limitMs = (here: boolean) => (here ? this.parts.rightsStaleMs : SAID_WITHIN_MS);
    this.parts.contexts.endKept((context) => this.parts.contexts.hasEnded(context) || upMs > limitMs(context.here));
  }

  *namedFilters(): Iterable<bigint> {
    for (const { rights } of this.parts.contexts.all()) if (rights) yield* rights.filters;
  }

  localRights(mac: Mac): Rights | undefined {
    const role = this.parts.localRole(mac);
    return role === undefined ? undefined : this.rightsOf({ role }, 0);
  }

  private end(context: Context): void {
    context.ended = context.rights;
    giveRights(context, this.localRights(context.mac));
  }

  private refuse(why: string): void {
    if (this.parts.counters.grantsRefused++ === 0) this.parts.log.error("proxy", why);
  }

  private bury(context: Context, nowMs: number): void {
    this.tombstones.add(context.mac, context.rights!, nowMs);
  }

  /** Digests of those that the store could take. */
  private keepFilters({ filters = [] }: Grant): bigint[] {
    return filters.slice(0, CONSTANTS.CLIENT_FILTERS).flatMap((content) => {
      const digest = filterDigest(content);
      if (this.parts.filters.keep(digest, content, this.parts.nowMs())) return digest;
      this.refuseFilter();
      return [];
    });
  }

  private refuseFilter(): void {
    if (this.parts.counters.filtersRefused++ === 0)
      this.parts.log.error("proxy", "no room for a client's filter, or it is none: the client goes without it");
  }

  private rightsOf(grant: Grant, serial: number, filters: readonly bigint[] = []): Rights {
    const endsAtMs =
      grant.leftSeconds === undefined ? Number.POSITIVE_INFINITY : this.parts.nowMs() + grant.leftSeconds * 1000;
    return {
      serial,
      rev: 0,
      origin: serial === 0 ? 0 : this.parts.id,
      revoked: false,
      role: grant.role,
      filters,
      zone: grant.zone ?? 0,
      bind: grant.bind ?? 0n,
      monitor: grant.monitor ?? false,
      openOut: grant.openOut,
      openIn: grant.openIn,
      halfOpen: grant.halfOpen,
      endsAtMs,
    };
  }
}

/** Takes rights heard of, when they outrank what is known. */
function takeRights(context: Context, heard: Rights): boolean {
  if (context.rights && !outranks(heard, context.rights)) return false;
  giveRights(context, heard);
  return true;
}

function giveRights(context: Context, rights: Rights | undefined): void {
  context.rights = rights;
  context.tellers.clear();
}
