import { embeddedOf, icmpError, ipFrame, type Party, PROTO } from "./frames.ts";
import type { Prng } from "./prng.ts";
import type { World } from "./world.ts";

/** Side of a packet's sender, as the datapath has it. */
export type Side = 0 | 1;
export const CLIENT: Side = 0;
export const PEER: Side = 1;
export const other = (side: Side): Side => (1 - side) as Side;

/** The thing under test. `setTime` comes before every `judge`, and never goes back. */
export interface Firewall {
  setTime(nowMs: number): void;
  judge(frame: Uint8Array, side: Side): Judgement;
  /** Used share of the table, 0..1. */
  readonly load: number;
  /** Reasons by number. */
  readonly reasons: readonly string[];
}
export interface Judgement {
  readonly pass: boolean;
  readonly reason: number;
}

/** What a firewall may be excused for, and must not be. Told of every packet that passed. */
export interface Memory<P> {
  /** The stated limit that makes the denial of this packet legitimate; undefined: it has to pass. */
  excuse(packet: P, nowMs: number): string | undefined;
  passed(packet: P, nowMs: number): void;
  /** Of an ICMP error that concerns this flow. */
  excuseError(nowMs: number): string | undefined;
}

/** One half of the way: from an endpoint to the firewall, or from there to the other endpoint. */
export interface Link {
  readonly delayMs: number;
  readonly loss: number;
  /** Share of packets held up long enough to be overtaken. */
  readonly reorder: number;
  readonly duplicate: number;
  /** Nothing arrives between these times. */
  readonly outageFromMs: number;
  readonly outageToMs: number;
}

/** A duplicate may wander this long: half of a two-minute segment lifetime. */
export const LATE_DUPLICATE_MS = 60_000;
const TRANSCRIPT_LINES = 80;
/** A lifetime that ran out shows as one of these; anything else (full, budget, malformed ...) is never excused. */
const EXCUSABLE: ReadonlySet<string> = new Set(["state", "fragment", "acl"]);

/** What a failure is reported with. */
interface Traveller {
  readonly kind: string;
  readonly transcript: readonly string[];
  note(line: string): void;
}

export interface Failure {
  readonly kind: string;
  readonly nowMs: number;
  readonly reason: string;
  readonly packet: string;
  readonly transcript: readonly string[];
}

/** Everything that crosses the firewall is counted here. */
export class Crossing {
  packets = 0;
  denied = 0;
  maxLoad = 0;
  readonly byKind = new Map<string, number>();
  readonly residues = new Map<string, number>();
  /** The first of each residue, with what led to it. */
  readonly residueSamples = new Map<string, Failure>();
  readonly failuresByKind = new Map<string, number>();
  readonly failures: Failure[] = [];

  constructor(
    readonly world: World,
    readonly firewall: Firewall,
    readonly random: Prng,
    private readonly failuresKept = 5,
  ) {}

  cross(path: Traveller, side: Side, frame: Uint8Array, text: string, excuse: () => string | undefined): boolean {
    const nowMs = this.world.nowMs;
    this.firewall.setTime(nowMs);
    this.maxLoad = Math.max(this.maxLoad, this.firewall.load);
    const verdict = this.firewall.judge(frame, side);
    this.packets++;
    this.byKind.set(path.kind, (this.byKind.get(path.kind) ?? 0) + 1);
    const reason = this.firewall.reasons[verdict.reason] ?? String(verdict.reason);
    path.note(
      `${(nowMs / 1000).toFixed(3).padStart(12)} ${side === CLIENT ? "client>" : "<peer  "} ${text}${verdict.pass ? "" : ` DENIED ${reason}`}`,
    );
    if (!verdict.pass) this.judgeDenial(path, text, reason, excuse());
    return verdict.pass;
  }

  private judgeDenial(path: Traveller, packet: string, reason: string, excuse: string | undefined): void {
    const { kind } = path;
    const failure = { kind, nowMs: this.world.nowMs, reason, packet, transcript: [...path.transcript] };
    if (excuse !== undefined && EXCUSABLE.has(reason)) {
      this.residues.set(excuse, (this.residues.get(excuse) ?? 0) + 1);
      if (!this.residueSamples.has(excuse)) this.residueSamples.set(excuse, failure);
      return;
    }
    this.denied++;
    const key = `${kind}/${reason}`;
    this.failuresByKind.set(key, (this.failuresByKind.get(key) ?? 0) + 1);
    if (this.failures.length < this.failuresKept) this.failures.push(failure);
  }
}

