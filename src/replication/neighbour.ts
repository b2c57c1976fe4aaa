import { sameBytes } from "../base/bytes.ts";
import type { Mac } from "../base/mac.ts";
import type { Geometry } from "../bloom/geometry.ts";
import type { Endpoint } from "../platform/platform.ts";
import type { Mirror } from "../proxy/mirror.ts";
import { PhaseClock } from "../proxy/phase.ts";
import { unwrapTick } from "../proxy/ticks.ts";
import { Attempts } from "./attempts.ts";
import { Breath } from "./breath.ts";
import { TokenBucket } from "./bucket.ts";
import { ClaimLimit } from "./claim-limit.ts";
import { Gaps } from "./gaps.ts";
import { Insistence } from "./insistence.ts";
import { MODES, type Mode } from "./modes.ts";
import { Paths } from "./paths.ts";
import type { UnitRange } from "./records/ask.ts";
import type { Heard } from "./records/hello.ts";
import type { RightsRecord } from "./records/rights.ts";
import type { Account } from "./repairs.ts";
import { RightsMap } from "./rights-map.ts";
import type { Channel, Header } from "./seal.ts";
import { SourceClock } from "./source-clock.ts";
import type { NeighbourState } from "./status.ts";
import { SyncSession } from "./sync.ts";
import { Units } from "./units.ts";
import { type ReplayWindow, WINDOW_PNS } from "./window.ts";

export const HELLO_EVERY_MS = 1_000;
export const SUSPECT_AFTER_MS = 3 * HELLO_EVERY_MS;
export const DEAD_AFTER_MS = 10 * HELLO_EVERY_MS;
/** Ticks that a source may be ahead of our estimate: a broken clock must not expire its whole mirror here. */
const TICKS_AHEAD = 2;
const REANCHOR_MS = 3_600_000;
const SUPERSEDED_MAX = 64;
const LEAVES_WITHIN_MS = 200;
export const HINTS_PER_SECOND = 64;

/** A table that a neighbour no longer has, still asked for what lived in it. */
export interface Orphan {
  readonly mirror: Mirror;
  readonly rights: RightsMap;
  readonly phases: PhaseClock;
  readonly guard: TickGuard;
}

/** Where a source's ticks may stand by our own clock. */
export class TickGuard {
  constructor(
    private readonly geometry: Geometry,
    private fast: number,
    private slow: number,
    private sinceMs: number,
  ) {}

  /** Ticks as claimed, or as far as they are believable. Returns true when they had to be cut. */
  clamp(claimed: { fast: number; slow: number }, nowMs: number): boolean {
    const now = this.estimate(nowMs);
    const fast = Math.min(claimed.fast, now.fast + 1 + TICKS_AHEAD);
    const slow = Math.min(claimed.slow, now.slow + 1 + TICKS_AHEAD);
    const cut = fast !== claimed.fast || slow !== claimed.slow;
    claimed.fast = fast;
    claimed.slow = slow;
    if (nowMs - this.sinceMs > REANCHOR_MS) {
      this.fast = fast;
      this.slow = slow;
      this.sinceMs = nowMs;
    }
    return cut;
  }

  /** By our clock alone: what a silent source's ticks are at least. */
  estimate(nowMs: number): { fast: number; slow: number } {
    const elapsed = Math.max(0, nowMs - this.sinceMs);
    return {
      fast: this.fast + Math.floor(elapsed / this.geometry.fastTickMs),
      slow: this.slow + Math.floor(elapsed / this.geometry.slowTickMs),
    };
  }
}

export interface NeighbourParts {
  readonly geometry: Geometry;
  readonly account: Account;
  readonly nowMs: number;
  /** In [0, 1). */
  random(): number;
}

/** Another AP: what it said of itself, and how much of what it published is known here. */
export class Neighbour {
  identity = 0n;
  /** That is, or was last, believed. */
  epoch: Uint8Array = new Uint8Array(16);
  believed = false;
  epochTag = 0;
  /** The keys of its epoch. */
  channel: Channel | undefined;
  window: ReplayWindow | undefined;
  readonly attempts = new Attempts(WINDOW_PNS);
  /** Our challenges before this number are no proof from it: an earlier life may have answered them. */
  leastChallenge = 0;
  /** Slot in which its mesh key is another than ours. */
  keyConflict: number | undefined;
  /** Its challenge: given back in our hello. */
  challenge = 0n;
  state: NeighbourState = "fresh";
  helloMs: number;
  /** When its present epoch was believed. */
  believedMs = Number.NaN;
  /** Last hello sent for it alone, as an answer and of our own accord. */
  readonly answers = new Insistence();
  greetedMs = Number.NEGATIVE_INFINITY;
  /** It said goodbye: it is dead when what it published last is known, or nothing more can come. */
  leftMs = Number.NaN;
  owesAnswer = false;
  hello: Heard | undefined;
  tableId = 0n;
  /** What its cells differ in from ours, in words; empty: it can be mirrored. */
  differences: readonly string[] = [];
  mode: Mode = MODES.ftfw;
  /** Change sets that are lost for good: nobody repairs them. */
  givenUp = 0;
  mirror: Mirror | undefined;
  rights = new RightsMap();
  units: Units;
  sync: SyncSession | undefined;
  readonly gaps: Gaps;
  /** What it may cost us. */
  readonly account: Account;
  readonly claims = new ClaimLimit();
  /** Answers that nobody asked for: twice what an AP sends in a second, as they may come late together. */
  readonly hints = new TokenBucket(HINTS_PER_SECOND, 2 * HINTS_PER_SECOND);
  readonly breath = new Breath();
  readonly paths = new Paths();
  /** It says that what we send to the group comes to it. */
  hearsGroup = false;
  /** Last hello that it was sent alone. */
  aloneMs = Number.NEGATIVE_INFINITY;
  /** Between its hellos, smoothed. */
  periodMs = HELLO_EVERY_MS;
  /** Share of ours that it lost, 256ths. */
  lostThere = 0;
  readonly orphans: Orphan[] = [];
  /** Whose slots those of its former table were: kept when nothing is left of the table itself. */
  former: RightsMap | undefined;
  phases: PhaseClock;
  guard: TickGuard;
  readonly clock: SourceClock;
  /** Up to where it knows our change sets. */
  ackVer = 0;
  /** How it sees us, as its last hello said (`SEEN`). */
  saidOfUs = 0;
  lost = 0;
  digestAskedMs = Number.NEGATIVE_INFINITY;
  /** At most so long takes a datagram there and its answer back: measured when it was believed. */
  rttMs = Number.POSITIVE_INFINITY;
  /** Clients that came from it or went to it. */
  roams = 0;
  private readonly superseded: Uint8Array[] = [];
  private countedPn = 0;
  private countedTaken = 0;
  private fast = 0;
  private slow = 0;

