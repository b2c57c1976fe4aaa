import type { Endpoint } from "../platform/platform.ts";
import type { StateProxy } from "../proxy/proxy.ts";
import type { Challenges } from "./challenges.ts";
import type { Shape } from "./compat.ts";
import { Insistence } from "./insistence.ts";
import type { MeshOptions, MeshParts } from "./mesh-api.ts";
import { MODES } from "./modes.ts";
import { HELLO_EVERY_MS, type Neighbour } from "./neighbour.ts";
import { type Outbox, TO_ALL } from "./outbox.ts";
import { ALONE_HELLO_MS } from "./paths.ts";
import { deal } from "./records/deal.ts";
import { HELLO_NAME_BYTES_MAX, type Hello, type HelloEntry, hello, SEEN } from "./records/hello.ts";
import { pulse } from "./records/pulse.ts";
import type { Rotation } from "./rotation.ts";
import type { Sender } from "./sender.ts";
import type { Stranger, Strangers } from "./strangers.ts";

const GREET_EVERY_MS = 15;
/** A newcomer that is not believed after this long is no newcomer. */
export const NEW_FOR_MS = 5_000;
/** Among those who know each other a whole hello is said so often, for who is in reach and nobody knows of. */
const WHOLE_EVERY_MS = ALONE_HELLO_MS;
/** Where there is no group nobody else would hear it. */
const WHOLE_ALONE_EVERY_MS = 30_000;
/** A pulse goes along with what is published so long before its time. */
const RIDES_BEFORE_MS = HELLO_EVERY_MS / 8;

export interface HellosParts {
  readonly mesh: MeshParts;
  readonly proxy: StateProxy;
  readonly sender: Sender;
  readonly outbox: Outbox;
  readonly options: MeshOptions;
  readonly rotation: Rotation;
  readonly strangers: Strangers;
  readonly challenges: Challenges;
  readonly shape: Shape;
  neighbours(): readonly Neighbour[];
  /** No listed peer is missing. */
  everybodyThere(): boolean;
}

