/** More gaps than this are no loss but an absence: a snapshot is cheaper to ask and to answer. */
export const GAPS_MAX = 64;
const REORDER_MS = 5;
const SPREAD_MS = 40;
const RETRY_MS = 60;
const RETRY_MAX_MS = 1_000;
/** Then the sender has nothing for us that a repair could carry. */
const TRIES_MAX = 7;

export interface Gap {
  from: number;
  to: number;
  /** When it is asked for, unless it is filled or somebody else asks before. */
  dueMs: number;
  tries: number;
  /** When it was missed. */
  readonly sinceMs: number;
}

/** Change sets of one sender that were announced and have not come. */
export class Gaps {
  /** All up to here was announced. */
  highest = 0;
  private list: Gap[] = [];

  /** `random` in [0, 1). */
  constructor(private readonly random: () => number) {}

  get count(): number {
    return this.list.length;
  }

  /** All change sets up to here are known. */
  get contiguous(): number {
    return this.list.length > 0 ? Math.min(...this.list.map((gap) => gap.from)) - 1 : this.highest;
  }

  get missing(): number {
    return this.list.reduce((sum, gap) => sum + gap.to - gap.from + 1, 0);
  }

  /** When the oldest of what is missing was missed; Infinity: nothing is. */
  get oldestMs(): number {
    return this.list.reduce((oldest, gap) => Math.min(oldest, gap.sinceMs), Number.POSITIVE_INFINITY);
  }

  /** A change set came, or was closed by a repair. */
  arrived(from: number, to: number, nowMs: number): void {
    if (from > this.highest + 1) this.open(this.highest + 1, from - 1, nowMs);
    if (from <= this.highest) this.close(from, Math.min(to, this.highest));
    this.highest = Math.max(this.highest, to);
  }

  /** The sender says that there is nothing newer than `ver`: what has not come is missing. */
  announced(ver: number, nowMs: number): void {
    if (ver <= this.highest) return;
    this.open(this.highest + 1, ver, nowMs);
    this.highest = ver;
  }

  /** A snapshot stands for everything up to `ver`. */
  closeUpTo(ver: number): void {
    this.close(1, ver);
    this.highest = Math.max(this.highest, ver);
  }

  reset(ver: number): void {
    this.list = [];
    this.highest = ver;
  }

  /** Somebody else asked for it: the answer may serve us too. */
  askedByOther(from: number, to: number, nowMs: number): void {
    for (const gap of this.list) {
      if (gap.from >= from && gap.to <= to) gap.dueMs = Math.max(gap.dueMs, nowMs + RETRY_MS);
    }
  }

  /** Gaps to ask for now; they are due again later, ever less often. */
  takeDue(nowMs: number, most: number): Gap[] {
    const due = this.list.filter((gap) => gap.dueMs <= nowMs).slice(0, most);
    for (const gap of due) {
      gap.dueMs = nowMs + Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** gap.tries);
      gap.tries++;
    }
    return due;
  }

  get hopeless(): boolean {
    return this.list.length > GAPS_MAX || this.list.some((gap) => gap.tries >= TRIES_MAX);
  }

  nextAtMs(): number {
    return this.list.reduce((next, gap) => Math.min(next, gap.dueMs), Number.POSITIVE_INFINITY);
  }

  /** Beyond what a snapshot is cheaper for, gaps grow together: the list stays short however much is lost. */
  private open(from: number, to: number, nowMs: number): void {
    const last = this.list[this.list.length - 1];
    if (last && this.list.length > GAPS_MAX) {
      this.list = [...this.list.slice(0, -1), { ...last, to }];
      return;
    }
    this.list.push({ from, to, dueMs: nowMs + REORDER_MS + this.random() * SPREAD_MS, tries: 0, sinceMs: nowMs });
  }

  private close(from: number, to: number): void {
    if (this.list.length === 0) return;
    const rest: Gap[] = [];
    for (const gap of this.list) {
      if (gap.to < from || gap.from > to) rest.push(gap);
      else {
        if (gap.from < from) rest.push({ ...gap, to: from - 1 });
        if (gap.to > to) rest.push({ ...gap, from: to + 1 });
      }
    }
    // Split up by what came between, however often: one gap again.
    this.list = rest.length > 2 * GAPS_MAX ? [{ ...rest[0]!, to: rest[rest.length - 1]!.to }] : rest;
  }
}
