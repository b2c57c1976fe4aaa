import { describe, expect, it } from "vitest";
import { parseGeometry } from "../bloom/geometry.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import { OwnTable } from "../proxy/own-table.ts";
import { PublishedCache } from "../proxy/published.ts";
import { Ticks } from "../proxy/ticks.ts";
import { clearSeal } from "../simulate/clear-seal.ts";
import { MODES } from "./modes.ts";
import { Outbox } from "./outbox.ts";
import { Account, BURST_MIN_BYTES } from "./repairs.ts";
import { Sender } from "./sender.ts";
import { newCounters } from "./status.ts";
import { Lab, mirrorDifferences } from "./testing/lab.ts";

const RATE = 200_000;
const SLOW_TICKS_TO_REFRESH = 7;

/** A sender with 20,000 long-lived cells that are all busy, and were all published at the same slow tick. */
function busySender(bytesPerSecond: number) {
  const geometry = parseGeometry("4x1024x8/r26", "test");
  const ticks = new Ticks(geometry);
  const published = new PublishedCache(geometry, 64, ticks);
  const own = new OwnTable(geometry, published, ticks);
  const counters = newCounters();
  const nothing = () => {};
  const outbox = new Outbox({
    id: 1,
    identity: 1n,
    seal: clearSeal,
    ticks,
    datagramBytes: 1200,
    counters,
    send: nothing,
    sendToAll: nothing,
  });
  outbox.beginEpoch(new Uint8Array(16), 0);
  const sender = new Sender({
    geometry,
    published,
    own,
    ticks,
    outbox,
    counters,
    mode: MODES.ftfw,
    flushMs: 4,
    bytesPerSecond,
    resendMs: 1,
    audience: () => true,
    contextOf: () => undefined,
  });
  const count = 20_000;
  const coordinates = Uint32Array.from({ length: count }, (_, i) => i);
  const owners = new Uint16Array(count).fill(1);
  const busy = () => Uint32Array.from(coordinates, (i) => (i << geometry.timerBits) | ticks.timer(1, 25));
  own.note(coordinates, busy(), owners, count);
  sender.prime(0);
  ticks.set(0, SLOW_TICKS_TO_REFRESH);
  own.note(coordinates, busy(), owners, count);
  const change = (at: number) =>
    own.note(Uint32Array.of(at), Uint32Array.of((1 << 10) | ticks.timer(0, 9)), Uint16Array.of(2), 1);
  return { sender, own, counters, published, change };
}

/** Most bytes in any millisecond, and milliseconds until nothing waits. */
function drain({ sender, own, counters }: ReturnType<typeof busySender>, each = (_ms: number) => {}) {
  let [burst, ms] = [0, 0];
  for (; own.pending > 0 && ms < 60_000; ms++) {
    each(ms);
    const before = counters.bytesSent;
    if (sender.nextAtMs() <= ms) sender.tick(ms);
    burst = Math.max(burst, counters.bytesSent - before);
  }
  return { burst, ms };
}

describe("refreshes that a slow tick makes worth a record all at once", () => {
  it("leave one datagram at a time, within an eighth of the rate", () => {
    const busy = busySender(RATE);
    expect(busy.own.refreshes).toBe(20_000);
    const { burst, ms } = drain(busy);
    expect(burst).toBeLessThanOrEqual(1_200);
    expect(busy.counters.bytesSent / (ms / 1000)).toBeLessThan(RATE / 8 + 1_200);
    expect(busy.counters.cellsPublished).toBe(20_000);
  });

  it("would be a burst of a whole table without a budget", () => {
    expect(drain(busySender(1e9)).burst).toBeLessThanOrEqual(1_200);
    const naive = busySender(RATE);
    naive.own.take = (
      (take) => () =>
        take(naive.own.refreshes)
    )(naive.own.take.bind(naive.own));
    expect(drain(naive).burst).toBeGreaterThan(60_000);
  });

  it("hold up no change of state", () => {
    const busy = busySender(RATE);
    const late: number[] = [];
    let [toldMs, at] = [-1, -1];
    drain(busy, (ms) => {
      if (ms % 100 === 0 && ms < 2_000) {
        at = 20_000 + ms;
        toldMs = ms;
        busy.change(at);
      } else if (at >= 0 && busy.published.cells[at] !== 0) {
        late.push(ms - toldMs);
        at = -1;
      }
    });
    expect(late).toHaveLength(20);
    expect(Math.max(...late)).toBeLessThanOrEqual(5);
  });

  it("wait no longer once what neighbours know has fallen below a half", () => {
    const busy = busySender(RATE);
    const { own } = busy;
    const { ticks } = busy.sender["parts"];
    ticks.set(0, 20);
    own.sweep();
    expect([own.changes, own.refreshes]).toEqual([20_000, 0]);
  });
});

const SECONDS = 5;
/** About what the change sets of this traffic take. */
const NARROW = 25_000;

