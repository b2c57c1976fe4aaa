import { CONSTANTS } from "../datapath/abi.ts";
import type { Datapath } from "../datapath/datapath.ts";
import type { OwnTable } from "./own-table.ts";
import { type PublishedCache, URGENCY } from "./published.ts";

/** Cells that are looked at together, once a second: the default table is seen in about a minute. */
const SLICE_CELLS = 512;
const GRACE_MS = 1_000;
/** More are not remembered: a table full of them is found slice by slice. */
const SUSPECTS_MAX = 512;

export interface AuditParts {
  readonly datapath: Pick<Datapath, "dump" | "sync">;
  readonly published: PublishedCache;
  readonly own: OwnTable;
  readonly holdMs: number;
  /** A cell stands in the datapath's table for longer than it may be held back, and no neighbour was told. */
  unpublished(coordinate: number): void;
}

/**
 * Whether all that must be known to neighbours was published. The datapath is asked for a slice at a time; what is marked
 * there to be reported, or was reported, and is unpublished still when it can be held back no longer, was forgotten by
 * somebody. It is counted, and then published.
 */
export class Audit {
  private from = 0;
  private readonly suspects = new Map<number, { readonly cell: number; readonly sinceMs: number; seenMs: number }>();
  private lookingSinceMs = Number.NaN;

  constructor(private readonly parts: AuditParts) {}

  /** Rejects when the datapath goes away. */
  async look(nowMs: number): Promise<void> {
    const { datapath, published, own } = this.parts;
    // What a reread finds must all be noted.
    if (this.isLooking || own.isRereading) return;
    this.lookingSinceMs = nowMs;
    if (this.suspects.size === 0) this.from = (this.from + SLICE_CELLS) % published.cells.length;
    datapath.dump(this.from, Math.min(SLICE_CELLS, published.cells.length - this.from));
    await datapath.sync();
    for (const [at, { seenMs }] of this.suspects) if (seenMs !== nowMs) this.suspects.delete(at);
    this.lookingSinceMs = Number.NaN;
  }

  get isLooking(): boolean {
    return !Number.isNaN(this.lookingSinceMs);
  }

  /** What is looked at is taken for what it is. */
  stop(): void {
    this.lookingSinceMs = Number.NaN;
    this.suspects.clear();
  }

  /** Takes out what was only looked at, in place; returns the count of those that are to be noted. */
  sift(coordinates: Uint32Array, cells: Uint32Array, owners: Uint16Array, count: number, dumped: Uint16Array): number {
    let kept = 0;
    for (let i = 0; i < count; i++) {
      if (dumped[i] !== 0 && !this.isForgotten(coordinates[i]!, cells[i]!, owners[i]!, dumped[i]! - 1)) continue;
      coordinates[kept] = coordinates[i]!;
      cells[kept] = cells[i]!;
      owners[kept++] = owners[i]!;
    }
    return kept;
  }

  /** A cell of the slice, as it stands. True when it must be published now. */
  private isForgotten(coordinate: number, cell: number, owner: number, mark: number): boolean {
    const { published, own, holdMs } = this.parts;
    const nowMs = this.lookingSinceMs;
    // Superseded before it was due, or changed in a way that concerns nobody else: it was never to be reported.
    if (mark === CONSTANTS.MARK_CLEAN && own.cells[coordinate] !== cell) return false;
    if (own.isWaiting(coordinate) || published.urgency(coordinate, cell, own.ownerTold(owner)) !== URGENCY.change)
      return false;
    const known = this.suspects.get(coordinate);
    if (known?.cell !== cell) {
      if (this.suspects.size < SUSPECTS_MAX) this.suspects.set(coordinate, { cell, sinceMs: nowMs, seenMs: nowMs });
      return false;
    }
    known.seenMs = nowMs;
    if (nowMs - known.sinceMs <= holdMs + GRACE_MS) return false;
    this.suspects.delete(coordinate);
    this.parts.unpublished(coordinate);
    return true;
  }
}
