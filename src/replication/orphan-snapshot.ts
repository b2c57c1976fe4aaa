import type { Geometry } from "../bloom/geometry.ts";
import { WHOLE } from "../proxy/phase.ts";
import { Ticks } from "../proxy/ticks.ts";
import type { TokenBucket } from "./bucket.ts";
import type { Neighbour, Orphan } from "./neighbour.ts";
import type { Outbox } from "./outbox.ts";
import type { Ask } from "./records/ask.ts";
import type { CellSource } from "./records/cell-block.ts";
import { emitSnapHead, SNAP_KIND } from "./records/snap.ts";
import type { RightsMap } from "./rights-map.ts";
import type { Asker } from "./sender.ts";
import { type Chunk, SnapshotChunks } from "./snapshot-chunks.ts";
import { Units } from "./units.ts";

/** A change set never has this number: the snapshot is of the asker's own former table. */
export const AS_OF_RESTORE = 0;
const DATAGRAMS_MAX = 256;
const NOTHING_LEFT: CellSource = { cells: new Uint32Array(0), owners: new Uint16Array(0), vers: new Uint32Array(0) };

/** What is kept of a table that its AP no longer has. */
export interface Kept {
  readonly rights: RightsMap;
  /** Undefined: all of it has aged away. */
  readonly orphan: Orphan | undefined;
}

/** The tables that it had before, the last first. Slots are numbered anew in each. */
export function keptOf({ former, orphans }: Pick<Neighbour, "former" | "orphans">): Kept[] {
  const kept: Kept[] = orphans.map((orphan) => ({ rights: orphan.rights, orphan })).reverse();
  if (former && kept[0]?.rights !== former) kept.unshift({ rights: former, orphan: undefined });
  return kept;
}

/** Answers an AP that lost its table with what was mirrored of it. The asker drives, nothing is kept. */
export class OrphanSnapshot {
  private readonly chunks: SnapshotChunks;
  private readonly ticks: Ticks;

  constructor(
    private readonly geometry: Geometry,
    private readonly outbox: Outbox,
    private readonly budget: TokenBucket,
  ) {
    this.chunks = new SnapshotChunks(geometry, outbox);
    this.ticks = new Ticks(geometry);
  }

  /** `kept` undefined: nothing was. `slots`: as many as the asker has. */
  answer(asker: Asker, kept: Kept | undefined, question: Ask, slots: number, nowMs: number): void {
    const chunks = kept ? this.round(kept, question, new Units(slots, this.geometry), nowMs) : [this.nothing()];
    chunks.forEach((chunk, i) => {
      chunk.emit(chunks.length - 1 - i, question.round);
      this.outbox.flush(asker.id, asker.address);
    });
  }

  private round({ rights, orphan }: Kept, { window, units: asked }: Ask, units: Units, nowMs: number): Chunk[] {
    const { ticks } = this;
    if (orphan) ticksThen(orphan, nowMs, ticks);
    const source = { asOf: AS_OF_RESTORE, units, rights, cells: orphan?.mirror ?? NOTHING_LEFT, ticks };
    const chunks: Chunk[] = [];
    for (const range of asked) {
      const end = Math.min(units.count, range.from + range.count);
      for (let unit = range.from; unit < end && chunks.length < Math.min(window, DATAGRAMS_MAX); ) {
        if (!this.budget.take(this.outbox.room, nowMs)) return chunks;
        const chunk = this.chunks.at(source, unit, end, nowMs);
        chunks.push(chunk);
        unit = chunk.next;
      }
    }
    return chunks;
  }

  private nothing(): Chunk {
    const emit = (toCome: number, round: number) =>
      this.outbox.addRaw(SNAP_KIND, (writer) => {
        emitSnapHead(writer, { asOf: AS_OF_RESTORE, slots: true, toCome, round, from: 0, to: 0 });
        writer.write(0, 16);
      });
    return { next: 0, emit };
  }
}

/** The source's ticks by now, had it lived: its mirror's lag behind by up to one, and nobody tells of what is under way. */
function ticksThen({ mirror, phases }: Orphan, nowMs: number, out: Ticks): void {
  const { fast, slow } = mirror.ticks;
  const past = phases.ofSource(nowMs, mirror.ticks);
  out.set(fast + Math.floor(past.fast / WHOLE), slow + Math.floor(past.slow / WHOLE));
}
