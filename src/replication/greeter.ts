import { BitReader } from "../base/bits.ts";
import { sameBytes } from "../base/bytes.ts";
import type { Endpoint } from "../platform/platform.ts";
import type { StateProxy } from "../proxy/proxy.ts";
import { Challenges } from "./challenges.ts";
import { differencesOf, type Shape, shapeOf } from "./compat.ts";
import { Hellos, NEW_FOR_MS } from "./hellos.ts";
import { eachRecord } from "./inbox.ts";
import type { MeshOptions, MeshParts } from "./mesh-api.ts";
import { MirrorSlots } from "./mirror-slots.ts";
import { modeOf } from "./modes.ts";
import { DEAD_AFTER_MS, HELLO_EVERY_MS, Neighbour, SUSPECT_AFTER_MS, TickGuard } from "./neighbour.ts";
import { type Outbox, PREFIX_BYTES } from "./outbox.ts";
import { ASK, ask } from "./records/ask.ts";
import { deal } from "./records/deal.ts";
import { type Heard, type Hello, type HelloEntry, hello, SEEN, type Seen } from "./records/hello.ts";
import { KIND } from "./records/kinds.ts";
import type { Pulse } from "./records/pulse.ts";
import { Account } from "./repairs.ts";
import type { Rotation } from "./rotation.ts";
import type { Header } from "./seal.ts";
import type { Sender } from "./sender.ts";
import type { ReplicationCounters } from "./status.ts";
import type { Stranger, Strangers } from "./strangers.ts";
import { Units } from "./units.ts";
import { ReplayWindow } from "./window.ts";

/** The measured period follows the last so many hellos. */
const PERIOD_SMOOTHING = 8;

export interface GreeterParts {
  readonly mesh: MeshParts;
  readonly proxy: StateProxy;
  readonly sender: Sender;
  readonly outbox: Outbox;
  readonly counters: ReplicationCounters;
  readonly options: MeshOptions;
  /** Whether what that AP says can count at all. */
  isMember(id: number): boolean;
  /** From now on what it says counts. */
  believed(neighbour: Neighbour): void;
  /** It was silent for long, and goes on in the epoch that is believed. */
  heardAgain(neighbour: Neighbour): void;
  /** No listed peer is missing. */
  everybodyThere(): boolean;
  readonly rotation: Rotation;
  readonly strangers: Strangers;
}

/** Who is there: what other APs' hellos make us believe of them. What ours says is `hellos.ts`. */
export class Greeter {
  /** by id */
  private readonly neighbours = new Map<number, Neighbour>();
  private all: readonly Neighbour[] = [];
  private readonly mirrors: MirrorSlots;
  private readonly shape: Shape;
  private readonly challenges: Challenges;
  readonly hellos: Hellos;

  constructor(private readonly parts: GreeterParts) {
    const { geometry, seedId, datapath } = parts.mesh;
    const { path } = parts.options;
    this.challenges = new Challenges(() => random64(parts.mesh));
    this.shape = shapeOf(geometry, seedId, path);
    this.mirrors = new MirrorSlots(
      geometry,
      datapath,
      parts.options.memoryBytes,
      () => parts.proxy.mirrorsChanged(),
      path === "asymmetric",
    );
    const { challenges, shape } = this;
    this.hellos = new Hellos({ ...parts, challenges, shape, neighbours: () => this.all });
  }

  get(id: number): Neighbour | undefined {
    return this.neighbours.get(id);
  }

  list(): readonly Neighbour[] {
    return this.all;
  }

  /** Is there anybody whom a publication would reach? */
  get heardBySomebody(): boolean {
    for (const { believed, state } of this.neighbours.values()) if (believed && state !== "dead") return true;
    return false;
  }

