import { describe, expect, it } from "vitest";
import { CLIENT, FLOWS, meshOf, open, pass, speak } from "./testing/flows.ts";
import { type Ap, type Lab, mirrorDifferences } from "./testing/lab.ts";

/** As the agent stops: what is held is published, then goodbye. Returns how long it waited, ms. */
async function stop(lab: Lab, ap: Ap): Promise<number> {
  const beganMs = lab.nowMs;
  let endedMs = Number.NaN;
  ap.datapath.flushHeld(0x3fff);
  await ap.datapath.sync();
  const end = ap.replicator.stop(lab.nowMs).then(() => {
    endedMs = lab.nowMs;
    ap.running = false;
  });
  await lab.run(250);
  await end;
  return endedMs - beganMs;
}

describe("an AP that stops", () => {
  it("waits until one neighbour knows everything, and is dead to all at once", async () => {
    const lab = await meshOf(3);
    await open(lab, lab.ap(1));
    expect(await stop(lab, lab.ap(1))).toBeLessThan(10);
    for (const id of [2, 3]) {
      expect(lab.ap(id).replicator.list()[0]!.state).toBe("dead");
      expect(mirrorDifferences(lab, id, 1)).toBe(0);
    }
  });

  it("leaves its clients all they had, at any neighbour, held-back states too", async () => {
    const lab = await meshOf(3, { holdMs: 2_000 });
    await open(lab, lab.ap(1));
    // Half open when it stops: nothing of it was published yet.
    expect(pass(lab.ap(1), 999, "S")).toBe(0);
    await stop(lab, lab.ap(1));
    expect(pass(lab.ap(2), 999, "SA", "A>", "<A")).toBe(0);
    expect(await speak(lab, lab.ap(2))).toBe(0);
    // The mirror of an AP that said goodbye serves arrivals, and whoever took it from there hands it on.
    await lab.run(1_000);
    expect(await speak(lab, lab.ap(3))).toBe(0);
  });

  it("would leave the half-open ones behind without publishing what is held", async () => {
    const lab = await meshOf(2, { holdMs: 2_000 });
    expect(pass(lab.ap(1), 999, "S")).toBe(0);
    await lab.run(100);
    lab.ap(1).running = false;
    expect(pass(lab.ap(2), 999, "SA")).toBe(1);
  });

  it("keeps repairing until it is known, or 200 ms", async () => {
    for (let seed = 1; seed <= 8; seed++) {
      const lab = await meshOf(2, { seed, holdMs: 2_000 });
      await open(lab, lab.ap(1), FLOWS);
      for (let flow = 300; flow < 350; flow++) pass(lab.ap(1), flow, "S");
      lab.faults = { loss: 0.2, duplication: 0, delayMs: 1, jitterMs: 3 };
      expect(await stop(lab, lab.ap(1))).toBeLessThanOrEqual(201);
      lab.faults = { loss: 0, duplication: 0, delayMs: 1, jitterMs: 0 };
      let denied = 0;
      for (let flow = 300; flow < 350; flow++) denied += pass(lab.ap(2), flow, "SA", "A>");
      expect(denied, `seed ${seed}`).toBe(0);
    }
  });

  it("waits 200 ms for neighbours that do not answer, and not at all where there are none", async () => {
    const lab = await meshOf(2);
    lab.tap = () => false;
    expect(await stop(lab, lab.ap(1))).toBe(200);
    const alone = await meshOf(1);
    expect(await stop(alone, alone.ap(1))).toBeLessThan(3);
  });

  it("that starts again is believed anew, and knows its clients", async () => {
    const lab = await meshOf(2);
    await open(lab, lab.ap(1));
    await stop(lab, lab.ap(1));
    await lab.restart(lab.ap(1));
    await lab.run(2_000);
    expect(lab.ap(2).replicator.list()[0]!.state).toBe("alive");
    expect(lab.ap(1).replicator.proxy.contexts.get(CLIENT)).toMatchObject({ here: true });
    expect(await speak(lab, lab.ap(1))).toBe(0);
  });

  it("and starts again before its goodbye was answered leaves nobody standing", async () => {
    const lab = await meshOf(2);
    await open(lab, lab.ap(1));
    // What is published last does not come, so that the goodbye is not answered at once.
    lab.tap = ({ from }) => (from === 1 ? false : undefined);
    expect(pass(lab.ap(1), 999, "S", "SA", "A>", "<A")).toBe(0);
    await lab.run(8);
    lab.tap = () => undefined;
    lab
      .ap(1)
      .replicator.stop(lab.nowMs)
      .catch(() => {});
    await lab.run(3);
    await lab.restart(lab.ap(1));
    for (let i = 0; i < 300; i++) {
      await lab.run(1);
      expect(lab.ap(2).replicator.nextAtMs()).not.toBeNaN();
    }
    expect(lab.ap(2).replicator.list()[0]!.state).toBe("alive");
  });
});
