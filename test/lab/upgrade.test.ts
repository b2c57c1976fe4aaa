import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ABI_VERSION } from "../../src/datapath/abi.ts";
import type { AccessPoint } from "./support/access-point.ts";
import { BUILT } from "./support/build.ts";
import { Lab } from "./support/lab.ts";
import { pause } from "./support/processes.ts";
import { hasFirmware, isRoot } from "./support/root.ts";
import { LOST_AFTER_MS } from "./support/traffic/plan.ts";

const SIZE = { clientFlows: 40, serverFlows: 8, idleFlows: 4 };
const UNDER_WAY_MS = LOST_AFTER_MS + 500;
const WITHOUT_AGENT_MS = 1000;
const DRAIN_MS = 200;
const IMPATIENT = resolve(BUILT, "impatient");

/** Upgrades of roamwalld while the agent is away, to one whose maps are not those that are pinned; one lab goes through all. */
describe.runIf(isRoot && hasFirmware)("an upgrade under traffic", () => {
  let lab: Lab;
  let ap: AccessPoint;

  beforeAll(async () => {
    // The naive one, in the same place: its program takes over at once.
    const flags = ["CFLAGS=-O1", "ROAMWALLD_FLAGS=-DUPGRADE_WAIT_MS=0ull", `BUILD=${IMPATIENT}`];
    execFileSync("make", ["-C", "firmware", ...flags, `${IMPATIENT}/roamwalld`], { stdio: "pipe" });
    lab = await Lab.open({ prefix: "rwupgr", kind: "bridged", size: SIZE, firewall: "replicating" });
    ap = lab.aps[0]!;
    await lab.traffic.start();
    lab.intruder.start();
  });
  afterAll(() => lab?.close());

  async function stopBoth(): Promise<void> {
    await Promise.all([ap.killAgent(), ap.killDaemon()]);
  }

  /** What was denied and should not have been, after a while of traffic. */
  async function harm() {
    await pause(UNDER_WAY_MS);
    const { client, lost } = await lab.traffic.report();
    const working = lab.intruder.pause();
    await pause(DRAIN_MS);
    const denied = lab.unexplainedDenials();
    if (working) lab.intruder.start();
    return { lost, failed: client.connects.failed + client.lookups.failed, denied };
  }
  const NONE = { lost: [], failed: 0, denied: {} };

  it("to another ABI is felt by nobody: the program before filters until the agent is back, and all flows and rights are kept", async () => {
    await stopBoth();
    ap.pretendMadeBy(ABI_VERSION - 1);
    await ap.startDaemon();
    await pause(WITHOUT_AGENT_MS);
    expect(ap.said).toContain(
      `(abi version ${ABI_VERSION - 1}, here ${ABI_VERSION}): the program before this one filters`,
    );
    expect(ap.said).not.toContain("replaced, after");
    ap.keepCounters();
    await ap.startAgent();
    expect(ap.said).toContain("since the agent has loaded its policy; flows and rights are kept");
    expect(await harm()).toEqual(NONE);
    expect(lab.intruder.passed).toEqual([]);
  });

  it("to another geometry loses no flow: those that run are picked up, as after a cold start", async () => {
    await stopBoth();
    await ap.startDaemon({ table: "4x512x8/r26" });
    await pause(WITHOUT_AGENT_MS);
    expect(lab.intruder.passed).toEqual([]);
    // While flows are picked up a bad packet of what is allowed opens one: that is not what is looked at here.
    lab.intruder.pause();
    ap.keepCounters();
    ap.writeSettings({ pickup: "300s" });
    await ap.startAgent();
    expect(ap.said).toContain("geometry 4x1024x8/r26, here 4x512x8/r26");
    expect(ap.said).toContain("rights are kept, flows that run are picked up anew");
    const { lost, denied } = await harm();
    expect(lost).toEqual([]);
    // What waited for its first answer at that moment is asked again.
    const { state = 0, ...others } = denied;
    expect(others).toEqual({});
    expect(state).toBeLessThanOrEqual(3);
  });

  it("that waits for nobody denies what is valid (the control), and says so", async () => {
    await stopBoth();
    ap.pretendMadeBy(ABI_VERSION - 1);
    ap.keepCounters();
    await ap.startDaemon({ program: `${IMPATIENT}/roamwalld` });
    const { lost, denied } = await harm();
    expect(ap.said).toContain("WITHOUT A POLICY");
    expect(lost.length).toBeGreaterThan(SIZE.clientFlows);
    // Without automata it knows no packet type.
    expect(denied.flags).toBeGreaterThan(SIZE.clientFlows);
  });
});