  /** An AP that clients come from: it is given a place, if need be that of one that no client ever went to. */
  expect(id: number, endpoint: Endpoint, nowMs: number): boolean {
    const known = this.neighbours.get(id);
    if (known) known.address = endpoint;
    if (known || this.meet(id, endpoint, nowMs)) return true;
    if (!this.parts.isMember(id)) return false;
    const stranger = this.list().find(({ roams, orphans }) => roams === 0 && orphans.length === 0);
    if (!stranger) return false;
    this.mirrors.remove(stranger);
    this.remove(stranger);
    return this.meet(id, endpoint, nowMs) !== undefined;
  }

  /** A hello to one that does not hear those for all; it answers with its own. */
  greet(id: number, nowMs: number): void {
    const neighbour = this.neighbours.get(id);
    if (neighbour) this.hellos.greet(neighbour, nowMs);
  }

  /** A hello of an epoch that is not believed: it must give back our challenge, or it may be a recording. */
  ofStranger(stranger: Stranger, header: Header, body: Uint8Array, from: Endpoint, nowMs: number): void {
    const { heard, secret } = soleHello(body);
    if (!heard) return;
    const { sender: id } = stranger;
    const { dealing } = stranger.channel;
    const isProven = stranger.isProven && (!dealing || secret !== undefined);
    const known = this.neighbours.get(id);
    const entry = this.entryOfUs(heard);
    if (id === this.parts.mesh.id) {
      this.ofNamesake(stranger, isProven, heard, entry, from, nowMs);
    } else if (!isProven || !this.challenges.accepts(entry?.echo, known?.leastChallenge ?? 0)) {
      this.hellos.answerStranger(stranger, heard, from, nowMs);
    } else {
      const neighbour = known ?? this.meet(id, from, nowMs);
      if (!neighbour) return;
      neighbour.address = from;
      if (secret) dealing?.take(secret);
      this.believe(neighbour, stranger, header, heard, nowMs);
      this.ofBelieved(neighbour, heard, nowMs);
    }
  }

  /** Two APs of one number, and not a recording of ourselves: it answers us. */
  private ofNamesake(
    stranger: Stranger,
    isProven: boolean,
    heard: Hello,
    entry: HelloEntry | undefined,
    from: Endpoint,
    nowMs: number,
  ): void {
    this.hellos.answerStranger(stranger, heard, from, nowMs);
    if (!isProven || !this.challenges.accepts(entry?.echo, 0)) return;
    const { counters, mesh } = this.parts;
    if (counters.duplicateIds++ === 0) {
      mesh.log.error("replication", `another AP uses id ${mesh.id} (${heard.name}): give each its own`);
    }
  }

  /** The rest is as it was when it said hello. */
  ofPulse(neighbour: Neighbour, heard: Pulse, { fast, slow }: { fast: number; slow: number }, nowMs: number): void {
    if (neighbour.hello) this.ofBelieved(neighbour, { ...neighbour.hello, ...heard, fast, slow }, nowMs);
  }

  ofBelieved(neighbour: Neighbour, heard: Heard, nowMs: number): void {
    neighbour.hello = heard;
    neighbour.periodMs += (nowMs - neighbour.helloMs - neighbour.periodMs) / PERIOD_SMOOTHING;
    neighbour.helloMs = nowMs;
    const wasSilent = neighbour.state === "suspect" || neighbour.state === "dead";
    if (Number.isNaN(neighbour.leftMs)) neighbour.state = "alive";
    if (wasSilent && neighbour.state === "alive") this.parts.heardAgain(neighbour);
    neighbour.phases.set(heard.fastPhase, heard.slowPhase, heard, nowMs);
    neighbour.clock.heard(heard, nowMs);
    const ticks = { fast: heard.fast, slow: heard.slow };
    if (neighbour.guard.clamp(ticks, nowMs)) this.parts.counters.ticksClamped++;
    neighbour.setTicks(ticks.fast, ticks.slow);
    neighbour.gaps.announced(heard.edgeVer, nowMs);
    this.parts.rotation.compare(neighbour);
    const entry = this.entryOfUs(heard);
    neighbour.ackVer = entry?.ackVer ?? 0;
    neighbour.account.acknowledged(neighbour.ackVer, this.parts.sender.ver);
    neighbour.hearsGroup = entry?.heardGroup ?? false;
    neighbour.lostThere = entry?.lost ?? 0;
    neighbour.breath.hear(entry?.slow ?? false, nowMs);
    neighbour.saidOfUs = entry?.state ?? SEEN.fresh;
    if (!entry || entry.state === SEEN.fresh) this.hellos.answer(neighbour, nowMs);
    this.compareDigest(neighbour, heard, nowMs);
  }