export interface PathOptions<P> {
  readonly kind: string;
  readonly crossing: Crossing;
  /** By side: client's half, peer's half. */
  readonly links: readonly [Link, Link];
  readonly memory: Memory<P>;
  readonly parties: readonly [Party, Party];
  /** Share of passed packets that a router behind the firewall answers with an ICMP error. */
  readonly errors: number;
  /** RFC 1122 3.2.2: nobody complains about these. */
  neverErrors?(packet: P): boolean;
  frameOf(packet: P, side: Side): Uint8Array;
  textOf(packet: P): string;
  deliver(packet: P, to: Side): void;
}

/** The way of one conversation's packets, both halves and the firewall between them. */
export class Path<P> {
  readonly transcript: string[] = [];
  readonly kind: string;
  private readonly crossing: Crossing;
  private readonly world: World;
  private readonly random: Prng;
  /** Last arrival in order, by half of the way and sender. */
  private readonly lastMs = [0, 0, 0, 0];

  constructor(private readonly options: PathOptions<P>) {
    this.kind = options.kind;
    this.crossing = options.crossing;
    this.world = options.crossing.world;
    this.random = options.crossing.random;
  }

  note(line: string): void {
    if (this.transcript.length >= TRANSCRIPT_LINES) this.transcript.shift();
    this.transcript.push(line);
  }

  send(from: Side, packet: P): void {
    this.travel(from, this.options.links, from, () => this.atFirewall(from, packet));
  }

  private atFirewall(from: Side, packet: P): void {
    const { memory, frameOf, textOf, links, deliver } = this.options;
    const frame = frameOf(packet, from);
    const pass = this.crossing.cross(this, from, frame, textOf(packet), () => memory.excuse(packet, this.world.nowMs));
    if (!pass) return;
    memory.passed(packet, this.world.nowMs);
    if (this.random.chance(this.options.errors) && !this.options.neverErrors?.(packet)) this.routerError(from, frame);
    this.travel(other(from), links, from, () => deliver(packet, other(from)));
  }

  /** Loss, delay, overtaking, duplication: what a network does to a packet on one half of its way. */
  private travel(half: Side, links: readonly [Link, Link], sender: Side, arrive: () => void): void {
    const { random, world } = this;
    const link = links[half];
    if (world.nowMs >= link.outageFromMs && world.nowMs < link.outageToMs) return;
    if (!random.chance(link.loss)) {
      const lane = half * 2 + sender;
      const atMs = Math.max(this.lastMs[lane]!, world.nowMs + link.delayMs + random.unit());
      // What is held up is overtaken; everything else keeps its order.
      if (random.chance(link.reorder)) world.after(link.delayMs + random.spread(1, 3_000), arrive);
      else this.inOrder(lane, atMs, arrive);
    }
    if (!random.chance(link.duplicate)) return;
    world.after(
      link.delayMs + (random.chance(0.8) ? random.between(0, 50) : random.between(0, LATE_DUPLICATE_MS)),
      arrive,
    );
  }

  private inOrder(lane: number, atMs: number, arrive: () => void): void {
    this.lastMs[lane] = atMs;
    this.world.after(atMs - this.world.nowMs, arrive);
  }

  /** The packet passed the firewall and met a router that could not forward it (or only says so, as traceroute's). */
  private routerError(about: Side, frame: Uint8Array): void {
    const sender = this.options.parties[about];
    const v4 = sender.address.length === 4;
    const type = this.random.pick(v4 ? [3, 11, 12] : [1, 2, 3, 4]);
    const router = this.routerAt(other(about));
    const body = icmpError(type, this.random.below(4), embeddedOf(frame, this.random.pick(v4 ? [28, 60] : [56, 64])));
    const error = ipFrame(router, sender, v4 ? PROTO.icmp : PROTO.icmp6, body);
    this.travel(other(about), this.options.links, other(about), () => {
      const excuse = () => this.options.memory.excuseError(this.world.nowMs);
      this.crossing.cross(this, other(about), error, `ICMP error ${type}`, excuse);
    });
  }

  /** On the client's side only the client itself complains: its own address and station. */
  private routerAt(side: Side): Party {
    const party = this.options.parties[side];
    if (side === CLIENT) return party;
    return { mac: party.mac, address: party.address.map((byte, i) => (i > 1 ? this.random.below(256) : byte)) };
  }
}
