import { expect, it } from "vitest";
import { FilterStore, filterDigest } from "./filter-store.ts";

const content = { bits: 64, seed: 7, probes: 3, out: 1, in: 0, data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) };

it("knows which numbers the datapath has from it, until nobody needs them any more", () => {
  const deleted: number[] = [];
  const store = new FilterStore({
    datapath: { setFilter: () => {}, deleteFilter: (id) => void deleted.push(id) },
    named: () => [],
  });
  const digest = filterDigest(content);
  expect(store.keep(digest, content, 0)).toBe(true);
  const id = store.idOf(digest)!;
  expect(store.holds(id)).toBe(true);
  expect(store.holds(id + 1)).toBe(false);
  store.sweep(3_600_000);
  expect(deleted).toEqual([id]);
  expect(store.holds(id)).toBe(false);
});
