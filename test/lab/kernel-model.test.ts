import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { INSERTED } from "../../src/bloom/dlcbf.ts";
import { REASON } from "../../src/datapath/abi.ts";
import type { Sfr } from "../../src/sfr/sfr.ts";
import { compareWithModel } from "./kernel-model.ts";
import { OBJECT, RUNNER } from "./kernel-runner.ts";
import { isRoot } from "./support/root.ts";

const built = existsSync(RUNNER) && existsSync(OBJECT);
if (!isRoot || !built) {
  const missing = isRoot ? "make -C firmware all runner has not been run" : "it needs root";
  console.warn(`the kernel's program is not compared with the model: ${missing}`);
}

const PACKETS = 12_000;

describe.skipIf(!isRoot || !built)("the kernel's program", () => {
  it.each([
    ["cells of 32 bits", "4x32x8/r26", true],
    ["cells of 16 bits", "4x32x8/r12", true],
    ["remainders of 4 bits, where everything collides", "4x32x8/r4", true],
    ["one CPU, no atomics", "4x32x8/r26", false],
    ["one CPU, cells of 16 bits", "4x32x8/r12", false],
  ] as const)("does as the model does, packet by packet: %s", async (_, geometry, atomics) => {
    const result = await compareWithModel({ geometry, atomics, seed: 7, packets: PACKETS });
    expect(result.difference).toBe("");
    // The script would prove little if it never came so far.
    for (const reason of [
      "pass",
      "malformed",
      "acl",
      "state",
      "budget",
      "full",
      "fragment",
      "exempt_rate",
      "flags",
    ] as const) {
      if (reason === "full" && geometry !== "4x32x8/r26") continue;
      expect(result.reasons[REASON[reason]], reason).toBeGreaterThan(0);
    }
    expect(result.changedCells).toBeGreaterThan(500);
  });

  it("is seen to differ from a model that stores again what a mirror holds", async () => {
    const spoil = (model: Sfr) => {
      for (const mirror of model.mirrors) mirror.rank = () => 0;
    };
    const result = await compareWithModel({ geometry: "4x32x8/r26", seed: 7, packets: 60_000, spoil });
    expect(result.difference).toContain("cells: kernel");
    expect(result.difference).toContain("writeThrough");
  });

  it("is seen to differ from a model that forgets to drop a FIN", async () => {
    const spoil = (model: Sfr) => {
      model.table.drop = () => INSERTED.unchanged;
    };
    const result = await compareWithModel({ geometry: "4x32x8/r26", seed: 7, packets: 60_000, spoil });
    expect(result.difference).toContain("cells: kernel");
  });
});
