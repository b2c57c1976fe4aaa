import { indexBits } from "../base/bits.ts";
import { TokenBucket } from "./bucket.ts";
import { TO_ALL } from "./outbox.ts";
import type { CellBlock } from "./records/cell-block.ts";
import { VER_FIRST } from "./records/kinds.ts";
import type { VerRange } from "./records/nack.ts";
import { emitRepairHead, REPAIR_FIXED_BYTES, REPAIR_KIND } from "./records/repair.ts";
import { emptySlot, rights, rightsBytes } from "./records/rights.ts";
import type { Asker, SenderParts, Stream } from "./sender.ts";

/** A repair writes a cell set again, with a longer head. */
export const REPAIR_SLACK_BYTES = 8;
/** Most bits of a repaired cell: remainder, indices, gap, and its own ver. */
const REPAIR_CELL_BITS = 64;
/** Header, prefix and record head of a datagram. */
const DATAGRAM_BYTES = 64;
/** Two who miss the same within this time are served by one datagram. */
const SAME_LOSS_MS = 150;
const REPAIRS_REMEMBERED = 16;
/** A larger gap is the business of a snapshot. */
export const REPAIR_VERS_MAX = 4096;
/** Share of the rate that the repairs for one neighbour may take. */
const NEIGHBOUR_SHARE = 1 / 4;
/** What one neighbour may get at once, of its share of a second. */
const NEIGHBOUR_BURST = 1 / 2;
/** A round that is named again so soon is a copy of the question, not the next snapshot. */
const SAME_ROUND_MS = 20;
/** At the lowest rate a full datagram must still be affordable. */
export const BURST_MIN_BYTES = 4096;

/**
 * What one neighbour costs the sender beyond the change sets that all get: a share of the rate, and a first snapshot. A
 * neighbour that loses more than its share can repair is `slow`: single gaps are repaired no more, which it hears in
 * hello; it asks for a snapshot, out of the same share, and is slow until it knows what was newest when it became so.
 */
export class Account {
  slow = false;
  private slowVer = 0;
  private welcomeBytes = 0;
  private round = -1;
  private roundMs = Number.NEGATIVE_INFINITY;
  private readonly bucket: TokenBucket;

  constructor(bytesPerSecond: number) {
    const share = bytesPerSecond * NEIGHBOUR_SHARE;
    this.bucket = new TokenBucket(share, Math.max(BURST_MIN_BYTES, share * NEIGHBOUR_BURST));
  }

  take(bytes: number, nowMs: number): boolean {
    return this.bucket.take(bytes, nowMs);
  }

  /** It has just met us: a snapshot of so many bytes does not count. */
  welcome(bytes: number): void {
    this.welcomeBytes = bytes;
    this.slow = false;
  }

  takeForSnapshot(bytes: number, nowMs: number): boolean {
    if (this.welcomeBytes < bytes) return this.take(bytes, nowMs);
    this.welcomeBytes -= bytes;
    return true;
  }

  /** False for the copy of a question. */
  isNewRound(round: number, nowMs: number): boolean {
    const isNew = round !== this.round || nowMs - this.roundMs > SAME_ROUND_MS;
    this.round = round;
    this.roundMs = nowMs;
    return isNew;
  }

  becomeSlow(ver: number): void {
    this.slow = true;
    this.slowVer = ver;
  }

  /** It knows all change sets up to `ver`; a new epoch may have begun to count since it became slow. */
  acknowledged(ver: number, newest: number): void {
    if (ver >= Math.min(this.slowVer, newest)) this.slow = false;
  }
}

/** Answers those who missed a change set, with what stands there now. */
export class Repairs {
  private readonly remembered: { from: number; to: number; asker: number; atMs: number }[] = [];

  constructor(
    private readonly parts: SenderParts,
    private readonly stream: Stream,
    private readonly block: CellBlock,
    private readonly budget: TokenBucket,
  ) {}

