import type { BitWriter } from "../base/bits.ts";
import type { TokenBucket } from "./bucket.ts";
import { TO_ALL } from "./outbox.ts";
import type { Ask } from "./records/ask.ts";
import type { CellBlock } from "./records/cell-block.ts";
import { emitRights, type RightsRecord, rightsBytes } from "./records/rights.ts";
import { emitSnapHead, SNAP_FIXED_BYTES, SNAP_KIND } from "./records/snap.ts";
import type { Asker, SenderParts, Stream } from "./sender.ts";
import { TAIL_UNITS } from "./sync.ts";
import { UNIT_CELLS, UNIT_SLOTS, Units } from "./units.ts";

/** Gives away what is published, a range of units a datagram, no faster than the budget allows. */
export class Snapshots {
  readonly units: Units;
  private readonly scratch: Uint32Array;
  /** Unit that the periodic re-send has come to; at the end it waits for the next period. */
  private resendAt = 0;
  private resendDueMs = 0;

  constructor(
    private readonly parts: SenderParts,
    private readonly stream: Stream,
    private readonly block: CellBlock,
    private readonly budget: TokenBucket,
  ) {
    const { geometry, published } = parts;
    this.units = new Units(published.slots, geometry);
    this.scratch = new Uint32Array(geometry.cells);
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
        const chunk = this.chunkAt(unit, end);
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
      const chunk = this.chunkAt(this.resendAt, this.units.count);
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

  private chunkAt(unit: number, end: number): Chunk {
    return unit < this.units.slotUnits
      ? this.slotChunk(unit, Math.min(end, this.units.slotUnits))
      : this.cellChunk(unit, end);
  }

  private slotChunk(unit: number, end: number): Chunk {
    const { outbox, published } = this.parts;
    const asOf = this.stream.ver;
    const from = unit * UNIT_SLOTS;
    const records: RightsRecord[] = [];
    let bytes = SNAP_FIXED_BYTES + 2;
    let next = unit;
    for (; next < end; next++) {
      const unitEnd = Math.min(published.slots, (next + 1) * UNIT_SLOTS);
      const more: RightsRecord[] = [];
      for (let slot = next * UNIT_SLOTS; slot < unitEnd; slot++) {
        const record = this.stream.rights.get(slot);
        if (record) more.push(record);
      }
      const size = more.reduce((sum, record) => sum + rightsBytes(record), 0);
      if (bytes + size > outbox.room && next > unit) break;
      bytes += size;
      records.push(...more);
    }
    const to = Math.min(published.slots, next * UNIT_SLOTS);
    const emit = (toCome: number, round: number) =>
      outbox.addRaw(SNAP_KIND, (writer) => {
        emitSnapHead(writer, { asOf, slots: true, toCome, round, from, to });
        writer.write(records.length, 16);
        for (const record of records) emitRights(writer, record);
      });
    return { next, emit };
  }

  private cellChunk(unit: number, end: number): Chunk {
    const { outbox, published, ticks, geometry } = this.parts;
    // Taken before reading: a change that comes later has a newer ver.
    const asOf = this.stream.ver;
    const from = (unit - this.units.slotUnits) * UNIT_CELLS;
    const limit = Math.min(geometry.cells, (end - this.units.slotUnits) * UNIT_CELLS);
    const bits = (outbox.room - SNAP_FIXED_BYTES) * 8;
    const most = Math.ceil(bits / (geometry.remainderBits + 1)) + UNIT_CELLS;
    let count = 0;
    let read = from;
    for (; read < limit && count < most; read++) if (published.cells[read] !== 0) this.scratch[count++] = read;
    const fits = count === 0 ? 0 : this.block.fit(published, ticks, this.scratch, 0, count, 0, bits);
    const reached = fits === count ? read : this.scratch[fits]!;
    const aligned = reached === limit ? limit : Math.floor(reached / UNIT_CELLS) * UNIT_CELLS;
    let kept = fits;
    while (kept > 0 && this.scratch[kept - 1]! >= aligned) kept--;
    const items = this.scratch.slice(0, kept);
    const emit = (toCome: number, round: number) =>
      outbox.addRaw(SNAP_KIND, (writer: BitWriter) => {
        emitSnapHead(writer, { asOf, slots: false, toCome, round, from, to: aligned });
        this.block.emit(writer, published, ticks, items, 0, items.length, 0, 0);
      });
    return { next: this.units.slotUnits + Math.ceil(aligned / UNIT_CELLS), emit };
  }
}

/** Units up to `next`, as one datagram. */
interface Chunk {
  readonly next: number;
  emit(toCome: number, round: number): void;
}
