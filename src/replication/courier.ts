import type { Mac } from "../base/mac.ts";
import type { Endpoint } from "../platform/platform.ts";
import type { Context } from "../proxy/contexts.ts";
import type { ProxyWire, StateProxy } from "../proxy/proxy.ts";
import { differs } from "../proxy/rights.ts";
import type { ClaimOf, Handed } from "../proxy/roam-api.ts";
import { TokenBucket } from "./bucket.ts";
import { FilterPull, filterParts } from "./filter-pull.ts";
import type { Greeter } from "./greeter.ts";
import { random64 } from "./greeter.ts";
import type { Guests } from "./guests.ts";
import { Locator } from "./locator.ts";
import type { MeshOptions, MeshParts } from "./mesh-api.ts";
import type { Neighbour } from "./neighbour.ts";
import { Orders } from "./orders.ts";
import { keptOf, OrphanSnapshot } from "./orphan-snapshot.ts";
import { type Outbox, TO_ALL } from "./outbox.ts";
import { adopted } from "./records/adopted.ts";
import { type Ask, ask, tableAsked } from "./records/ask.ts";
import { CLAIM_HOLDERS_MAX, claim } from "./records/claim.ts";
import { FILTER_PART_BYTES, type FilterPart, filter } from "./records/filter.ts";
import { handoverCapacity, handoverCodec } from "./records/handover.ts";
import type { Codec } from "./records/kinds.ts";
import { type Found, type Locate, locate } from "./records/locate.ts";
import { done, order } from "./records/order.ts";
import { Restore } from "./restore.ts";
import { rightsOfContext } from "./rights-map.ts";
import type { Asker, Sender } from "./sender.ts";

const HANDOVER_PARTS_MAX = 255;

export interface CourierParts {
  readonly mesh: MeshParts;
  readonly options: MeshOptions;
  readonly proxy: StateProxy;
  readonly greeter: Greeter;
  readonly sender: Sender;
  readonly outbox: Outbox;
  readonly guests: Guests;
  /** Something is due earlier than before. */
  soon(): void;
}

/** What is said about single clients: who serves them, what they expect and may do, and where they are. */
export class Courier implements Omit<ProxyWire, "soon" | "changed"> {
  readonly locator: Locator;
  readonly pull: FilterPull;
  readonly restore: Restore;
  readonly orders: Orders;
  private readonly handoverOf;
  private readonly xBits: number;
  private readonly orphans: OrphanSnapshot;
  private readonly answerBudget: TokenBucket;

  constructor(private readonly parts: CourierParts) {
    const { mesh, options, proxy, greeter, outbox } = parts;
    const { geometry } = mesh;
    this.xBits = Math.log2(geometry.buckets) + geometry.remainderBits;
    this.handoverOf = handoverCodec(this.xBits, geometry.timerBits);
    this.answerBudget = new TokenBucket(options.bytesPerSecond / 4, options.bytesPerSecond / 8);
    this.orphans = new OrphanSnapshot(geometry, outbox, this.answerBudget);
    this.locator = new Locator({
      id: mesh.id,
      random64: () => random64(mesh),
      whereIs: (mac, zone, asker) => proxy.roam.whereIs(mac, zone, asker),
      rightsOf: (slot, nowMs) => rightsOfContext(proxy.contexts.ofSlot(slot)!, 0, nowMs),
      endpointOf: (id) => (this.reaches(id) ? greeter.get(id)!.address : undefined),
      befriend: (id, endpoint, isAsker, nowMs) => this.befriend(id, endpoint, isAsker, nowMs),
      found: (client) => proxy.found(client),
      sighted: (client) => proxy.sighted(client),
      hinted: (mac, hint) => proxy.hinted(mac, { ...hint, isHearsay: mesh.identities !== undefined }),
      nobodyKnows: (mac) => mesh.nobodyKnows?.(mac),
      send: (value, to) => this.sendLocate(value, to),
    });
    this.pull = new FilterPull({
      holders: (digest) => this.holdersOf(digest),
      ask: (question, to) => this.sendAsk(question, to),
      came: (digest, content) => {
        proxy.rights.filterCame(digest, content);
        this.orders.resume();
      },
    });
    this.orders = this.makeOrders();
    this.restore = new Restore({
      geometry,
      proxy,
      ask: (question, to) => this.sendAsk(question, to),
      hears: (ap) => this.hears(ap),
      done: (cells) => {
        if (cells > 0) mesh.log.info("replication", "the table of before is restored", { expectations: cells });
      },
    });
  }

  nextAtMs(): number {
    return Math.min(this.locator.nextAtMs(), this.pull.nextAtMs(), this.restore.nextAtMs(), this.orders.nextAtMs());
  }

