import { describe, expect, it } from "vitest";
import { filterOf } from "../../test/support/firewall.ts";
import { type Mac, parseMac } from "../base/mac.ts";
import { type FilterContent, filterDigest } from "../proxy/filter-store.ts";
import { TOMBSTONES_MAX } from "../proxy/tombstones.ts";
import { eachRecord } from "./inbox.ts";
import { PREFIX_BYTES } from "./outbox.ts";
import { KIND } from "./records/kinds.ts";
import { HEADER_BYTES, HELLO_HEADER_BYTES } from "./seal.ts";
import { meshOf } from "./testing/flows.ts";
import type { Ap, Lab } from "./testing/lab.ts";

const GUEST = parseMac("02:00:00:00:0a:77", "test");
const OTHER = parseMac("02:00:00:00:0a:78", "test");
const NO_FILTER = 0xffff;

/** A filter of `words` times 64 bits, whose content depends on `salt`. */
function content(words = 16, salt = 1): FilterContent {
  const data = Uint8Array.from({ length: words * 8 }, (_, i) => (i * 31 + salt * 7) & 255);
  return { bits: words * 64, seed: salt, probes: 7, out: 1, in: 0, data };
}

/** Numbers of the filters that the client's record names. */
function filtersOf(ap: Ap, mac: Mac): number[] {
  return ap.datapath.client(mac)?.filter.filter((id) => id !== NO_FILTER) ?? [];
}

function count(lab: Lab, kind: number): { of: number } {
  const seen = { of: 0 };
  lab.tap = ({ bytes }) => {
    const start = bytes[1]! & 1 ? HELLO_HEADER_BYTES : HEADER_BYTES;
    eachRecord(bytes.subarray(start), PREFIX_BYTES, (of) => {
      if (of === kind) seen.of++;
    });
    return undefined;
  };
  return seen;
}

function cutOff(lab: Lab, id: number): void {
  for (const ap of lab.aps) {
    lab.cut.add(`${ap.id}>${id}`);
    lab.cut.add(`${id}>${ap.id}`);
  }
}

function loginAt(ap: Ap, mac: Mac, grant: object = {}): void {
  ap.replicator.proxy.rights.give(mac, { role: "open", authority: true, ...grant });
  ap.replicator.proxy.arrived(mac, 0);
}

describe("rights that two parts of a mesh gave at once", () => {
  /** Granted at two APs that do not hear each other. By AP, whose grant is in force long after the first one's end. */
  async function grantedTwice(briefly: number): Promise<(number | undefined)[]> {
    const lab = await meshOf(3);
    cutOff(lab, 3);
    lab
      .ap(1)
      .replicator.proxy.rights.give(GUEST, { role: "open", authority: true, ...(briefly === 1 && { leftSeconds: 9 }) });
    lab
      .ap(3)
      .replicator.proxy.rights.give(GUEST, { role: "open", authority: true, ...(briefly === 3 && { leftSeconds: 9 }) });
    await lab.run(2_000);
    lab.cut.clear();
    await lab.run(12_000);
    return lab.aps.map(({ replicator }) => replicator.proxy.contexts.get(GUEST)?.rights?.origin);
  }

  it("are the same everywhere, when both hear of both", async () => {
    expect(await grantedTwice(1)).toEqual([3, 3, 3]);
    expect(await grantedTwice(3)).toEqual([undefined, undefined, undefined]);
  });
});

