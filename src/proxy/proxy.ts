/**
 * The state proxy, put together; a file each holds
 *
 *   the table         own-table.ts (as reported), published.ts (as neighbours have it), ticks.ts, phase.ts, audit.ts, digest.ts
 *   the neighbours'   mirror.ts
 *   the clients       contexts.ts; rights.ts, serial.ts, tombstones.ts, filter-store.ts
 *   a roam            roam.ts, roam-api.ts (its words); claim-number.ts, claim-sessions.ts, belongings.ts, carry.ts, roam-history.ts
 *
 * and this one what is said of a client's rights, here and by others.
 */
import { type Mac, macFromBytes } from "../base/mac.ts";
import type { Geometry } from "../bloom/geometry.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import type { ClientDump, Datapath, DatapathHandlers } from "../datapath/datapath.ts";
import type { Log } from "../platform/platform.ts";
import { Audit } from "./audit.ts";
import { Carry } from "./carry.ts";
import { isAbove } from "./claim-number.ts";
import { type ClientStatus, type Context, type ContextParts, Contexts, heardClaim } from "./contexts.ts";
import { type FilterContent, FilterStore, filterDigest } from "./filter-store.ts";
import { OwnTable } from "./own-table.ts";
import { PhaseClock } from "./phase.ts";
import { PublishedCache } from "./published.ts";
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
import { giveRights, Roam, takeRights } from "./roam.ts";
import type { FoundClient, HeardPresence, Hint, RoamWire, SightedClient, Verdict } from "./roam-api.ts";
import { Serials } from "./serial.ts";
import { Ticks } from "./ticks.ts";
import { Tombstones, tombstoneMs } from "./tombstones.ts";

/** What the proxy asks of replication. */
export interface ProxyWire extends RoamWire {
  /** Mirrors (bits) that hold what an AP published. */
  maskOf(ap: number): number;
  /** That AP said hello since then. */
  heardSince(ap: number, sinceMs: number): boolean;
  /** A filter that a client's rights name is not here. */
  wanted(digest: bigint): void;
  /** Something waits to be published, or a timer moved closer. */
  soon(): void;
  /** Cells wait to be published, and nothing else is new. */
  changed(): void;
}

export interface ProxyParts {
  readonly id: number;
  readonly geometry: Geometry;
  readonly datapath: Datapath;
  readonly log: Log;
  readonly handoverLifetimeS: number;
  /** Transitional states wait so long at most before they are reported. */
  readonly holdMs: number;
  /** What nobody confirms counts no longer than this. */
  readonly rightsStaleMs: number;
  readonly wire: ProxyWire;
  nowMs(): number;
  resolveRole(role: string): RoleGrant | undefined;
  localRole(mac: Mac): string | undefined;
  exports(zone: number): boolean;
  /** See `ContextParts`. */
  generation(): number;
  /** Other rights count for the client than those that were last given here. */
  superseded?(mac: Mac, revoked: boolean): void;
  readonly flagsOf?: ContextParts["flagsOf"];
}

/** A neighbour's slot, as it told. */
export interface HeardSlot extends HeardPresence {
  readonly mac: Mac;
  readonly rights: Rights;
}

export interface ProxyCounters {
  /** What other APs said of rights and was not believed: no more revocations can be remembered, or a serial out of reach. */
  grantsRefused: number;
  /** Filters of single clients that found no room. */
  filtersRefused: number;
  /** Cells of the table that no neighbour was told of in time: each a bug. */
  unpublishedCells: number;
}

/** After a start, whoever knows the rights of a client elsewhere has said so by then. */
const SAID_WITHIN_MS = 10_000;

/**
 * The state proxy: the own table as reported and as published, and the clients with their rights and roams. It knows no
 * datagrams; replication publishes what waits here, and tells it what the neighbours say.
 */
export class StateProxy {
  readonly ticks: Ticks;
  readonly phases: PhaseClock;
  readonly published: PublishedCache;
  readonly own: OwnTable;
  readonly contexts: Contexts;
  readonly carry: Carry;
  readonly roam: Roam;
  private readonly audit: Audit;
  readonly filters: FilterStore;
  readonly tombstones = new Tombstones();
  readonly counters: ProxyCounters = { grantsRefused: 0, filtersRefused: 0, unpublishedCells: 0 };
  private readonly serials = new Serials();
  private rereads = 0;
  private startedMs = Number.POSITIVE_INFINITY;

