import { describe, expect, it } from "vitest";
import { BitReader, BitWriter } from "../../base/bits.ts";
import { parseGeometry } from "../../bloom/geometry.ts";
import { Ticks } from "../../proxy/ticks.ts";
import { SAMPLES } from "../testing/samples.ts";
import { BLOCK_CELLS_MAX, CellBatch, CellBlock } from "./cell-block.ts";
import { edge } from "./edge.ts";
import type { Codec } from "./kinds.ts";

describe("records", () => {
  it.each(SAMPLES)("%s: reads what it wrote, and says its length", (_name, codec, value) => {
    const bytes = emit(codec, value);
    expect(codec.length(value as never)).toBe(bytes.length);
    const parsed = codec.parse(new BitReader(bytes));
    expect(parsed).toEqual(value);
    expect(emit(codec, parsed)).toEqual(bytes);
  });

  it.each(SAMPLES)("%s: is refused, cut at every byte where a list could not end", (_name, codec, value) => {
    const bytes = emit(codec, value);
    for (let cut = 0; cut < bytes.length; cut++) {
      const parsed = codec.parse(new BitReader(bytes, 0, cut));
      // A cut between two entries of a list leaves a shorter list: that is the framing's length to notice.
      if (parsed !== undefined) expect(codec.length(parsed)).toBe(cut);
    }
  });

  it("EDGE is these bytes", () => {
    expect([...emit(edge as never, { ver: 0x12345678 })]).toEqual([0x12, 0x34, 0x56, 0x78]);
  });
});

function emit(codec: Codec<never>, value: unknown): Uint8Array {
  const writer = new BitWriter(new Uint8Array(2000));
  codec.emit(writer, value as never);
  return writer.bytes.slice(0, writer.finish());
}

const ORDERS = ["coordinate", "place"] as const;
const BLOCKS = ["4x1024x8/r26", "4x64x8/r12", "3x341x6/r10"].flatMap((text) => ORDERS.map((by) => [text, by] as const));

describe.each(BLOCKS)("cell block of %s, by %s", (text, order) => {
  const geometry = parseGeometry(text, "test");
  const ticks = new Ticks(geometry);
  ticks.set(1000, 77);
  const block = new CellBlock(geometry, order);

  function cache(count: number, clients: number, freeShare: number, random = lcg(count)) {
    const cells = new Uint32Array(geometry.cells);
    const owners = new Uint16Array(geometry.cells);
    const vers = new Uint32Array(geometry.cells);
    const chosen = new Set<number>();
    while (chosen.size < count) chosen.add(Math.floor(random() * geometry.cells));
    const items = block.sort(Uint32Array.from(chosen));
    for (const at of items) {
      vers[at] = 500 + Math.floor(random() * 8);
      if (random() < freeShare) continue;
      const timer = ticks.timer(random() < 0.5 ? 1 : 0, Math.floor(random() * (geometry.liveMax + 1)));
      cells[at] = (Math.floor(random() * 2 ** geometry.remainderBits) << geometry.timerBits) | timer;
      owners[at] = 1 + Math.floor(random() * clients);
    }
    return { cells, owners, vers, items };
  }

  it.each([
    ["nothing", 0, 1, 0, 0],
    ["one cell", 1, 1, 0, 0],
    ["200 cells of 32 clients", 200, 32, 0, 0],
    ["freed ones between", 150, 5, 0.3, 0],
    ["each with its own ver", 150, 5, 0.3, 3],
    ["as many as fit", BLOCK_CELLS_MAX, 3, 1, 0],
  ])("reads what it wrote: %s", (_name, count, clients, freeShare, verBits) => {
    const source = cache(count, clients, freeShare);
    const writer = new BitWriter(new Uint8Array(8000));
    block.emit(writer, source, ticks, source.items, 0, count, 500, verBits);
    const bytes = writer.bytes.slice(0, writer.finish());
    const batch = new CellBatch();
    expect(block.parse(new BitReader(bytes), ticks, ticks, batch)).toBe(true);
    expect(batch.count).toBe(count);
    for (let i = 0; i < count; i++) {
      const at = source.items[i]!;
      expect(batch.coordinates[i]).toBe(at);
      expect(batch.cells[i]! >>> 0).toBe(source.cells[at]);
      expect(batch.owners[i]).toBe(source.owners[at]);
      if (verBits > 0) expect(batch.verOffsets[i]! + 500).toBe(source.vers[at]);
    }
    for (let cut = 0; cut < bytes.length; cut++) {
      expect(block.parse(new BitReader(bytes, 0, cut), ticks, ticks, batch), `cut at ${cut}`).toBe(false);
      expect(batch.count).toBe(0);
    }
  });

  it("never needs more than the room it said would do", () => {
    for (let seed = 1; seed < 60; seed++) {
      const random = lcg(seed);
      const source = cache(1 + Math.floor(random() * 1000), 1 + Math.floor(random() * 60), random() * 0.5, random);
      const bytes = 60 + Math.floor(random() * 1100);
      const fits = block.fit(source, ticks, source.items, 0, source.items.length, 3, bytes * 8);
      const writer = new BitWriter(new Uint8Array(8000));
      block.emit(writer, source, ticks, source.items, 0, fits, 500, 3);
      expect(writer.finish()).toBeLessThanOrEqual(bytes);
    }
  });
});

/** A small repeatable source of numbers in [0, 1). */
function lcg(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) / 2 ** 24;
  };
}
