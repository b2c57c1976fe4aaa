import { type Mac, parseMac } from "../../src/base/mac.ts";
import { type Geometry, parseGeometry } from "../../src/bloom/geometry.ts";
import { Permutations } from "../../src/bloom/permutation.ts";
import { CONSTANTS, REASONS } from "../../src/datapath/abi.ts";
import { Prng } from "../conformance/prng.ts";
import { World } from "../conformance/world.ts";
import { AccessPoint } from "./access-point.ts";
import { Chatter } from "./chatter.ts";
import type { Client } from "./client.ts";
import { type Conversation, directionAt, type Side } from "./conversation.ts";
import { describe } from "./describe.ts";
import { History } from "./history.ts";
import { Network } from "./network.ts";
import type { Kind, Promised } from "./promised.ts";
import { RightsLedger } from "./rights-ledger.ts";

const GEOMETRY = "4x32x8/r26";
/** Answers of the datapath take a few turns of the queue of promises; nothing of them takes time. */
const TURNS = 12;
/** Events in a second that no mesh of this size has unless somebody answers answers. */
const STORM = 200_000;
const TRIES_MAX = 12;
const RETRY_FIRST_MS = 200;
const RETRY_MAX_MS = 3_000;
const TICKS_OF_RESTORE = 2;

/** What the invariants watch; each takes part in what it needs. */
export interface Watch {
  /** A datagram leaves. */
  sent?(from: AccessPoint, bytes: Uint8Array): void;
  /** A packet that was promised was denied where its client is. */
  denied?(denial: Denial): void;
  inserted?(ap: AccessPoint, fingerprint: number, code: number, before: number | undefined): void;
  mirrored?(ap: AccessPoint, mirror: number, coordinate: number, cell: number): void;
  /** About to lose its table. */
  powerFails?(ap: AccessPoint): void;
  /** About to end, with or without its roamwalld: its mirrors are lost. */
  agentEnds?(ap: AccessPoint): void;
  /** A roamwalld was dead for so long, and the timers of its table with it. */
  stood?(ms: number): void;
  /** Once a second. */
  second?(): void;
  /** Quiet for long. */
  atRest?(): void;
}

export interface Denial {
  readonly ap: AccessPoint;
  readonly client: Client;
  readonly conversation: Conversation;
  readonly promised: Promised;
  readonly what: string;
  readonly reason: string;
  /** Fingerprints of all expectations that would have let it pass. */
  readonly wanted: readonly number[];
}

export interface Patches {
  readonly table?: (ap: AccessPoint, simulation: Simulation) => void;
  readonly agent?: (ap: AccessPoint, simulation: Simulation) => void;
}

export interface Failure {
  readonly invariant: string;
  readonly text: string;
  readonly atMs: number;
  /** Names of clients and APs that it is about. */
  readonly about: readonly string[];
}

/** A mesh of whole APs with clients, conversations and a bad network, on one event queue. Everything follows from the seed. */
export class Simulation {
  readonly world = new World();
  readonly random: Prng;
  readonly geometry: Geometry = parseGeometry(GEOMETRY, "model check");
  readonly permutations = new Permutations(this.geometry);
  readonly history = new History();
  readonly network: Network;
  readonly aps: AccessPoint[] = [];
  readonly clients: Client[] = [];
  readonly fileClients = new Set<Mac>();
  readonly rights = new RightsLedger(this.fileClients);
  readonly failures: Failure[] = [];
  /** Stated exceptions that were used, by name. */
  readonly excused = new Map<string, number>();
  readonly counts = {
    packets: 0,
    denied: 0,
    conversations: 0,
    finished: 0,
    givenUp: 0,
    roams: 0,
    orders: 0,
    ordersDone: 0,
  };
  readonly holdMs: number;
  /** Last loss between two APs: `low * 256 + high`. */
  readonly lostMs = new Map<number, number>();
  isHushed = false;
  private readonly chatter: Chatter;
  private readonly lookups: number[] = [];
  private watches: Watch[] = [];