  constructor(private readonly parts: ProxyParts) {
    const { geometry, datapath, wire, resolveRole } = parts;
    const slots = Math.min(datapath.hello.clients_max, CONSTANTS.SLOT_SHARED);
    this.ticks = new Ticks(geometry);
    this.ticks.set(datapath.hello.fast, datapath.hello.slow);
    this.phases = new PhaseClock(geometry);
    this.published = new PublishedCache(geometry, slots, this.ticks);
    this.own = new OwnTable(geometry, this.published, this.ticks);
    this.audit = new Audit({
      datapath,
      published: this.published,
      own: this.own,
      holdMs: parts.holdMs,
      unpublished: (coordinate) => this.unpublished(coordinate),
    });
    const localRights = (mac: Mac) => this.localRights(mac);
    this.contexts = new Contexts({
      datapath,
      slots,
      ticks: this.ticks,
      fastTickMs: geometry.fastTickMs,
      nowMs: () => parts.nowMs(),
      resolveRole,
      generation: () => this.parts.generation(),
      filterId: (digest) => this.filters.idOf(digest),
      localRights,
      tombstone: (mac) => this.tombstones.get(mac),
      maskOf: (ap) => wire.maskOf(ap),
      cellsOfSlot: (slot) => this.own.cellsOfSlot[slot]!,
      slotFreed: (slot) => wire.announce(slot),
      ...(parts.flagsOf && { flagsOf: parts.flagsOf }),
    });
    this.filters = new FilterStore({ datapath, named: () => this.namedFilters() });
    const { id, log, handoverLifetimeS, nowMs, exports } = parts;
    const { contexts, own, ticks, phases } = this;
    this.carry = new Carry({ geometry, datapath, own, ticks, phases, nowMs });
    this.roam = new Roam({
      id,
      geometry,
      datapath,
      contexts,
      own,
      carry: this.carry,
      wire,
      log,
      handoverLifetimeS,
      nowMs,
      localRights,
      exports,
    });
  }

  readonly handlers: Pick<DatapathHandlers, "cells" | "arrived" | "overflow" | "ticks" | "client"> = {
    cells: (coordinates, cells, owners, count, dumped) => {
      const changed =
        this.audit.isLooking && dumped ? this.audit.sift(coordinates, cells, owners, count, dumped) : count;
      this.own.note(coordinates, cells, owners, changed);
      if (this.own.pending > 0) this.parts.wire.changed();
    },
    arrived: (mac, _slot, zone) => this.arrived(mac, zone),
    overflow: () => this.reread().catch(() => {}),
    ticks: (fast, slow) => this.ticked(fast, slow),
    client: (dump) => this.restore(dump),
  };

  /** Reads slots and table as they stand. Rejects when the datapath goes away. */
  async start(): Promise<void> {
    this.startedMs = this.parts.nowMs();
    this.parts.datapath.dumpClients();
    await this.reread();
    this.own.forgetNames(this.published.slots, (slot) => this.contexts.ofSlot(slot) !== undefined);
    for (const context of this.contexts.all()) {
      context.announced = context.here || this.own.cellsOfSlot[context.slot]! > 0;
      const role = context.rights ? undefined : this.parts.localRole(context.mac);
      if (role !== undefined) this.setRights(context.mac, { role });
    }
    this.roam.resume(
      [...this.contexts.all()].filter(({ here }) => here),
      this.parts.nowMs(),
    );
  }

  /** `bind`: who logged in, as far as is known. */
  arrived(mac: Mac, zone: number, bind = 0n): void {
    this.roam.arrived(mac, zone, bind);
    this.parts.wire.soon();
  }

  setRights(mac: Mac, grant: Grant): void {
    const context = this.contexts.getOrMake(mac, this.parts.nowMs());
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
    this.contexts.write(context);
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
    const { rights } = this.contexts.get(mac) ?? {};
    const endsAtMs = nowMs + tombstoneMs(rights, nowMs);
    return { ...this.rightsOf({ role: rights?.role ?? "" }, serial), revoked: true, endsAtMs };
  }

