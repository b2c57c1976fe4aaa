import { expect, it } from "vitest";
import { parseGeometry } from "../bloom/geometry.ts";
import { rehearse } from "./rehearsal.ts";

it.each([
  ["4x1024x8/r26", 5461],
  ["4x256x8/r12", 5461],
  ["4x32x8/r26", 682],
])("reads back every cell of the table it made up: %s", (text, used) => {
  expect(rehearse(parseGeometry(text, "test"))).toBe(used);
});