  constructor(
    readonly seed: number,
    apCount: number,
    readonly patches: Patches = {},
  ) {
    this.world.nowMs = 1_000_000;
    this.random = new Prng(seed);
    const { world, random, geometry } = this;
    // Streams of their own: a datagram more than before leaves the story as it was.
    const ofNetwork = new Prng(seed ^ 0x5bd1e995);
    this.holdMs = random.pick([0, 200, 200, 400]);
    this.chatter = new Chatter(random, geometry);
    this.network = new Network({
      world,
      random: ofNetwork,
      deliver: (to, from, bytes, path) => this.ap(to)?.receive(bytes, from, path),
      lost: ({ from, to }) => this.lostMs.set(pairKey(from, to), world.nowMs),
    });
    for (let id = 1; id <= apCount; id++) this.aps.push(this.makeAp(id, apCount));
  }

  watch(watches: readonly Watch[]): void {
    this.watches = [...watches];
  }

  ap(id: number): AccessPoint | undefined {
    return this.aps[id - 1];
  }

  addClient(isInFile: boolean): Client {
    const number = this.clients.length + 1;
    const text = `02:00:00:00:0a:${number.toString(16).padStart(2, "0")}`;
    const mac = parseMac(text, "model check") as Mac;
    const client: Client = {
      mac,
      text,
      ip: `10.0.0.${number}`,
      ap: 0,
      heardMs: 0,
      bridge: 0,
      staysMs: new Map(),
      conversations: [],
    };
    this.clients.push(client);
    if (isInFile) this.fileClients.add(mac);
    return client;
  }

  /** Runs all events up to then. */
  async run(ms: number): Promise<void> {
    const { world } = this;
    const endMs = world.nowMs + ms;
    let isOver = false;
    world.after(ms, () => {
      isOver = true;
    });
    let [stormMs, steps] = [world.nowMs, 0];
    while (!isOver && this.failures.length === 0 && world.step()) {
      if (world.nowMs - stormMs > 1_000) [stormMs, steps] = [world.nowMs, 0];
      else if (++steps > STORM) this.fail("storm", `${STORM} events within a second`, []);
      if (!this.aps.some((ap) => ap.takeAsked())) continue;
      for (let i = 0; i < TURNS; i++) await Promise.resolve();
      for (const ap of this.aps) ap.touched();
    }
    world.nowMs = Math.max(world.nowMs, Math.min(endMs, world.nowMs));
  }

  everySecond(): void {
    this.world.after(1_000, () => {
      for (const watch of this.watches) watch.second?.();
      this.everySecond();
    });
  }

  atRest(): void {
    for (const watch of this.watches) watch.atRest?.();
  }

  fail(invariant: string, text: string, about: readonly string[]): void {
    this.note(about, `${invariant} FAILS: ${text}`);
    this.failures.push({ invariant, text, about, atMs: this.world.nowMs });
    const client = this.clients.find((one) => about.includes(one.text));
    if (client) for (const line of describe(this, client)) this.note(about, line);
  }

  excuse(name: string): void {
    this.excused.set(name, (this.excused.get(name) ?? 0) + 1);
  }

  note(about: readonly string[], text: string): void {
    this.history.add(this.world.nowMs, about, text);
  }

  // --- access points

  powerFails(ap: AccessPoint): void {
    if (!ap.isPowered) return;
    for (const watch of this.watches) watch.powerFails?.(ap);
    this.losesTicks(ap);
    ap.powerOff();
    this.rights.forgets(ap.id);
    // Who waits for it to come back has to speak again.
    for (const client of this.clients) if (client.ap === ap.id) client.heardMs = Number.POSITIVE_INFINITY;
    this.note([ap.name], "loses power");
  }

  /** What is given back to an AP is cut by a tick of the table that was, and by one of the new: nobody knows how far they are. */
  private losesTicks(ap: AccessPoint): void {
    for (const client of this.clients) {
      const there = client.ap === ap.id ? undefined : this.ap(client.ap);
      const isAlone = (x: number) => holds(ap, x) && !(there?.isPowered && holds(there, x));
      for (const { parties, promised } of client.conversations)
        for (const side of [0, 1] as const)
          if (parties[side].client === client && promised[side]?.standing(this.world.nowMs).some(isAlone))
            promised[side].tookOver(TICKS_OF_RESTORE);
    }
  }

  // --- clients