  /** Stamped rights count from now on, and all hear of it, unless they did already. False: higher ones stand, or there is no room. */
  enact(mac: Mac, rights: Rights): boolean {
    const context = this.contexts.getOrMake(mac, this.parts.nowMs());
    if (!context) return false;
    if (context.rights && sameStamp(context.rights, rights)) return true;
    if (!this.take(context, rights)) return false;
    context.toldMs = this.parts.nowMs();
    const isElsewhere = context.here && rights.zone !== 0 && rights.zone !== context.zone;
    context.withheld = isElsewhere ? "zone" : context.here && differs(rights.bind, context.bind) ? "identity" : "";
    this.contexts.write(context);
    this.announce(context);
    return true;
  }

  /** Rights that another AP stamped for a client which it believes to be served here: enacted whole, or not at all. */
  ordered(mac: Mac, rights: Rights): Verdict | "waits" {
    const context = this.contexts.get(mac);
    if (!context?.here || !this.parts.exports(context.zone)) return "elsewhere";
    const standing = context.rights;
    if (standing && !sameStamp(standing, rights) && !outranks(rights, standing)) return "newer";
    if (rights.revoked) return this.enact(mac, rights) ? "in force" : "newer";
    const role = rights.role === "" ? undefined : this.parts.resolveRole(rights.role);
    const filters = (role?.filters.length ?? 0) + rights.filters.length;
    if ((rights.role !== "" && !role) || filters > CONSTANTS.CLIENT_FILTERS) return "refused";
    const missing = rights.filters.filter((digest) => this.filters.idOf(digest) === undefined);
    for (const digest of missing) this.parts.wire.wanted(digest);
    if (missing.length > 0) return "waits";
    return this.enact(mac, rights) ? "in force" : "full";
  }

  /** Rights of a higher stamp than one of ours, as the AP told that has them. */
  learn(mac: Mac, rights: Rights): void {
    const context = this.contexts.get(mac);
    if (context && this.take(context, rights)) this.contexts.write(context);
  }

  /** A client that did not come here was found: its rights are known, and whom to ask. */
  sighted({ mac, holder, holderZone, n, here, rights }: SightedClient): void {
    const context = this.contexts.getOrMake(mac, this.parts.nowMs());
    if (!context) return;
    this.take(context, rights);
    if (noteTeller(context, rights, holder)) context.toldMs = this.parts.nowMs();
    if (context.withheld === "stale") context.withheld = "";
    if (here && !context.here && !isAbove(context.n, n)) {
      heardClaim(context, n, this.parts.nowMs());
      context.ap = holder;
      context.zone = holderZone;
    }
    this.contexts.write(context);
  }

  granted(mac: Mac): Grant | undefined {
    const rights = this.contexts.get(mac)?.rights;
    if (!rights || rights.revoked || rights.serial === 0) return undefined;
    const { role, zone, bind, monitor, openOut, openIn, halfOpen, endsAtMs } = rights;
    const leftSeconds = Math.max(0, Math.ceil((endsAtMs - this.parts.nowMs()) / 1000));
    return {
      role,
      filters: rights.filters.flatMap((digest) => this.filters.content(digest) ?? []),
      zone,
      bind,
      monitor,
      ...(openOut !== undefined && { openOut }),
      ...(openIn !== undefined && { openIn }),
      ...(halfOpen !== undefined && { halfOpen }),
      ...(endsAtMs !== Number.POSITIVE_INFINITY && { leftSeconds }),
    };
  }

  refreshRoles(): void {
    for (const context of this.contexts.all()) {
      // What an earlier run wrote was made for the policy of before.
      context.kept = undefined;
      context.written = context.written === "" ? "" : "stale";
      this.contexts.write(context);
    }
  }

  /** RIGHTS of a neighbour's slot: the client is known before it comes. */
  heardRights(from: number, heard: HeardSlot): void {
    const context = this.contexts.getOrMake(heard.mac, this.parts.nowMs());
    if (!context) return;
    const changed = this.take(context, heard.rights);
    noteTeller(context, heard.rights, from);
    this.roam.heardOf(context, from, heard);
    if (heard.here && context.ap === from) context.holders.add(from);
    this.contexts.write(context);
    if (changed) this.passOn(context, heard.rights);
    // It forgot in a restart what it had said, or never heard of it.
    else if (this.knowsNewer(context, heard.rights)) this.announce(context);
  }

