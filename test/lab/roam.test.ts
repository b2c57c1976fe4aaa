import { afterEach, describe, expect, it } from "vitest";
import { Lab, type LabOptions } from "./support/lab.ts";
import { pause } from "./support/processes.ts";
import { hasFirmware, isRoot } from "./support/root.ts";
import type { Kind } from "./support/topology.ts";
import { LOST_AFTER_MS } from "./support/traffic/plan.ts";

const SIZE = { clientFlows: 60, serverFlows: 12, idleFlows: 6 };
const IDLE_FLOWS = SIZE.idleFlows;
const BEFORE_MS = 1_000;
/** A flow that the roam killed is known for lost. */
const AFTER_MS = LOST_AFTER_MS + 500;
const DRAIN_MS = 200;

/** The promise, on a real kernel with real traffic. */
describe.runIf(isRoot && hasFirmware)("a client that roams", () => {
  let lab: Lab;
  afterEach(() => lab?.close());

  async function roamUnderTraffic(kind: Kind, firewall: LabOptions["firewall"]): Promise<void> {
    lab = await Lab.open({ prefix: "rwroam", kind, size: SIZE, firewall });
    await lab.traffic.start();
    lab.intruder.start();
    await pause(BEFORE_MS);
    await lab.roam(2);
    await pause(AFTER_MS);
  }

  it.each<Kind>(["bridged", "routed"])(
    "keeps every flow, there and back, and lets nobody else in (%s)",
    async (kind) => {
      await roamUnderTraffic(kind, "replicating");
      expect((await lab.traffic.report()).lost).toEqual([]);
      await lab.roam(1);
      await lab.traffic.wake();
      await pause(AFTER_MS);
      lab.intruder.pause();
      await pause(DRAIN_MS);
      const { lost, client } = await lab.traffic.report();
      expect(lost).toEqual([]);
      expect(client.connects.failed + client.lookups.failed).toBe(0);
      expect(lab.intruder.passed).toEqual([]);
      expect(lab.unexplainedDenials()).toEqual({});
    },
  );

  it("loses its flows where the new AP was told nothing", async () => {
    await roamUnderTraffic("bridged", "alone");
    const { lost } = await lab.traffic.report();
    // A UDP stream opens anew by itself, and who is silent has not noticed yet.
    expect(lost.length).toBe(lab.traffic.flows - 1 - IDLE_FLOWS);
    expect(lab.intruder.passed).toEqual([]);
  });
});