  constructor(
    readonly id: number,
    public address: Endpoint,
    { geometry, account, random, nowMs }: NeighbourParts,
  ) {
    this.account = account;
    this.helloMs = nowMs;
    this.gaps = new Gaps(random);
    this.units = new Units(0, undefined);
    this.phases = new PhaseClock(geometry);
    this.guard = new TickGuard(geometry, 0, 0, nowMs);
    this.clock = new SourceClock(geometry);
  }

  supersede(epoch: Uint8Array): void {
    this.superseded.push(epoch);
    if (this.superseded.length > SUPERSEDED_MAX) this.superseded.shift();
  }

  isSuperseded(epoch: Uint8Array): boolean {
    return this.superseded.some((old) => sameBytes(old, epoch));
  }

  /** Is this of the epoch that is believed? */
  isOfEpoch({ epochTag, hello }: Header): boolean {
    if (!this.believed || epochTag !== this.epochTag) return false;
    return !hello || sameBytes(hello.epoch, this.epoch);
  }

  /** Absolute ticks of the low eight bits in a datagram's prefix. */
  ticksOf(fast8: number, slow8: number): { fast: number; slow: number } {
    return { fast: unwrapTick(fast8, this.fast), slow: unwrapTick(slow8, this.slow) };
  }

  setTicks(fast: number, slow: number): void {
    this.fast = Math.max(this.fast, fast);
    this.slow = Math.max(this.slow, slow);
    this.mirror?.advance(this.fast, this.slow);
  }

  /** A new table counts from anywhere. */
  resetTicks(fast: number, slow: number): void {
    this.fast = fast;
    this.slow = slow;
  }

  startSync(wanted: readonly UnitRange[] | undefined, nowMs: number): void {
    const all = [{ from: 0, count: this.units.count }];
    this.sync = new SyncSession(this.units.count, wanted ?? all, this.gaps.highest, nowMs, this.rttMs);
  }

  get compatible(): boolean {
    return this.believed && this.differences.length === 0;
  }

  /** What it will not repair is not waited for. */
  giveUpGaps(): void {
    if (this.gaps.count === 0) return;
    this.givenUp += this.gaps.missing;
    this.gaps.reset(this.gaps.highest);
  }

  /** Slot that it gave the client, if it told. */
  slotOf(mac: Mac): number | undefined {
    return this.rights.slotOf(mac);
  }

  /** What it said last of the client's rights. */
  rightsOf(mac: Mac): RightsRecord | undefined {
    const slot = this.rights.slotOf(mac);
    return slot === undefined ? undefined : this.rights.get(slot);
  }

  /** It speaks anew: the goodbye of before, answered or not, is over. */
  isBack(): void {
    this.state = "alive";
    this.leftMs = Number.NaN;
    this.owesAnswer = false;
  }

  /** It said goodbye: when to say that all it published is known, or that there is no sense in waiting for more. */
  get leavesAtMs(): number {
    if (!this.owesAnswer) return Number.POSITIVE_INFINITY;
    return !this.sync && this.gaps.count === 0 ? this.leftMs : this.leftMs + LEAVES_WITHIN_MS;
  }

  /** Share of its datagrams that were lost since last asked, 256ths. */
  takeLost(): number {
    if (!this.window) return 0;
    const sent = this.window.newest - this.countedPn;
    const taken = this.window.taken - this.countedTaken;
    this.countedPn = this.window.newest;
    this.countedTaken = this.window.taken;
    if (sent > 0) this.lost = Math.max(0, Math.min(255, Math.round((1 - taken / sent) * 255)));
    return this.lost;
  }

  beginCounting(): void {
    this.countedPn = this.window ? this.window.newest : 0;
    this.countedTaken = 0;
  }

  /** Mirrors to ask for what it published, a bit each. */
  get mask(): number {
    const own = this.mirror ? 1 << this.mirror.index : 0;
    return this.orphans.reduce((mask, orphan) => mask | (1 << orphan.mirror.index), own);
  }
}
