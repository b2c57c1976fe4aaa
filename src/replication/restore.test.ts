import { describe, expect, it } from "vitest";
import { filterOf } from "../../test/support/firewall.ts";
import { parseMac } from "../base/mac.ts";
import { eachRecord } from "./inbox.ts";
import { keptOf } from "./orphan-snapshot.ts";
import { PREFIX_BYTES } from "./outbox.ts";
import { KIND } from "./records/kinds.ts";
import { RightsMap } from "./rights-map.ts";
import { HEADER_BYTES, HELLO_HEADER_BYTES } from "./seal.ts";
import { CLIENT, FLOWS, meshOf, open, pass, speak } from "./testing/flows.ts";
import type { Ap, Lab } from "./testing/lab.ts";

const GUEST = parseMac("02:00:00:00:0a:77", "test");

/** The AP loses all it had, and comes back with an empty table and a new agent. */
async function powerCycle(lab: Lab, id: number, prepare: (ap: Ap) => void = () => {}, tableId = 4711n): Promise<Ap> {
  lab.ap(id).running = false;
  await lab.run(3_000);
  const newborn = lab.add(id, tableId);
  prepare(newborn);
  await lab.start([newborn]);
  newborn.replicator.proxy.rights.give(CLIENT, { role: "open" });
  return newborn;
}

function has(bytes: Uint8Array, wanted: number): boolean {
  const start = bytes[1]! & 1 ? HELLO_HEADER_BYTES : HEADER_BYTES;
  let found = false;
  eachRecord(bytes.subarray(start), PREFIX_BYTES, (kind) => {
    found ||= kind === wanted;
  });
  return found;
}

function withoutRestore({ replicator }: Ap): void {
  replicator.courier.restore.met = () => {};
}