  private meet(id: number, from: Endpoint, nowMs: number): Neighbour | undefined {
    // Whom a member made up must not take a place.
    if (!this.parts.isMember(id)) return undefined;
    if (this.neighbours.size >= this.parts.options.neighboursMax) {
      const isGone = (n: Neighbour) => (n.believed ? n.state === "dead" : nowMs - n.helloMs > NEW_FOR_MS);
      const gone = this.list().find((n) => n.mask === 0 && isGone(n));
      if (!gone) return undefined;
      this.remove(gone);
    }
    const neighbour = new Neighbour(id, from, {
      geometry: this.parts.mesh.geometry,
      account: new Account(this.parts.options.bytesPerSecond),
      random: () => this.randomShare(),
      nowMs,
    });
    this.neighbours.set(id, neighbour);
    this.all = [...this.neighbours.values()];
    return neighbour;
  }

  /** It is no member any more, or has another key: what it said counts no longer. */
  expel(id: number): void {
    const neighbour = this.neighbours.get(id);
    if (!neighbour) return;
    this.mirrors.expel(neighbour);
    this.remove(neighbour);
  }

  /** Those whom we believe, and who so believe us or will in a moment. */
  believed(): readonly number[] {
    const ids: number[] = [];
    for (const { id, believed } of this.neighbours.values()) if (believed) ids.push(id);
    return ids;
  }

  private remove({ id }: Neighbour): void {
    this.neighbours.delete(id);
    this.all = [...this.neighbours.values()];
    // What it answered would be believed once more.
    this.challenges.forget();
  }

  private believe(neighbour: Neighbour, stranger: Stranger, header: Header, heard: Hello, nowMs: number): void {
    const { geometry, log } = this.parts.mesh;
    const sameTable = neighbour.believed && neighbour.tableId === heard.tableId;
    // Also when its mirror was given away meanwhile: what is known of the old table's clock and slots is not the new one's.
    if (neighbour.tableId !== 0n && neighbour.tableId !== heard.tableId) this.mirrors.orphan(neighbour);
    if (!sameTable) neighbour.clock.begin();
    neighbour.isBack();
    this.beginEpochOf(neighbour, stranger, header);
    neighbour.believedMs = nowMs;
    neighbour.beginCounting();
    neighbour.tableId = heard.tableId;
    neighbour.differences = differencesOf(this.shape, heard.shape);
    neighbour.mode = modeOf(heard.mode);
    neighbour.account.welcome(this.parts.sender.snapshots.wholeBytes);
    neighbour.guard = new TickGuard(geometry, heard.fast, heard.slow, nowMs);
    neighbour.resetTicks(heard.fast, heard.slow);
    this.mirrors.assign(neighbour, this.list(), nowMs);
    neighbour.mirror?.forgetVers();
    neighbour.rights.forgetVers();
    neighbour.mirror?.advance(heard.fast, heard.slow);
    neighbour.units = new Units(heard.slots, neighbour.mirror ? geometry : undefined);
    neighbour.gaps.reset(heard.edgeVer);
    neighbour.answers.begin();
    neighbour.rttMs = nowMs - Math.max(this.hellos.saidMs, neighbour.answers.saidMs);
    if (neighbour.mode.snapshots) neighbour.startSync(undefined, nowMs);
    this.parts.proxy.mirrorsChanged();
    this.parts.believed(neighbour);
    const mirror = neighbour.mirror ? `mirror ${neighbour.mirror.index}` : "no mirror left";
    const what = neighbour.compatible ? mirror : `rights only; ${neighbour.differences.join("; ")}`;
    log.info("replication", `neighbour ${neighbour.id} (${heard.name}) is there: ${what}`);
  }

