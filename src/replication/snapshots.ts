import type { TokenBucket } from "./bucket.ts";
import { TO_ALL } from "./outbox.ts";
import type { Ask } from "./records/ask.ts";
import type { Asker, SenderParts, Stream } from "./sender.ts";
import { type Chunk, SnapshotChunks } from "./snapshot-chunks.ts";
import { TAIL_UNITS } from "./sync.ts";
import { Units } from "./units.ts";

/** Gives away what is published, a range of units a datagram, no faster than the budget allows. */
export class Snapshots {
  readonly units: Units;
  private readonly chunks: SnapshotChunks;
  /** Unit that the periodic re-send has come to; at the end it waits for the next period. */
  private resendAt = 0;
  private resendDueMs = 0;

  constructor(
    private readonly parts: SenderParts,
    private readonly stream: Stream,
    private readonly budget: TokenBucket,
  ) {
    const { geometry, published, outbox } = parts;
    this.units = new Units(published.slots, geometry);
    this.chunks = new SnapshotChunks(geometry, outbox);
  }

  /** One round of a snapshot: at most `window` datagrams of the asked units, from the first on. */
  answer(asker: Asker, { round, window, units }: Ask, nowMs: number): void {
    const { outbox, counters } = this.parts;
    // Each question is said twice, lest it be lost; twice is answered what is small, and lost in vain too often.
    const asked = units.reduce((sum, { count }) => sum + count, 0);
    if (!asker.account.isNewRound(round, nowMs) && asked > TAIL_UNITS) return;
    const chunks: Chunk[] = [];
    for (const range of units) {
      const end = Math.min(this.units.count, range.from + range.count);
      for (let unit = range.from; unit < end && chunks.length < window; ) {
        if (!this.afford(asker, nowMs)) break;
        const chunk = this.chunkAt(unit, end, nowMs);
        chunks.push(chunk);
        unit = chunk.next;
      }
    }
    chunks.forEach((chunk, i) => {
      chunk.emit(chunks.length - 1 - i, round);
      outbox.flush(asker.id, asker.address);
      counters.snapshotsSent++;
    });
  }

  get nextResendMs(): number {
    return this.resendAt === 0 ? this.resendDueMs : this.budget.readyAtMs(this.parts.outbox.room);
  }

  /** Everything that is published, to everybody, once a period. */
  resend(periodMs: number, nowMs: number): void {
    if (this.resendAt === 0) {
      if (nowMs < this.resendDueMs) return;
      this.resendDueMs = nowMs + periodMs;
    }
    const { outbox, counters } = this.parts;
    while (this.resendAt < this.units.count && this.budget.take(outbox.room, nowMs)) {
      const chunk = this.chunkAt(this.resendAt, this.units.count, nowMs);
      chunk.emit(0, 0);
      outbox.flush(TO_ALL, undefined);
      counters.snapshotsSent++;
      this.resendAt = chunk.next;
    }
    if (this.resendAt >= this.units.count) this.resendAt = 0;
  }

  private afford({ account }: Asker, nowMs: number): boolean {
    const bytes = this.parts.outbox.room;
    return this.budget.has(bytes, nowMs) && account.takeForSnapshot(bytes, nowMs) && this.budget.take(bytes, nowMs);
  }

  /** Of everything, with room for what is lost on the way. */
  get wholeBytes(): number {
    const { cells, remainderBits } = this.parts.geometry;
    return Math.ceil((cells * (remainderBits + 16)) / 8) * 2 + this.units.slotUnits * this.parts.outbox.room;
  }

  private chunkAt(unit: number, end: number, nowMs: number): Chunk {
    const { published, ticks } = this.parts;
    const { units, stream } = this;
    return this.chunks.at(
      { asOf: stream.ver, units, rights: stream.rights, cells: published, ticks },
      unit,
      end,
      nowMs,
    );
  }
}
