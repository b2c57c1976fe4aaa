import type { Geometry } from "../bloom/geometry.ts";
import type { Endpoint } from "../platform/platform.ts";
import type { Context } from "../proxy/contexts.ts";
import type { OwnTable } from "../proxy/own-table.ts";
import type { PublishedCache } from "../proxy/published.ts";
import type { Ticks } from "../proxy/ticks.ts";
import { TokenBucket } from "./bucket.ts";
import type { Mode } from "./modes.ts";
import type { Outbox } from "./outbox.ts";
import { TO_ALL } from "./outbox.ts";
import { CellBlock } from "./records/cell-block.ts";
import { CELLS_FIXED_BYTES, CELLS_KIND } from "./records/cells.ts";
import { edge } from "./records/edge.ts";
import { VER_FIRST, VER_MAX } from "./records/kinds.ts";
import { rights } from "./records/rights.ts";
import { type Account, BURST_MIN_BYTES, REPAIR_SLACK_BYTES, Repairs } from "./repairs.ts";
import { RightsMap, rightsRecord } from "./rights-map.ts";
import { Snapshots } from "./snapshots.ts";
import type { ReplicationCounters } from "./status.ts";

/**
 * A lost last message would else be missed only at the next hello. Counted from when the next could have come: while they
 * keep coming, each shows that the one before was lost.
 */
const EDGE_AFTER_MS = [20, 60, 140];
/** Share of the rate that mere refreshes may take: a slow tick makes thousands of them worth a record at once. */
const REFRESH_SHARE = 1 / 8;
/** Bits of a cell beside its remainder: gap, indices. Only to guess how many fit a datagram. */
const CELL_EXTRA_BITS = 14;

export interface SenderParts {
  readonly geometry: Geometry;
  readonly published: PublishedCache;
  readonly own: OwnTable;
  readonly ticks: Ticks;
  readonly outbox: Outbox;
  readonly counters: ReplicationCounters;
  readonly mode: Mode;
  readonly flushMs: number;
  readonly bytesPerSecond: number;
  /** Period of a source that sends everything again. */
  readonly resendMs: number;
  /** Whether anybody listens. */
  audience(): boolean;
  contextOf(slot: number): Context | undefined;
}

/** What was published, by number. */
export interface Stream {
  /** The newest change set. */
  readonly ver: number;
  readonly rights: RightsMap;
}

/** A listener that asked for something. */
export interface Asker {
  readonly id: number;
  readonly address: Endpoint;
  readonly account: Account;
}

/**
 * Publishes what changed. It never waits for anybody, and a change costs one datagram whatever the neighbours do: repairs
 * and snapshots share a budget of their own, of which no neighbour gets more than its share.
 */
export class Sender implements Stream {
  ver = 0;
  readonly rights = new RightsMap();
  readonly repairs: Repairs;
  readonly snapshots: Snapshots;
  private readonly block: CellBlock;
  private readonly fresh: { cells: Uint32Array; owners: Uint16Array; vers: Uint32Array };
  private readonly slots = new Set<number>();
  private publishedMs = Number.NEGATIVE_INFINITY;
  private edgesSaid = EDGE_AFTER_MS.length;
  private readonly refreshBudget: TokenBucket;

  constructor(private readonly parts: SenderParts) {
    const { geometry, published, own, bytesPerSecond, outbox } = parts;
    this.block = new CellBlock(geometry, "place");
    this.fresh = { cells: own.cells, owners: own.owners, vers: published.vers };
    const budget = new TokenBucket(bytesPerSecond, Math.max(BURST_MIN_BYTES, bytesPerSecond / 4));
    this.repairs = new Repairs(parts, this, this.block, budget);
    this.snapshots = new Snapshots(parts, this, budget);
    this.refreshBudget = new TokenBucket(bytesPerSecond * REFRESH_SHARE, outbox.room);
  }

  announce(slot: number): void {
    this.slots.add(slot);
  }

  /** What stands in the table at start is published as one change set that nobody is sent: neighbours ask for it. */
  prime(nowMs: number): void {
    const { own, published } = this.parts;
    this.ver = VER_FIRST;
    for (const at of own.take(own.refreshes)) published.publish(at, this.freshCell(at), own.ownerOf(at), this.ver);
    for (const slot of this.slots) this.publishSlot(slot, nowMs);
    this.slots.clear();
  }

  /** Everything counts as one change set again: neighbours believe the new epoch, then ask for a snapshot. */
  beginEpoch(): void {
    this.ver = VER_FIRST;
    this.parts.published.renumber(this.ver);
  }

