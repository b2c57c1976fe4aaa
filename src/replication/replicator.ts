import type { Endpoint } from "../platform/platform.ts";
import { type ProxyWire, StateProxy } from "../proxy/proxy.ts";
import { Courier } from "./courier.ts";
import { Farewell } from "./farewell.ts";
import { Gate } from "./gate.ts";
import { Greeter, random64 } from "./greeter.ts";
import { Guests } from "./guests.ts";
import { Healer } from "./healer.ts";
import { Inbox } from "./inbox.ts";
import { Keyring, type MeshKey } from "./keyring.ts";
import type { Member, Members } from "./members.ts";
import type { MeshOptions, MeshParts } from "./mesh-api.ts";
import { MODES } from "./modes.ts";
import type { Neighbour } from "./neighbour.ts";
import { Outbox, PREFIX_BYTES, TO_ALL } from "./outbox.ts";
import { type Path, Reach } from "./paths.ts";
import { bye } from "./records/bye.ts";
import { SEEN } from "./records/hello.ts";
import { Rotation } from "./rotation.ts";
import type { Seal } from "./seal.ts";
import { Sealed } from "./sealed.ts";
import { Sender } from "./sender.ts";
import { newCounters } from "./status.ts";

const EPOCH_MS = 24 * 3_600_000;
/** A hello under the newer key tells so long that its sender is there. */
const NEWER_HEARD_MS = 5_000;

/** One AP's side of the protocol: wires its parts, sorts what comes, and drives what is due. */
export class Replicator {
  readonly counters = newCounters();
  readonly proxy: StateProxy;
  readonly sender: Sender;
  readonly rotation: Rotation;
  private readonly outbox: Outbox;
  private readonly inbox: Inbox;
  readonly gate: Gate;
  private readonly greeter: Greeter;
  private readonly healer: Healer;
  private readonly reach: Reach;
  private readonly guests = new Guests();
  readonly courier: Courier;
  private readonly members: Members | undefined;
  private farewell: Farewell | undefined;
  private epochBeganMs = 0;
  private running = false;
  onSooner: (atMs?: number) => void = () => {};

