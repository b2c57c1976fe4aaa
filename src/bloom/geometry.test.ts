import { describe, expect, it } from "vitest";
import { DEFAULT_GEOMETRY, parseGeometry } from "./geometry.ts";

describe("geometry text", () => {
  it("reads the kernel's two widths", () => {
    expect(parseGeometry(DEFAULT_GEOMETRY, "test")).toMatchObject({
      subtables: 4,
      buckets: 1024,
      bucketBits: 10,
      bucketCells: 8,
      remainderBits: 26,
      cellBits: 32,
      tickBits: 5,
      modulus: 31,
      liveMax: 25,
      fastTickMs: 10_000,
      slowTickMs: 340_000,
      cells: 32768,
    });
    expect(parseGeometry("4x32x8/r12", "test")).toMatchObject({ cellBits: 16, tickBits: 3, modulus: 7, liveMax: 4 });
  });

  it("reads the papers' table of 9,207 bytes", () => {
    const papers = parseGeometry("3x341x6/r10/t2", "test");
    expect(papers).toMatchObject({ bucketBits: -1, timerBits: 2, cells: 6138 });
    expect((papers.cells * (papers.remainderBits + papers.timerBits)) / 8).toBe(9207);
  });

  it.each([
    "",
    "4x1024x8",
    "5x1024x8/r26",
    "4x1024x8/r27",
    "4x0x8/r26",
    "4x1024x8/r26/t7",
    "4x1024x8/r0",
    "4x9999999x99/r26",
  ])("refuses %j with the place and what is accepted", (text) => {
    expect(() => parseGeometry(text, "settings:3")).toThrow(/^settings:3: .*accepted: /);
  });
});