describe("a client's own filters", () => {
  it("travel ahead of it: once for all clients that have the same", async () => {
    const lab = await meshOf(3);
    const sent = count(lab, KIND.filter);
    for (let i = 0; i < 20; i++) {
      loginAt(lab.ap(1), parseMac(`02:00:00:00:0c:${(i + 16).toString(16)}`, "test"), { filters: [content()] });
    }
    await lab.run(300);
    const id = lab.ap(1).replicator.proxy.filters.idOf(filterDigest(content()))!;
    for (const ap of lab.aps) {
      expect(filtersOf(ap, parseMac("02:00:00:00:0c:10", "test")), `AP ${ap.id}`).toEqual([0, id]);
      expect(ap.replicator.proxy.filters.size).toBe(1);
    }
    // 128 bytes are one part; two APs fetched it.
    expect(sent.of).toBe(2);
  });

  it("that have not come yet give nothing, and count when they do", async () => {
    const lab = await meshOf(2);
    const kept = lab.ap(1).replicator.courier.asked;
    lab.ap(1).replicator.courier.asked = () => {};
    loginAt(lab.ap(1), GUEST, { filters: [content()] });
    await lab.run(300);
    expect(filtersOf(lab.ap(2), GUEST)).toEqual([0]);
    lab.ap(1).replicator.courier.asked = kept;
    await lab.run(1_200);
    expect(filtersOf(lab.ap(2), GUEST)).toHaveLength(2);
  });

  it("are all that a client without a role has: nothing, until they are there", async () => {
    const lab = await meshOf(2);
    lab.ap(1).replicator.courier.asked = () => {};
    loginAt(lab.ap(1), GUEST, { role: "", filters: [content()] });
    await lab.run(300);
    expect(filtersOf(lab.ap(1), GUEST)).toHaveLength(1);
    // A record of its own that allows nothing: without one it would be as any unknown client.
    expect(lab.ap(2).datapath.client(GUEST)).toBeDefined();
    expect(filtersOf(lab.ap(2), GUEST)).toEqual([]);
  });

  it("of 64 KiB come whole with every fifth datagram lost", async () => {
    const lab = await meshOf(3);
    lab.faults = { loss: 0.2, duplication: 0.1, delayMs: 1, jitterMs: 5 };
    loginAt(lab.ap(1), GUEST, { filters: [content(8_192)] });
    await lab.run(6_000);
    for (const id of [2, 3]) expect(filtersOf(lab.ap(id), GUEST), `AP ${id}`).toHaveLength(2);
  });

  it("that are not what their digest says are thrown away, and asked elsewhere", async () => {
    const lab = await meshOf(3);
    const { filters } = lab.ap(1).replicator.proxy;
    const genuine = filters.content.bind(filters);
    filters.content = (digest) => {
      const real = genuine(digest);
      return real && { ...real, data: real.data.map((byte) => byte ^ 255) };
    };
    loginAt(lab.ap(1), GUEST, { filters: [content()] });
    await lab.run(1_000);
    expect(filtersOf(lab.ap(2), GUEST)).toEqual([0]);
    expect(lab.ap(2).replicator.proxy.filters.size).toBe(0);
    filters.content = genuine;
    await lab.run(2_000);
    expect(filtersOf(lab.ap(2), GUEST)).toHaveLength(2);
  });

  it("stay in force through an agent's restart, fetched back from a neighbour", async () => {
    const lab = await meshOf(2);
    loginAt(lab.ap(1), GUEST, { filters: [content()] });
    await lab.run(300);
    const before = filtersOf(lab.ap(1), GUEST);
    const seen = new Set<string>();
    await lab.restart(lab.ap(1));
    await lab.run(3_000, () => seen.add(filtersOf(lab.ap(1), GUEST).join()));
    expect([...seen]).toEqual([before.join()]);
    expect(lab.ap(1).replicator.proxy.filters.size).toBe(1);
  });

  it("are forgotten ten minutes after the last client that had them, and bounded", async () => {
    const lab = await meshOf(2);
    loginAt(lab.ap(1), GUEST, { filters: [content()] });
    await lab.run(300);
    loginAt(lab.ap(1), GUEST);
    await lab.run(300);
    expect(filtersOf(lab.ap(2), GUEST)).toEqual([0]);
    lab.nowMs += 601_000;
    await lab.run(3_000);
    expect(lab.aps.map(({ replicator }) => replicator.proxy.filters.size)).toEqual([0, 0]);
    const { filters } = lab.ap(1).replicator.proxy;
    for (let i = 0; i < 1_200; i++) filters.keep(BigInt(i + 1), content(16, i), lab.nowMs);
    expect(filters.size).toBe(1_024);
    expect(filters.keep(5_000n, { ...content(), bits: 65 }, lab.nowMs)).toBe(false);
  });
});

