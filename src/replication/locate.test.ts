import { describe, expect, it } from "vitest";
import { parseMac } from "../base/mac.ts";
import { eachRecord } from "./inbox.ts";
import { PREFIX_BYTES } from "./outbox.ts";
import { KIND } from "./records/kinds.ts";
import { HEADER_BYTES, HELLO_HEADER_BYTES } from "./seal.ts";
import { CLIENT, FLOWS, meshOf, open, pass, speak } from "./testing/flows.ts";
import type { Lab } from "./testing/lab.ts";

const GUEST = parseMac("02:00:00:00:0a:77", "test");

/** APs in a row: each hears only the next, but any can write to any. */
const inRow = (from: number, to: number) => Math.abs(from - to) === 1;

/** The naive variant: who is unknown near is unknown. */
function neverAsk(lab: Lab): void {
  for (const { replicator } of lab.aps) {
    replicator.courier.locate = () => {};
    // Nor does anybody say unasked what the new AP could not know, or give what is only mirrored.
    replicator.courier.hint = () => {};
    replicator.courier.sources = () => [];
  }
}

function locatesSent(lab: Lab): { count: number } {
  const sent = { count: 0 };
  lab.tap = ({ bytes }) => {
    const start = bytes[1]! & 1 ? HELLO_HEADER_BYTES : HEADER_BYTES;
    eachRecord(bytes.subarray(start), PREFIX_BYTES, (kind) => {
      if (kind === KIND.locate) sent.count++;
    });
    return undefined;
  };
  return sent;
}

/** Frames of a flow until they pass, as TCP sends them again: 200 ms, doubled each time. Tries it took, or infinity. */
async function retransmit(lab: Lab, id: number, flow: number): Promise<number> {
  for (let tries = 0, waitMs = 200; tries < 4; tries++, waitMs *= 2) {
    if (pass(lab.ap(id), flow, "A>", "<A") === 0) return tries;
    await lab.run(waitMs);
  }
  return Number.POSITIVE_INFINITY;
}

