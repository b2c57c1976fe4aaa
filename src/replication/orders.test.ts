import { describe, expect, it } from "vitest";
import { parseMac } from "../base/mac.ts";
import type { FilterContent } from "../proxy/filter-store.ts";
import type { Grant } from "../proxy/rights.ts";
import { eachRecord } from "./inbox.ts";
import type { Ordered } from "./orders.ts";
import { PREFIX_BYTES } from "./outbox.ts";
import { KIND } from "./records/kinds.ts";
import { HEADER_BYTES, HELLO_HEADER_BYTES } from "./seal.ts";
import { meshOf } from "./testing/flows.ts";
import type { Ap, Lab, LabOptions } from "./testing/lab.ts";

/*
 *   RADIUS --CoA--> AP 1 ------ AP 2, which serves the client now ------ AP 3
 */
const GUEST = parseMac("02:00:00:00:0a:77", "test");
const NEWER = { role: "", filters: [content(3)] };

function content(salt: number): FilterContent {
  const data = Uint8Array.from({ length: 128 }, (_, i) => (i * 31 + salt * 7) & 255);
  return { bits: 1024, seed: salt, probes: 7, out: 1, in: 0, data };
}

/** The client logged in at AP 1, and is served by AP `at`. */
async function roamed(at: number, setup: LabOptions = {}): Promise<Lab> {
  const lab = await meshOf(3, setup);
  const first = lab.ap(1).replicator.proxy;
  first.rights.give(GUEST, { role: "open", authority: true });
  first.arrived(GUEST, 0);
  await lab.run(1_500);
  if (at !== 1) lab.ap(at).replicator.proxy.arrived(GUEST, 0);
  await lab.run(1_500);
  return lab;
}

function rightsAt(ap: Ap) {
  return ap.replicator.proxy.contexts.get(GUEST)?.rights;
}

async function order(lab: Lab, at: number, change: Grant | "revoke"): Promise<{ outcome?: Ordered; ms?: number }> {
  const startMs = lab.nowMs;
  const result: { outcome?: Ordered; ms?: number } = {};
  lab
    .ap(at)
    .replicator.courier.orders.place(GUEST, change)
    .then((outcome) => Object.assign(result, { outcome, ms: lab.nowMs - startMs }));
  await lab.run(1_000);
  return result;
}

/** What the record of the client at the AP says at the moment when the order is settled. */
async function atSettling(lab: Lab, change: Grant | "revoke", at: number): Promise<unknown> {
  let seen: unknown = "never";
  lab
    .ap(1)
    .replicator.courier.orders.place(GUEST, change)
    .then(() => {
      seen =
        lab
          .ap(at)
          .datapath.client(GUEST)
          ?.filter.filter((id) => id !== 0xffff).length ?? 0;
    });
  await lab.run(1_000);
  return seen;
}

function drop(lab: Lab, kind: number, most = Number.POSITIVE_INFINITY): { of: number } {
  const seen = { of: 0 };
  lab.tap = ({ bytes }) => {
    let isIt = false;
    const start = bytes[1]! & 1 ? HELLO_HEADER_BYTES : HEADER_BYTES;
    eachRecord(bytes.subarray(start), PREFIX_BYTES, (of) => {
      isIt ||= of === kind;
    });
    if (isIt) seen.of++;
    return isIt && seen.of <= most ? false : undefined;
  };
  return seen;
}