  private beginEpochOf(neighbour: Neighbour, stranger: Stranger, header: Header): void {
    const isSame = neighbour.window !== undefined && sameBytes(neighbour.epoch, stranger.epoch);
    if (!isSame) {
      if (neighbour.window) neighbour.supersede(neighbour.epoch);
      // Also of a neighbour that is new here: an earlier life that we never heard may have answered us.
      this.challenges.renew();
      neighbour.leastChallenge = this.challenges.age;
    }
    neighbour.believed = true;
    neighbour.epoch = stranger.epoch;
    neighbour.epochTag = header.epochTag;
    neighbour.channel = stranger.channel;
    // The same epoch, believed again, goes on where it was: nothing of it counts twice.
    if (!isSame) neighbour.window = new ReplayWindow(header.pn);
    neighbour.window!.accept(header.pn);
    // With identities there is another one, of the hellos that proved nothing.
    const { sender, epoch } = stranger;
    this.parts.strangers.forget((one) => one.sender === sender && sameBytes(one.epoch, epoch));
  }

  private compareDigest(neighbour: Neighbour, heard: Heard, nowMs: number): void {
    const { counters, outbox } = this.parts;
    const { mirror, gaps, sync, units } = neighbour;
    if (!neighbour.mode.repairs || sync || gaps.count > 0 || gaps.highest !== heard.edgeVer) return;
    if (neighbour.rights.digest() !== heard.rightsDigest) {
      counters.digestMismatches++;
      neighbour.startSync([{ from: 0, count: units.slotUnits }], nowMs);
      return;
    }
    const stamped = mirror && mirror.ticks.fast === heard.fast && mirror.ticks.slow === heard.slow;
    if (!stamped || mirror.digest.value() === heard.digest || nowMs - neighbour.digestAskedMs < HELLO_EVERY_MS / 2)
      return;
    counters.digestMismatches++;
    neighbour.digestAskedMs = nowMs;
    outbox.add(ask, { what: ASK.digests, round: 0, window: 1, units: [] });
    outbox.flush(neighbour.id, neighbour.address);
  }

  age(nowMs: number): void {
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
    this.rebalanceMirrors(nowMs);
  }

  /** With its mirror, what is asked for of a neighbour changes. */
  private rebalanceMirrors(nowMs: number): void {
    const all = this.list();
    for (const neighbour of [
      ...this.mirrors.assignWaiting(all, nowMs),
      ...(this.mirrors.rebalance(all, nowMs) ?? []),
    ]) {
      const { mirror, hello, mode } = neighbour;
      neighbour.units = new Units(hello?.slots ?? 0, mirror ? this.parts.mesh.geometry : undefined);
      if (mirror && hello) mirror.advance(hello.fast, hello.slow);
      if ((mirror || neighbour.sync) && mode.snapshots) neighbour.startSync(undefined, nowMs);
      this.parts.proxy.mirrorsChanged();
    }
  }

  private entryOfUs<S extends Seen>({ entries }: { readonly entries: readonly S[] }): S | undefined {
    return entries.find(({ id }) => id === this.parts.mesh.id);
  }

  private randomShare(): number {
    const [a, b] = this.parts.mesh.random(2);
    return ((a! << 8) | b!) / 65536;
  }
}

export function random64({ random }: Pick<MeshParts, "random">): bigint {
  return random(8).reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/** Of a stranger nothing else is read but its hello, and with it what it deals. */
function soleHello(body: Uint8Array): { heard?: Hello | undefined; secret?: Uint8Array | undefined } {
  let heard: Hello | undefined;
  let secret: Uint8Array | undefined;
  eachRecord(body, PREFIX_BYTES, (kind, from, to) => {
    if (kind === KIND.hello) heard = hello.parse(new BitReader(body, from, to));
    else if (kind === KIND.deal) secret = deal.parse(new BitReader(body, from, to))?.secret;
  });
  return { heard, secret };
}
