import { type Mac, macFromBytes } from "../base/mac.ts";
import type { Geometry } from "../bloom/geometry.ts";
import { CONSTANTS, MAP_RECORDS } from "../datapath/abi.ts";
import type { ClientDump, Datapath, DatapathHandlers } from "../datapath/datapath.ts";
import { readRecord } from "../datapath/layout.ts";
import type { Log } from "../platform/platform.ts";
import { type ClientStatus, type Context, Contexts } from "./contexts.ts";
import { OwnTable } from "./own-table.ts";
import { PhaseClock } from "./phase.ts";
import { PublishedCache } from "./published.ts";
import type { Grant, Rights, RoleGrant } from "./rights.ts";
import { Roam, type RoamWire, takeRights } from "./roam.ts";
import { Ticks } from "./ticks.ts";

/** What the proxy asks of replication. */
export interface ProxyWire extends RoamWire {
  /** Mirrors (bits) that hold what an AP published. */
  maskOf(ap: number): number;
  /** Something waits to be published, or a timer moved closer. */
  soon(): void;
}

export interface ProxyParts {
  readonly id: number;
  readonly geometry: Geometry;
  readonly datapath: Datapath;
  readonly log: Log;
  readonly handoverLifetimeS: number;
  readonly wire: ProxyWire;
  nowMs(): number;
  resolveRole(role: string): RoleGrant | undefined;
  localRole(mac: Mac): string | undefined;
}

