import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Lab } from "./support/lab.ts";
import { pause, until } from "./support/processes.ts";
import { hasFirmware, isRoot } from "./support/root.ts";
import { differences, mirrorOf, ownTable } from "./support/tables.ts";
import { LOST_AFTER_MS } from "./support/traffic/plan.ts";

const SIZE = { clientFlows: 60, serverFlows: 12, idleFlows: 6 };
/** Long enough that a flow whose packets are denied would be known for lost. */
const UNDER_WAY_MS = LOST_AFTER_MS + 500;
const DRAIN_MS = 200;
const MIRROR_PATIENCE_MS = 30_000;

/** The kernel owns the truth and enforces alone: who dies above it must not be felt below. */
describe.runIf(isRoot && hasFirmware)("a crash under traffic", () => {
  let lab: Lab;

  beforeEach(async () => {
    lab = await Lab.open({ prefix: "rwcrash", kind: "bridged", size: SIZE, firewall: "replicating" });
    await lab.traffic.start();
    lab.intruder.start();
  });
  afterEach(() => lab?.close());

  /** Traffic goes on for a while; then nothing valid was denied, nothing bad has passed, and every flow lives. */
  async function expectUnharmed(): Promise<void> {
    await pause(UNDER_WAY_MS);
    const { client, lost } = await lab.traffic.report();
    const working = lab.intruder.pause();
    await pause(DRAIN_MS);
    expect(lost).toEqual([]);
    expect(client.connects.failed + client.lookups.failed).toBe(0);
    expect(lab.intruder.passed).toEqual([]);
    expect(lab.unexplainedDenials()).toEqual({});
    if (working) lab.intruder.start();
  }

  /**
   * Afterwards AP 2's mirror holds what AP 1's kernel holds, cell by cell. Nothing is opened meanwhile: what opens and is
   * superseded within the hold time is meant to be in no mirror, and so the two differ before.
   */
  async function expectSyncedBy(restart: () => Promise<void>): Promise<void> {
    const [one, two] = [lab.aps[0]!, lab.aps[1]!];
    const found = () => differences(ownTable(one), mirrorOf(one, two));
    await lab.traffic.open(false);
    expect(found()).not.toEqual([]);
    await restart();
    await until("the mirror to equal the table", MIRROR_PATIENCE_MS, () => found().length === 0 || undefined).catch(
      () => {},
    );
    expect(found()).toEqual([]);
    await lab.traffic.open(true);
  }

  it("of the agent is felt by nobody, and its caches equal the kernel's table afterwards", async () => {
    const [ap] = lab.aps;
    await expectUnharmed();
    await ap!.killAgent();
    await expectUnharmed();
    await expectSyncedBy(() => ap!.startAgent());
    await expectUnharmed();
  });

  it("of roamwalld is felt by nobody, and it picks its pinned state up", async () => {
    const [ap] = lab.aps;
    await expectUnharmed();
    await ap!.killDaemon();
    await expectUnharmed();
    await expectSyncedBy(() => ap!.startDaemon());
    await expectUnharmed();
  });

  it("of both, and then a roam, loses no flow", async () => {
    const [ap] = lab.aps;
    await Promise.all([ap!.killAgent(), ap!.killDaemon()]);
    await expectUnharmed();
    await ap!.start();
    await lab.awaitNeighbours();
    await lab.roam(2);
    await expectUnharmed();
  });
});