  private knowsNewer(context: Context, heard: Rights): boolean {
    const newest = newestOf(context);
    return newest !== undefined && context.withheld === "" && outranks(newest, heard);
  }

  /** Another AP may hold state of a client of ours. */
  hinted(mac: Mac, hint: Hint): void {
    const context = this.contexts.get(mac);
    if (context) this.roam.hinted(context, hint);
  }

  /** A client that this AP had to ask for. */
  found(client: FoundClient): void {
    const nowMs = this.parts.nowMs();
    const context = this.contexts.getOrMake(client.mac, nowMs);
    if (!context) return;
    const changed = this.take(context, client.rights);
    // Who told need not be a neighbour.
    if (noteTeller(context, client.rights, client.holder)) context.toldMs = nowMs;
    if (context.withheld === "stale" && context.toldMs === nowMs) context.withheld = "";
    if (!context.rights?.revoked) this.roam.found(context, client);
    this.contexts.write(context);
    if (changed) this.passOn(context, client.rights);
  }

  /** What a neighbour remembers of our own table before it was lost: the client's slot, not where it is. */
  restored(mac: Mac, n: number, zone: number, rights: Rights): void {
    const context = this.contexts.getOrMake(mac, this.parts.nowMs());
    if (!context) return;
    const isNews = this.take(context, rights) || isAbove(n, context.n) || !context.announced;
    heardClaim(context, n, this.parts.nowMs());
    context.toldMs = this.parts.nowMs();
    if (context.ap === 0) context.zone = zone;
    this.contexts.write(context);
    // As before its end: who serves the client now must ask for what is restored, and rights that only we had given are told.
    if (isNews) this.announce(context);
  }

  /** A filter that was asked for is here: it takes effect for all whose rights name it. */
  filterCame(digest: bigint, content: FilterContent): void {
    if (!this.filters.keep(digest, content, this.parts.nowMs())) {
      this.refuseFilter();
      return;
    }
    for (const context of this.contexts.all())
      if (context.rights?.filters.includes(digest)) this.contexts.write(context);
  }

  /** What time alone changes: rights that end, those that nobody confirms any more, filters that nobody names. */
  age(nowMs: number): void {
    this.expireRights(nowMs);
    this.audit.look(nowMs).catch(() => {});
    this.withholdStale(nowMs);
    this.endKept(nowMs);
    this.roam.gatherHolders(nowMs);
    this.filters.sweep(nowMs);
  }

  /** Rights whose time is over: what this AP's own policy says counts again. */
  private expireRights(nowMs: number): void {
    for (const context of this.contexts.all()) {
      if (!context.rights || context.rights.endsAtMs > nowMs) continue;
      this.end(context);
      this.contexts.write(context);
      if (context.announced) this.announce(context);
    }
  }

  private end(context: Context): void {
    context.ended = context.rights;
    giveRights(context, this.localRights(context.mac));
  }

  /** Mirrors came, went or emptied: the `from` bits of all clients follow. */
  mirrorsChanged(): void {
    for (const context of this.contexts.all()) this.contexts.write(context);
  }

  status(): ClientStatus[] {
    return [...this.contexts.all()].map((context) => this.contexts.status(context));
  }

  /** True when the rights of the client are others now. */
  private take(context: Context, heard: Rights): boolean {
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
    for (const digest of heard.filters) if (this.filters.idOf(digest) === undefined) this.parts.wire.wanted(digest);
    return true;
  }

  private refuse(why: string): void {
    if (this.counters.grantsRefused++ === 0) this.parts.log.error("proxy", why);
  }

  /**
   * Whoever is told of a revocation tells it: who only hears us must be stopped too, and who revoked, or was told,
   * forgets it in a restart. Grants are told by those who told of the client before.
   */
  private passOn(context: Context, { revoked, serial }: Rights): void {
    if (revoked || (context.announced && serial > 0)) this.announce(context);
  }

  private bury(context: Context, nowMs: number): void {
    this.tombstones.add(context.mac, context.rights!, nowMs);
  }

