import { ASK_RANGES_MAX, type UnitRange } from "./records/ask.ts";

/** Datagrams of the first round; doubled when at most a quarter was lost, halved when more than half was. */
const WINDOW_FIRST = 16;
/** The same where the source answered at once: a link that is near, fast and idle. */
const WINDOW_FIRST_NEAR = 128;
const NEAR_MS = 20;
const WINDOW_MIN = 8;
const WINDOW_MAX = 256;
const LOSS_SHARE_GROW = 1 / 4;
const LOSS_SHARE_SHRINK = 1 / 2;
const FIRST_ANSWER_MS = 30;
/** What is still to come of a round is waited for so long, and for each datagram twice what one took so far, or this. */
const TAIL_MS = 5;
const DATAGRAM_MS = 2;
export const TAIL_UNITS = 96;
const PATIENCE_MAX_MS = 1_000;
/** So many rounds without an answer are bad luck on a lossy radio; more are a source that is gone or busy. */
const SILENT_ROUNDS = 3;

/** A datagram of a snapshot: units `from` to `to` (exclusive). */
export interface SnapshotPart {
  readonly from: number;
  readonly to: number;
  readonly asOf: number;
  readonly round: number;
  readonly toCome: number;
}

/**
 * A snapshot as its receiver drives it: it asks for what it lacks, a window of datagrams at a time, until each unit has
 * been seen as of `startVer` or later. The sender keeps nothing.
 */
export class SyncSession {
  private readonly lacks: Uint8Array;
  private lacking = 0;
  private window: number;
  private patienceMs = FIRST_ANSWER_MS;
  private deadlineMs: number;
  /** Datagrams of this round: come, and as many as there must be. */
  private got = 0;
  private expected = 0;
  /** Behind the last of them; what overtook it on the way has no say. */
  private behind = 0;
  private firstMs = 0;
  private open = false;
  private silent = 0;
  /** Units that this round closed, and how many rounds one after the other were answered and closed none. */
  private closed = 0;
  private vain = 0;
  private askedMs = 0;
  round = 0;

  constructor(
    units: number,
    wanted: readonly UnitRange[],
    /** What the source had announced when this began: a chunk that is older closes nothing. */
    readonly startVer: number,
    readonly beganMs: number,
    rttMs = Number.POSITIVE_INFINITY,
  ) {
    this.window = rttMs < NEAR_MS ? WINDOW_FIRST_NEAR : WINDOW_FIRST;
    this.lacks = new Uint8Array(units);
    for (const { from, count } of wanted) this.lacks.fill(1, from, from + count);
    this.lacking = this.ranges(units).reduce((sum, { count }) => sum + count, 0);
    this.deadlineMs = beganMs;
  }

  get done(): boolean {
    return this.lacking === 0;
  }

  nextAtMs(): number {
    return this.deadlineMs;
  }

  cover({ from, to, asOf, round, toCome }: SnapshotPart, nowMs: number): void {
    if (round === this.round) this.counted(toCome, nowMs);
    if (asOf < this.startVer) return;
    for (let unit = from; unit < Math.min(to, this.lacks.length); unit++) {
      if (this.lacks[unit] === 1) {
        this.lacks[unit] = 0;
        this.lacking--;
        this.closed++;
      }
    }
  }

  /** What to ask for now, or undefined when nothing is due. */
  ask(nowMs: number): { round: number; window: number; units: UnitRange[] } | undefined {
    if (this.done || nowMs < this.deadlineMs) return undefined;
    if (this.open && this.rests(nowMs)) return undefined;
    this.open = true;
    this.round = (this.round + 1) & 255;
    this.got = 0;
    this.closed = 0;
    this.expected = 0;
    this.behind = Number.POSITIVE_INFINITY;
    this.askedMs = nowMs;
    this.deadlineMs = nowMs + this.patienceMs;
    return { round: this.round, window: this.window, units: this.ranges(ASK_RANGES_MAX) };
  }

  /** Ends the round. A source that answers, and never with what it announced, is asked ever less often. */
  private rests(nowMs: number): boolean {
    this.adapt();
    this.open = false;
    this.vain = this.got > 0 && this.closed === 0 ? this.vain + 1 : 0;
    const untilMs =
      this.vain === 0 ? nowMs : this.askedMs + Math.min(PATIENCE_MAX_MS, FIRST_ANSWER_MS * 2 ** this.vain);
    this.deadlineMs = untilMs;
    return nowMs < untilMs;
  }

  private counted(toCome: number, nowMs: number): void {
    this.got++;
    this.expected = Math.max(this.expected, this.got + toCome);
    this.behind = Math.min(this.behind, toCome);
    if (this.got === 1) {
      this.firstMs = nowMs;
      // The first answer of a round tells how long to wait for the next one's.
      this.patienceMs = Math.min(FIRST_ANSWER_MS, TAIL_MS + 4 * (nowMs - this.askedMs));
    }
    this.deadlineMs = this.behind === 0 ? nowMs : nowMs + TAIL_MS + this.behind * this.spacingMs(nowMs);
  }

  private spacingMs(nowMs: number): number {
    return this.got === 1 ? DATAGRAM_MS : Math.min(DATAGRAM_MS, (2 * (nowMs - this.firstMs)) / (this.got - 1));
  }

  /** Random loss of a radio is no reason to slow down; the loss of a full queue is. */
  private adapt(): void {
    this.silent = this.got === 0 ? this.silent + 1 : 0;
    if (this.silent > SILENT_ROUNDS) this.patienceMs = Math.min(PATIENCE_MAX_MS, this.patienceMs * 2);
    if (this.got === 0) return;
    const lost = 1 - this.got / this.expected;
    if (lost <= LOSS_SHARE_GROW) this.window = Math.min(WINDOW_MAX, this.window * 2);
    else if (lost > LOSS_SHARE_SHRINK) this.window = Math.max(WINDOW_MIN, this.window >> 1);
  }

  /** What is lacking, at most so many pieces of it. */
  private ranges(most: number): UnitRange[] {
    const ranges: UnitRange[] = [];
    let from = this.lacks.indexOf(1);
    while (from >= 0 && ranges.length < most) {
      const end = this.lacks.indexOf(0, from);
      const to = end < 0 ? this.lacks.length : end;
      ranges.push({ from, count: to - from });
      from = this.lacks.indexOf(1, to);
    }
    return ranges;
  }
}