/** Our own hello: when it is said, to whom, and what it says. */
export class Hellos {
  private readonly greeting = new Insistence();
  private startedMs: number;
  private dueMs: number;
  /** When our challenge was told to all. */
  saidMs = Number.NEGATIVE_INFINITY;
  /** When something began that only a whole hello says. */
  private newsMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly parts: HellosParts) {
    this.startedMs = parts.mesh.nowMs();
    this.dueMs = this.startedMs;
  }

  start(nowMs: number): void {
    this.greeting.begin();
    this.startedMs = nowMs;
    this.newsMs = nowMs;
    this.dueMs = nowMs;
  }

  nextAtMs(): number {
    return this.dueMs;
  }

  /** A new epoch is taken by nobody before its hello. */
  speakNow(): void {
    this.greeting.begin();
    this.newsMs = this.parts.mesh.nowMs();
    this.dueMs = Number.NEGATIVE_INFINITY;
  }

  /** A hello to one that does not hear those for all; it answers with its own. */
  greet(neighbour: Neighbour, nowMs: number): void {
    if (nowMs - neighbour.greetedMs < GREET_EVERY_MS) return;
    neighbour.greetedMs = nowMs;
    this.sayTo(neighbour, nowMs);
  }

  /** Says that all it published is known, and that it is taken for dead from now on. */
  acknowledge(neighbour: Neighbour, nowMs: number): void {
    this.sayTo(neighbour, nowMs);
  }

  /** Tells it our challenge, and gives back its own. Nothing that a recording could not have had from the air. */
  answerStranger(stranger: Stranger, heard: Hello, to: Endpoint, nowMs: number): void {
    if (!stranger.answers.take(nowMs)) return;
    const unknown = { ackVer: 0, lost: 0, state: SEEN.fresh, slow: false, heardGroup: false, heardAlone: false };
    this.helloTo(stranger.sender, to, { id: stranger.sender, echo: heard.challenge, ...unknown }, nowMs);
  }

  private helloTo(id: number, to: Endpoint, entry: HelloEntry, nowMs: number): void {
    const { outbox } = this.parts;
    const { secret } = outbox;
    outbox.add(hello, this.helloOf([entry], nowMs));
    if (secret) outbox.add(deal, { secret });
    outbox.flush(id, to, true);
  }

  /** It does not know yet that we believe it. */
  answer(neighbour: Neighbour, nowMs: number): void {
    if (neighbour.answers.take(nowMs)) this.sayTo(neighbour, nowMs);
  }

  private sayTo(neighbour: Neighbour, nowMs: number): void {
    this.helloTo(neighbour.id, neighbour.address, this.entryOf(neighbour, nowMs), nowMs);
  }

  say(nowMs: number): void {
    if (this.isKnownToAll(nowMs)) {
      this.addPulse(nowMs);
      this.parts.outbox.flush(TO_ALL, undefined);
    } else {
      this.sayWhole(nowMs);
    }
  }

  /** True: a pulse stands in the datagram that is begun now, since its time has nearly come. */
  rides(nowMs: number): boolean {
    if (nowMs < this.dueMs - RIDES_BEFORE_MS || !this.isKnownToAll(nowMs)) return false;
    this.addPulse(nowMs);
    return true;
  }

  /** Everybody whom we know of knows who we are, and what we said of ourselves last. */
  private isKnownToAll(nowMs: number): boolean {
    const everyMs = (this.parts.mesh.link?.group ?? true) ? WHOLE_EVERY_MS : WHOLE_ALONE_EVERY_MS;
    if (nowMs - this.saidMs >= everyMs || nowMs - this.newsMs < NEW_FOR_MS) return false;
    if (this.parts.neighbours().length === 0 || !this.parts.everybodyThere() || this.anybodyNew(nowMs)) return false;
    return this.parts.neighbours().every((n) => n.believed && n.state === "alive" && n.saidOfUs === SEEN.alive);
  }

  private addPulse(nowMs: number): void {
    const entries = this.parts.neighbours().map((n) => this.entryOf(n, nowMs));
    this.parts.outbox.add(pulse, this.helloOf(entries, nowMs));
    this.dueMs = nowMs + HELLO_EVERY_MS;
  }

  private sayWhole(nowMs: number): void {
    this.saidMs = nowMs;
    const believed = this.parts.neighbours().filter((n) => n.believed && n.state !== "dead");
    const entries = believed.map((n) => this.entryOf(n, nowMs));
    this.parts.outbox.add(hello, this.helloOf(entries, nowMs));
    this.parts.outbox.flush(TO_ALL, undefined, true);
    for (const neighbour of believed) this.sayAlone(neighbour, nowMs);
    this.dueMs = this.anybodyNew(nowMs) ? this.greeting.say(nowMs) : nowMs + HELLO_EVERY_MS;
  }

  /** Who hears the group is spoken to alone now and then, lest nobody know whether that works. */
  private sayAlone(neighbour: Neighbour, nowMs: number): void {
    if (!neighbour.hearsGroup || nowMs - neighbour.aloneMs < ALONE_HELLO_MS) return;
    neighbour.aloneMs = nowMs;
    this.sayTo(neighbour, nowMs);
  }

  private entryOf(neighbour: Neighbour, nowMs: number): HelloEntry {
    return {
      id: neighbour.id,
      echo: neighbour.hello?.challenge ?? 0n,
      ackVer: neighbour.sync ? 0 : neighbour.gaps.contiguous,
      lost: neighbour.takeLost(),
      state: SEEN[neighbour.state],
      slow: neighbour.account.slow,
      heardGroup: neighbour.paths.isAlive("group", nowMs),
      heardAlone: neighbour.paths.isAlive("alone", nowMs),
    };
  }

  private anybodyNew(nowMs: number): boolean {
    if (nowMs - this.startedMs < HELLO_EVERY_MS || this.parts.strangers.heardSince(nowMs - NEW_FOR_MS)) return true;
    return this.parts.neighbours().some((n) => !n.believed && nowMs - n.helloMs < NEW_FOR_MS);
  }

  private helloOf(entries: HelloEntry[], nowMs: number): Hello {
    const { sender, options } = this.parts;
    const { ticks, phases, published } = this.parts.proxy;
    const { geometry, datapath, name } = this.parts.mesh;
    return {
      name: shortened(name),
      tableId: datapath.hello.table_id,
      challenge: this.parts.challenges.current,
      shape: this.parts.shape,
      mode: MODES[options.mode].number,
      edgeVer: sender.ver,
      digest: published.digest.value(),
      rightsDigest: sender.rights.digest(),
      fast: ticks.fast,
      slow: ticks.slow,
      fastPhase: phases.atLatest(false, nowMs),
      slowPhase: phases.atLatest(true, nowMs),
      slots: published.slots,
      fill: Math.min(255, Math.floor((published.used * 256) / geometry.cells)),
      keys: this.parts.rotation.fingerprints,
      entries,
    };
  }
}

function shortened(name: string): string {
  let short = name;
  while (new TextEncoder().encode(short).length > HELLO_NAME_BYTES_MAX) short = short.slice(0, -1);
  return short;
}
