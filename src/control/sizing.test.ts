import { describe, expect, it } from "vitest";
import { sizeTable } from "./sizing.ts";

const NEEDS = { clients: 50, flows: 100, tcpRate: 5, udpRate: 10, mirrors: 8 };

describe("sizeTable", () => {
  it("counts open flows, and what those that come and go leave behind", () => {
    expect(sizeTable({ ...NEEDS, tcpRate: 0, udpRate: 0 }, 26).cellsNeeded).toBe(5_000);
    expect(sizeTable(NEEDS, 26)).toMatchObject({ cellsNeeded: 12_300, geometry: "4x512x8/r26" });
  });

  it("takes the smallest table that stays below the load from which openings are shared out", () => {
    for (const flows of [1, 10, 100, 1_000]) {
      const { load, cells, budgetAtCells, cellsNeeded, geometry } = sizeTable({ ...NEEDS, flows }, 26);
      expect(geometry).toBeDefined();
      expect(cellsNeeded).toBeLessThanOrEqual(budgetAtCells);
      expect(load).toBeLessThan(0.81);
      if (cells > 1_024) expect(cellsNeeded).toBeGreaterThan((cells / 2) * 0.8);
    }
  });

  it("says where no table is large enough", () => {
    expect(sizeTable({ ...NEEDS, clients: 16_382, flows: 1_000 }, 26).geometry).toBeUndefined();
  });
});