  /**
   * What APs said that are silent for long may have been revoked since: it serves nobody who comes now. One that is heard,
   * and only forgot what it said by restarting, would have told of a revocation.
   */
  private withholdStale(nowMs: number): void {
    const { id, wire, rightsStaleMs } = this.parts;
    const sinceMs = nowMs - rightsStaleMs;
    for (const context of this.contexts.all()) {
      const { rights, here, ap, withheld, tellers, toldMs } = context;
      if (!rights || rights.serial === 0 || rights.revoked) continue;
      const isElsewhere = ap !== 0 && ap !== id;
      const mayBeStale = withheld === "stale" || (withheld === "" && !here && isElsewhere);
      if (!mayBeStale) continue;
      const isFresh = toldMs >= sinceMs || [...tellers].some((teller) => wire.heardSince(teller, sinceMs));
      context.withheld = isFresh ? "" : "stale";
      if (context.withheld !== withheld) this.contexts.write(context);
    }
  }

  /**
   * A grant that ended or was revoked while no agent ran is remembered by nobody: its record would stay for ever. The end of
   * its time it says itself.
   */
  private endKept(nowMs: number): void {
    const upMs = nowMs - this.startedMs;
    // Who comes from elsewhere is asked for; who is here already would be denied.
    const limitMs = (here: boolean) => (here ? this.parts.rightsStaleMs : SAID_WITHIN_MS);
    this.contexts.endKept((context) => this.contexts.hasEnded(context) || upMs > limitMs(context.here));
  }

  private *namedFilters(): Iterable<bigint> {
    for (const { rights } of this.contexts.all()) if (rights) yield* rights.filters;
  }

  /** Digests of those that the store could take. */
  private keepFilters({ filters = [] }: Grant): bigint[] {
    return filters.slice(0, CONSTANTS.CLIENT_FILTERS).flatMap((content) => {
      const digest = filterDigest(content);
      if (this.filters.keep(digest, content, this.parts.nowMs())) return digest;
      this.refuseFilter();
      return [];
    });
  }

  private refuseFilter(): void {
    if (this.counters.filtersRefused++ === 0)
      this.parts.log.error("proxy", "no room for a client's filter, or it is none: the client goes without it");
  }

  private announce(context: Context): void {
    const { rights, zone } = context;
    // Revocations are for all: whoever heard of the client before must hear that too.
    if (!rights?.revoked && !this.parts.exports(rights?.zone || zone)) return;
    context.announced = true;
    this.parts.wire.announce(context.slot);
  }

  private localRights(mac: Mac): Rights | undefined {
    const role = this.parts.localRole(mac);
    return role === undefined ? undefined : this.rightsOf({ role }, 0);
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

  private ticked(fast: number, slow: number): void {
    const nowMs = this.parts.nowMs();
    if (fast !== this.ticks.fast) this.phases.fastBegan(nowMs);
    if (slow !== this.ticks.slow) this.phases.slowBegan(nowMs);
    if (fast === this.ticks.fast && slow === this.ticks.slow) return;
    this.ticks.advance(fast, slow, () => {
      this.published.sweep();
      this.own.sweep();
    });
    this.roam.forgetEmptyHolders();
    if (this.own.pending > 0) this.parts.wire.soon();
  }

  private unpublished(coordinate: number): void {
    if (this.counters.unpublishedCells++ === 0)
      this.parts.log.error("proxy", `cell ${coordinate} was not published in time: a bug, please report it`);
  }

  private async reread(): Promise<void> {
    const reread = ++this.rereads;
    this.own.beginReread();
    this.audit.stop();
    this.parts.datapath.dump(0, 0);
    await this.parts.datapath.sync();
    // A later one began meanwhile: it sees to the end.
    if (reread !== this.rereads) return;
    this.own.endReread();
    this.parts.wire.soon();
  }

  private restore({ mac, record }: ClientDump): void {
    this.contexts.restore(macFromBytes(mac), record, this.parts.nowMs());
  }
}

/** Whether it says what we know: then what it is silent about later has not changed. */
function noteTeller({ rights, tellers }: Context, said: Rights, ap: number): boolean {
  if (!rights || !sameStamp(rights, said)) return false;
  tellers.add(ap);
  return true;
}
