import { expect, it } from "vitest";
import { parseGeometry } from "../bloom/geometry.ts";
import { Mirror } from "./mirror.ts";

it("tells the datapath the ticks of a table that has just begun: another may have had the mirror before", () => {
  const told: string[] = [];
  const datapath = {
    mirrorCells() {},
    lower() {},
    clearMirror: (index: number) => void told.push(`clear ${index}`),
    mirrorTicks: (index: number, fast: number, slow: number) => void told.push(`ticks ${index} ${fast} ${slow}`),
  };
  const mirror = new Mirror(3, parseGeometry("4x32x8/r26", "test"), datapath);
  mirror.advance(0, 0);
  mirror.advance(0, 0);
  mirror.advance(1, 0);
  expect(told).toEqual(["clear 3", "ticks 3 0 0", "ticks 3 1 0"]);
});
