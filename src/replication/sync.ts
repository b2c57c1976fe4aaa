import { ASK_RANGES_MAX, type UnitRange } from "./records/ask.ts";

/** Datagrams of the first round; doubled by a round without loss, halved by one with. */
const WINDOW_FIRST = 16;
const WINDOW_MIN = 4;
const WINDOW_MAX = 256;
const FIRST_ANSWER_MS = 60;
const NEXT_DATAGRAM_MS = 25;
const PATIENCE_MAX_MS = 1_000;

/**
 * A snapshot as its receiver drives it: it asks for what it lacks, a window of datagrams at a time, until each unit has
 * been seen as of `startVer` or later. The sender keeps nothing.
 */
export class SyncSession {
  private readonly lacks: Uint8Array;
  private lacking = 0;
  private window = WINDOW_FIRST;
  private patienceMs = FIRST_ANSWER_MS;
  private deadlineMs: number;
  private asked: UnitRange[] = [];
  private got = 0;
  round = 0;

  constructor(
    units: number,
    wanted: readonly UnitRange[],
    /** What the source had announced when this began: a chunk that is older closes nothing. */
    readonly startVer: number,
    nowMs: number,
  ) {
    this.lacks = new Uint8Array(units);
    for (const { from, count } of wanted) {
      for (let unit = from; unit < Math.min(units, from + count); unit++) this.want(unit);
    }
    this.deadlineMs = nowMs;
  }

  get done(): boolean {
    return this.lacking === 0;
  }

  nextAtMs(): number {
    return this.deadlineMs;
  }

  /** Units `from` to `to` (exclusive) have been seen. */
  cover(from: number, to: number, asOf: number, nowMs: number): void {
    this.got++;
    this.deadlineMs = nowMs + NEXT_DATAGRAM_MS;
    this.patienceMs = FIRST_ANSWER_MS;
    if (asOf < this.startVer) return;
    for (let unit = from; unit < Math.min(to, this.lacks.length); unit++) {
      if (this.lacks[unit] === 1) {
        this.lacks[unit] = 0;
        this.lacking--;
      }
    }
  }

  /** The round's last datagram has come: the next may begin. `to`: where it ended. */
  roundEnded(round: number, to: number, nowMs: number): void {
    if (round !== this.round) return;
    const lossFree = this.asked.every(({ from, count }) => this.covered(from, Math.min(from + count, to)));
    this.window = lossFree ? Math.min(WINDOW_MAX, this.window * 2) : Math.max(WINDOW_MIN, this.window >> 1);
    this.deadlineMs = nowMs;
    this.asked = [];
  }

  /** What to ask for now, or undefined when nothing is due. */
  ask(nowMs: number): { round: number; window: number; units: UnitRange[] } | undefined {
    if (this.done || nowMs < this.deadlineMs) return undefined;
    if (this.asked.length > 0) {
      // Silence: the ask or the end of the answer was lost.
      this.window = Math.max(WINDOW_MIN, this.window >> 1);
      if (this.got === 0) this.patienceMs = Math.min(PATIENCE_MAX_MS, this.patienceMs * 2);
    }
    this.round = (this.round + 1) & 255;
    this.got = 0;
    this.deadlineMs = nowMs + this.patienceMs;
    this.asked = this.ranges();
    return { round: this.round, window: this.window, units: this.asked };
  }

  private want(unit: number): void {
    if (this.lacks[unit] === 0) this.lacking++;
    this.lacks[unit] = 1;
  }

  private covered(from: number, to: number): boolean {
    for (let unit = from; unit < to; unit++) if (this.lacks[unit] === 1) return false;
    return true;
  }

  private ranges(): UnitRange[] {
    const ranges: UnitRange[] = [];
    let from = -1;
    for (let unit = 0; unit <= this.lacks.length; unit++) {
      const lacks = unit < this.lacks.length && this.lacks[unit] === 1;
      if (lacks && from < 0) from = unit;
      if (lacks || from < 0) continue;
      ranges.push({ from, count: unit - from });
      from = -1;
      if (ranges.length === ASK_RANGES_MAX) break;
    }
    return ranges;
  }
}