/** What AP 1 sends with seven good neighbours, and an eighth that loses this share both ways. */
async function cost(loss: number, capped = true) {
  const lab = new Lab(9, { geometry: "4x256x8/r26", options: { bytesPerSecond: NARROW } });
  await lab.start();
  await lab.run(3_000);
  const { replicator, datapath } = lab.ap(1);
  // Of a first snapshot, which does not count, the most is left: there was nothing to tell.
  for (const { account } of replicator.list()) account.welcome(0);
  if (!capped) {
    for (const { account } of replicator.list()) {
      account.take = () => true;
      account.becomeSlow = () => {};
    }
  }
  lab.tap = ({ from, to }) => ((from === 9 || to === 9) && lab.random() < loss ? false : undefined);
  const { bytesSent, datagramsSent, repairsSent, snapshotsSent } = { ...replicator.counters };
  let busyMs = 0;
  for (const name of ["receive", "tick"] as const) {
    const plain = replicator[name].bind(replicator) as (...args: never[]) => void;
    replicator[name] = (...args: never[]) => {
      const begin = performance.now();
      plain(...args);
      busyMs += performance.now() - begin;
    };
  }
  await lab.run(SECONDS * 1000, (nowMs) => {
    if (nowMs % 4 !== 0) return;
    for (let i = 0; i < 40; i++) {
      const x = Math.floor(lab.random() * 3_000);
      const lives = lab.random() < 0.5;
      if (lives) datapath.sfr.table.insert(0, (x * 2654435761) >>> 0, 52, CONSTANTS.OP_MAX, 1, CONSTANTS.MARK_DIRTY);
      else datapath.sfr.table.drop(0, (x * 2654435761) >>> 0, CONSTANTS.MARK_DIRTY);
    }
  });
  const c = replicator.counters;
  return {
    bytes: c.bytesSent - bytesSent,
    datagrams: c.datagramsSent - datagramsSent,
    repairs: c.repairsSent - repairsSent,
    snapshots: c.snapshotsSent - snapshotsSent,
    busyMs,
    lab,
  };
}

type Cost = Awaited<ReturnType<typeof cost>>;

function tell(what: string, run: Cost, none: Cost): void {
  console.log(
    `${what}: ${(run.bytes / none.bytes).toFixed(2)} of the bytes, ${(run.datagrams / none.datagrams).toFixed(2)} of ` +
      `the datagrams, ${run.repairs} repairs, ${run.snapshots} datagrams of snapshots, ` +
      `${(run.busyMs / none.busyMs).toFixed(2)} of the time`,
  );
}

describe("the sender's cost", () => {
  it("does not grow with the loss of one bad neighbour beyond a quarter of the rate", async () => {
    const none = await cost(0);
    const most = none.bytes + (NARROW / 4) * SECONDS + BURST_MIN_BYTES;
    for (const loss of [0.5, 0.9, 0.99]) {
      const capped = await cost(loss);
      tell(`loss ${loss * 100} %`, capped, none);
      expect(capped.bytes).toBeLessThan(most);
    }
  });

  it("would without that account", async () => {
    const none = await cost(0);
    const free = await cost(0.5, false);
    tell("loss 50 %, no account", free, none);
    expect(free.bytes).toBeGreaterThan(none.bytes + (NARROW / 4) * SECONDS + BURST_MIN_BYTES);
  });

  it("is paid by no good neighbour, and the bad one is whole again once its link is", async () => {
    const { lab } = await cost(0.9);
    lab.tap = () => undefined;
    await lab.run(100);
    for (let id = 2; id <= 8; id++) expect(mirrorDifferences(lab, id, 1)).toBe(0);
    await lab.run(35_000);
    await lab.settle();
    expect(mirrorDifferences(lab, 9, 1)).toBe(0);
    expect(
      lab
        .ap(1)
        .replicator.list()
        .every(({ account }) => !account.slow),
    ).toBe(true);
  });
});

describe("an account", () => {
  it("gives a neighbour its share, and is slow until it knows what was newest then", () => {
    const account = new Account(100_000);
    expect(account.take(12_500, 0)).toBe(true);
    expect(account.take(1, 0)).toBe(false);
    expect(account.take(25_000, 1_000)).toBe(false);
    expect(account.take(12_500, 1_000)).toBe(true);
    account.becomeSlow(70);
    account.acknowledged(69, 90);
    expect(account.slow).toBe(true);
    account.acknowledged(70, 90);
    expect(account.slow).toBe(false);
  });

  it("gives a newcomer its first snapshot beside that share", () => {
    const account = new Account(100_000);
    account.welcome(50_000);
    expect(account.takeForSnapshot(49_000, 0)).toBe(true);
    expect(account.takeForSnapshot(12_000, 0)).toBe(true);
    expect(account.takeForSnapshot(12_000, 0)).toBe(false);
  });
});