describe("an order for a client that is elsewhere", () => {
  it("is in force there when it is acknowledged, with the filter that it names", async () => {
    const lab = await roamed(2);
    expect(await atSettling(lab, { role: "open", filters: [content(1)], authority: true }, 2)).toBe(2);
    expect(rightsAt(lab.ap(1))).toEqual(rightsAt(lab.ap(2)));
  });

  it("would be acknowledged too early if nobody were asked (the control)", async () => {
    const lab = await roamed(2);
    const { proxy } = lab.ap(1).replicator;
    proxy.rights.give(GUEST, { role: "open", filters: [content(1)], authority: true });
    expect(
      lab
        .ap(2)
        .datapath.client(GUEST)!
        .filter.filter((id) => id !== 0xffff),
    ).toHaveLength(1);
  });

  it.each([
    ["the order", KIND.order],
    ["its answer", KIND.done],
  ])("is done once when %s is lost, and told in the end", async (_what, kind) => {
    const lab = await roamed(2);
    const lost = drop(lab, kind, 2);
    const { outcome, ms } = await order(lab, 1, { role: "", authority: true });
    expect(outcome).toEqual({ state: "in force", station: "nobody asked" });
    expect(lost.of).toBeGreaterThan(2);
    expect(ms).toBeLessThan(300);
    expect(rightsAt(lab.ap(2))).toMatchObject({ role: "", origin: 1 });
    expect(rightsAt(lab.ap(2))!.serial).toBe(rightsAt(lab.ap(1))!.serial);
  });

  it("ends its rights there, and hostapd there is told to let it go", async () => {
    const lab = await roamed(2);
    const { outcome } = await order(lab, 1, "revoke");
    expect(outcome).toEqual({ state: "in force", station: "ended" });
    for (const ap of lab.aps) expect(rightsAt(ap)?.revoked, `AP ${ap.id}`).toBe(true);
    expect(lab.letGo).toEqual([[2, GUEST]]);
  });

  it("is not confirmed when nobody answers, but comes to be", async () => {
    const lab = await roamed(2);
    drop(lab, KIND.done);
    expect(await order(lab, 1, "revoke")).toMatchObject({ outcome: { state: "unconfirmed" }, ms: 900 });
    expect(rightsAt(lab.ap(2))?.revoked).toBe(true);
  });

  it("counts here, and reaches the AP that serves the client when it can be reached again", async () => {
    const lab = await roamed(2);
    for (const pair of ["1>2", "2>1", "3>2", "2>3"]) lab.cut.add(pair);
    expect((await order(lab, 1, "revoke")).outcome).toEqual({ state: "unconfirmed" });
    expect([rightsAt(lab.ap(1))?.revoked, rightsAt(lab.ap(2))?.revoked]).toEqual([true, false]);
    lab.cut.clear();
    await lab.run(3_000);
    expect(rightsAt(lab.ap(2))?.revoked).toBe(true);
  });

  it("changes nothing anywhere where the AP that serves the client cannot keep it", async () => {
    const lab = await roamed(2);
    const before = lab.aps.map(rightsAt);
    const { proxy } = lab.ap(1).replicator;
    for (const change of [
      { role: "unknown there", authority: true },
      { role: "open", filters: [1, 2, 3, 4].map(content), authority: true },
    ]) {
      expect((await order(lab, 1, change)).outcome).toEqual({ state: "refused" });
      expect(lab.aps.map(rightsAt)).toEqual(before);
    }
    // The control: rights that are only told take everything away there.
    proxy.rights.give(GUEST, { role: "unknown there", authority: true });
    await lab.run(300);
    expect(lab.ap(2).datapath.client(GUEST)).toBeUndefined();
  });

  it("does not undo what somebody said there meanwhile, and brings it", async () => {
    const lab = await roamed(2);
    drop(lab, KIND.rights);
    for (let i = 0; i < 3; i++) lab.ap(2).replicator.proxy.rights.give(GUEST, { ...NEWER, authority: true });
    await lab.run(20);
    expect((await order(lab, 1, { role: "open", authority: true })).outcome).toEqual({ state: "newer" });
    expect(rightsAt(lab.ap(2))).toMatchObject({ role: "", origin: 2 });
    expect(rightsAt(lab.ap(1))).toMatchObject({ role: "", origin: 2 });
    lab.tap = () => undefined;
    expect((await order(lab, 1, { role: "open", authority: true })).outcome).toMatchObject({ state: "in force" });
  });

  it("finds it where it went unheard", async () => {
    // AP 1 and AP 3 hear nothing of each other but what is sent to one alone.
    const lab = await roamed(2, { hears: (from, to) => Math.abs(from - to) === 1 });
    lab.ap(3).replicator.proxy.arrived(GUEST, 0);
    await lab.run(1_500);
    expect(lab.ap(3).replicator.proxy.contexts.get(GUEST)?.here).toBe(true);
    expect((await order(lab, 1, "revoke")).outcome).toMatchObject({ state: "in force" });
    expect(rightsAt(lab.ap(3))?.revoked).toBe(true);
  });

  it("is refused whole where its zone is nobody else's affair", async () => {
    const lab = await roamed(2);
    lab.ap(2).replicator.proxy.contexts.get(GUEST)!.zone = 9;
    lab.setup.exports = (zone) => zone !== 9;
    expect((await order(lab, 1, "revoke")).outcome).toMatchObject({ state: "in force" });
    expect(lab.letGo).toEqual([]);
  });
});

describe("a client that an order names and nobody near told of", () => {
  it("is found in the whole mesh, and its rights are known then", async () => {
    const lab = await roamed(2);
    await lab.restart(lab.ap(1));
    await lab.run(1_500);
    lab.ap(1).replicator.proxy.contexts.get(GUEST)!.rights = undefined;
    const answers: unknown[] = [];
    lab
      .ap(1)
      .replicator.courier.seek(GUEST)
      .then((known) => answers.push(known));
    await lab.run(50);
    expect(answers).toEqual([true]);
    expect(lab.ap(1).replicator.proxy.rights.granted(GUEST)).toMatchObject({ role: "open" });
    expect(lab.ap(1).replicator.proxy.contexts.get(GUEST)?.here).toBe(false);
  });

  it("is nowhere after a second, and not too many are looked for", async () => {
    const lab = await roamed(1);
    const answers: unknown[] = [];
    const seek = (i: number) => lab.ap(1).replicator.courier.seek(parseMac(`02:00:00:00:0d:${i + 10}`, "test"));
    for (let i = 0; i < 10; i++) seek(i).then((known) => answers.push(known));
    await lab.run(10);
    expect(answers).toEqual([undefined, undefined]);
    await lab.run(1_000);
    expect(answers).toEqual([undefined, undefined, ...Array(8).fill(false)]);
  });
});

describe("orders of others", () => {
  it("are remembered within a bound, however many come", async () => {
    const lab = await roamed(2);
    const { orders } = lab.ap(2).replicator.courier;
    const rights = { ...rightsAt(lab.ap(2))!, mac: GUEST } as never;
    for (let i = 0; i < 1_000; i++) orders.heard(1, { oid: BigInt(i), rights }, lab.nowMs);
    expect(orders.remembered).toBeLessThanOrEqual(64);
  });
});
