import { expect, it } from "vitest";
import { closest } from "./closest.ts";

const NAMES = ["status", "clients", "client", "monitor", "neighbours", "why"];

it.each([
  ["stauts", "status"],
  ["clinet", "client"],
  ["neighbors", "neighbours"],
  ["MONITR", "monitor"],
  ["neigh", "neighbours"],
  ["wyh", "why"],
  ["dance", undefined],
  ["x", undefined],
])("takes %s for %s", (word, meant) => {
  expect(closest(word, NAMES)).toBe(meant);
});
