import type { Endpoint } from "../platform/platform.ts";
import { type ProxyWire, StateProxy } from "../proxy/proxy.ts";
import { Courier } from "./courier.ts";
import { Farewell } from "./farewell.ts";
import { Greeter, random64 } from "./greeter.ts";
import { Guests } from "./guests.ts";
import { Healer } from "./healer.ts";
import { Inbox } from "./inbox.ts";
import type { MeshOptions, MeshParts } from "./mesh-api.ts";
import { MODES } from "./modes.ts";
import type { Neighbour } from "./neighbour.ts";
import { Outbox, PREFIX_BYTES, TO_ALL } from "./outbox.ts";
import { type Path, Reach } from "./paths.ts";
import { bye } from "./records/bye.ts";
import { SEEN } from "./records/hello.ts";
import { clearSeal, type Header, type Seal } from "./seal.ts";
import { Sender } from "./sender.ts";
import { newCounters } from "./status.ts";

/** One AP's side of the protocol: wires its parts, sorts what comes, and drives what is due. */
export class Replicator {
  readonly counters = newCounters();
  readonly proxy: StateProxy;
  readonly sender: Sender;
  private readonly outbox: Outbox;
  private readonly inbox: Inbox;
  private readonly greeter: Greeter;
  private readonly healer: Healer;
  private readonly reach: Reach;
  private readonly guests = new Guests();
  readonly courier: Courier;
  private farewell: Farewell | undefined;
  private readonly identity: bigint;
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
      holdMs: options.holdMs,
      wire: this.wire(),
      nowMs: () => parts.nowMs(),
      resolveRole: (role) => parts.resolveRole(role),
      localRole: (mac) => parts.localRole(mac),
      exports: (zone) => parts.exports?.(zone) ?? true,
    });
    const { ticks, published, own, contexts } = this.proxy;
    const link = parts.link ?? { group: true, peers: [] };
    this.reach = new Reach({
      group: link.group,
      listed: () => [...link.peers, ...this.guests.endpoints(parts.nowMs())],
      neighbours: () => this.greeter.list(),
      send: (bytes, to) => parts.send(bytes, to),
    });
    this.outbox = new Outbox({
      id,
      identity: this.identity,
      seal,
      ticks,
      datagramBytes: options.datagramBytes,
      counters,
      send: (bytes, to) => parts.send(bytes, to),
      sendToAll: (bytes, isHello) => this.reach.toAll(bytes, isHello),
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
      believed: (neighbour) => this.courier.met(neighbour),
    });
    this.healer = new Healer({ geometry, outbox: this.outbox, counters });
    const { proxy, greeter, sender, outbox, guests } = this;
    this.courier = new Courier({ mesh: parts, options, proxy, greeter, sender, outbox, guests });
    this.inbox = new Inbox({
      id,
      geometry,
      proxy: this.proxy,
      sender: this.sender,
      outbox: this.outbox,
      courier: this.courier,
      counters,
      log,
      neighbour: (of) => this.greeter.get(of),
      helloHeard: (from, heard, nowMs) => this.greeter.ofBelieved(from, heard, nowMs),
    });
  }

  /** Begins to speak: the proxy has read the table. */
  start(nowMs: number): void {
    this.outbox.beginEpoch(this.parts.random(16));
    for (const context of this.proxy.contexts.all()) if (context.announced) this.sender.announce(context.slot);
    this.sender.prime(nowMs);
    this.greeter.start(nowMs);
    this.courier.restore.start(nowMs);
    this.running = true;
  }

  /**
   * Publishes what waits, then says goodbye. Resolves when a neighbour knows everything, or when nobody can be waited
   * for: until then it must be driven on as before.
   */
  async stop(nowMs: number): Promise<void> {
    if (!this.running) return;
    this.sender.publish(nowMs);
    const { ver } = this.sender;
    const leave = () => {
      this.outbox.add(bye, { tableId: this.parts.datapath.hello.table_id, ver });
      this.outbox.flush(TO_ALL, undefined);
    };
    const knows = ({ helloMs, saidOfUs, ackVer }: Neighbour) =>
      helloMs >= nowMs && saidOfUs === SEEN.dead && ackVer >= ver;
    this.farewell = new Farewell(nowMs, leave, () => !this.greeter.heardBySomebody || this.greeter.list().some(knows));
    const end = this.farewell.end();
    if (!this.greeter.heardBySomebody) leave();
    this.tick(nowMs);
    this.onSooner();
    await end;
    this.running = false;
  }

  list(): Neighbour[] {
    return this.greeter.list();
  }

  nextAtMs(): number {
    if (!this.running) return Number.POSITIVE_INFINITY;
    const { greeter, sender, proxy, courier } = this;
    let next = Math.min(greeter.nextAtMs(), sender.nextAtMs(), proxy.roam.nextAtMs(), courier.nextAtMs());
    if (this.farewell) next = Math.min(next, this.farewell.nextAtMs());
    const nowMs = this.parts.nowMs();
    for (const neighbour of greeter.list())
      next = Math.min(next, neighbour.leavesAtMs, this.healer.nextAtMs(neighbour, nowMs));
    return next;
  }

  tick(nowMs: number): void {
    if (!this.running) return;
    if (this.sender.epochEnds) this.renewEpoch();
    this.proxy.roam.tick(nowMs);
    this.courier.tick(nowMs);
    this.sender.tick(nowMs);
    if (this.farewell?.tick(nowMs)) this.farewell = undefined;
    for (const neighbour of this.greeter.list()) {
      if (neighbour.leavesAtMs <= nowMs) this.bury(neighbour, nowMs);
      this.healer.heal(neighbour, nowMs);
    }
    if (nowMs < this.greeter.nextAtMs()) return;
    this.greeter.age(nowMs);
    this.proxy.age(nowMs);
    this.greeter.sayHello(nowMs);
  }

  receive(bytes: Uint8Array, from: Endpoint, nowMs: number, path: Path = "group"): void {
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
    else this.sort(header, body, from, nowMs, path);
  }

  private sort(header: Header, body: Uint8Array, from: Endpoint, nowMs: number, path: Path): void {
    const neighbour = this.greeter.get(header.sender);
    if (neighbour?.believed && header.epochTag === neighbour.epochTag) {
      if (!neighbour.window!.accept(header.pn)) {
        this.drop("seen before");
        return;
      }
      this.counters.datagramsTaken++;
      // A recording that was not heard before is authentic, but where it came from is no place to answer to.
      if (header.pn === neighbour.window!.newest) neighbour.address = from;
      neighbour.paths.heard(path, nowMs);
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

  /** It stops, and all that it published is known, or never will be. */
  private bury(neighbour: Neighbour, nowMs: number): void {
    neighbour.state = "dead";
    neighbour.owesAnswer = false;
    this.greeter.acknowledge(neighbour, nowMs);
  }

  /** Numbers would wrap: all that is published becomes the first change set of a new epoch on the same table. */
  private renewEpoch(): void {
    this.outbox.beginEpoch(this.parts.random(16));
    this.sender.beginEpoch();
    this.greeter.speakNow();
  }

  /** The proxy is made first: what it asks of the wire is answered by who comes later, and by nobody before we speak. */
  private wire(): ProxyWire {
    return {
      soon: () => this.onSooner(),
      announce: (slot) => this.courier.announce(slot),
      maskOf: (ap) => this.courier.maskOf(ap),
      reaches: (ap) => this.courier.reaches(ap),
      sources: (ap, mac) => this.courier.sources(ap, mac),
      vouched: (mac, rights) => this.courier.vouched(mac, rights),
      wanted: (digest) => this.courier.wanted(digest),
      locate: (mac, zone, bind) => this.running && this.courier.locate(mac, zone, bind),
      claim: (value, to) => this.running && this.courier.claim(value, to),
      handover: (to, of) => this.running && this.courier.handover(to, of),
      adopted: (mac, n, source) => this.running && this.courier.adopted(mac, n, source),
    };
  }
}
