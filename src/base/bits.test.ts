import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BitReader, BitWriter, indexBits } from "./bits.ts";

describe("bits", () => {
  it("reads back what was written, at any alignment", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 32 }), fc.nat(0xffffffff)), { maxLength: 60 }),
        (parts) => {
          const bytes = new Uint8Array(300);
          const writer = new BitWriter(bytes);
          for (const [count, value] of parts) writer.write(value, count);
          const end = writer.finish();
          const reader = new BitReader(bytes, 0, end);
          for (const [count, value] of parts) {
            const kept = count === 32 ? value : value % 2 ** count;
            expect(reader.read(count)).toBe(kept >>> 0);
          }
          expect(reader.failed).toBe(false);
          expect(reader.atEnd).toBe(true);
        },
      ),
    );
  });

  it("reads back Rice codes of every divisor", () => {
    for (let k = 0; k < 20; k++) {
      const values = [0, 1, 2, 15, 16, 17, 40, (3 << k) + 1, (33 << k) >>> 0];
      const writer = new BitWriter(new Uint8Array(4096));
      for (const v of values) writer.writeRice(v, k);
      const reader = new BitReader(writer.bytes, 0, writer.finish());
      for (const v of values) expect(reader.readRice(k), `k ${k}`).toBe(v);
    }
  });

  it("fails, once and for all, at the end of the bytes", () => {
    const reader = new BitReader(new Uint8Array([0, 0]), 0, 2);
    expect(reader.readRice(3)).toBe(0);
    expect(reader.failed).toBe(true);
    expect(reader.read(8)).toBe(0);
    expect(reader.atEnd).toBe(false);
  });

  it("says that a writer ran over, and writes nothing outside", () => {
    const backing = new Uint8Array(4);
    const writer = new BitWriter(backing.subarray(0, 2));
    writer.write(0xffffff, 24);
    writer.finish();
    expect(writer.overflowed).toBe(true);
    expect([...backing]).toEqual([255, 255, 0, 0]);
  });

  it("needs no bits for one thing", () => {
    expect([0, 1, 2, 3, 4, 5, 64].map(indexBits)).toEqual([0, 0, 1, 2, 2, 3, 6]);
  });
});