describe("rights of an AP that is silent", () => {
  async function arrivalAfter(silentMs: number, setup: { rightsStaleMs?: number } = {}): Promise<boolean> {
    const lab = await meshOf(2, { options: setup });
    loginAt(lab.ap(1), GUEST);
    await lab.run(300);
    lab.ap(1).running = false;
    await lab.run(silentMs);
    lab.ap(2).replicator.proxy.arrived(GUEST, 0);
    await lab.run(1_500);
    return lab.ap(2).datapath.client(GUEST) !== undefined;
  }

  it("serve those who come within a minute", async () => expect(await arrivalAfter(50_000)).toBe(true));
  it("and nobody later", async () => expect(await arrivalAfter(65_000)).toBe(false));
  it("or they would for ever", async () => expect(await arrivalAfter(65_000, { rightsStaleMs: 1e12 })).toBe(true));

  /** How long after a restart a record stands that nobody speaks for. */
  async function keptAfterRestart(here: boolean, rightsStaleMs?: number): Promise<boolean[]> {
    const lab = await meshOf(2, { options: rightsStaleMs === undefined ? {} : { rightsStaleMs } });
    loginAt(lab.ap(here ? 1 : 2), GUEST);
    await lab.run(300);
    for (const ap of lab.aps) ap.running = false;
    for (const ap of lab.aps) await lab.restart(ap);
    const stands: boolean[] = [];
    for (const ms of [5_000, 7_000, 45_000, 6_000]) {
      await lab.run(ms);
      stands.push(lab.ap(1).datapath.client(GUEST) !== undefined);
    }
    return stands;
  }

  it("that were revoked while no agent ran end ten seconds after its start elsewhere", async () =>
    expect(await keptAfterRestart(false)).toEqual([true, false, false, false]));
  it("and a minute after it where the client is", async () =>
    expect(await keptAfterRestart(true)).toEqual([true, true, true, false]));
  it("or it would keep them for ever", async () =>
    expect(await keptAfterRestart(true, 1e12)).toEqual([true, true, true, true]));

  it("count again when it speaks again", async () => {
    const lab = await meshOf(2);
    loginAt(lab.ap(1), GUEST);
    await lab.run(300);
    cutOff(lab, 1);
    await lab.run(65_000);
    expect(lab.ap(2).datapath.client(GUEST)).toBeUndefined();
    lab.cut.clear();
    await lab.run(3_000);
    expect(lab.ap(2).datapath.client(GUEST)).toBeDefined();
  });

  it("stay in force when it comes back and has forgotten them", async () => {
    const lab = await meshOf(2);
    loginAt(lab.ap(1), GUEST);
    await lab.run(300);
    const newborn = lab.add(1, 4711n);
    newborn.replicator.courier.restore.met = () => {};
    await lab.start([newborn]);
    for (let i = 0; i < 70; i++) {
      await lab.run(1_000);
      expect(lab.ap(2).datapath.client(GUEST), `after ${i + 1} s`).toBeDefined();
    }
  });

  it("are found again at another that has them", async () => {
    const lab = await meshOf(3, { hears: (from, to) => Math.abs(from - to) === 1 });
    loginAt(lab.ap(2), GUEST);
    await lab.run(300);
    // AP 1 and 3 heard of it; it goes to 1, whose word 3 never hears, then 2 dies.
    lab.ap(1).replicator.proxy.arrived(GUEST, 0);
    await lab.run(300);
    lab.cut.add("2>3");
    await lab.run(65_000);
    lab.cut.clear();
    lab.ap(3).replicator.proxy.arrived(GUEST, 0);
    await lab.run(1_500);
    expect(lab.ap(3).datapath.client(GUEST)).toBeDefined();
  });
});

describe("a revocation", () => {
  it("is known again after a restart, also where nobody serves the client", async () => {
    const lab = await meshOf(2);
    const isRevoked = (ap: Ap) => ap.replicator.proxy.contexts.get(GUEST)?.rights?.revoked;
    lab.ap(1).replicator.proxy.rights.revoke(GUEST);
    await lab.run(300);
    await lab.restart(lab.ap(1));
    expect(isRevoked(lab.ap(1))).toBeUndefined();
    await lab.run(2_000);
    expect(isRevoked(lab.ap(1))).toBe(true);
  });

  it("during a partition reaches all within a minute: who is cut off serves nobody who comes (I4)", async () => {
    const lab = await meshOf(3);
    loginAt(lab.ap(1), GUEST);
    await lab.run(300);
    cutOff(lab, 3);
    lab.ap(2).replicator.proxy.rights.revoke(GUEST);
    await lab.run(61_500);
    lab.ap(3).replicator.proxy.arrived(GUEST, 0);
    await lab.run(1_500);
    for (const ap of lab.aps) expect(ap.datapath.client(GUEST), `AP ${ap.id}`).toBeUndefined();
    lab.cut.clear();
    await lab.run(3_000);
    for (const ap of lab.aps) {
      expect(ap.datapath.client(GUEST), `AP ${ap.id}, healed`).toBeUndefined();
      expect(ap.replicator.proxy.contexts.get(GUEST)!.rights!.revoked).toBe(true);
    }
  });

  it("outlives the client's slot", async () => {
    const lab = await meshOf(2);
    const { proxy } = lab.ap(1).replicator;
    loginAt(lab.ap(2), GUEST);
    await lab.run(300);
    const old = proxy.contexts.get(GUEST)!.rights!;
    proxy.rights.revoke(GUEST);
    // 62 others need all slots there are.
    for (let i = 0; i < 64; i++) loginAt(lab.ap(1), parseMac(`02:00:00:00:0d:${(i + 16).toString(16)}`, "test"));
    expect(proxy.contexts.get(GUEST)).toBeUndefined();
    proxy.heardRights(9, { mac: GUEST, n: 1, here: false, seenAgeMs: 0, zone: 0, bind: 0n, rights: old });
    expect(lab.ap(1).datapath.client(GUEST)).toBeUndefined();
  });

  it("that could not be remembered stops all foreign grants, and says so", async () => {
    const lab = await meshOf(2);
    const { proxy } = lab.ap(1).replicator;
    proxy.rights.revoke(GUEST);
    const { rights } = proxy.contexts.get(GUEST)!;
    for (let i = 0; i < TOMBSTONES_MAX; i++) proxy.rights.tombstones.add(`${i}` as Mac, rights!, lab.nowMs);
    loginAt(lab.ap(2), OTHER);
    await lab.run(300);
    expect(lab.ap(1).datapath.client(OTHER)).toBeUndefined();
    expect(proxy.counters.grantsRefused).toBeGreaterThan(0);
    expect(lab.warnings.join()).toContain("too many revocations");
    // Only their time makes room.
    lab.nowMs += 13 * 3_600_000;
    loginAt(lab.ap(2), OTHER);
    await lab.run(1_500);
    expect(lab.ap(1).datapath.client(OTHER)).toBeDefined();
  });
});