  tick(nowMs: number): void {
    this.locator.tick(nowMs);
    this.pull.tick(nowMs);
    this.restore.tick(nowMs);
    this.orders.tick(nowMs);
  }

  /** Undefined: too many clients are sought. */
  seek(mac: Mac): Promise<boolean | undefined> {
    return new Promise((told) => {
      if (!this.locator.seek(mac, this.parts.mesh.nowMs(), told)) told(undefined);
      this.parts.soon();
    });
  }

  private makeOrders(): Orders {
    const { mesh, proxy, soon } = this.parts;
    return new Orders({
      id: mesh.id,
      proxy,
      nowMs: () => mesh.nowMs(),
      random64: () => random64(mesh),
      reaches: (ap) => this.reaches(ap),
      seek: (mac, told) => this.locator.seek(mac, mesh.nowMs(), told),
      sync: () => mesh.datapath.sync(),
      letGo: async (mac) => (await mesh.letGo?.(mac)) ?? "nobody asked",
      sendOrder: (value, to) => this.sendTo(to, order, value),
      sendDone: (value, to) => this.sendTo(to, done, value),
      soon,
    });
  }

  /** It was not heard, or not believed, and is now. */
  reached(neighbour: Neighbour): void {
    this.parts.proxy.roam.reached(neighbour.id);
    this.restore.met(neighbour);
  }

  /**
   * A neighbour by radio or by the settings is heard that was not. Of guests it is no news: questions went their way before, and
   * in a mesh whose clients walk they come and go all the time.
   */
  nearAgain(nowMs: number): void {
    this.locator.reachedMore(nowMs);
  }

  /** Questions of a believed neighbour that concern single clients, or the table that it lost. */
  asked(from: Neighbour, question: Ask, nowMs: number): void {
    const table = tableAsked(question.what);
    if (table !== undefined) {
      this.orphans.answer(from, keptOf(from)[table], question, from.units.slots, nowMs);
    } else if (question.filter) {
      this.sendFilter(from, question.filter, question.window, nowMs);
    }
  }

  filterPart(part: FilterPart, nowMs: number): void {
    this.pull.take(part, nowMs);
  }

  // --- what the proxy asks

  announce(slot: number): void {
    this.parts.sender.announce(slot);
  }

  maskOf(ap: number): number {
    return this.parts.greeter.get(ap)?.mask ?? 0;
  }

  reaches(ap: number): boolean {
    const neighbour = this.parts.greeter.get(ap);
    return neighbour !== undefined && isThere(neighbour);
  }

  hears(ap: number): boolean {
    const neighbour = this.parts.greeter.get(ap);
    return neighbour?.believed === true && neighbour.state === "alive";
  }

  heardSince(ap: number, sinceMs: number): boolean {
    const neighbour = this.parts.greeter.get(ap);
    return neighbour?.believed === true && neighbour.helloMs >= sinceMs;
  }

  wanted(digest: bigint): void {
    this.pull.want(digest, this.parts.mesh.nowMs());
  }

  locate(mac: Mac, zone: number, bind: bigint): void {
    this.locator.search(mac, zone, bind, this.parts.mesh.nowMs());
  }

  hint(to: number, context: Context, holder: number, n: number): void {
    const nowMs = this.parts.mesh.nowMs();
    this.locator.hint(to, context.slot, { holder, n, claimAgeMs: nowMs - context.claimHeardMs }, nowMs);
  }

  claim(value: ClaimOf, to: number | undefined): void {
    const { greeter, sender, outbox, mesh } = this.parts;
    const nowMs = mesh.nowMs();
    const neighbour = to === undefined ? undefined : greeter.get(to);
    for (const id of value.holders) if (!this.reaches(id)) greeter.greet(id, nowMs);
    // Held changes and rights go out first: who hears the claim then knows the client.
    sender.publish(nowMs);
    outbox.add(claim, { ...value, holders: value.holders.slice(0, CLAIM_HOLDERS_MAX) });
    outbox.flush(neighbour?.id ?? TO_ALL, neighbour?.address);
    if (to === undefined) this.claimOfSilent(value);
  }

  /** Who has not been heard for a while may be out of earshot: what is said to all does not reach it. */
  private claimOfSilent(value: ClaimOf): void {
    const { greeter, outbox } = this.parts;
    for (const id of value.holders) {
      const holder = greeter.get(id);
      if (!holder?.believed || holder.state !== "suspect") continue;
      outbox.add(claim, { ...value, holders: value.holders.slice(0, CLAIM_HOLDERS_MAX) });
      outbox.flush(id, holder.address);
    }
  }