  /** The client is now behind that AP; with `notice` hostapd says so at once. */
  associate(client: Client, ap: AccessPoint, notice: boolean): void {
    this.counts.roams++;
    client.ap = ap.id;
    client.heardMs = Number.POSITIVE_INFINITY;
    this.note([client.text, ap.name], `comes${notice ? ", hostapd says so" : ""}`);
    for (const { parties, promised } of client.conversations)
      for (const side of [0, 1] as const) if (parties[side].client === client) promised[side]?.tookOver();
    if (!notice || !ap.isPowered) return;
    if (ap.isAgentUp) ap.replicator.proxy.arrived(client.mac, 0);
    this.heard(client, ap);
    ap.touched();
  }

  talk(client: Client): void {
    const others = this.clients.filter((other) => other !== client);
    const conversation = this.chatter.begin(client, others);
    for (const { client: party } of conversation.parties) party?.conversations.push(conversation);
    this.counts.conversations++;
    this.continue(conversation);
  }

  /** Stops all conversations where they are; nobody comes any more. */
  hush(): void {
    this.isHushed = true;
    for (const { conversations } of this.clients) for (const conversation of conversations) conversation.isOver = true;
  }

  /** Its rights are revoked: what was promised to its flows ends with them. */
  breakPromises(client: Client): void {
    for (const { parties, promised } of client.conversations)
      for (const side of [0, 1] as const) if (parties[side].client === client) promised[side]?.end();
  }

  /** A frame of the client that another AP hears too. */
  stray(client: Client, ap: AccessPoint): void {
    const conversation = client.conversations.find(({ isOver }) => !isOver);
    if (!conversation || !ap.isPowered) return;
    const side = conversation.parties[0].client === client ? 0 : 1;
    this.note([client.text, ap.name], "is heard here too");
    ap.judge({ frame: conversation.frame(conversation.steps[0]!.kind === "U" ? "U" : "A", side), direction: 0 });
  }

  private continue(conversation: Conversation): void {
    const step = conversation.steps[conversation.next];
    if (!step) {
      this.finish(conversation);
      this.counts.finished++;
      return;
    }
    this.world.after(step.waitMs, () => this.attempt(conversation));
  }

