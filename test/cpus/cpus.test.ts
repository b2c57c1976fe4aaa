import { describe, expect, it } from "vitest";
import { INSERTED } from "../../src/bloom/dlcbf.ts";
import { REASON } from "../../src/datapath/abi.ts";
import { buildFor, CPUS, missingFor, runVectors } from "./cpus.ts";
import { makeVectors } from "./vectors.ts";

const GEOMETRIES = ["4x32x8/r26", "4x32x8/r12", "4x32x8/r4"] as const;
const PACKETS = 2_500;

/** The routine of user space (what judges behind netfilter's queue) answers as the model does, on every CPU. */
describe("the routine in user space", () => {
  const all = GEOMETRIES.map((geometry) => [geometry, makeVectors({ geometry, seed: 11, packets: PACKETS })] as const);

  for (const cpu of CPUS) {
    const missing = missingFor(cpu).filter((program) => cpu.compiler !== "cc" || program === "cc");
    if (missing.length > 0)
      console.warn(`${cpu.name}: skipped, ${missing.join(", ")} not installed (scripts/setup.sh)`);
    it.skipIf(missing.length > 0)(
      `does as the model does on ${cpu.name}`,
      () => {
        const program = buildFor(cpu);
        for (const [geometry, vectors] of all) {
          expect(runVectors(cpu, program, vectors.bytes), geometry).toEqual({ packets: PACKETS, wrong: 0, first: 0 });
          // The script would prove little if it never came so far.
          for (const reason of ["pass", "malformed", "acl", "state", "fragment", "flags"] as const)
            expect(vectors.reasons.get(REASON[reason]), reason).toBeGreaterThan(0);
        }
      },
      60_000,
    );
  }

  it("is seen to differ from a model that forgets to drop a FIN", () => {
    const cpu = CPUS[0]!;
    const { bytes } = makeVectors({
      geometry: "4x32x8/r26",
      seed: 11,
      packets: 20_000,
      spoil: (model) => {
        model.table.drop = () => INSERTED.unchanged;
      },
    });
    expect(runVectors(cpu, buildFor(cpu), bytes).wrong).toBeGreaterThan(0);
  });
});
