import { availableParallelism } from "node:os";
import { describe, expect, it } from "vitest";
import { soak } from "../../scripts/soak/run.ts";
import { growthOf, type Sample } from "../../scripts/soak/slope.ts";
import { hasFirmware, isRoot } from "./support/root.ts";

const MINUTES = 0.75;
const CONNECTIONS_PER_SECOND = 100;
/** In an hour it would be 230 MB; in the 34 s that count, about 2 MB. */
const LEAK_BYTES_PER_SECOND = 65_536;

/** One agent of the two is made to leak: the same run shows that the other does not, and that it would be seen. */
describe.runIf(isRoot && hasFirmware)("an agent under connections", () => {
  it("needs no more memory at the end than before; one that leaks is found", async () => {
    const { failed, processes, connections } = await soak({
      minutes: MINUTES,
      rate: CONNECTIONS_PER_SECOND,
      leakBytesPerSecond: LEAK_BYTES_PER_SECOND,
      cpus: { traffic: availableParallelism() - 1, processes: 0 },
      progress: () => {},
    });
    const grows = processes.filter(({ growth }) => growth.grows).map(({ name }) => name);
    expect(failed).toBe(0);
    expect(connections).toBeGreaterThan(MINUTES * 60 * CONNECTIONS_PER_SECOND * 0.8);
    expect(grows).toEqual(["agent of the neighbour"]);
  });
});

describe("growth", () => {
  const samplesOf = (bytesAt: (i: number) => number): Sample[] =>
    Array.from({ length: 40 }, (_, i) => ({ atS: i * 10, bytes: bytesAt(i) }));
  const NOISE = 100_000;

  it.each([
    ["what stands still", () => 5_000_000, false],
    ["what jumps up and down", (i: number) => 5_000_000 + (i % 2) * 90_000, false],
    ["what filled its caches at first", (i: number) => (i < 8 ? i * 500_000 : 4_000_000), false],
    ["what peaks now and then", (i: number) => 5_000_000 + (i % 5 === 0 ? 3_000_000 : 0), false],
    ["what shrinks", (i: number) => 9_000_000 - i * 10_000, false],
    ["what grows a little, all the time", (i: number) => 5_000_000 + i * 5_000, true],
    ["what grows while it jumps", (i: number) => 5_000_000 + i * 8_000 + (i % 3) * 90_000, true],
  ])("of %s", (_, bytesAt, grows) => {
    expect(growthOf(samplesOf(bytesAt), NOISE).grows).toBe(grows);
  });

  it("refuses to judge from a handful of samples", () => {
    expect(() => growthOf(samplesOf(() => 1).slice(0, 9), NOISE)).toThrow(RangeError);
  });
});