  get epochEnds(): boolean {
    return this.ver >= VER_MAX;
  }

  nextAtMs(): number {
    const { mode } = this.parts;
    const resendMs = mode.resends ? this.snapshots.nextResendMs : Number.POSITIVE_INFINITY;
    return Math.min(this.flushDueMs(), this.edgeDueMs(), resendMs);
  }

  publishes(nowMs: number): boolean {
    return nowMs >= this.flushDueMs();
  }

  tick(nowMs: number): void {
    const { outbox, mode, resendMs } = this.parts;
    if (this.publishes(nowMs)) this.publish(nowMs);
    if (mode.resends && this.parts.audience()) this.snapshots.resend(resendMs, nowMs);
    if (nowMs < this.edgeDueMs()) return;
    this.edgesSaid++;
    if (!this.parts.audience()) return;
    outbox.add(edge, { ver: this.ver });
    outbox.flush(TO_ALL, undefined);
  }

  /** Every change that waits, now, and as many refreshes as their budget allows. */
  publish(nowMs: number): void {
    const before = this.ver;
    this.publishSlots(nowMs);
    this.publishCells(nowMs);
    if (this.ver === before) return;
    this.publishedMs = nowMs;
    this.edgesSaid = this.parts.mode.edges ? 0 : EDGE_AFTER_MS.length;
  }

  private edgeDueMs(): number {
    const after = EDGE_AFTER_MS[this.edgesSaid];
    return after === undefined ? Number.POSITIVE_INFINITY : this.publishedMs + this.parts.flushMs + after;
  }

  private flushDueMs(): number {
    const { own, flushMs, outbox } = this.parts;
    // The datapath keeps the pace: what it reports goes out with the same waking up, early or late by its jitter.
    if (own.changes > 0 || this.slots.size > 0) return this.publishedMs + flushMs / 2;
    if (own.refreshes === 0) return Number.POSITIVE_INFINITY;
    return Math.max(this.publishedMs + flushMs, this.refreshBudget.readyAtMs(outbox.room));
  }

  private publishSlots(nowMs: number): void {
    if (this.slots.size === 0) return;
    const { outbox } = this.parts;
    const heard = this.parts.audience();
    for (const slot of this.slots) {
      this.ver++;
      this.publishSlot(slot, nowMs);
      const record = this.rights.get(slot) ?? rightsRecord(slot, undefined, this.ver, nowMs);
      if (!heard) continue;
      if (rights.length(record) > outbox.room) outbox.flush(TO_ALL, undefined);
      outbox.add(rights, record);
    }
    this.parts.counters.changeSets += this.slots.size;
    this.slots.clear();
    if (!outbox.empty) outbox.flush(TO_ALL, undefined);
  }

  private publishSlot(slot: number, nowMs: number): void {
    this.parts.published.publishSlot(slot, this.ver);
    this.rights.set(rightsRecord(slot, this.parts.contextOf(slot), this.ver, nowMs), nowMs);
  }

  private publishCells(nowMs: number): void {
    const { own, published, ticks, outbox, counters } = this.parts;
    const items = this.block.sort(own.take(this.refreshesNow(nowMs)));
    const heard = this.parts.audience();
    for (let from = 0; from < items.length; ) {
      const bits = (outbox.room - CELLS_FIXED_BYTES - REPAIR_SLACK_BYTES) * 8;
      const to = from + this.block.fit(this.fresh, ticks, items, from, items.length, 0, bits);
      const ver = ++this.ver;
      counters.changeSets++;
      counters.cellsPublished += to - from;
      for (let i = from; i < to; i++) {
        const at = items[i]!;
        published.publish(at, this.freshCell(at), own.ownerOf(at), ver);
      }
      if (heard) {
        const start = from;
        outbox.addRaw(CELLS_KIND, (writer) => {
          writer.write(ver, 32);
          this.block.emit(writer, published, ticks, items, start, to, ver, 0);
        });
        outbox.flush(TO_ALL, undefined);
      }
      from = to;
    }
  }

  /** A datagram's worth, when the budget has it. */
  private refreshesNow(nowMs: number): number {
    const { own, outbox, geometry } = this.parts;
    if (own.refreshes === 0 || !this.refreshBudget.take(outbox.room, nowMs)) return 0;
    return Math.floor((outbox.room * 8) / (geometry.remainderBits + CELL_EXTRA_BITS));
  }

  private freshCell(at: number): number {
    const cell = this.parts.own.cells[at]!;
    return this.parts.ticks.left(cell) < 0 ? 0 : cell;
  }
}
