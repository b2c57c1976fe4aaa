import type { Mac } from "../base/mac.ts";
import type { Endpoint } from "../platform/platform.ts";
import { type ProxyWire, StateProxy } from "../proxy/proxy.ts";
import type { Handed } from "../proxy/roam.ts";
import { Greeter, random64 } from "./greeter.ts";
import { Healer } from "./healer.ts";
import { Inbox } from "./inbox.ts";
import type { MeshOptions, MeshParts } from "./mesh-api.ts";
import { MODES } from "./modes.ts";
import type { Neighbour } from "./neighbour.ts";
import { Outbox, PREFIX_BYTES, TO_ALL } from "./outbox.ts";
import { adopted } from "./records/adopted.ts";
import { bye } from "./records/bye.ts";
import { CLAIM_HOLDERS_MAX, claim } from "./records/claim.ts";
import { handoverCapacity, handoverCodec } from "./records/handover.ts";
import { clearSeal, type Header, type Seal } from "./seal.ts";
import { Sender } from "./sender.ts";
import { newCounters } from "./status.ts";

const HANDOVER_PARTS_MAX = 255;

/** One AP's side of the protocol: wires its parts, sorts what comes, and drives what is due. */
export class Replicator {
  readonly counters = newCounters();
  readonly proxy: StateProxy;
  readonly sender: Sender;
  private readonly outbox: Outbox;
  private readonly inbox: Inbox;
  private readonly greeter: Greeter;
  private readonly healer: Healer;
  private readonly identity: bigint;
  private readonly handover;
  private readonly xBits: number;
  private running = false;
  onSooner: () => void = () => {};

  constructor(
    private readonly parts: MeshParts,
    options: MeshOptions,
    private readonly seal: Seal = clearSeal,
  ) {
    const { id, geometry, datapath, log } = parts;
    this.identity = random64(parts);
    const { counters } = this;
    this.proxy = new StateProxy({
      id,
      geometry,
      datapath,
      log,
      handoverLifetimeS: options.handoverLifetimeS,
      wire: this.wire(),
      nowMs: () => parts.nowMs(),
      resolveRole: (role) => parts.resolveRole(role),
      localRole: (mac) => parts.localRole(mac),
    });
    const { ticks, published, own, contexts } = this.proxy;
    this.outbox = new Outbox({
      id,
      identity: this.identity,
      seal,
      ticks,
      datagramBytes: options.datagramBytes,
      counters,
      send: (bytes, to) => parts.send(bytes, to),
    });
    this.sender = new Sender({
      geometry,
      published,
      own,
      ticks,
      outbox: this.outbox,
      counters,
      flushMs: options.flushMs,
      bytesPerSecond: options.bytesPerSecond,
      mode: MODES[options.mode],
      resendMs: options.resendMs,
      audience: () => this.greeter.heardBySomebody,
      contextOf: (slot) => contexts.ofSlot(slot),
    });
    this.greeter = new Greeter({
      mesh: parts,
      proxy: this.proxy,
      sender: this.sender,
      outbox: this.outbox,
      counters,
      options,
    });
    this.healer = new Healer({ geometry, outbox: this.outbox, counters });
    this.inbox = new Inbox({
      id,
      geometry,
      proxy: this.proxy,
      sender: this.sender,
      outbox: this.outbox,
      counters,
      log,
      neighbour: (of) => this.greeter.get(of),
      helloHeard: (from, heard, nowMs) => this.greeter.ofBelieved(from, heard, nowMs),
    });
    this.xBits = Math.log2(geometry.buckets) + geometry.remainderBits;
    this.handover = handoverCodec(this.xBits, geometry.timerBits);
  }

  /** Begins to speak: the proxy has read the table. */
  start(nowMs: number): void {
    this.outbox.beginEpoch(this.parts.random(16));
    for (const context of this.proxy.contexts.all()) if (context.announced) this.sender.announce(context.slot);
    this.sender.prime(nowMs);
    this.greeter.start(nowMs);
    this.running = true;
  }

  stop(nowMs: number): void {
    this.sender.publish(nowMs);
    this.outbox.add(bye, { tableId: this.parts.datapath.hello.table_id });
    this.outbox.flush(TO_ALL, undefined);
    this.running = false;
  }

  list(): Neighbour[] {
    return this.greeter.list();
  }

  nextAtMs(): number {
    if (!this.running) return Number.POSITIVE_INFINITY;
    let next = Math.min(this.greeter.nextAtMs(), this.sender.nextAtMs(), this.proxy.roam.nextAtMs());
    const nowMs = this.parts.nowMs();
    for (const neighbour of this.greeter.list()) next = Math.min(next, this.healer.nextAtMs(neighbour, nowMs));
    return next;
  }