describe("an AP that lost its table", () => {
  it("gets it back from a neighbour: the client that returns to it has all its flows", async () => {
    const lab = await meshOf(3);
    await open(lab, lab.ap(1));
    const newborn = await powerCycle(lab, 1);
    expect(newborn.replicator.courier.restore.state).toBe("restoring");
    await lab.run(500);
    expect(newborn.replicator.courier.restore).toMatchObject({ state: "ready" });
    expect(newborn.replicator.courier.restore.cells).toBeGreaterThanOrEqual(FLOWS);
    expect(await speak(lab, newborn)).toBe(0);
  });

  it("gets it back from a neighbour that it did not reach before it called itself ready", async () => {
    const lab = await meshOf(3);
    await open(lab, lab.ap(1));
    for (const way of ["1>2", "2>1", "1>3", "3>1"]) lab.cut.add(way);
    const newborn = await powerCycle(lab, 1);
    await lab.run(3_000);
    expect(newborn.replicator.courier.restore).toMatchObject({ state: "ready", cells: 0 });
    lab.cut.clear();
    await lab.run(3_000);
    expect(await speak(lab, newborn)).toBe(0);
  });

  it("gets it back from a neighbour of which nothing but the first answer came for seconds", async () => {
    const lab = await meshOf(2);
    await open(lab, lab.ap(1));
    let heard = 0;
    lab.tap = ({ to, bytes }) => (to === 1 && has(bytes, KIND.snap) && ++heard > 1 ? false : undefined);
    const newborn = await powerCycle(lab, 1);
    await lab.run(4_000);
    expect(newborn.replicator.courier.restore).toMatchObject({ cells: 0 });
    lab.tap = () => undefined;
    await lab.run(8_000);
    expect(newborn.replicator.courier.restore.cells).toBeGreaterThanOrEqual(FLOWS);
  });

  it("asks nobody who is silent, and who is heard again at once", async () => {
    const lab = await meshOf(2);
    await open(lab, lab.ap(1));
    lab.tap = ({ to, bytes }) => (to === 1 && has(bytes, KIND.snap) ? false : undefined);
    const newborn = await powerCycle(lab, 1);
    await lab.run(1_000);
    for (const way of ["1>2", "2>1"]) lab.cut.add(way);
    await lab.run(10_000);
    const { ask } = newborn.replicator.courier.restore["parts"];
    let asked = 0;
    Object.assign(newborn.replicator.courier.restore["parts"], {
      ask: (...question: Parameters<typeof ask>) => {
        asked++;
        ask(...question);
      },
    });
    await lab.run(30_000);
    expect(asked).toBe(0);
    lab.tap = () => undefined;
    lab.cut.clear();
    await lab.run(3_000);
    expect(newborn.replicator.courier.restore.cells).toBeGreaterThanOrEqual(FLOWS);
  });

  it("tells who serves the client meanwhile that it has something of it", async () => {
    const lab = await meshOf(2);
    await open(lab, lab.ap(1));
    await lab.start([lab.add(1, 77n)]);
    await lab.run(3_000);
    const told = lab.ap(2).replicator.list()[0]!.rightsOf(CLIENT);
    expect(told).toMatchObject({ here: false, n: 1 });
  });

  /** Denied packets, after power was lost so often that nothing was back in between. */
  async function again(times: number, prepare: (ap: Ap) => void): Promise<number> {
    const lab = await meshOf(3);
    await open(lab, lab.ap(1));
    for (let i = 1; i < times; i++) {
      await powerCycle(lab, 1, withoutRestore, BigInt(100 + i));
      await lab.run(1_000);
      await open(lab, lab.ap(1), i);
    }
    const newborn = await powerCycle(lab, 1, prepare, 9_999n);
    await lab.run(2_000);
    expect(newborn.replicator.courier.restore.state).toBe("ready");
    return speak(lab, newborn, times, FLOWS);
  }

  it.each([2, 3])("gets back what it had before it lost power %i times", async (times) => {
    expect(await again(times, () => {})).toBe(0);
  });

  it("loses that when it asks for the last table alone", async () => {
    const denied = await again(2, ({ replicator: { courier } }) => {
      const restore = courier.restore as unknown as { askFor(age: number, of: object, nowMs: number): unknown };
      const askFor = restore.askFor.bind(restore);
      restore.askFor = (age, of, nowMs) => (age === 0 ? askFor(age, of, nowMs) : undefined);
    });
    expect(denied).toBe(2 * (FLOWS - 2));
  });

  it("takes no slots of one table for those of another, of which no cell was kept", async () => {
    const lab = await meshOf(2);
    await open(lab, lab.ap(1));
    const [kept] = lab.ap(2).replicator.list();
    const { rights } = kept!;
    kept!.orphans.push({ mirror: kept!.mirror!, rights, phases: kept!.phases, guard: kept!.guard });
    const later = new RightsMap();
    expect(keptOf({ orphans: kept!.orphans, former: later })).toEqual([
      { rights: later, orphan: undefined },
      { rights, orphan: kept!.orphans[0] },
    ]);
    expect(keptOf({ orphans: kept!.orphans, former: rights })).toEqual([{ rights, orphan: kept!.orphans[0] }]);
  });

  it("loses them all when it does not ask", async () => {
    const lab = await meshOf(3);
    await open(lab, lab.ap(1));
    const newborn = await powerCycle(lab, 1, withoutRestore);
    await lab.run(500);
    expect(await speak(lab, newborn)).toBe(2 * FLOWS);
  });

  it("gets it back with every fifth datagram lost", async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const lab = await meshOf(3, { seed });
      await open(lab, lab.ap(1));
      lab.faults = { loss: 0.2, duplication: 0.1, delayMs: 1, jitterMs: 5 };
      const newborn = await powerCycle(lab, 1);
      await lab.run(3_000);
      expect(newborn.replicator.courier.restore.state).toBe("ready");
      expect(await speak(lab, newborn), `seed ${seed}`).toBe(0);
    }
  });

  it("knows whose each expectation is: what it gives to the next AP is the client's alone", async () => {
    const lab = await meshOf(3);
    await open(lab, lab.ap(1));
    const newborn = await powerCycle(lab, 1);
    await lab.run(1_000);
    const { contexts, own } = newborn.replicator.proxy;
    expect(own.cellsOfSlot[contexts.get(CLIENT)!.slot]).toBeGreaterThanOrEqual(FLOWS);
    // By way of a third that never had a mirror of the table of before.
    expect(await speak(lab, lab.ap(3))).toBe(0);
  });

  it("gets back rights that only it had given", async () => {
    const lab = await meshOf(2);
    lab.ap(1).replicator.proxy.rights.give(GUEST, { role: "open", authority: true, leftSeconds: 3_600 });
    lab.ap(1).replicator.proxy.arrived(GUEST, 0);
    await lab.run(200);
    const newborn = await powerCycle(lab, 1);
    await lab.run(500);
    const { rights } = newborn.replicator.proxy.contexts.get(GUEST)!;
    expect(rights).toMatchObject({ serial: 1, origin: 1, role: "open" });
    expect((rights!.endsAtMs - lab.nowMs) / 1000, "counted down while it was away").toBeLessThan(3_597);
  });

  it("makes nothing outlive what was left of it", async () => {
    const lab = await meshOf(2);
    expect(pass(lab.ap(1), 1, "U>", "<U")).toBe(0);
    await lab.run(100_000);
    const newborn = await powerCycle(lab, 1);
    await lab.run(1_000);
    expect(newborn.datapath.sfr.table.used).toBeGreaterThan(0);
    // UDP with an answer: 180 s, and a tick.
    await lab.run(90_000);
    expect(newborn.datapath.sfr.table.used).toBe(0);
  });

  it("filters while it waits, and is ready after two seconds when nobody answers", async () => {
    const lab = await meshOf(2);
    await open(lab, lab.ap(1), 1);
    lab.tap = () => false;
    const newborn = await powerCycle(lab, 1, (ap) =>
      ap.datapath.setFilter(filterOf(0, [{ direction: "out", proto: 6 }])),
    );
    expect(pass(newborn, 7, "S", "SA", "A>")).toBe(0);
    await lab.run(1_900);
    expect(newborn.replicator.courier.restore.state).toBe("restoring");
    await lab.run(200);
    expect(newborn.replicator.courier.restore.state).toBe("ready");
  });

  it("is ready two seconds after its start when its neighbours kept nothing", async () => {
    const lab = await meshOf(2);
    await lab.run(10);
    expect(lab.aps.map(({ replicator }) => replicator.courier.restore)).toMatchObject([
      { state: "ready", cells: 0 },
      { state: "ready", cells: 0 },
    ]);
  });
});