  adopted(mac: Mac, n: number, source: number): void {
    const { sender, outbox, mesh } = this.parts;
    this.noteRoam(source);
    // Who hears it asks the old AP no more: what was adopted must be known before.
    sender.publish(mesh.nowMs());
    outbox.add(adopted, { mac, n, source, ver: sender.ver });
    outbox.flush(TO_ALL, undefined);
  }

  handover(to: number, { mac, n, fastPhase, slowPhase, xHi, xLo, codes }: Handed): void {
    const { greeter, outbox, mesh } = this.parts;
    const neighbour = greeter.get(to);
    if (!neighbour) return;
    this.noteRoam(to);
    const each = handoverCapacity(outbox.room, this.xBits, mesh.geometry.timerBits);
    const parts = Math.min(HANDOVER_PARTS_MAX, Math.max(1, Math.ceil(codes.length / each)));
    for (let part = 0; part < parts; part++) {
      const [from, end] = [part * each, (part + 1) * each];
      outbox.add(this.handoverOf, {
        mac,
        n,
        part,
        parts,
        fastPhase,
        slowPhase,
        xHi: xHi.subarray(from, end),
        xLo: xLo.subarray(from, end),
        codes: codes.subarray(from, end),
      });
      outbox.flush(to, neighbour.address);
    }
  }

  publishers(mac: Mac, zone: number, bind: bigint): number[] {
    const isOf = ({ id, rights }: Neighbour) => {
      const slot = rights.slotOf(mac);
      const said = slot === undefined ? undefined : rights.get(slot);
      if (said && (said.zone !== zone || differs(said.bind, bind))) return false;
      return this.sources(id, mac).some(({ mirror, slot }) => mirror.cellsOfSlot[slot]! > 0);
    };
    return this.parts.greeter
      .list()
      .filter(isOf)
      .map(({ id }) => id);
  }

  sources(ap: number, mac: Mac) {
    const neighbour = this.parts.greeter.get(ap);
    if (!neighbour) return [];
    const found = [];
    const slot = neighbour.slotOf(mac);
    if (neighbour.mirror && slot !== undefined)
      found.push({ mirror: neighbour.mirror, slot, phases: neighbour.phases });
    for (const { mirror, rights, phases } of neighbour.orphans) {
      const orphanSlot = rights.slotOf(mac);
      if (orphanSlot !== undefined) found.push({ mirror, slot: orphanSlot, phases });
    }
    return found;
  }

  /** Clients go between that AP and us: it stays a neighbour for a while, whatever the link does. */
  private noteRoam(ap: number): void {
    const { greeter, guests, mesh } = this.parts;
    const neighbour = greeter.get(ap);
    if (!neighbour) return;
    neighbour.roams++;
    if (guests.has(ap)) guests.add(ap, neighbour.address, mesh.nowMs());
  }

  /** One that no datagram for all reaches, but clients do. It must be believed like any other before it counts. */
  private befriend(id: number, endpoint: Endpoint, isAsker: boolean, nowMs: number): void {
    if (this.reaches(id)) return;
    const { greeter, guests } = this.parts;
    if (!greeter.expect(id, endpoint, nowMs)) return;
    guests.add(id, endpoint, nowMs);
    if (!isAsker) greeter.greet(id, nowMs);
  }

  private sendLocate(value: Locate | Found, to: number | undefined): void {
    const { outbox, greeter } = this.parts;
    const neighbour = to === undefined ? undefined : greeter.get(to);
    if (to !== undefined && !neighbour) return;
    outbox.add(locate, value);
    outbox.flush(neighbour?.id ?? TO_ALL, neighbour?.address);
  }

  private sendAsk(question: Ask, to: number): void {
    this.sendTo(to, ask, question);
  }

  private sendTo<T>(to: number, codec: Codec<T>, value: T): void {
    const { outbox, greeter } = this.parts;
    const neighbour = greeter.get(to);
    if (!neighbour) return;
    outbox.add(codec, value);
    outbox.flush(to, neighbour.address);
  }

  private sendFilter(to: Asker, { digest, part }: NonNullable<Ask["filter"]>, window: number, nowMs: number): void {
    const { outbox, proxy } = this.parts;
    const content = proxy.filters.content(digest);
    if (!content) return;
    for (const value of filterParts(digest, content, part, window)) {
      if (!this.answerBudget.take(FILTER_PART_BYTES, nowMs)) return;
      outbox.add(filter, value);
      outbox.flush(to.id, to.address);
    }
  }

  private holdersOf(digest: bigint): number[] {
    const { greeter } = this.parts;
    const holders = greeter.list().filter(({ id, rights }) => this.reaches(id) && rights.names(digest));
    return [...holders.map(({ id }) => id), ...this.orders.namersOf(digest)];
  }
}

function isThere({ believed, state }: Neighbour): boolean {
  return believed && state !== "dead";
}
