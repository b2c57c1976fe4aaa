import { describe, expect, it } from "vitest";
import { portableCrypto } from "../platform/portable-crypto.ts";
import { floorPlan, simulate } from "./simulate.ts";

const OPTIONS = {
  aps: [4],
  clientsPerAp: 5,
  flows: 3,
  spacing: 15,
  speed: 3,
  seconds: 15,
  loss: 0.01,
  table: "4x32x8/r26",
  seed: 1,
};

describe("simulate", () => {
  it("keeps every flow of those who walk, and none while nothing is replicated", async () => {
    const row = await simulate(4, OPTIONS, portableCrypto);
    expect(row.roams).toBeGreaterThan(10);
    expect(row).toMatchObject({ durability: 1, durabilityAlone: 0, denied: 0 });
    expect(row.bytesHeard).toBeGreaterThan(row.bytesSent);
    expect(row.fill).toBeGreaterThan(0);
  });

  it("says the same of the same seed", async () => {
    expect(await simulate(2, OPTIONS, portableCrypto)).toEqual(await simulate(2, OPTIONS, portableCrypto));
  });

  it("says that nobody roamed where nobody walks", async () => {
    const row = await simulate(2, { ...OPTIONS, speed: 0, seconds: 2 }, portableCrypto);
    expect(row).toMatchObject({ roams: 0, durability: null });
  });
});

describe("floorPlan", () => {
  it.each([1, 2, 5, 9, 10])("puts %i access points into the hall", (count) => {
    const { places, width, height } = floorPlan(count, 20);
    expect(new Set(places.map(({ x, y }) => `${x} ${y}`)).size).toBe(count);
    for (const { x, y } of places) expect(x < width && y < height).toBe(true);
  });
});
