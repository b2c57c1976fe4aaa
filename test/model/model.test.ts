import { describe, expect, it } from "vitest";
import { Prng } from "../conformance/prng.ts";
import { World } from "../conformance/world.ts";
import type { AccessPoint } from "./access-point.ts";
import { CONTROLS } from "./controls.ts";
import { CALM, Network } from "./network.ts";
import { tell } from "./story.ts";

/** The short version; `run.ts` is the long one. */
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
/** Machines that stay up, and near each other. */
const WITHOUT = ["hidden", "power"];

describe("a mesh in a network that misbehaves", () => {
  it.each(SEEDS)("keeps what it promises, seed %i", async (seed) => {
    const { failures, history } = await tell(seed, { without: WITHOUT });
    expect(
      failures.map(({ invariant, text }) => `${invariant} ${text}`),
      history().join("\n"),
    ).toEqual([]);
  });

  it("does the same again from the same seed, and another from another", async () => {
    const [first, again, other] = [await tell(5), await tell(5), await tell(6)];
    expect(again.hash).toBe(first.hash);
    expect(again.network).toEqual(first.network);
    expect(other.hash).not.toBe(first.hash);
  });
});

describe("orders for clients that may be anywhere", () => {
  const ORDERS = { without: ["hidden", "power", "grant", "revoke"], weights: { order: 15 } };
  const SEEDS_OF_ORDERS = [11, 12, 13, 14, 15, 16];

  it("are in force where the client is when they are acknowledged, and most of them are", async () => {
    const sum = { orders: 0, ordersDone: 0 };
    for (const seed of SEEDS_OF_ORDERS) {
      const { failures, history, counts } = await tell(seed, { ...ORDERS, only: ["I4"] });
      expect(failures, history().join("\n")).toEqual([]);
      sum.orders += counts.orders;
      sum.ordersDone += counts.ordersDone;
    }
    expect(sum.orders).toBeGreaterThan(20);
    expect(sum.ordersDone / sum.orders).toBeGreaterThan(0.8);
  });

  it("are not where they are acknowledged without waiting (the naive design)", async () => {
    const failed: string[] = [];
    for (const seed of SEEDS_OF_ORDERS) {
      const { failures } = await tell(seed, { ...ORDERS, only: [], patches: { agent: acknowledgesAtOnce } });
      failed.push(...failures.map(({ invariant }) => invariant));
    }
    expect(failed).toContain("orders");
  });
});

/** Rights are told to all, as ever, but nobody is asked whether they are in force. */
function acknowledgesAtOnce({ replicator }: AccessPoint): void {
  const { proxy, courier } = replicator;
  courier.orders.place = async (mac, change) => {
    proxy.rights.enact(mac, proxy.rights.stamp(mac, change));
    return { state: "in force", station: "nobody asked" };
  };
}

describe("a naive design fails", () => {
  /** The first seed at which it does. */
  const FAILS_AT: Readonly<Record<string, number>> = {
    noAdoption: 5,
    shortensAtClaim: 2,
    repairsMoved: 1,
    refreshesForgotten: 1,
    noTombstones: 3,
    epochKept: 1,
    emptyRangeUnanswered: 2,
    timersCopied: 1,
    mirrorsDoNotAge: 1,
    snapshotStampedAtEnd: 1,
    contentInEvents: 1,
    repairTakesVer: 1,
  };

  it.each(Object.entries(FAILS_AT))("%s at seed %i", async (name, seed) => {
    const { invariant, patches = {}, weights = {}, install } = CONTROLS[name]!;
    const undo = install?.();
    const { failures } = await tell(seed, { only: [invariant], without: WITHOUT, patches, weights });
    undo?.();
    expect(failures.map((failure) => failure.invariant)).toContain(invariant);
  });
});

describe("the network", () => {
  async function carried(weather: object): Promise<{ came: number[][]; sent: Network["sent"] }> {
    const world = new World();
    const came: number[][] = [];
    const parts = {
      world,
      random: new Prng(7),
      lost() {},
      deliver: (_to: number, _from: number, bytes: Uint8Array) => came.push([...bytes]),
    };
    const network = new Network(parts);
    network.connect(1, 2, "radio", 0);
    network.weather = { ...CALM, ...weather };
    for (let i = 0; i < 1_000; i++)
      world.after(i, () => network.send(1, Uint8Array.of(i >> 8, i & 255, 0, 0), undefined));
    while (world.step());
    return { came, sent: network.sent };
  }

  it("that is calm carries all, in order, unchanged", async () => {
    const { came } = await carried({});
    expect(came).toEqual(Array.from({ length: 1_000 }, (_, i) => [i >> 8, i & 255, 0, 0]));
  });

  it.each([
    ["loses its share", { loss: 0.2 }, (s: Network["sent"]) => s.lost, 150, 250],
    ["loses in bursts", { burstsPerSecond: 5, burstMs: 100 }, (s: Network["sent"]) => s.lost, 100, 700],
    ["duplicates", { duplication: 0.1 }, (s: Network["sent"]) => s.duplicated, 60, 140],
    ["breaks", { corruption: 0.05 }, (s: Network["sent"]) => s.corrupted, 20, 90],
  ])("%s", async (_name, weather, of, least, most) => {
    const { sent } = await carried(weather);
    expect(of(sent)).toBeGreaterThan(least);
    expect(of(sent)).toBeLessThan(most);
  });

  it("reorders when datagrams are closer than its jitter", async () => {
    const { came } = await carried({ jitterMs: 20 });
    const order = came.map(([high, low]) => high! * 256 + low!);
    expect(order).not.toEqual([...order].sort((a, b) => a - b));
    expect(order).toHaveLength(1_000);
  });
});
