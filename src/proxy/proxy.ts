/**
 * The state proxy, put together; a file each holds
 *
 *   the table         own-table.ts (as reported), published.ts (as neighbours have it), ticks.ts, phase.ts, audit.ts, digest.ts
 *   the neighbours'   mirror.ts
 *   the clients       contexts.ts; rights-keeper.ts over rights.ts, serial.ts, tombstones.ts, filter-store.ts
 *   a roam            roam.ts, roam-api.ts (its words); claim-number.ts, claim-sessions.ts, belongings.ts, carry.ts, roam-history.ts
 *
 * and this one what a word of a neighbour means for both, a client's rights and where it is.
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
import { FilterStore } from "./filter-store.ts";
import { OwnTable } from "./own-table.ts";
import { PhaseClock } from "./phase.ts";
import { PublishedCache } from "./published.ts";
import { type Rights, type RoleGrant, sameStamp } from "./rights.ts";
import { type RightsCounters, RightsKeeper, type RightsWire } from "./rights-keeper.ts";
import { Roam } from "./roam.ts";
import type { FoundClient, HeardPresence, Hint, RoamWire, SightedClient } from "./roam-api.ts";
import { Ticks } from "./ticks.ts";

/** What the proxy asks of replication. */
export interface ProxyWire extends RoamWire, RightsWire {
  /** Mirrors (bits) that hold what an AP published. */
  maskOf(ap: number): number;
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

export interface ProxyCounters extends RightsCounters {
  /** Cells of the table that no neighbour was told of in time: each a bug. */
  unpublishedCells: number;
}

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
  readonly rights: RightsKeeper;
  readonly counters: ProxyCounters = { grantsRefused: 0, filtersRefused: 0, unpublishedCells: 0 };
  private rereads = 0;

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
    const localRights = (mac: Mac) => this.rights.localRights(mac);
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
      tombstone: (mac) => this.rights.tombstones.get(mac),
      maskOf: (ap) => wire.maskOf(ap),
      cellsOfSlot: (slot) => this.own.cellsOfSlot[slot]!,
      slotFreed: (slot) => wire.announce(slot),
      ...(parts.flagsOf && { flagsOf: parts.flagsOf }),
    });
    this.filters = new FilterStore({ datapath, named: () => this.rights.namedFilters() });
    const { id, log, handoverLifetimeS, nowMs, exports } = parts;
    const { contexts, filters, counters, own, ticks, phases } = this;
    this.rights = new RightsKeeper({ ...parts, contexts, filters, counters });
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
    this.rights.start(this.parts.nowMs());
    this.parts.datapath.dumpClients();
    await this.reread();
    this.own.forgetNames(this.published.slots, (slot) => this.contexts.ofSlot(slot) !== undefined);
    for (const context of this.contexts.all()) {
      context.announced = context.here || this.own.cellsOfSlot[context.slot]! > 0;
      const role = context.rights ? undefined : this.parts.localRole(context.mac);
      if (role !== undefined) this.rights.give(context.mac, { role });
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

  /** A client that did not come here was found: its rights are known, and whom to ask. */
  sighted({ mac, holder, holderZone, n, here, rights }: SightedClient): void {
    const context = this.contexts.getOrMake(mac, this.parts.nowMs());
    if (!context) return;
    this.rights.take(context, rights);
    if (noteTeller(context, rights, holder)) context.toldMs = this.parts.nowMs();
    if (context.withheld === "stale") context.withheld = "";
    if (here && !context.here && !isAbove(context.n, n)) {
      heardClaim(context, n, this.parts.nowMs());
      context.ap = holder;
      context.zone = holderZone;
    }
    this.contexts.write(context);
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
    const changed = this.rights.take(context, heard.rights);
    noteTeller(context, heard.rights, from);
    this.roam.heardOf(context, from, heard);
    if (heard.here && context.ap === from) context.holders.add(from);
    this.contexts.write(context);
    if (changed) this.rights.passOn(context, heard.rights);
    // It forgot in a restart what it had said, or never heard of it.
    else if (this.rights.knowsNewer(context, heard.rights)) this.rights.announce(context);
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
    const changed = this.rights.take(context, client.rights);
    // Who told need not be a neighbour.
    if (noteTeller(context, client.rights, client.holder)) context.toldMs = nowMs;
    if (context.withheld === "stale" && context.toldMs === nowMs) context.withheld = "";
    if (!context.rights?.revoked) this.roam.found(context, client);
    this.contexts.write(context);
    if (changed) this.rights.passOn(context, client.rights);
  }

  /** What a neighbour remembers of our own table before it was lost: the client's slot, not where it is. */
  restored(mac: Mac, n: number, zone: number, rights: Rights): void {
    const context = this.contexts.getOrMake(mac, this.parts.nowMs());
    if (!context) return;
    const isNews = this.rights.take(context, rights) || isAbove(n, context.n) || !context.announced;
    heardClaim(context, n, this.parts.nowMs());
    context.toldMs = this.parts.nowMs();
    if (context.ap === 0) context.zone = zone;
    this.contexts.write(context);
    // As before its end: who serves the client now must ask for what is restored, and rights that only we had given are told.
    if (isNews) this.rights.announce(context);
  }

  /** What time alone changes: rights that end, those that nobody confirms any more, filters that nobody names. */
  age(nowMs: number): void {
    this.rights.expire(nowMs);
    this.audit.look(nowMs).catch(() => {});
    this.rights.withholdStale(nowMs);
    this.rights.endKept(nowMs);
    this.roam.gatherHolders(nowMs);
    this.filters.sweep(nowMs);
  }

  /** Mirrors came, went or emptied: the `from` bits of all clients follow. */
  mirrorsChanged(): void {
    for (const context of this.contexts.all()) this.contexts.write(context);
  }

  status(): ClientStatus[] {
    return [...this.contexts.all()].map((context) => this.contexts.status(context));
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