/** Records come in the byte order of the machine, which the datapath shares. */
const HOST_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

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
  readonly roam: Roam;
  /** Highest serial of rights heard or given. */
  private serial = 0;
  private rereads = 0;

  constructor(private readonly parts: ProxyParts) {
    const { geometry, datapath, wire, resolveRole } = parts;
    const slots = Math.min(datapath.hello.clients_max, CONSTANTS.SLOT_SHARED);
    this.ticks = new Ticks(geometry);
    this.ticks.set(datapath.hello.fast, datapath.hello.slow);
    this.phases = new PhaseClock(geometry);
    this.published = new PublishedCache(geometry, slots, this.ticks);
    this.own = new OwnTable(geometry, this.published, this.ticks);
    this.contexts = new Contexts({
      datapath,
      slots,
      resolveRole,
      maskOf: (ap) => wire.maskOf(ap),
      cellsOfSlot: (slot) => this.own.cellsOfSlot[slot]!,
      slotFreed: (slot) => wire.announce(slot),
    });
    const { id, log, handoverLifetimeS, nowMs } = parts;
    const { contexts, own, ticks, phases } = this;
    const localRights = (mac: Mac) => this.localRights(mac);
    this.roam = new Roam({
      id,
      geometry,
      datapath,
      contexts,
      own,
      ticks,
      phases,
      wire,
      log,
      handoverLifetimeS,
      nowMs,
      localRights,
    });
  }

  readonly handlers: Pick<DatapathHandlers, "cells" | "arrived" | "overflow" | "ticks" | "client"> = {
    cells: (coordinates, cells, owners, count) => {
      this.own.note(coordinates, cells, owners, count);
      if (this.own.pending > 0) this.parts.wire.soon();
    },
    arrived: (mac, _slot, zone) => this.arrived(mac, zone),
    overflow: () => this.reread().catch(() => {}),
    ticks: (fast, slow) => this.ticked(fast, slow),
    client: (dump) => this.restore(dump),
  };

  /** Reads slots and table as they stand. Rejects when the datapath goes away. */
  async start(): Promise<void> {
    this.parts.datapath.dumpClients();
    await this.reread();
    for (const context of this.contexts.all()) {
      context.announced = context.here || this.own.cellsOfSlot[context.slot]! > 0;
      const role = context.rights ? undefined : this.parts.localRole(context.mac);
      if (role !== undefined) this.setRights(context.mac, { role });
    }
  }

  arrived(mac: Mac, zone: number): void {
    this.roam.arrived(mac, zone);
    this.parts.wire.soon();
  }

  setRights(mac: Mac, grant: Grant): void {
    const context = this.contexts.getOrMake(mac, this.parts.nowMs());
    if (!context) {
      this.parts.log.warn("proxy", `no slot left for ${mac}: it is treated as an unknown client`);
      return;
    }
    if (grant.authority) this.serial++;
    // The file is the floor: what RADIUS or an operator said outranks it, here and elsewhere.
    else if (context.rights && context.rights.serial > 0) return;
    const before = context.rights;
    context.rights = this.rightsOf(grant, grant.authority ? this.serial : 0);
    this.contexts.write(context);
    const same = before !== undefined && JSON.stringify(before) === JSON.stringify(context.rights);
    if ((context.announced && !same) || grant.authority) this.announce(context);
  }

  revoke(mac: Mac): void {
    const context = this.contexts.getOrMake(mac, this.parts.nowMs());
    if (!context) return;
    this.serial++;
    const role = context.rights?.role ?? "";
    context.rights = { ...this.rightsOf({ role }, this.serial), revoked: true };
    this.contexts.write(context);
    this.announce(context);
  }

  refreshRoles(): void {
    for (const context of this.contexts.all()) {
      context.written = context.written === "" ? "" : "stale";
      this.contexts.write(context);
    }
  }

  /** RIGHTS of a neighbour's slot: the client is known before it comes. */
  heardRights(from: number, heard: { mac: Mac; n: number; here: boolean; zone: number; rights: Rights }): void {
    const context = this.contexts.getOrMake(heard.mac, this.parts.nowMs());
    if (!context) return;
    this.serial = Math.max(this.serial, heard.rights.serial);
    context.touchedMs = this.parts.nowMs();
    const changed = takeRights(context, heard.rights);
    this.roam.heardOf(context, from, heard.n, heard.here, heard.zone);
    if (heard.here && context.ap === from) context.holders.add(from);
    this.contexts.write(context);
    // A revocation that comes from elsewhere must also stop those who only hear us.
    if (changed && context.announced && heard.rights.serial > 0) this.announce(context);
  }

  /** Rights whose time is over: what this AP's own policy says counts again. */
  expireRights(nowMs: number): void {
    for (const context of this.contexts.all()) {
      if (!context.rights || context.rights.endsAtMs > nowMs) continue;
      context.rights = this.localRights(context.mac);
      this.contexts.write(context);
      if (context.announced) this.announce(context);
    }
  }

  /** Mirrors came, went or emptied: the `from` bits of all clients follow. */
  mirrorsChanged(): void {
    for (const context of this.contexts.all()) this.contexts.write(context);
  }

  status(): ClientStatus[] {
    return [...this.contexts.all()].map((context) => this.contexts.status(context));
  }

  private announce(context: Context): void {
    context.announced = true;
    this.parts.wire.announce(context.slot);
  }

  private localRights(mac: Mac): Rights | undefined {
    const role = this.parts.localRole(mac);
    return role === undefined ? undefined : this.rightsOf({ role }, 0);
  }

  private rightsOf(grant: Grant, serial: number): Rights {
    const endsAtMs =
      grant.leftSeconds === undefined ? Number.POSITIVE_INFINITY : this.parts.nowMs() + grant.leftSeconds * 1000;
    return {
      serial,
      rev: 0,
      origin: serial === 0 ? 0 : this.parts.id,
      revoked: false,
      role: grant.role,
      zone: grant.zone ?? 0,
      monitor: grant.monitor ?? false,
      openOut: grant.openOut,
      openIn: grant.openIn,
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

  private async reread(): Promise<void> {
    const reread = ++this.rereads;
    this.own.beginReread();
    this.parts.datapath.dump(0, 0);
    await this.parts.datapath.sync();
    // A later one began meanwhile: it sees to the end.
    if (reread !== this.rereads) return;
    this.own.endReread();
    this.parts.wire.soon();
  }

  private restore(dump: ClientDump): void {
    const view = new DataView(Uint8Array.from(dump.record).buffer);
    const { slot, presence, zone } = readRecord(MAP_RECORDS.client, view, 0, HOST_LITTLE_ENDIAN);
    const here = presence === CONSTANTS.PRESENCE_HERE;
    this.contexts.restore(macFromBytes(dump.mac), { slot, here, zone }, this.parts.nowMs());
  }
}
