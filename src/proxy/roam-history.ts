import type { Mac } from "../base/mac.ts";

/** What a client that came had to be given, and how long that took. */
export interface RoamLine {
  readonly mac: Mac;
  /** On the agent's clock. */
  readonly atMs: number;
  /** `left`: to the APs in `aps`; `came`: these held its state. */
  readonly kind: "came" | "left";
  readonly aps: readonly number[];
  /**
   * `came`: from the client's first frame here until all that the others held of it was in this AP's own table; packets
   * pass meanwhile by the mirrors. Null: not all of it has come.
   */
  readonly gapMs: number | null;
  /** Expectations taken over. */
  readonly cells: number;
  /** Who gave the last of it: the APs themselves, or what was mirrored of them. */
  readonly by: "handover" | "mirror" | null;
}

/** Cumulative counts are made when somebody reads. */
export interface Histogram {
  /** Upper bounds, inclusive, ascending; one count more than bounds. */
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
}

/** Steps that tell a handover (milliseconds), its repetitions (20, 60, 140 ms), the mirrors (100 ms) and sessions (1 s) apart. */
const GAP_BOUNDS_MS = [1, 2, 5, 10, 20, 50, 100, 150, 250, 500, 1_000, 2_000, 5_000, 10_000];
const KEPT = 64;

type Entry = { -readonly [K in keyof RoamLine]: RoamLine[K] } & { readonly n: number };

/** The last roams, and the distribution of all gaps. Bounded: 64 lines, one count for each step. */
export class RoamHistory {
  private readonly kept: Entry[] = [];
  private readonly counts = new Array<number>(GAP_BOUNDS_MS.length + 1).fill(0);
  private sumMs = 0;

  /** Newest last. */
  list(): RoamLine[] {
    return this.kept.map(({ n: _n, ...line }) => ({ ...line }));
  }

  get gapsMs(): Histogram {
    return { bounds: GAP_BOUNDS_MS, counts: [...this.counts], sum: this.sumMs };
  }

  /** A client came under claim `n` and `aps` hold its state. More of the same claim: more holders became known. */
  came(mac: Mac, n: number, aps: readonly number[], atMs: number): void {
    if (aps.length === 0) return;
    const open = this.open(mac, n);
    if (open) open.aps = [...new Set([...open.aps, ...aps])];
    else this.keep({ mac, atMs, kind: "came", aps, gapMs: null, cells: 0, by: null, n });
  }

  left(mac: Mac, n: number, ap: number, atMs: number): void {
    this.keep({ mac, atMs, kind: "left", aps: [ap], gapMs: null, cells: 0, by: null, n });
  }

  took(mac: Mac, n: number, cells: number): void {
    const entry = this.find(mac, n);
    if (entry) entry.cells += cells;
  }

  /** Nothing is owed any more. Only the first word counts. */
  complete(mac: Mac, n: number, by: "handover" | "mirror", nowMs: number): void {
    const entry = this.open(mac, n);
    if (!entry) return;
    entry.gapMs = nowMs - entry.atMs;
    entry.by = by;
    const { gapMs } = entry;
    const step = GAP_BOUNDS_MS.findIndex((bound) => gapMs <= bound);
    this.counts[step < 0 ? GAP_BOUNDS_MS.length : step]!++;
    this.sumMs += gapMs;
  }

  private open(mac: Mac, n: number): Entry | undefined {
    const entry = this.find(mac, n);
    return entry?.gapMs === null ? entry : undefined;
  }

  private find(mac: Mac, n: number): Entry | undefined {
    return this.kept.find((entry) => entry.kind === "came" && entry.mac === mac && entry.n === n);
  }

  private keep(entry: Entry): void {
    this.kept.push(entry);
    if (this.kept.length > KEPT) this.kept.shift();
  }
}
