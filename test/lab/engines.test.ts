import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { canEmulate, type Engine, QJS_HOST } from "./support/engine.ts";
import { runMesh } from "./support/mesh-run.ts";
import { hasFirmware, isRoot } from "./support/root.ts";

/**
 * A short selection; all labs on an engine: `ROAMWALL_ENGINE=qjs npx vitest run test/lab`. That a mesh without replication
 * loses its flows is seen in `mesh.test.ts`.
 */
const hasMips = canEmulate("mips");
if (!hasMips) console.warn("an agent on MIPS: skipped, no emulator, or no npm run package -- --arch mips");

describe.runIf(isRoot && hasFirmware && existsSync(QJS_HOST))("agents in QuickJS", () => {
  it.each(["qjs", "mixed"] as const)("lose no flow and deny nothing valid (%s)", losesNothing);
  it.runIf(hasMips)("lose no flow and deny nothing valid, one of them on MIPS", () => losesNothing("mips"));
});

async function losesNothing(engine: Engine): Promise<void> {
  const { lost, lostOld, denied, did } = await runMesh({
    prefix: `rw${engine}`,
    aps: 3,
    size: {
      clientFlows: 30,
      serverFlows: 6,
      idleFlows: 4,
      greetedFlows: 6,
      streams: 6,
      download: false,
      connectPeriodMs: 50,
    },
    roams: 2,
    seed: 11,
    firewall: "replicating",
    engine,
    link: { loss: 0.05, reorder: 0.05, delayMs: [0, 4] },
  });
  expect(lost).toEqual([]);
  expect(lostOld).toBe(0);
  expect(denied).toEqual({});
  // Whether any of what was lost had to be repaired is chance; that the link misbehaved is not.
  expect(did.delayed).toBeGreaterThan(10);
  expect(did.lost + did.reordered).toBeGreaterThan(0);
}
