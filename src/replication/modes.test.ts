import { describe, expect, it } from "vitest";
import { CONSTANTS } from "../datapath/abi.ts";
import { MODES, type ModeName, modeOf } from "./modes.ts";
import { type Ap, Lab, mirrorDifferences } from "./testing/lab.ts";

const CALM = { loss: 0, duplication: 0, delayMs: 1, jitterMs: 0 };
const LOSSY = { ...CALM, loss: 0.2 };
const RESEND_MS = 3_000;

async function mesh(modes: readonly ModeName[]): Promise<Lab> {
  const optionsOf = (id: number) => ({ mode: modes[id - 1]!, resendMs: RESEND_MS });
  const lab = new Lab(modes.length, { optionsOf });
  await lab.start();
  await lab.run(2_000);
  return lab;
}

/** Cells come and go at every AP, while a fifth of the datagrams is lost. */
async function churn(lab: Lab, ms: number): Promise<void> {
  const touch = ({ datapath }: Ap) => {
    const { table } = datapath.sfr;
    const x = () => (Math.floor(1 + lab.random() * 300) * 2654435761) >>> 0;
    table.insert(0, x(), (1 << lab.geometry.tickBits) | 20, CONSTANTS.OP_MAX, 1, CONSTANTS.MARK_DIRTY);
    table.drop(0, x(), CONSTANTS.MARK_DIRTY);
  };
  lab.faults = LOSSY;
  await lab.run(ms, (nowMs) => nowMs % 5 === 0 && lab.aps.forEach(touch));
  lab.faults = CALM;
}

const sum = (lab: Lab, key: "nacksSent" | "repairsSent" | "snapshotsAsked" | "snapshotsSent") =>
  lab.aps.reduce((total, { replicator }) => total + replicator.counters[key], 0);

describe("a source's mode", () => {
  it("ftfw repairs what was lost", async () => {
    const lab = await mesh(["ftfw", "ftfw"]);
    await churn(lab, 2_000);
    await lab.run(1_500);
    expect(sum(lab, "repairsSent")).toBeGreaterThan(0);
    expect(mirrorDifferences(lab, 2, 1)).toBe(0);
  });

  it("notrack sends once, is asked for nothing, and leaves what was lost", async () => {
    const lab = await mesh(["notrack", "notrack"]);
    const asked = sum(lab, "snapshotsAsked");
    await churn(lab, 2_000);
    await lab.run(30_000);
    expect([sum(lab, "nacksSent"), sum(lab, "repairsSent"), sum(lab, "snapshotsAsked") - asked]).toEqual([0, 0, 0]);
    expect(mirrorDifferences(lab, 2, 1)).toBeGreaterThan(0);
    expect(lab.ap(2).replicator.list()[0]!.givenUp).toBeGreaterThan(10);
    // A newcomer asks for a snapshot.
    await lab.restart(lab.ap(2));
    await lab.run(1_500);
    expect(mirrorDifferences(lab, 2, 1)).toBe(0);
  });

  it("alarm sends everything again each period, paced, and is asked for nothing", async () => {
    const lab = await mesh(["alarm", "alarm"]);
    await churn(lab, 2_000);
    const different = mirrorDifferences(lab, 2, 1);
    const sent = sum(lab, "snapshotsSent");
    await lab.run(RESEND_MS + 500);
    expect(different).toBeGreaterThan(0);
    expect(mirrorDifferences(lab, 2, 1)).toBe(0);
    expect(sum(lab, "snapshotsSent")).toBeGreaterThan(sent);
    expect([sum(lab, "nacksSent"), sum(lab, "snapshotsAsked")]).toEqual([0, 0]);
  });

  it("is followed by all that hear it, whatever their own is", async () => {
    const lab = await mesh(["ftfw", "notrack", "alarm"]);
    await churn(lab, 2_000);
    await lab.run(RESEND_MS + 1_500);
    const [one, two, three] = lab.aps.map(({ replicator }) => replicator.counters);
    expect(one!.repairsSent).toBeGreaterThan(0);
    expect([two!.repairsSent, three!.repairsSent, three!.snapshotsSent > 0]).toEqual([0, 0, true]);
    for (const at of [2, 3]) expect(mirrorDifferences(lab, at, 1)).toBe(0);
    for (const at of [1, 2]) expect(mirrorDifferences(lab, at, 3)).toBe(0);
    expect(mirrorDifferences(lab, 1, 2) + mirrorDifferences(lab, 3, 2)).toBeGreaterThan(0);
  });

  it("has a number of its own; an unknown one counts as ftfw", () => {
    const numbers = Object.values(MODES).map(({ number }) => number);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(modeOf(77)).toBe(MODES.ftfw);
  });
});
