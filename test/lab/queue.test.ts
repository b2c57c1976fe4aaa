import { rmSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import type { AgentStatus } from "../../src/control/status.ts";
import type { AccessPoint } from "./support/access-point.ts";
import { isHidden, queueAt, showBridged } from "./support/datapath.ts";
import { Lab, type LabOptions } from "./support/lab.ts";
import { pause } from "./support/processes.ts";
import { hasFirmware, isRoot } from "./support/root.ts";
import type { Kind } from "./support/topology.ts";
import { LOST_AFTER_MS } from "./support/traffic/plan.ts";

const SIZE = { clientFlows: 30, serverFlows: 8, idleFlows: 4 };
const BEFORE_MS = 1_000;
const DEAD_MS = 1_000;
const SILENT_MS = 500;
/** Flows that lost their state are known for lost, and those whose TCP waited have tried again. */
const AFTER_MS = LOST_AFTER_MS + 500;
const DRAIN_MS = 200;

/** The same promises where packets are judged in user space. */
describe.runIf(isRoot && hasFirmware)("behind netfilter's queue", () => {
  let lab: Lab;
  afterEach(() => lab?.close());

  async function open(kind: Kind, each: LabOptions["each"] & {}, firewall: LabOptions["firewall"]): Promise<void> {
    const built = ({ namespaces, topology }: Lab) => showBridged(namespaces, topology.aps, kind);
    lab = await Lab.open({ prefix: "rwqueue", kind, size: SIZE, firewall, each, built });
    await lab.traffic.start();
    lab.intruder.start();
    await pause(BEFORE_MS);
  }

  /** Nothing valid was denied. What the kernel drops before it asks us is denied by nobody. */
  async function expectNothingValidDenied(): Promise<void> {
    lab.intruder.pause();
    await pause(DRAIN_MS);
    const denied = Object.entries(lab.unexplainedDenials()).filter(([, packets]) => packets > 0);
    expect(denied).toEqual([]);
  }

  const statusOf = async (ap: AccessPoint) => (await ap.ask<AgentStatus>("status")).datapath!;
  const lost = async () => (await lab.traffic.report()).lost;

  it.each<Kind>(["bridged", "routed"])(
    "a client roams from an AP with eBPF to one without, and back (%s)",
    async (kind) => {
      await open(kind, (ap) => queueAt(ap, "mixed"), "replicating");
      const [one, two] = [lab.aps[0]!, lab.aps[1]!];
      // More comes for it meanwhile than may wait for a receiver whom only its own packets would make known.
      await lab.roam(2, SILENT_MS);
      await pause(AFTER_MS);
      expect(await lost()).toEqual([]);
      expect((await statusOf(one)).by).toBe("eBPF");
      const status = await statusOf(two);
      expect(status.by).toMatch(/^NFQUEUE .*, rules in /);
      expect(status.passed).toBeGreaterThan(1_000);
      expect(status.denied["state"]).toBeGreaterThan(0);
      await lab.roam(1);
      await lab.traffic.wake();
      await pause(AFTER_MS);
      const { client } = await lab.traffic.report();
      expect(await lost()).toEqual([]);
      expect(client.connects.failed + client.lookups.failed).toBe(0);
      await expectNothingValidDenied();
      expect(lab.intruder.passed.filter((name) => !isHidden(name, kind))).toEqual([]);
    },
  );

  /** Kills roamwalld, waits, does what is to be done, and starts it again. Returns what bad frames passed meanwhile. */
  async function die(ap: AccessPoint, meanwhile: () => void = () => {}): Promise<string[]> {
    await lab.traffic.open(false);
    await pause(DRAIN_MS);
    const before = lab.intruder.passed.length;
    await ap.killDaemon();
    await pause(DEAD_MS);
    const passed = lab.intruder.passed.slice(before);
    meanwhile();
    lab.intruder.pause();
    await ap.startDaemon();
    await pause(AFTER_MS);
    return passed;
  }

  /** Without neighbours, who would give an AP its old table back. */
  const openAlone = (fail: "open" | "closed") => open("routed", () => ({ nfqueue: ["--fail", fail] }), "alone");

  it("a killed daemon that fails open lets everything pass, and goes on with its table", async () => {
    await openAlone("open");
    expect(lab.intruder.passed).toEqual([]);
    expect((await die(lab.aps[0]!)).length).toBeGreaterThan(10);
    expect(lab.aps[0]!.said).toContain("table picked up");
    expect(await lost()).toEqual([]);
    const before = lab.intruder.passed.length;
    lab.intruder.start();
    await pause(BEFORE_MS);
    expect(lab.intruder.passed.length).toBe(before);
  });

  it("one that fails closed lets nothing pass, and goes on with its table", async () => {
    await openAlone("closed");
    expect((await statusOf(lab.aps[0]!)).passed).toBeGreaterThan(500);
    expect(await die(lab.aps[0]!)).toEqual([]);
    expect(lab.intruder.passed).toEqual([]);
    expect(lab.aps[0]!.said).toContain("table picked up");
    expect(await lost()).toEqual([]);
  });

  it("one whose table is gone has lost its flows", async () => {
    await openAlone("closed");
    await die(lab.aps[0]!, () => rmSync(lab.aps[0]!.tables, { recursive: true }));
    expect((await lost()).length).toBeGreaterThan(20);
  });
});