describe("a client that roams to an AP that never heard of it", () => {
  it.each([
    ["two APs away", 3],
    ["four APs away", 5],
    ["eight APs away", 9],
  ])("keeps all its flows: %s", async (_name, count) => {
    const lab = await meshOf(count, { hears: inRow });
    await open(lab, lab.ap(1));
    // The first frame finds nothing; it is dropped without a word, and sent again.
    expect(pass(lab.ap(count), 0, "A>")).toBe(1);
    await lab.run(600);
    expect(await speak(lab, lab.ap(count))).toBe(0);
    expect(lab.ap(1).replicator.proxy.contexts.get(CLIENT)).toMatchObject({ here: false, ap: count });
  });

  /** It has roamed a lot when its AP dies; a moment later it comes to one that never heard of it. */
  async function comesFromTheDead(prepare: (lab: Lab) => void): Promise<number> {
    const lab = await meshOf(3, { hears: inRow });
    prepare(lab);
    lab.ap(1).replicator.proxy.contexts.get(CLIENT)!.n = 5;
    await open(lab, lab.ap(1));
    lab.ap(1).running = false;
    // Who would be asked is who died.
    lab.ap(3).replicator.courier.locate = () => {};
    pass(lab.ap(3), 0, "A>");
    await lab.run(900);
    return speak(lab, lab.ap(3));
  }

  it("keeps all its flows when the AP that it left died a moment ago", async () =>
    expect(await comesFromTheDead(() => {})).toBe(0));

  it("would lose them if its claim were below what others heard", async () =>
    expect(
      await comesFromTheDead((lab) => {
        const { roam } = lab.ap(2).replicator.proxy as unknown as { roam: { correct(): void } };
        roam.correct = () => {};
      }),
    ).toBeGreaterThan(FLOWS));

  it("keeps all its flows when its claim is lost", async () => {
    const lab = await meshOf(3, { hears: inRow });
    await open(lab, lab.ap(1));
    lab.tap = ({ from, bytes }) => {
      let isClaim = false;
      const start = bytes[1]! & 1 ? HELLO_HEADER_BYTES : HEADER_BYTES;
      eachRecord(bytes.subarray(start), PREFIX_BYTES, (kind) => {
        isClaim ||= kind === KIND.claim || kind === KIND.locate;
      });
      return isClaim && from === 3 ? false : undefined;
    };
    pass(lab.ap(3), 0, "A>");
    await lab.run(900);
    expect(await speak(lab, lab.ap(3))).toBe(0);
  });

  it("gets its rights from who knows them, though who serves it has forgotten them", async () => {
    const lab = await meshOf(3, { hears: inRow });
    lab.ap(1).replicator.proxy.rights.give(GUEST, { role: "open", authority: true });
    await lab.run(200);
    lab.ap(2).replicator.proxy.arrived(GUEST, 0);
    await lab.run(1_500);
    for (const id of [2, 3]) {
      const context = lab.ap(id).replicator.proxy.contexts.get(GUEST)!;
      context.rights = undefined;
    }
    lab.ap(3).replicator.proxy.arrived(GUEST, 0);
    await lab.run(700);
    expect(lab.ap(3).replicator.proxy.contexts.get(GUEST)).toMatchObject({ here: true, rights: { serial: 1 } });
  });

  /** Who has its flows hears that it is served, but no claim, and the first answers are lost. Whether an answer came. */
  async function unclaimed(answersLost: number): Promise<boolean> {
    const lab = await meshOf(2);
    for (const { replicator } of lab.aps) replicator.courier.publishers = () => [];
    await open(lab, lab.ap(1));
    // An agent that knows cells, and not that it served the client.
    Object.assign(lab.ap(1).replicator.proxy.contexts.get(CLIENT)!, { here: false, ap: 0, n: 0, announced: false });
    Object.assign(lab.ap(2).replicator.proxy.contexts.get(CLIENT)!, { ap: 0, n: 0 }).holders.clear();
    let lost = 0;
    lab.tap = ({ bytes }) => {
      const start = bytes[1]! & 1 ? HELLO_HEADER_BYTES : HEADER_BYTES;
      let drops = false;
      eachRecord(bytes.subarray(start), PREFIX_BYTES, (kind) => {
        drops ||= kind === KIND.claim || (kind === KIND.handover && ++lost <= answersLost);
      });
      return drops ? false : undefined;
    };
    lab.ap(2).replicator.proxy.arrived(CLIENT, 0);
    await lab.run(4_000);
    return lab.ap(2).replicator.proxy.roam.counters.handoversTaken > 0;
  }

  it("is told of what others have of it when its claim is lost, and their first answers too", async () => {
    for (const answersLost of [0, 1, 2]) expect(await unclaimed(answersLost), `${answersLost} lost`).toBe(true);
  });

  it("loses them all when nobody is asked", async () => {
    const lab = await meshOf(3, { hears: inRow });
    neverAsk(lab);
    await open(lab, lab.ap(1));
    await speak(lab, lab.ap(3), 0, 1);
    await lab.run(600);
    expect(await speak(lab, lab.ap(3))).toBe(2 * FLOWS);
  });

  it("costs no more than one retransmission, with every fifth datagram lost", async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const lab = await meshOf(3, { hears: inRow, seed });
      await open(lab, lab.ap(1));
      lab.faults = { loss: 0.2, duplication: 0.1, delayMs: 1, jitterMs: 5 };
      const tries = [];
      for (let flow = 0; flow < 5; flow++) tries.push(await retransmit(lab, 3, flow));
      expect(Math.max(...tries), `seed ${seed}`).toBeLessThan(4);
      expect(Math.max(...tries.slice(1))).toBe(0);
    }
  });

  it("follows pointers: from the AP that it left to the one that has it", async () => {
    const lab = await meshOf(6, { hears: inRow });
    await open(lab, lab.ap(1));
    for (const id of [2, 3, 4]) {
      expect(await speak(lab, lab.ap(id), 0, 1)).toBe(0);
      await lab.run(1_500);
    }
    const sent = locatesSent(lab);
    pass(lab.ap(6), 0, "A>");
    await lab.run(600);
    expect(await speak(lab, lab.ap(6))).toBe(0);
    expect(sent.count).toBeLessThan(8);
  });

  it("makes neighbours of both: the way back costs nothing", async () => {
    const lab = await meshOf(3, { hears: inRow });
    await open(lab, lab.ap(1));
    await retransmit(lab, 3, 0);
    await lab.run(2_000);
    const sent = locatesSent(lab);
    for (const id of [1, 3, 1, 3]) {
      expect(await speak(lab, lab.ap(id)), `back at ${id}`).toBe(0);
      await lab.run(1_000);
    }
    expect(sent.count).toBe(0);
    expect(
      lab
        .ap(1)
        .replicator.list()
        .find(({ id }) => id === 3),
    ).toMatchObject({ believed: true, state: "alive" });
  });

  it("is no neighbour any more ten minutes after the last client", async () => {
    const lab = await meshOf(3, { hears: inRow });
    await open(lab, lab.ap(1), 1);
    await retransmit(lab, 3, 0);
    await lab.run(1_000);
    lab.nowMs += 600_000;
    await lab.run(12_000);
    expect(
      lab
        .ap(1)
        .replicator.list()
        .find(({ id }) => id === 3)?.state,
    ).toBe("dead");
  });

  it("brings its rights, where no file knows it", async () => {
    const lab = await meshOf(3, { hears: inRow });
    lab.ap(1).replicator.proxy.rights.give(GUEST, { role: "open", authority: true, openOut: 9, leftSeconds: 100 });
    lab.ap(1).replicator.proxy.arrived(GUEST, 4);
    // Only the next AP heard of it.
    await lab.run(200);
    expect(lab.ap(3).datapath.client(GUEST)).toBeUndefined();
    lab.ap(3).replicator.proxy.arrived(GUEST, 4);
    await lab.run(50);
    expect(lab.ap(3).datapath.client(GUEST)).toMatchObject({ open_out: 9, zone: 4 });
    await lab.run(102_000);
    expect(lab.ap(3).datapath.client(GUEST), "seconds count down everywhere").toBeUndefined();
  });

  it("is found beyond an AP that has only what a flooded frame left there", async () => {
    const lab = await meshOf(3, { hears: inRow });
    await open(lab, lab.ap(1), 1);
    const { proxy } = lab.ap(2).replicator;
    expect(pass(lab.ap(2), 77, "U>")).toBe(0);
    await lab.run(50);
    // It knows the client by its file, and nothing of who serves it.
    const context = proxy.contexts.get(CLIENT)!;
    Object.assign(context, { here: false, n: 0, ap: 0 });
    context.holders.clear();
    expect(proxy.own.cellsOfSlot[context.slot]).toBeGreaterThan(0);
    expect(proxy.roam.whereIs(CLIENT, 0, 3)).toMatchObject({ context, next: "all" });
  });

  it("gets nothing of a client of another zone", async () => {
    const lab = await meshOf(3, { hears: inRow });
    lab.ap(1).replicator.proxy.rights.give(GUEST, { role: "open", authority: true });
    lab.ap(1).replicator.proxy.arrived(GUEST, 4);
    await lab.run(200);
    lab.ap(3).replicator.proxy.arrived(GUEST, 5);
    await lab.run(1_500);
    expect(lab.ap(3).datapath.client(GUEST)).toBeUndefined();
  });

  it("gets nothing from zones that are private, and is not searched for from there", async () => {
    const lab = await meshOf(3, { hears: inRow, exports: (zone) => zone !== 4 });
    lab.ap(1).replicator.proxy.rights.give(GUEST, { role: "open", authority: true, zone: 4 });
    lab.ap(1).replicator.proxy.arrived(GUEST, 4);
    await lab.run(200);
    const sent = locatesSent(lab);
    lab.ap(3).replicator.proxy.arrived(GUEST, 4);
    await lab.run(1_500);
    expect(sent.count).toBe(0);
    expect(lab.ap(1).datapath.client(GUEST)).toBeDefined();
    for (const id of [2, 3]) expect(lab.ap(id).datapath.client(GUEST), `AP ${id}`).toBeUndefined();
  });
});