  tick(nowMs: number): void {
    if (!this.running) return;
    if (this.sender.epochEnds) this.renewEpoch();
    this.proxy.roam.tick(nowMs);
    this.sender.tick(nowMs);
    for (const neighbour of this.greeter.list()) this.healer.heal(neighbour, nowMs);
    if (nowMs < this.greeter.nextAtMs()) return;
    this.greeter.age(nowMs);
    this.proxy.expireRights(nowMs);
    this.greeter.sayHello(nowMs);
  }

  receive(bytes: Uint8Array, from: Endpoint, nowMs: number): void {
    if (!this.running) return;
    const opened = this.seal.open(bytes);
    if (typeof opened === "string") {
      this.drop(opened);
      return;
    }
    const { header, body } = opened;
    if (body.length < PREFIX_BYTES) this.drop("short");
    else if (header.sender === this.parts.id) this.ownEcho(header);
    else if (!this.isForUs(body)) this.drop("not for us");
    else this.sort(header, body, from, nowMs);
  }

  private sort(header: Header, body: Uint8Array, from: Endpoint, nowMs: number): void {
    const neighbour = this.greeter.get(header.sender);
    if (neighbour?.believed && header.epochTag === neighbour.epochTag) {
      if (!neighbour.window!.accept(header.pn)) {
        this.drop("seen before");
        return;
      }
      this.counters.datagramsTaken++;
      neighbour.address = from;
      const ticks = this.believableTicks(neighbour, body, nowMs);
      this.inbox.take(neighbour, body, PREFIX_BYTES, ticks, nowMs);
      this.onSooner();
    } else if (header.hello) {
      this.greeter.ofStranger(header, header.hello, body, from, nowMs);
      this.onSooner();
    } else {
      this.drop("not believed");
    }
  }

  private believableTicks(neighbour: Neighbour, body: Uint8Array, nowMs: number): { fast: number; slow: number } {
    const ticks = neighbour.ticksOf(body[2]!, body[3]!);
    if (neighbour.guard.clamp(ticks, nowMs)) this.counters.ticksClamped++;
    const before = neighbour.mirror?.ticks.fast;
    neighbour.setTicks(ticks.fast, ticks.slow);
    if (before !== neighbour.mirror?.ticks.fast) this.proxy.roam.forgetEmptyHolders();
    return ticks;
  }

  private isForUs(body: Uint8Array): boolean {
    const dst = (body[0]! << 8) | body[1]!;
    return dst === TO_ALL || dst === this.parts.id;
  }

  /** Our own multicast comes back to us; another's under our number does not. */
  private ownEcho({ hello: greeting }: Header): void {
    if (!greeting || greeting.identity === this.identity) return;
    if (this.counters.duplicateIds++ === 0) {
      this.parts.log.error("replication", `another AP uses id ${this.parts.id}: give each its own`);
    }
  }

  private drop(reason: string): void {
    this.counters.datagramsDropped[reason] = (this.counters.datagramsDropped[reason] ?? 0) + 1;
  }

  // --- what is said

  /** Numbers would wrap: all that is published becomes the first change set of a new epoch on the same table. */
  private renewEpoch(): void {
    this.outbox.beginEpoch(this.parts.random(16));
    this.sender.beginEpoch();
    this.greeter.speakNow();
  }

  private wire(): ProxyWire {
    return {
      soon: () => this.onSooner(),
      announce: (slot) => this.sender.announce(slot),
      maskOf: (ap) => this.greeter.get(ap)?.mask ?? 0,
      sources: (ap, mac) => this.sources(ap, mac),
      claim: (value, to) => {
        if (!this.running) return;
        const neighbour = to === undefined ? undefined : this.greeter.get(to);
        // Held changes and rights go out first: who hears the claim then knows the client.
        this.sender.publish(this.parts.nowMs());
        this.outbox.add(claim, { ...value, holders: value.holders.slice(0, CLAIM_HOLDERS_MAX) });
        this.outbox.flush(neighbour?.id ?? TO_ALL, neighbour?.address);
      },
      handover: (to, of) => this.sendHandover(to, of),
      adopted: (mac, n, source) => {
        if (!this.running) return;
        this.outbox.add(adopted, { mac, n, source });
        this.outbox.flush(TO_ALL, undefined);
      },
    };
  }

  private sources(ap: number, mac: Mac) {
    const neighbour = this.greeter.get(ap);
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

  private sendHandover(to: number, { mac, n, fastPhase, slowPhase, xHi, xLo, codes }: Handed): void {
    const neighbour = this.greeter.get(to);
    if (!neighbour || !this.running) return;
    neighbour.roams++;
    const each = handoverCapacity(this.outbox.room, this.xBits, this.parts.geometry.timerBits);
    const parts = Math.min(HANDOVER_PARTS_MAX, Math.max(1, Math.ceil(codes.length / each)));
    for (let part = 0; part < parts; part++) {
      const [from, end] = [part * each, (part + 1) * each];
      this.outbox.add(this.handover, {
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
      this.outbox.flush(to, neighbour.address);
    }
  }
}