describe("what an earlier run left in the datapath", () => {
  async function endedMeanwhile(leftSeconds: number, downMs: number, prepare: (lab: Lab) => void = () => {}) {
    const lab = await meshOf(2);
    loginAt(lab.ap(1), GUEST, { leftSeconds });
    await lab.run(1_000);
    for (const ap of lab.aps) ap.running = false;
    await lab.run(downMs);
    for (const ap of lab.aps) await lab.restart(ap);
    prepare(lab);
    await lab.run(1_200);
    return lab.aps.map(({ datapath }) => datapath.client(GUEST) !== undefined);
  }

  it("is in force no longer when its time ended while no agent ran", async () =>
    expect(await endedMeanwhile(5, 16_000)).toEqual([false, false]));
  it("and is as long as it has not: a restart takes nothing away", async () =>
    expect(await endedMeanwhile(60, 16_000)).toEqual([true, true]));
  it("or it would be, if the record did not say when", async () =>
    expect(
      await endedMeanwhile(5, 16_000, ({ aps }) => {
        for (const { replicator } of aps) replicator.proxy.contexts.hasEnded = () => false;
      }),
    ).toEqual([true, true]));

  it("is revoked by any neighbour, also when who revoked it is gone", async () => {
    const lab = await meshOf(3);
    loginAt(lab.ap(1), GUEST);
    await lab.run(1_000);
    lab.ap(3).running = false;
    lab.ap(1).replicator.proxy.rights.revoke(GUEST);
    await lab.run(500);
    lab.ap(1).running = false;
    await lab.restart(lab.ap(3));
    await lab.run(2_000);
    expect(lab.ap(3).datapath.client(GUEST)).toBeUndefined();
    expect(lab.ap(3).replicator.proxy.contexts.get(GUEST)!.rights!.revoked).toBe(true);
  });
});

describe("seconds that are left", () => {
  it("go on for an AP that starts later", async () => {
    const lab = await meshOf(2);
    loginAt(lab.ap(1), GUEST, { leftSeconds: 60 });
    await lab.run(30_000);
    const late = lab.add(3);
    late.datapath.setFilter(filterOf(0, [{ direction: "out", proto: 6 }]));
    await lab.start([late]);
    await lab.run(2_000);
    expect(late.datapath.client(GUEST)).toBeDefined();
    await lab.run(30_000);
    for (const ap of lab.aps) expect(ap.datapath.client(GUEST), `AP ${ap.id}`).toBeUndefined();
  });
});

describe("a login is bound", () => {
  it.each([
    ["the same identity keeps all", 7n, true],
    ["nobody said who", 0n, true],
    ["another identity gets nothing", 8n, false],
  ])("to who it was: %s", async (_name, bind, expected) => {
    const lab = await meshOf(2);
    loginAt(lab.ap(1), GUEST, { bind: 7n });
    await lab.run(300);
    lab.ap(2).replicator.proxy.arrived(GUEST, 0, bind);
    await lab.run(300);
    expect(lab.ap(2).datapath.client(GUEST) !== undefined).toBe(expected);
    expect(lab.ap(1).replicator.proxy.roam.counters.handoversSent).toBe(expected ? 1 : 0);
    expect(lab.warnings.join().includes("as somebody else")).toBe(!expected);
  });

  it("to the zone where it was: its rights count in no other", async () => {
    const lab = await meshOf(2);
    lab.ap(1).replicator.proxy.rights.give(GUEST, { role: "open", authority: true, zone: 1 });
    lab.ap(1).replicator.proxy.arrived(GUEST, 1);
    await lab.run(300);
    lab.ap(2).replicator.proxy.arrived(GUEST, 2);
    await lab.run(300);
    expect(lab.ap(2).datapath.client(GUEST)).toBeUndefined();
    expect(lab.ap(1).datapath.client(GUEST)).toMatchObject({ presence: 1 });
  });
});