  answer(asker: Asker, range: VerRange, nowMs: number): void {
    const from = range.from;
    const to = Math.min(this.stream.ver, from + range.count - 1);
    if (asker.account.slow || from <= VER_FIRST || to < from || to - from >= REPAIR_VERS_MAX) return;
    const answer: Answer = { asker, shared: this.alsoAsked(asker.id, from, to, nowMs), nowMs };
    const { published, outbox } = this.parts;
    const capacityBits = (outbox.room - REPAIR_FIXED_BYTES - REPAIR_SLACK_BYTES) * 8;
    let chunk: Chunk = { from, items: [], bits: 0 };
    let item = published.firstFrom(from);
    while (item >= 0 && published.vers[item]! <= to) {
      // Whole change sets only: a repair closes all that it spans.
      const ver = published.vers[item]!;
      const set: number[] = [];
      let bits = 0;
      for (; item >= 0 && published.vers[item] === ver; item = published.after(item)) {
        set.push(item);
        bits += item < published.cells.length ? REPAIR_CELL_BITS : this.slotBits(item);
      }
      if (chunk.items.length > 0 && chunk.bits + bits > capacityBits) {
        if (!this.send(answer, chunk, ver - 1)) return;
        chunk = { from: ver, items: [], bits: 0 };
      }
      chunk.items.push(...set);
      chunk.bits += bits;
    }
    this.send(answer, chunk, to);
  }

  /** Remembers the question; true when somebody else asked for a part of it just now. */
  private alsoAsked(asker: number, from: number, to: number, nowMs: number): boolean {
    const shared = this.remembered.some(
      (r) => r.asker !== asker && nowMs - r.atMs <= SAME_LOSS_MS && r.from <= to && r.to >= from,
    );
    this.remembered.push({ from, to, asker, atMs: nowMs });
    if (this.remembered.length > REPAIRS_REMEMBERED) this.remembered.shift();
    return shared;
  }

  private slotBits(item: number): number {
    const record = this.stream.rights.get(item - this.parts.published.cells.length);
    return ((record ? rightsBytes(record) : 3) + 6) * 8;
  }

  /** False when a budget is spent: the asker will ask again, or for a snapshot. */
  private send({ asker, shared, nowMs }: Answer, { from, items, bits }: Chunk, to: number): boolean {
    const { outbox, published, ticks, counters } = this.parts;
    const cellCount = published.cells.length;
    if (!this.afford(asker.account, Math.min(bits >> 3, outbox.room) + DATAGRAM_BYTES, nowMs)) return false;
    const cells = this.block.sort(Uint32Array.from(items.filter((item) => item < cellCount)));
    for (const item of items) if (item >= cellCount) outbox.add(rights, this.presentRights(item - cellCount, nowMs));
    outbox.addRaw(REPAIR_KIND, (writer) => {
      emitRepairHead(writer, { from, to });
      this.block.emit(writer, published, ticks, cells, 0, cells.length, from, indexBits(to - from + 1));
    });
    counters.repairsSent++;
    if (shared) outbox.flush(TO_ALL, undefined);
    else outbox.flush(asker.id, asker.address);
    return true;
  }

  private afford(account: Account, bytes: number, nowMs: number): boolean {
    const { counters } = this.parts;
    if (!account.take(bytes, nowMs)) {
      account.becomeSlow(this.stream.ver);
      counters.slowNeighbours++;
      return false;
    }
    if (this.budget.take(bytes, nowMs)) return true;
    counters.repairsThrottled++;
    return false;
  }

  private presentRights(slot: number, nowMs: number) {
    const { published } = this.parts;
    const ver = published.vers[published.cells.length + slot]!;
    return this.stream.rights.present(slot, nowMs) ?? emptySlot(slot, ver);
  }
}

interface Answer {
  readonly asker: Asker;
  readonly shared: boolean;
  readonly nowMs: number;
}

/** Items of whole change sets, gathered until a datagram is full. */
interface Chunk {
  readonly from: number;
  readonly items: number[];
  bits: number;
}