  private attempt(conversation: Conversation): void {
    if (conversation.isOver) return;
    const { side, kind } = conversation.steps[conversation.next]!;
    if (this.transmit(conversation, kind, side)) {
      conversation.next++;
      conversation.tries = 0;
      if (this.random.chance(0.03)) this.world.after(5, () => this.transmit(conversation, kind, side));
      this.continue(conversation);
      return;
    }
    if (++conversation.tries > TRIES_MAX) {
      this.finish(conversation);
      this.counts.givenUp++;
      return;
    }
    const waitMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** (conversation.tries - 1));
    this.world.after(waitMs * this.random.between(0.8, 1.2), () => this.attempt(conversation));
  }

  private finish(conversation: Conversation): void {
    conversation.isOver = true;
    for (const { client } of conversation.parties)
      if (client) client.conversations.splice(client.conversations.indexOf(conversation), 1);
  }

  /** Whether the packet came to its receiver, through the firewalls at the clients' ports. */
  private transmit(conversation: Conversation, kind: Kind, side: Side): boolean {
    const from = conversation.parties[side].client;
    const to = conversation.parties[1 - side]!.client;
    if (from) {
      const ap = this.ap(from.ap);
      if (!ap?.isPowered || !this.passes(ap, from, conversation, kind, side, side)) return false;
    }
    if (!to) return true;
    // Frames for a station that nobody has learnt go everywhere, and pass those firewalls too.
    const isFlooded = to.bridge === 0 || this.random.chance(0.01);
    const ports = isFlooded ? this.aps.filter(({ isPowered }) => isPowered) : [this.ap(to.bridge)!];
    let came = false;
    for (const ap of ports) {
      if (!ap.isPowered) continue;
      const passed = this.passes(ap, to, conversation, kind, (1 - side) as Side, side);
      came ||= passed && ap.id === to.ap;
    }
    return came;
  }

  private passes(ap: AccessPoint, client: Client, talk: Conversation, kind: Kind, at: Side, sender: Side): boolean {
    const { world, lookups } = this;
    const direction = directionAt(at, sender);
    const isPresent = client.ap === ap.id;
    const promised = talk.promised[at]!;
    const promise = isPresent ? promised.judge(kind, direction, world.nowMs) : undefined;
    const isFirst = direction === 0 && client.heardMs === Number.POSITIVE_INFINITY;
    lookups.length = 0;
    const verdict = ap.judge({ frame: talk.frame(kind, sender), direction });
    this.counts.packets++;
    if (isFirst) this.heard(client, ap);
    const what = `${talk.name}: ${kind} ${direction === 0 ? "from" : "to"} it`;
    this.note(
      [client.text, ap.name],
      `${what} ${verdict.pass ? "passes" : `denied, ${REASONS[verdict.reason]![0]}`}${isPresent ? "" : " (not here)"}`,
    );
    if (!isPresent) return verdict.pass;
    const candidates = promised.candidates(kind, direction);
    if (verdict.pass) {
      if (direction === 0) client.bridge = ap.id;
      candidates.forEach((candidate, i) => {
        if (i < lookups.length) promised.seen(candidate, direction, lookups[i]!);
      });
      if (promise) promised.learn(promise, world.nowMs);
      return true;
    }
    this.counts.denied++;
    if (!promise || !this.mayExpect(client)) return false;
    const reason = REASONS[verdict.reason]![0];
    const wanted = lookups.slice(0, candidates.length);
    const denial: Denial = { ap, client, conversation: talk, promised, what, reason, wanted };
    for (const watch of this.watches) watch.denied?.(denial);
    return false;
  }

  /** Whether its rights are beyond doubt. */
  private mayExpect({ mac }: Client): boolean {
    const { nowMs } = this.world;
    // What is left is told in whole seconds, from one AP to the next.
    const stays = this.rights.isEntitled(mac, nowMs + 1_000 * (this.aps.length + 2));
    return stays && nowMs - this.rights.changedMs(mac, nowMs) > 5_000;
  }

  private heard(client: Client, ap: AccessPoint): void {
    client.bridge = ap.id;
    if (!ap.isAgentUp) return;
    client.heardMs = this.world.nowMs;
    client.staysMs.set(ap.id, client.heardMs);
  }

  /** What an agent knew that no record in the kernel says, the next one must hear again. */
  private agentEnds(ap: AccessPoint): void {
    for (const client of this.clients) {
      const isKept = ap.datapath.client(client.mac)?.presence === CONSTANTS.PRESENCE_HERE;
      if (client.ap === ap.id && !isKept) client.heardMs = Number.POSITIVE_INFINITY;
    }
    for (const watch of this.watches) watch.agentEnds?.(ap);
  }

  private makeAp(id: number, aps: number): AccessPoint {
    const { world, geometry, holdMs, fileClients, patches } = this;
    const random = new Prng(this.seed ^ (id * 0x01000193));
    const each = (what: (watch: Watch) => void) => this.watches.forEach(what);
    return new AccessPoint(id, {
      world,
      random,
      geometry,
      holdMs,
      aps,
      fileClients,
      send: (from, bytes, to) => {
        each((watch) => watch.sent?.(from, bytes));
        this.network.send(from.id, bytes, to);
      },
      patchTable: (ap) => patches.table?.(ap, this),
      patchAgent: (ap) => patches.agent?.(ap, this),
      observer: {
        looked: (fingerprint) => this.lookups.push(fingerprint),
        inserted: (ap, fingerprint, code, before) => each((watch) => watch.inserted?.(ap, fingerprint, code, before)),
        mirrored: (ap, mirror, at, cell) => each((watch) => watch.mirrored?.(ap, mirror, at, cell)),
        agentEnds: (ap) => this.agentEnds(ap),
        stood: (ms) => each((watch) => watch.stood?.(ms)),
        warned: (ap, text) => this.note([ap.name], text),
      },
    });
  }
}

function holds({ datapath }: AccessPoint, x: number): boolean {
  return datapath.sfr.table.find(Math.floor(x / 2 ** 32), x >>> 0) >= 0;
}

export function pairKey(a: number, b: number): number {
  return Math.min(a, b) * 256 + Math.max(a, b);
}