  constructor(
    private readonly parts: MeshParts,
    options: MeshOptions,
    /** Another one only in simulations. */
    sealOf?: (keys: Keyring) => Seal,
  ) {
    const { id, geometry, datapath, log } = parts;
    const identity = random64(parts);
    const keys = new Keyring(parts.crypto, parts.keys);
    this.members = parts.identities?.members;
    const seal = sealOf?.(keys) ?? this.sealUnder(keys);
    this.rotation = new Rotation(keys, log, parts.nowMs());
    const { counters } = this;
    this.proxy = new StateProxy({
      id,
      geometry,
      datapath,
      log,
      handoverLifetimeS: options.handoverLifetimeS,
      holdMs: options.holdMs,
      rightsStaleMs: options.rightsStaleMs,
      wire: this.wire(),
      nowMs: () => parts.nowMs(),
      resolveRole: (role) => parts.resolveRole(role),
      localRole: (mac) => parts.localRole(mac),
      exports: (zone) => parts.exports?.(zone) ?? true,
      generation: () => parts.generation?.() ?? 0,
      superseded: (mac, revoked) => parts.superseded?.(mac, revoked),
      ...(parts.flagsOf && { flagsOf: (mac, role, flags) => parts.flagsOf!(mac, role, flags) }),
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
      identity,
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
    this.gate = new Gate({ id, identity, seal, counters, neighbour: (of) => this.greeter.get(of) });
    this.greeter = new Greeter({
      mesh: parts,
      proxy: this.proxy,
      sender: this.sender,
      outbox: this.outbox,
      counters,
      options,
      isMember: (of) => seal.isMember(of),
      believed: (neighbour) => this.courier.reached(neighbour),
      heardAgain: (neighbour) => this.courier.reached(neighbour),
      everybodyThere: () => this.reach.isComplete,
      rotation: this.rotation,
      strangers: this.gate.strangers,
    });
    this.healer = new Healer({ geometry, outbox: this.outbox, counters });
    const { proxy, greeter, sender, outbox, guests } = this;
    const soon = () => this.onSooner();
    this.courier = new Courier({ mesh: parts, options, proxy, greeter, sender, outbox, guests, soon });
    this.inbox = new Inbox({
      id,
      geometry,
      proxy: this.proxy,
      sender: this.sender,
      outbox: this.outbox,
      courier: this.courier,
      counters,
      log,
      limitsClaims: parts.identities !== undefined,
      neighbour: (of) => this.greeter.get(of),
      helloHeard: (from, heard, nowMs) => this.greeter.ofBelieved(from, heard, nowMs),
      pulseHeard: (from, heard, ticks, nowMs) => this.greeter.ofPulse(from, heard, ticks, nowMs),
    });
  }

  /** Begins to speak: the proxy has read the table. */
  start(nowMs: number): void {
    this.beginEpoch(nowMs);
    for (const context of this.proxy.contexts.all()) if (context.announced) this.sender.announce(context.slot);
    this.sender.prime(nowMs);
    this.greeter.hellos.start(nowMs);
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

  list(): readonly Neighbour[] {
    return this.greeter.list();
  }

  nextAtMs(): number {
    if (!this.running) return Number.POSITIVE_INFINITY;
    const { greeter, sender, proxy, courier } = this;
    let next = Math.min(greeter.hellos.nextAtMs(), sender.nextAtMs(), proxy.roam.nextAtMs(), courier.nextAtMs());
    if (this.farewell) next = Math.min(next, this.farewell.nextAtMs());
    const nowMs = this.parts.nowMs();
    for (const neighbour of greeter.list())
      next = Math.min(next, neighbour.leavesAtMs, this.healer.nextAtMs(neighbour, nowMs));
    return next;
  }

  tick(nowMs: number): void {
    if (!this.running) return;
    this.renewEpochWhenDue(nowMs);
    this.proxy.roam.tick(nowMs);
    this.courier.tick(nowMs);
    this.publish(nowMs);
    if (this.farewell?.tick(nowMs)) this.farewell = undefined;
    for (const neighbour of this.greeter.list()) {
      if (neighbour.leavesAtMs <= nowMs) this.bury(neighbour, nowMs);
      this.healer.heal(neighbour, nowMs);
    }
    if (nowMs < this.greeter.hellos.nextAtMs()) return;
    this.age(nowMs);
    this.greeter.hellos.say(nowMs);
  }

  private age(nowMs: number): void {
    this.greeter.age(nowMs);
    this.proxy.age(nowMs);
  }

  /** What is published now takes along what would have to be said soon. */
  private publish(nowMs: number): void {
    const isRidden = this.sender.publishes(nowMs) && this.greeter.hellos.rides(nowMs);
    this.sender.tick(nowMs);
    if (!isRidden) return;
    // In the end nothing differed.
    if (!this.outbox.empty) this.outbox.flush(TO_ALL, undefined);
    this.age(nowMs);
  }

  receive(bytes: Uint8Array, from: Endpoint, nowMs: number, path: Path = "group"): void {
    const admitted = this.running ? this.gate.admit(bytes, from, nowMs) : undefined;
    if (!admitted) return;
    const { neighbour, stranger, header, body } = admitted;
    if (neighbour) {
      this.counters.datagramsTaken++;
      // A recording that was not heard before is authentic, but where it came from is no place to answer to.
      if (header.pn === neighbour.window!.newest) neighbour.address = from;
      const isNews = neighbour.paths.heard(path, nowMs);
      if (isNews && (path === "group" || this.isListed(neighbour))) this.courier.nearAgain(nowMs);
      const ticks = this.believableTicks(neighbour, body, nowMs);
      this.inbox.take(neighbour, body, PREFIX_BYTES, ticks, nowMs);
    } else {
      this.greeter.ofStranger(stranger, header, body, from, nowMs);
    }
    this.onSooner();
  }

  setKeys(keys: readonly MeshKey[], nowMs: number): void {
    if (!this.rotation.offer(keys, nowMs)) return;
    this.gate.strangers.forget(() => true);
    this.greeter.hellos.speakNow();
    this.onSooner();
  }

  /** Who left is forgotten, and knows no key of the epoch that begins; who stays goes on as before. */
  setMembers(members: readonly Member[], nowMs: number): void {
    const gone = this.members?.replace(members) ?? [];
    this.gate.strangers.forget(({ sender }) => gone.includes(sender));
    for (const id of gone) this.greeter.expel(id);
    if (gone.length > 0 && this.running) {
      this.beginEpoch(nowMs);
      this.sender.beginEpoch();
    }
    this.greeter.hellos.speakNow();
    this.onSooner();
  }

  switchKey(): void {
    this.rotation.force();
    this.greeter.hellos.speakNow();
    this.onSooner();
  }

  private sealUnder(keys: Keyring): Seal {
    const { id, identities } = this.parts;
    if (!identities) return new Sealed(keys);
    const { members } = identities;
    return identities.seal({ id, keys, members, audience: () => this.greeter.believed() });
  }

  /** A roam made no guest of it: it is a neighbour by the settings. */
  private isListed({ address: { address, port } }: Neighbour): boolean {
    return this.parts.link?.peers.some((peer) => peer.address === address && peer.port === port) ?? false;
  }

  private believableTicks(neighbour: Neighbour, body: Uint8Array, nowMs: number): { fast: number; slow: number } {
    const ticks = neighbour.ticksOf(body[2]!, body[3]!);
    if (neighbour.guard.clamp(ticks, nowMs)) this.counters.ticksClamped++;
    const before = neighbour.mirror?.ticks.fast;
    neighbour.setTicks(ticks.fast, ticks.slow);
    if (before !== neighbour.mirror?.ticks.fast) this.proxy.roam.forgetEmptyHolders();
    return ticks;
  }

  // --- what is said

  /** It stops, and all that it published is known, or never will be. */
  private bury(neighbour: Neighbour, nowMs: number): void {
    neighbour.state = "dead";
    neighbour.owesAnswer = false;
    this.greeter.hellos.acknowledge(neighbour, nowMs);
  }

  /** A key serves one epoch, and no longer than a day. All that is published is the first change set of the next. */
  private renewEpochWhenDue(nowMs: number): void {
    const heardNewer = this.gate.strangers.heardUnder(this.rotation.newest, nowMs - NEWER_HEARD_MS);
    const isSwitched = this.rotation.tick(this.greeter.list(), heardNewer, nowMs);
    const isOld = nowMs - this.epochBeganMs > EPOCH_MS;
    if (!isSwitched && !isOld && !this.sender.epochEnds && !this.outbox.epochEnds) return;
    this.beginEpoch(nowMs);
    this.sender.beginEpoch();
    this.greeter.hellos.speakNow();
  }

  private beginEpoch(nowMs: number): void {
    this.outbox.beginEpoch(this.parts.random(16), this.rotation.slot);
    this.epochBeganMs = nowMs;
  }

  /** The proxy is made first: what it asks of the wire is answered by who comes later, and by nobody before we speak. */
  private wire(): ProxyWire {
    return {
      soon: () => this.onSooner(),
      changed: () => this.onSooner(this.sender.nextAtMs()),
      announce: (slot) => this.courier.announce(slot),
      maskOf: (ap) => this.courier.maskOf(ap),
      reaches: (ap) => this.courier.reaches(ap),
      hears: (ap) => this.courier.hears(ap),
      publishers: (mac, zone, bind) => (this.running ? this.courier.publishers(mac, zone, bind) : []),
      sources: (ap, mac) => this.courier.sources(ap, mac),
      heardSince: (ap, sinceMs) => this.courier.heardSince(ap, sinceMs),
      wanted: (digest) => this.courier.wanted(digest),
      locate: (mac, zone, bind) => this.running && this.courier.locate(mac, zone, bind),
      hint: (to, context, holder, n) => this.running && this.courier.hint(to, context, holder, n),
      claim: (value, to) => this.running && this.courier.claim(value, to),
      handover: (to, of) => this.running && this.courier.handover(to, of),
      adopted: (mac, n, source) => this.running && this.courier.adopted(mac, n, source),
    };
  }
}
