import type { Geometry } from "../bloom/geometry.ts";
import type { Mirror } from "../proxy/mirror.ts";
import { Ticks } from "../proxy/ticks.ts";
import type { TokenBucket } from "./bucket.ts";
import type { Outbox } from "./outbox.ts";
import type { Ask } from "./records/ask.ts";
import { CellBlock, type CellSource } from "./records/cell-block.ts";
import { emitRights, type RightsRecord, rightsBytes } from "./records/rights.ts";
import { emitSnapHead, SNAP_FIXED_BYTES, SNAP_KIND } from "./records/snap.ts";
import type { RightsMap } from "./rights-map.ts";
import type { Asker } from "./sender.ts";
import { UNIT_CELLS, UNIT_SLOTS, Units } from "./units.ts";

/** A change set never has this number: the snapshot is of the asker's own former table. */
export const AS_OF_RESTORE = 0;
const DATAGRAMS_MAX = 256;
const NOTHING_LEFT: CellSource = { cells: new Uint32Array(0), owners: new Uint16Array(0), vers: new Uint32Array(0) };

/** What is kept of a table that its AP no longer has. */
export interface Kept {
  readonly rights: RightsMap;
  /** Undefined: all of it has aged away. */
  readonly mirror: Mirror | undefined;
}

/** Units up to `next`, in one datagram. */
interface Chunk {
  readonly next: number;
  emit(toCome: number): void;
}

/** Answers an AP that lost its table with what was mirrored of it. The asker drives, nothing is kept. */
export class OrphanSnapshot {
  private readonly block: CellBlock;
  private readonly items: Uint32Array;
  private readonly anyTicks: Ticks;

  constructor(
    private readonly geometry: Geometry,
    private readonly outbox: Outbox,
    private readonly budget: TokenBucket,
  ) {
    this.block = new CellBlock(geometry);
    this.anyTicks = new Ticks(geometry);
    this.items = new Uint32Array(geometry.cells);
  }

  /** `kept` undefined: nothing was. */
  answer(asker: Asker, kept: Kept | undefined, { round, window, units }: Ask, slots: number, nowMs: number): void {
    const { outbox } = this;
    const chunks: Chunk[] = kept ? this.chunks(kept, round, window, units, slots, nowMs) : [this.nothing(round)];
    chunks.forEach((chunk, i) => {
      chunk.emit(chunks.length - 1 - i);
      outbox.flush(asker.id, asker.address);
    });
  }

  private chunks(
    kept: Kept,
    round: number,
    window: number,
    asked: Ask["units"],
    slots: number,
    nowMs: number,
  ): Chunk[] {
    const units = new Units(slots, this.geometry);
    const chunks: Chunk[] = [];
    for (const range of asked) {
      const end = Math.min(units.count, range.from + range.count);
      for (let unit = range.from; unit < end && chunks.length < Math.min(window, DATAGRAMS_MAX); ) {
        if (!this.budget.take(this.outbox.room, nowMs)) return chunks;
        const chunk =
          unit < units.slotUnits
            ? this.slotChunk(kept, round, unit, Math.min(end, units.slotUnits))
            : this.cellChunk(kept, round, unit - units.slotUnits, end - units.slotUnits, units.slotUnits);
        chunks.push(chunk);
        unit = chunk.next;
      }
    }
    return chunks;
  }

  private nothing(round: number): Chunk {
    const head = { asOf: AS_OF_RESTORE, slots: true, toCome: 0, round, from: 0, to: 0 };
    return {
      next: 0,
      emit: () =>
        this.outbox.addRaw(SNAP_KIND, (writer) => {
          emitSnapHead(writer, head);
          writer.write(0, 16);
        }),
    };
  }

  private slotChunk({ rights }: Kept, round: number, unit: number, end: number): Chunk {
    const records: RightsRecord[] = [];
    let bytes = SNAP_FIXED_BYTES + 2;
    let next = unit;
    for (; next < end; next++) {
      const more: RightsRecord[] = [];
      for (let slot = next * UNIT_SLOTS; slot < (next + 1) * UNIT_SLOTS; slot++) {
        const record = rights.get(slot);
        if (record) more.push(record);
      }
      const size = more.reduce((sum, record) => sum + rightsBytes(record), 0);
      if (bytes + size > this.outbox.room && next > unit) break;
      bytes += size;
      records.push(...more);
    }
    const range = { asOf: AS_OF_RESTORE, slots: true, round, from: unit * UNIT_SLOTS, to: next * UNIT_SLOTS };
    return {
      next,
      emit: (toCome) =>
        this.outbox.addRaw(SNAP_KIND, (writer) => {
          emitSnapHead(writer, { ...range, toCome });
          writer.write(records.length, 16);
          for (const record of records) emitRights(writer, record);
        }),
    };
  }

  private cellChunk({ mirror }: Kept, round: number, unit: number, end: number, slotUnits: number): Chunk {
    const { outbox, block, items, geometry } = this;
    const from = unit * UNIT_CELLS;
    const limit = Math.min(geometry.cells, end * UNIT_CELLS);
    const bits = (outbox.room - SNAP_FIXED_BYTES) * 8;
    const most = Math.ceil(bits / (geometry.remainderBits + 1)) + UNIT_CELLS;
    let count = 0;
    let read = from;
    const source = mirror ?? NOTHING_LEFT;
    const ticks = mirror?.ticks ?? this.anyTicks;
    for (; read < limit && count < most; read++) if ((source.cells[read] ?? 0) !== 0) items[count++] = read;
    const fits = count === 0 ? 0 : block.fit(source, ticks, items, 0, count, 0, bits);
    const reached = fits === count ? read : items[fits]!;
    const to = reached === limit ? limit : Math.floor(reached / UNIT_CELLS) * UNIT_CELLS;
    let keep = fits;
    while (keep > 0 && items[keep - 1]! >= to) keep--;
    const kept = items.slice(0, keep);
    const range = { asOf: AS_OF_RESTORE, slots: false, round, from, to };
    return {
      next: slotUnits + Math.ceil(to / UNIT_CELLS),
      emit: (toCome) =>
        outbox.addRaw(SNAP_KIND, (writer) => {
          emitSnapHead(writer, { ...range, toCome });
          block.emit(writer, source, ticks, kept, 0, kept.length, 0, 0);
        }),
    };
  }
}
