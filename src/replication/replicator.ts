import { BitReader } from "../base/bits.ts";
import type { Mac } from "../base/mac.ts";
import type { Endpoint } from "../platform/platform.ts";
import { type ProxyWire, StateProxy } from "../proxy/proxy.ts";
import type { Handed } from "../proxy/roam.ts";
import { compatHash } from "./compat.ts";
import { eachRecord, Inbox } from "./inbox.ts";
import type { MeshOptions, MeshParts } from "./mesh-api.ts";
import { MirrorSlots } from "./mirror-slots.ts";
import { DEAD_AFTER_MS, HELLO_EVERY_MS, Neighbour, SUSPECT_AFTER_MS, TickGuard } from "./neighbour.ts";
import { Outbox, PREFIX_BYTES, TO_ALL } from "./outbox.ts";
import { adopted } from "./records/adopted.ts";
import { ASK, ask } from "./records/ask.ts";
import { bye } from "./records/bye.ts";
import { CLAIM_HOLDERS_MAX, claim } from "./records/claim.ts";
import { handoverCapacity, handoverCodec } from "./records/handover.ts";
import { HELLO_NAME_BYTES_MAX, type Hello, type HelloEntry, hello, SEEN } from "./records/hello.ts";
import { KIND } from "./records/kinds.ts";
import { NACK_RANGES_MAX, nack } from "./records/nack.ts";
import { clearSeal, type Header, type Seal } from "./seal.ts";
import { REPAIR_VERS_MAX, Sender } from "./sender.ts";
import { newCounters } from "./status.ts";
import { Units } from "./units.ts";
import { ReplayWindow } from "./window.ts";

const HELLO_WHILE_NEW_MS = 250;
/** A newcomer that is not believed after this long is no newcomer. */
const NEW_FOR_MS = 5_000;
const HANDOVER_PARTS_MAX = 255;

/** One AP's side of the protocol: who is there, what they know, and what is sent when. */
export class Replicator {
  readonly counters = newCounters();
  readonly proxy: StateProxy;
  readonly sender: Sender;
  private readonly outbox: Outbox;
  private readonly inbox: Inbox;
  private readonly seal: Seal;
  /** by id */
  private readonly neighbours = new Map<number, Neighbour>();
  private readonly mirrors: MirrorSlots;
  private readonly identity: bigint;
  private readonly challenge: bigint;
  private readonly compat: bigint;
  private readonly handover;
  private readonly xBits: number;
  private helloDueMs: number;
  private startedMs: number;
  private running = false;
  onSooner: () => void = () => {};

  constructor(
    private readonly parts: MeshParts,
    private readonly options: MeshOptions,
    seal: Seal = clearSeal,
  ) {
    const { id, geometry, datapath, log } = parts;
    this.seal = seal;
    this.identity = this.random64();
    this.challenge = this.random64();
    this.compat = compatHash(geometry, parts.seedId);
    this.mirrors = new MirrorSlots(geometry, datapath, () => this.proxy.mirrorsChanged());
    this.startedMs = parts.nowMs();
    this.helloDueMs = this.startedMs;
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
    const send = (bytes: Uint8Array, to: Endpoint | undefined) => parts.send(bytes, to);
    this.outbox = new Outbox({
      id,
      identity: this.identity,
      seal,
      ticks,
      datagramBytes: options.datagramBytes,
      counters,
      send,
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
      audience: () => this.heardBySomebody(),
      contextOf: (slot) => contexts.ofSlot(slot),
    });
    this.inbox = new Inbox({
      id,
      geometry,
      proxy: this.proxy,
      sender: this.sender,
      outbox: this.outbox,
      counters,
      log,
      neighbour: (of) => this.neighbours.get(of),
      helloHeard: (from, heard, nowMs) => this.helloOfBelieved(from, heard, nowMs),
    });
    this.xBits = Math.log2(geometry.buckets) + geometry.remainderBits;
    this.handover = handoverCodec(this.xBits, geometry.timerBits);
  }

  /** Begins to speak: the proxy has read the table. */
  start(nowMs: number): void {
    this.outbox.beginEpoch(this.parts.random(16));
    for (const context of this.proxy.contexts.all()) if (context.announced) this.sender.announce(context.slot);
    this.sender.prime(nowMs);
    this.startedMs = nowMs;
    this.helloDueMs = nowMs;
    this.running = true;
  }