describe("a search", () => {
  it("in vain is given up after a second, and begun again after 1 s, 2 s, and so on up to half a minute", async () => {
    const lab = await meshOf(9, { hears: inRow });
    const sent = locatesSent(lab);
    const { proxy, courier } = lab.ap(5).replicator;
    const searches = async (ms: number) => {
      const before = courier.locator.counters.gaveUp;
      await lab.run(ms, (nowMs) => {
        if (nowMs % 130 === 0) proxy.arrived(GUEST, 0);
      });
      return courier.locator.counters.gaveUp - before;
    };
    expect(await searches(1_900)).toBe(1);
    // Three rings; each AP says each question at most once, to two neighbours.
    expect(sent.count).toBeLessThanOrEqual(3 * 9 * 2);
    // A second each, and waits of 1, 2, 4, 8 and 16 s before them.
    expect(await searches(37_000)).toBe(5);
    expect(await searches(29_000)).toBeLessThanOrEqual(1);
  });

  it("in vain is told of, once for each word of the client; one that finds it is not", async () => {
    const lab = await meshOf(3, { hears: inRow });
    lab.ap(3).replicator.proxy.arrived(GUEST, 0);
    await lab.run(900);
    expect(lab.unknown).toEqual([]);
    // Later searches follow by themselves.
    await lab.run(10_000);
    expect(lab.unknown).toEqual([[3, GUEST]]);
    lab.ap(1).replicator.proxy.rights.give(GUEST, { role: "open", authority: true });
    lab.ap(1).replicator.proxy.arrived(GUEST, 0);
    lab.ap(3).replicator.proxy.arrived(GUEST, 0);
    await lab.run(5_000);
    expect(lab.unknown).toHaveLength(1);
  });

  it("goes on for a client that is silent, so that its rights are there when it speaks, and claims nothing unseen", async () => {
    const lab = await meshOf(3, { hears: inRow });
    lab.ap(1).replicator.proxy.rights.give(GUEST, { role: "open", authority: true });
    lab.ap(1).replicator.proxy.arrived(GUEST, 0);
    for (const way of ["2>3", "3>2"]) lab.cut.add(way);
    lab.ap(3).replicator.proxy.arrived(GUEST, 0);
    await lab.run(1_500);
    lab.cut.clear();
    await lab.run(3_000);
    expect(lab.ap(3).datapath.client(GUEST)).toBeDefined();
    expect(lab.ap(1).replicator.proxy.contexts.get(GUEST)).toMatchObject({ here: true });
  });

  it("is begun again at the next word when somebody is heard who was not", async () => {
    const lab = await meshOf(3, { hears: inRow });
    lab.ap(1).replicator.proxy.rights.give(GUEST, { role: "open", authority: true });
    lab.ap(1).replicator.proxy.arrived(GUEST, 0);
    lab.ap(2).running = false;
    // Many times in vain: the next search would be half a minute later.
    await lab.run(40_000, (nowMs) => {
      if (nowMs % 130 === 0) lab.ap(3).replicator.proxy.arrived(GUEST, 0);
    });
    lab.ap(2).running = true;
    await lab.run(1_500);
    lab.ap(3).replicator.proxy.arrived(GUEST, 0);
    await lab.run(700);
    expect(lab.ap(3).datapath.client(GUEST)).toBeDefined();
  });

  it("of strangers is not begun again for an AP that a client's roam made known: questions went its way before", async () => {
    const lab = await meshOf(3, { hears: inRow });
    const { proxy, courier } = lab.ap(3).replicator;
    await lab.run(40_000, (nowMs) => {
      if (nowMs % 130 === 0) proxy.arrived(GUEST, 0);
    });
    await open(lab, lab.ap(1), 1);
    await retransmit(lab, 3, 0);
    const before = courier.locator.counters.gaveUp;
    await lab.run(5_000, (nowMs) => {
      if (nowMs % 130 === 0) proxy.arrived(GUEST, 0);
    });
    expect(
      lab
        .ap(3)
        .replicator.list()
        .map(({ id, believed }) => [id, believed]),
    ).toContainEqual([1, true]);
    expect(courier.locator.counters.gaveUp - before).toBe(0);
  });

  it("of a thousand strangers at once is bounded, at the asker and at those who pass it on", async () => {
    const lab = await meshOf(4, { hears: inRow });
    const sent = locatesSent(lab);
    for (let i = 0; i < 1_000; i++) {
      const mac = parseMac(
        `02:00:00:01:${(i >> 8).toString(16).padStart(2, "0")}:${(i & 255).toString(16).padStart(2, "0")}`,
        "test",
      );
      lab.ap(2).replicator.proxy.arrived(mac, 0);
    }
    await lab.run(1_000);
    const { counters } = lab.ap(2).replicator.courier.locator;
    expect(counters.throttled).toBeGreaterThan(900);
    expect(sent.count).toBeLessThan(3 * 16 * 4 * 2);
  });

  it("passed on by an AP that asks the same again goes no further", async () => {
    const lab = await meshOf(4);
    const sent = locatesSent(lab);
    lab.ap(1).replicator.proxy.arrived(GUEST, 0);
    await lab.run(100);
    // One ring: the asker to three, each of them once to three.
    expect(sent.count).toBe(3 + 3 * 3);
  });
});
