import type { Geometry } from "../bloom/geometry.ts";
import type { Ticks } from "../proxy/ticks.ts";
import type { Outbox } from "./outbox.ts";
import { CellBlock, type CellSource } from "./records/cell-block.ts";
import { emitRights, type RightsRecord, rightsBytes } from "./records/rights.ts";
import { emitSnapHead, SNAP_FIXED_BYTES, SNAP_KIND } from "./records/snap.ts";
import type { RightsMap } from "./rights-map.ts";
import { UNIT_CELLS, UNIT_SLOTS, type Units } from "./units.ts";

/** What a snapshot is taken of. */
export interface SnapshotSource {
  /** Taken before reading: a change that comes later has a newer ver. */
  readonly asOf: number;
  readonly units: Units;
  readonly rights: RightsMap;
  /** None at all counts as all free. */
  readonly cells: CellSource;
  readonly ticks: Ticks;
}

/** Units up to `next`, as one datagram. */
export interface Chunk {
  readonly next: number;
  emit(toCome: number, round: number): void;
}

/** Cuts a source into datagrams, each a whole number of units. */
export class SnapshotChunks {
  /** Coordinates that may fit into one datagram, and a unit more. */
  private scratch = new Uint32Array(0);
  private readonly block: CellBlock;

  constructor(
    private readonly geometry: Geometry,
    private readonly outbox: Outbox,
  ) {
    this.block = new CellBlock(geometry, "coordinate");
  }

  /** As many units of `unit` to `end` as fit. */
  at(source: SnapshotSource, unit: number, end: number, nowMs: number): Chunk {
    const { slotUnits } = source.units;
    return unit < slotUnits
      ? this.ofSlots(source, unit, Math.min(end, slotUnits), nowMs)
      : this.ofCells(source, unit, end);
  }

  private ofSlots({ asOf, units, rights }: SnapshotSource, unit: number, end: number, nowMs: number): Chunk {
    const { outbox } = this;
    const from = unit * UNIT_SLOTS;
    const records: RightsRecord[] = [];
    let bytes = SNAP_FIXED_BYTES + 2;
    let next = unit;
    for (; next < end; next++) {
      const unitEnd = Math.min(units.slots, (next + 1) * UNIT_SLOTS);
      const more: RightsRecord[] = [];
      for (let slot = next * UNIT_SLOTS; slot < unitEnd; slot++) {
        const record = rights.present(slot, nowMs);
        if (record) more.push(record);
      }
      const size = more.reduce((sum, record) => sum + rightsBytes(record), 0);
      if (bytes + size > outbox.room && next > unit) break;
      bytes += size;
      records.push(...more);
    }
    const to = Math.min(units.slots, next * UNIT_SLOTS);
    const emit = (toCome: number, round: number) =>
      outbox.addRaw(SNAP_KIND, (writer) => {
        emitSnapHead(writer, { asOf, slots: true, toCome, round, from, to });
        writer.write(records.length, 16);
        for (const record of records) emitRights(writer, record);
      });
    return { next, emit };
  }

  private ofCells({ asOf, units, cells, ticks }: SnapshotSource, unit: number, end: number): Chunk {
    const { outbox, geometry, block } = this;
    const from = (unit - units.slotUnits) * UNIT_CELLS;
    const bits = (outbox.room - SNAP_FIXED_BYTES) * 8;
    const most = Math.ceil(bits / (geometry.remainderBits + 1)) + UNIT_CELLS;
    if (this.scratch.length < most) this.scratch = new Uint32Array(most);
    const { scratch } = this;
    const limit = Math.min(geometry.cells, (end - units.slotUnits) * UNIT_CELLS);
    // A source without cells has none that are used.
    const words = cells.cells;
    const known = cells.used === 0 ? from : Math.min(limit, words.length);
    let count = 0;
    let read = from;
    for (; read < known && count < most; read++) if (words[read] !== 0) scratch[count++] = read;
    if (read >= known) read = limit;
    const fits = count === 0 ? 0 : block.fit(cells, ticks, scratch, 0, count, 0, bits);
    const reached = fits === count ? read : scratch[fits]!;
    const to = reached === limit ? limit : Math.floor(reached / UNIT_CELLS) * UNIT_CELLS;
    let kept = fits;
    while (kept > 0 && scratch[kept - 1]! >= to) kept--;
    const items = scratch.slice(0, kept);
    const emit = (toCome: number, round: number) =>
      outbox.addRaw(SNAP_KIND, (writer) => {
        emitSnapHead(writer, { asOf, slots: false, toCome, round, from, to });
        block.emit(writer, cells, ticks, items, 0, items.length, 0, 0);
      });
    return { next: units.slotUnits + Math.ceil(to / UNIT_CELLS), emit };
  }
}
