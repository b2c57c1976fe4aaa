import { afterEach, describe, expect, it } from "vitest";
import { hasFirmware, isRoot } from "./support/root.ts";
import { SplitPath } from "./support/split-path.ts";

/** Of the way back: above the longest race on a machine that is busy with other tests. */
const DELAY_MS = 50;
const TRIES = 20;

/** Request by AP 1, reply by AP 2: real sockets, real kernels. */
describe.runIf(isRoot && hasFirmware)("a flow whose reply comes by another AP", () => {
  let path: SplitPath;
  afterEach(() => path?.lab.close());
  const passed = (tries: readonly number[]) => tries.filter((us) => us > 0).length;

  it("passes, whatever its protocol, where all mirrors are asked", async () => {
    path = await SplitPath.open("rwasym", "asymmetric");
    await path.split(DELAY_MS);
    expect(passed(path.ask("ask", TRIES))).toBe(TRIES);
    const connects = path.ask("connect", TRIES);
    expect(passed(connects)).toBe(TRIES);
    // None waited for a retransmission.
    expect(Math.max(...connects)).toBeLessThan(900_000);
    expect(path.ping(20)).toBe(0);
    expect(path.lab.aps.map((ap) => ap.denied().state)).toEqual([0, 0]);
  });

  it("is denied where mirrors are asked only for clients that came from there", async () => {
    path = await SplitPath.open("rwasym", "symmetric");
    expect(passed(path.ask("ask", TRIES))).toBe(TRIES);
    await path.split(DELAY_MS);
    // A reply that is later than the hold time finds its question in the mirror all the same.
    expect(passed(path.ask("ask", TRIES))).toBeLessThan(TRIES / 4);
    expect(passed(path.ask("connect", 3))).toBe(0);
    expect(path.lab.aps[1]!.denied().state).toBeGreaterThan(TRIES / 2);
  });
});