  stop(nowMs: number): void {
    this.sender.publish(nowMs);
    this.outbox.add(bye, { tableId: this.parts.datapath.hello.table_id });
    this.outbox.flush(TO_ALL, undefined);
    this.running = false;
  }

  list(): Neighbour[] {
    return [...this.neighbours.values()];
  }

  nextAtMs(): number {
    if (!this.running) return Number.POSITIVE_INFINITY;
    let next = Math.min(this.helloDueMs, this.sender.nextAtMs(), this.proxy.roam.nextAtMs());
    for (const neighbour of this.neighbours.values()) {
      if (!neighbour.believed || neighbour.state === "dead") continue;
      next = Math.min(next, neighbour.sync ? neighbour.sync.nextAtMs() : neighbour.gaps.nextAtMs());
    }
    return next;
  }

  tick(nowMs: number): void {
    if (!this.running) return;
    if (this.sender.epochEnds) this.renewEpoch();
    this.proxy.roam.tick(nowMs);
    this.sender.tick(nowMs);
    for (const neighbour of this.neighbours.values()) this.driveNeighbour(neighbour, nowMs);
    if (nowMs < this.helloDueMs) return;
    this.age(nowMs);
    this.proxy.expireRights(nowMs);
    this.sayHello(nowMs);
    this.helloDueMs = nowMs + (this.anybodyNew(nowMs) ? HELLO_WHILE_NEW_MS : HELLO_EVERY_MS);
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
    const neighbour = this.neighbours.get(header.sender);
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
      const heard = soleHello(body);
      if (heard) this.helloOfStranger(header, header.hello, heard, from, nowMs);
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

  // --- who is there

  /** A hello of an epoch that is not believed: it must give back our challenge, or it may be a recording. */
  private helloOfStranger(
    header: Header,
    greeting: NonNullable<Header["hello"]>,
    heard: Hello,
    from: Endpoint,
    nowMs: number,
  ): void {
    const neighbour = this.neighbours.get(header.sender) ?? this.meet(header.sender, from, nowMs);
    if (!neighbour) return;
    const epoch = hex(greeting.epoch);
    if (neighbour.isSuperseded(epoch)) {
      this.counters.epochsRefused++;
      return;
    }
    const entry = heard.entries.find(({ id }) => id === this.parts.id);
    if (entry?.echo !== this.challenge) {
      if (!neighbour.believed) {
        neighbour.address = from;
        neighbour.helloMs = nowMs;
      }
      this.answer(
        from,
        { id: header.sender, echo: heard.challenge, ackVer: 0, lost: 0, state: SEEN.fresh },
        neighbour,
        nowMs,
      );
      return;
    }
    if (neighbour.believed) neighbour.supersede(neighbour.epoch);
    neighbour.address = from;
    this.believe(neighbour, header, greeting, epoch, heard, nowMs);
    this.helloOfBelieved(neighbour, heard, nowMs);
  }

  private meet(id: number, from: Endpoint, nowMs: number): Neighbour | undefined {
    if (this.neighbours.size >= this.options.neighboursMax) {
      const gone = this.list().find(
        (n) => (!n.believed && nowMs - n.helloMs > NEW_FOR_MS) || (n.state === "dead" && n.mask === 0),
      );
      if (!gone) return undefined;
      this.neighbours.delete(gone.id);
    }
    const neighbour = new Neighbour(id, from, this.parts.geometry, () => this.randomShare(), nowMs);
    this.neighbours.set(id, neighbour);
    return neighbour;
  }

  private believe(
    neighbour: Neighbour,
    header: Header,
    greeting: NonNullable<Header["hello"]>,
    epoch: string,
    heard: Hello,
    nowMs: number,
  ): void {
    const { geometry, log } = this.parts;
    const sameTable = neighbour.believed && neighbour.tableId === heard.tableId;
    if (neighbour.believed && !sameTable) this.mirrors.orphan(neighbour);
    neighbour.believed = true;
    neighbour.identity = greeting.identity;
    neighbour.epoch = epoch;
    // The same epoch, believed again, goes on where it was: nothing of it counts twice.
    if (!neighbour.window || neighbour.epochTag !== header.epochTag) neighbour.window = new ReplayWindow(header.pn + 1);
    neighbour.epochTag = header.epochTag;
    neighbour.beginCounting();
    neighbour.tableId = heard.tableId;
    neighbour.compatible = heard.compat === this.compat;
    neighbour.guard = new TickGuard(geometry, heard.fast, heard.slow, nowMs);
    neighbour.resetTicks(heard.fast, heard.slow);
    this.mirrors.assign(neighbour, this.list());
    neighbour.mirror?.forgetVers();
    neighbour.rights.forgetVers();
    neighbour.mirror?.advance(heard.fast, heard.slow);
    neighbour.units = new Units(heard.slots, neighbour.mirror ? geometry : undefined);
    neighbour.gaps.reset(heard.edgeVer);
    neighbour.startSync(undefined, nowMs);
    this.proxy.mirrorsChanged();
    const what = neighbour.compatible
      ? neighbour.mirror
        ? `mirror ${neighbour.mirror.index}`
        : "no mirror left"
      : "other table: rights only";
    log.info("replication", `neighbour ${neighbour.id} (${heard.name}) is there: ${what}`);
  }

  private helloOfBelieved(neighbour: Neighbour, heard: Hello, nowMs: number): void {
    neighbour.hello = heard;
    neighbour.helloMs = nowMs;
    neighbour.state = "alive";
    neighbour.phases.set(heard.fastPhase, heard.slowPhase, nowMs);
    const ticks = { fast: heard.fast, slow: heard.slow };
    if (neighbour.guard.clamp(ticks, nowMs)) this.counters.ticksClamped++;
    neighbour.setTicks(ticks.fast, ticks.slow);
    neighbour.gaps.announced(heard.edgeVer, nowMs);
    const entry = heard.entries.find(({ id }) => id === this.parts.id);
    neighbour.ackVer = entry?.ackVer ?? 0;
    if (!entry || entry.state === SEEN.fresh) this.answer(neighbour.address, this.entryOf(neighbour), neighbour, nowMs);
    this.compareDigest(neighbour, heard, nowMs);
  }

  private compareDigest(neighbour: Neighbour, heard: Hello, nowMs: number): void {
    const { mirror, gaps, sync, units } = neighbour;
    if (sync || gaps.count > 0 || gaps.highest !== heard.edgeVer) return;
    if (neighbour.rights.digest() !== heard.rightsDigest) {
      this.counters.digestMismatches++;
      neighbour.startSync([{ from: 0, count: units.slotUnits }], nowMs);
      return;
    }
    const stamped = mirror && mirror.ticks.fast === heard.fast && mirror.ticks.slow === heard.slow;
    if (!stamped || mirror.digest.value() === heard.digest || nowMs - neighbour.digestAskedMs < HELLO_EVERY_MS / 2)
      return;
    this.counters.digestMismatches++;
    neighbour.digestAskedMs = nowMs;
    this.outbox.add(ask, { what: ASK.digests, round: 0, window: 1, units: [] });
    this.outbox.flush(neighbour.id, neighbour.address);
  }

  private age(nowMs: number): void {
    for (const neighbour of this.neighbours.values()) {
      const silentMs = nowMs - neighbour.helloMs;
      if (neighbour.believed && neighbour.state !== "dead") {
        neighbour.state = silentMs > DEAD_AFTER_MS ? "dead" : silentMs > SUSPECT_AFTER_MS ? "suspect" : "alive";
      }
      // Before it is dead its ticks may stand still for a reason: its timers then do too.
      if (neighbour.state === "dead" && neighbour.believed) {
        const { fast, slow } = neighbour.guard.estimate(nowMs);
        neighbour.setTicks(fast, slow);
      }
      for (const { mirror, guard } of neighbour.orphans) {
        const { fast, slow } = guard.estimate(nowMs);
        mirror.advance(fast, slow);
      }
      this.mirrors.releaseEmpty(neighbour);
    }
  }

  // --- what is said

  private driveNeighbour(neighbour: Neighbour, nowMs: number): void {
    if (!neighbour.believed || neighbour.state === "dead") return;
    const { gaps } = neighbour;
    if (!neighbour.sync && gaps.count > 0 && (gaps.hopeless || gaps.missing > this.gapMax()))
      neighbour.startSync(undefined, nowMs);
    const wanted = neighbour.sync?.ask(nowMs);
    if (wanted) {
      const { copies, ...question } = wanted;
      this.counters.snapshotsAsked++;
      for (let i = 0; i < copies; i++) {
        this.outbox.add(ask, { what: ASK.snapshot, ...question });
        this.outbox.flush(neighbour.id, neighbour.address);
      }
    }
    if (neighbour.sync) return;
    const due = gaps.takeDue(nowMs, NACK_RANGES_MAX);
    if (due.length === 0) return;
    this.counters.nacksSent++;
    const ranges = due.map(({ from, to }) => ({ from, count: to - from + 1 }));
    this.outbox.add(nack, { target: neighbour.id, ranges });
    this.outbox.flush(TO_ALL, undefined);
  }

  private gapMax(): number {
    return Math.min(REPAIR_VERS_MAX, this.parts.geometry.cells / 4);
  }

  private answer(to: Endpoint, entry: HelloEntry, neighbour: Neighbour, nowMs: number): void {
    if (nowMs - neighbour.answeredMs < HELLO_WHILE_NEW_MS) return;
    neighbour.answeredMs = nowMs;
    this.outbox.add(hello, this.helloOf([entry], nowMs));
    this.outbox.flush(neighbour.id, to, true);
  }

  private sayHello(nowMs: number): void {
    const believed = this.list().filter((n) => n.believed && n.state !== "dead");
    this.outbox.add(
      hello,
      this.helloOf(
        believed.map((n) => this.entryOf(n)),
        nowMs,
      ),
    );
    this.outbox.flush(TO_ALL, undefined, true);
  }

  private entryOf(neighbour: Neighbour): HelloEntry {
    return {
      id: neighbour.id,
      echo: neighbour.hello?.challenge ?? 0n,
      ackVer: neighbour.sync ? 0 : neighbour.gaps.contiguous,
      lost: neighbour.takeLost(),
      state: SEEN[neighbour.state],
    };
  }

  private helloOf(entries: HelloEntry[], nowMs: number): Hello {
    const { ticks, phases, published } = this.proxy;
    const { geometry, datapath, name } = this.parts;
    return {
      name: shortened(name),
      tableId: datapath.hello.table_id,
      challenge: this.challenge,
      compat: this.compat,
      edgeVer: this.sender.ver,
      digest: published.digest.value(),
      rightsDigest: this.sender.rights.digest(),
      fast: ticks.fast,
      slow: ticks.slow,
      fastPhase: phases.atLatest(false, nowMs),
      slowPhase: phases.atLatest(true, nowMs),
      slots: published.slots,
      fill: Math.min(255, Math.floor((published.used * 256) / geometry.cells)),
      keySlots: 1,
      entries,
    };
  }

  /** Numbers would wrap: all that is published becomes the first change set of a new epoch on the same table. */
  private renewEpoch(): void {
    this.outbox.beginEpoch(this.parts.random(16));
    this.sender.beginEpoch();
    // Nobody takes anything of it before its hello.
    this.helloDueMs = Number.NEGATIVE_INFINITY;
  }

  private heardBySomebody(): boolean {
    for (const { believed, state } of this.neighbours.values()) if (believed && state !== "dead") return true;
    return false;
  }

  private anybodyNew(nowMs: number): boolean {
    if (nowMs - this.startedMs < HELLO_EVERY_MS) return true;
    return this.list().some((n) => !n.believed && nowMs - n.helloMs < NEW_FOR_MS);
  }

  private wire(): ProxyWire {
    return {
      soon: () => this.onSooner(),
      announce: (slot) => this.sender.announce(slot),
      maskOf: (ap) => this.neighbours.get(ap)?.mask ?? 0,
      sources: (ap, mac) => this.sources(ap, mac),
      claim: (value, to) => {
        if (!this.running) return;
        const neighbour = to === undefined ? undefined : this.neighbours.get(to);
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
    const neighbour = this.neighbours.get(ap);
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
    const neighbour = this.neighbours.get(to);
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

  private random64(): bigint {
    return this.parts.random(8).reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }

  private randomShare(): number {
    const [a, b] = this.parts.random(2);
    return ((a! << 8) | b!) / 65536;
  }
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function shortened(name: string): string {
  let short = name;
  while (new TextEncoder().encode(short).length > HELLO_NAME_BYTES_MAX) short = short.slice(0, -1);
  return short;
}

/** Of a stranger nothing else is read. */
function soleHello(body: Uint8Array): Hello | undefined {
  let heard: Hello | undefined;
  eachRecord(body, PREFIX_BYTES, (kind, from, to) => {
    if (kind === KIND.hello) heard = hello.parse(new BitReader(body, from, to));
  });
  return heard;
}
