import { describe, expect, it } from "vitest";
import { type MeshPlan, runMesh } from "./support/mesh-run.ts";
import { hasFirmware, isRoot } from "./support/root.ts";

const PLAN: Omit<MeshPlan, "firewall" | "link"> = {
  prefix: "rwmesht",
  aps: 4,
  size: {
    clientFlows: 40,
    serverFlows: 8,
    idleFlows: 6,
    greetedFlows: 8,
    nappingFlows: 8,
    streams: 10,
    download: false,
    connectPeriodMs: 50,
  },
  roams: 5,
  seed: 7,
};

/** Packets of flows that were opened in the last moment before the cut. */
const FEW = 10;

/** `node scripts/ts.mjs test/lab/mesh.ts` is the long form. */
describe.runIf(isRoot && hasFirmware)("a mesh whose link misbehaves", () => {
  it("loses no flow that its neighbours could know of, and denies nothing valid", async () => {
    const link = { loss: 0.1, duplicate: 0.1, reorder: 0.1, delayMs: [0, 4] } as const;
    const { lost, lostOld, denied, pings, did } = await runMesh({ ...PLAN, firewall: "replicating", link });
    expect(lost).toEqual([]);
    expect(lostOld).toBe(0);
    expect(denied).toEqual({});
    expect(pings.received).toBeGreaterThan(0);
    for (const fate of ["lost", "duplicated", "reordered", "delayed"] as const) expect(did[fate]).toBeGreaterThan(10);
  });

  // What happens without repairs is seen in `modes.test.ts`: here too many others help out for a control that always fails.
  it("loses nothing where only mirrors can serve a client, repaired as they were", async () => {
    const repaired = await runMesh({ ...PLAN, firewall: "replicating", link: { loss: 0.2 }, cut: true });
    expect(repaired.lostOld).toBe(0);
    expect(repaired.deniedInAll).toBeLessThan(FEW);
    expect(repaired.replication.repairs).toBeGreaterThan(0);
  });

  it("loses its flows where the access points tell each other nothing", async () => {
    const { flows, flowsLost, deniedInAll } = await runMesh({ ...PLAN, firewall: "alone", link: {}, roams: 2 });
    // UDP streams open anew by themselves.
    expect(flowsLost).toBeGreaterThan(0.7 * (flows - PLAN.size.streams!));
    expect(deniedInAll).toBeGreaterThan(flowsLost);
  });
});
