import { describe, expect, it } from "vitest";
import { CONSTANTS } from "../datapath/abi.ts";
import { PublishedCache, URGENCY } from "../proxy/published.ts";
import { Ticks } from "../proxy/ticks.ts";
import { eachRecord } from "./inbox.ts";
import { PREFIX_BYTES } from "./outbox.ts";
import { KIND } from "./records/kinds.ts";
import { HEADER_BYTES, HELLO_HEADER_BYTES, SEALED_EXTRA_BYTES } from "./seal.ts";
import { identitiesAmong } from "./testing/identities.ts";
import { type Ap, addressOf, Lab, type LabOptions, mirrorDifferences } from "./testing/lab.ts";

const { OP_MAX, MARK_DIRTY } = CONSTANTS;
const CALM = { loss: 0, duplication: 0, delayMs: 1, jitterMs: 0 };

function insert(lab: Lab, ap: Ap, x: number, slot = 1): void {
  ap.datapath.sfr.table.insert(0, (x * 2654435761) >>> 0, (1 << lab.geometry.tickBits) | 20, OP_MAX, slot, MARK_DIRTY);
}

function drop(ap: Ap, x: number): void {
  ap.datapath.sfr.table.drop(0, (x * 2654435761) >>> 0, MARK_DIRTY);
}

/** Kinds of the records of a datagram. */
function kindsOf(bytes: Uint8Array): number[] {
  const start = bytes[1]! & 1 ? HELLO_HEADER_BYTES : HEADER_BYTES;
  const kinds: number[] = [];
  eachRecord(bytes.subarray(start, bytes.length - SEALED_EXTRA_BYTES), PREFIX_BYTES, (kind) => kinds.push(kind));
  return kinds;
}

async function pair(count = 2, seed = 1): Promise<Lab> {
  const lab = new Lab(count, { seed });
  await lab.start();
  await lab.run(2_000);
  return lab;
}

/** Cells come and go, and coordinates are used again. */
async function churn(lab: Lab, ms: number, at = lab.ap(1)): Promise<void> {
  await lab.run(ms, (nowMs) => {
    if (nowMs % 10 !== 0) return;
    for (let i = 0; i < 4; i++) {
      insert(lab, at, 1 + Math.floor(lab.random() * 300));
      drop(at, 1 + Math.floor(lab.random() * 300));
    }
  });
}

async function quietDifferences(lab: Lab): Promise<number> {
  lab.faults = CALM;
  await lab.run(6_000);
  await lab.settle();
  let differences = 0;
  for (const at of lab.aps)
    for (const of of lab.aps) if (at !== of) differences += mirrorDifferences(lab, at.id, of.id);
  return differences;
}

describe("two numbers (A.1)", () => {
  it("fall silent but for hellos and pulses one second after quiet, with four neighbours and 20 % loss", async () => {
    const lab = await pair(5);
    lab.faults = { loss: 0.2, duplication: 0, delayMs: 1, jitterMs: 10 };
    await churn(lab, 3_000);
    await lab.run(1_000);
    const kinds = new Map<number, number>();
    lab.tap = ({ bytes }) => {
      for (const kind of kindsOf(bytes)) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      return undefined;
    };
    lab.faults = CALM;
    await lab.run(1_000);
    kinds.clear();
    await lab.run(3_000);
    expect([...kinds.keys()].sort((a, b) => a - b)).toEqual([KIND.hello, KIND.pulse]);
    expect(await quietDifferences(lab)).toBe(0);
  });

  it("never use a pn of an epoch twice", async () => {
    const lab = await pair(3);
    const seen = new Map<string, string>();
    lab.tap = ({ bytes }) => {
      // sender, epoch tag, pn
      const key = [...bytes.subarray(2, HEADER_BYTES)].join();
      const before = seen.get(key);
      const text = bytes.join();
      expect(before === undefined || before === text).toBe(true);
      seen.set(key, text);
      return undefined;
    };
    lab.faults = { loss: 0.2, duplication: 0.1, delayMs: 1, jitterMs: 10 };
    await churn(lab, 3_000);
    expect(seen.size).toBeGreaterThan(100);
  });

  it("would not fall silent if a repair took a ver of its own", async () => {
    const lab = await pair(5);
    for (const { replicator } of lab.aps) {
      const { sender } = replicator;
      const { repairs } = sender;
      const answer = repairs.answer.bind(repairs);
      repairs.answer = (...args) => {
        answer(...args);
        // The naive sender: the repair is the newest change set, which only one neighbour has seen.
        sender.ver++;
      };
    }
    lab.faults = { loss: 0.2, duplication: 0, delayMs: 1, jitterMs: 10 };
    await churn(lab, 3_000);
    lab.faults = CALM;
    await lab.run(2_000);
    const nacks = () => lab.aps.reduce((sum, ap) => sum + ap.replicator.counters.nacksSent, 0);
    const before = nacks();
    await lab.run(3_000);
    expect(nacks()).toBeGreaterThan(before);
  });

  it("close a range even when nothing is left of it", async () => {
    const lab = await pair();
    insert(lab, lab.ap(1), 1);
    lab.tap = () => false;
    await lab.run(5);
    lab.tap = () => undefined;
    // The same coordinate again: the lost change set is empty by now.
    drop(lab.ap(1), 1);
    await lab.run(500);
    expect(lab.ap(2).replicator.list()[0]!.gaps.count).toBe(0);
    expect(lab.ap(1).replicator.counters.repairsSent).toBe(1);
    expect(await quietDifferences(lab)).toBe(0);
  });
});

describe("a freed cell keeps its ver (A.2)", () => {
  /** The add arrives after the free that followed it. */
  async function lateAdd(forget: boolean): Promise<number> {
    const lab = await pair();
    let held: Parameters<Lab["inject"]>[0] | undefined;
    lab.tap = (packet) => {
      if (packet.to !== 2 || held || !kindsOf(packet.bytes).includes(KIND.cells)) return undefined;
      held = packet;
      return false;
    };
    insert(lab, lab.ap(1), 7);
    await lab.run(10);
    drop(lab.ap(1), 7);
    await lab.run(10);
    const { mirror } = lab.ap(2).replicator.list()[0]!;
    if (forget) for (let i = 0; i < mirror!.cells.length; i++) if (mirror!.cells[i] === 0) mirror!.vers[i] = 0;
    lab.inject({ ...held!, atMs: lab.nowMs + 1 });
    // Before the next hello's digest would find it.
    await lab.run(10);
    return mirrorDifferences(lab, 2, 1);
  }

  it("so that a late add resurrects nothing", async () => expect(await lateAdd(false)).toBe(0));
  it("and one that is forgotten leaves a zombie", async () => expect(await lateAdd(true)).toBe(1));
});

describe("a snapshot is stamped before it is read (A.13)", () => {
  /** Chunks are read, then the table changes, then they arrive after the change. */
  async function overtaken(stampLate: boolean): Promise<number> {
    const lab = new Lab(1);
    for (let x = 1; x < 400; x++) insert(lab, lab.ap(1), x);
    await lab.start();
    lab.add(2);
    const chunks: Parameters<Lab["inject"]>[0][] = [];
    lab.tap = (packet) => {
      if (packet.to !== 2 || !kindsOf(packet.bytes).includes(KIND.snap)) return undefined;
      chunks.push({ ...packet, bytes: packet.bytes.slice() });
      return false;
    };
    await lab.start([lab.ap(2)]);
    for (let i = 0; i < 200 && chunks.length === 0; i++) await lab.run(1);
    for (let x = 1; x < 400; x++) drop(lab.ap(1), x);
    await lab.run(8);
    lab.tap = (packet) => (packet.to === 2 && kindsOf(packet.bytes).includes(KIND.snap) ? false : undefined);
    const { ver } = lab.ap(1).replicator.sender;
    for (const chunk of chunks) {
      // asOf is the first word of the first record's body.
      const at = HEADER_BYTES + PREFIX_BYTES + 2;
      if (stampLate) new DataView(chunk.bytes.buffer).setUint32(at, ver);
      lab.inject({ ...chunk, atMs: lab.nowMs + 1 });
    }
    await lab.run(1);
    return mirrorDifferences(lab, 2, 1);
  }

  it("so that it overrides nothing newer", async () => expect(await overtaken(false)).toBe(0));
  it("and stamped when sent it does", async () => expect(await overtaken(true)).toBeGreaterThan(100));
});

describe("an epoch is believed after it answered a challenge (A.15)", () => {
  /** All that AP 1 said in its first life is said again to AP 2 during the second. */
  async function replayed(predictable: boolean): Promise<number> {
    const lab = new Lab(2);
    const recorded: Uint8Array[] = [];
    lab.tap = ({ bytes, to }) => {
      if (to === 2) recorded.push(bytes.slice());
      return undefined;
    };
    await lab.start();
    await lab.run(1_000);
    for (let x = 1; x < 50; x++) insert(lab, lab.ap(1), x);
    await lab.run(500);
    for (let x = 1; x < 50; x++) drop(lab.ap(1), x);
    await lab.run(500);
    lab.tap = () => undefined;
    const challenges = () =>
      (lab.ap(2).replicator as unknown as { greeter: { challenges: { values: bigint[] } } }).greeter.challenges;
    const before = [...challenges().values];
    await lab.restart(lab.ap(2));
    if (predictable) challenges().values.splice(0, 1, ...before);
    await lab.restart(lab.ap(1));
    lab.cut.add("1>2");
    for (const [i, bytes] of recorded.entries()) lab.inject({ from: 1, to: 2, bytes, atMs: lab.nowMs + 1 + i });
    await lab.run(recorded.length + 10);
    const { counters } = lab.ap(2).replicator;
    return counters.cellsTaken + counters.snapshotsAsked;
  }

  it("so that recordings do nothing", async () => expect(await replayed(false)).toBe(0));

  it("and so does a life that answered us, and that we never heard", async () => {
    const lab = new Lab(2);
    const recorded: Uint8Array[] = [];
    lab.tap = ({ bytes, to }) => {
      if (to === 2) recorded.push(bytes.slice());
      return to === 2 ? false : undefined;
    };
    await lab.start();
    await lab.run(3_000);
    expect(
      lab
        .ap(2)
        .replicator.list()
        .filter(({ believed }) => believed),
    ).toEqual([]);
    lab.tap = () => undefined;
    await lab.restart(lab.ap(1));
    await lab.run(1_000);
    const [neighbour] = lab.ap(2).replicator.list();
    const { epoch, believed } = neighbour!;
    expect(believed).toBe(true);
    for (const [i, bytes] of recorded.entries()) lab.inject({ from: 1, to: 2, bytes, atMs: lab.nowMs + 1 + i });
    await lab.run(recorded.length + 10);
    expect(neighbour!.epoch).toEqual(epoch);
  });

  it("and with a challenge that is known beforehand they do", async () =>
    expect(await replayed(true)).toBeGreaterThan(0));

  it("and where a datagram came from that is older than others says nothing of where its sender is", async () => {
    const lab = await pair();
    const unheard: Uint8Array[] = [];
    lab.tap = ({ bytes, to }) => {
      if (to !== 2 || kindsOf(bytes).includes(KIND.hello)) return undefined;
      unheard.push(bytes.slice());
      return false;
    };
    insert(lab, lab.ap(1), 7);
    await lab.run(500);
    lab.tap = () => undefined;
    await lab.run(1_500);
    const { counters } = lab.ap(2).replicator;
    const [seen, before] = [counters.datagramsDropped["seen before"] ?? 0, counters.datagramsTaken];
    for (const bytes of unheard) lab.inject({ from: 9, to: 2, bytes, atMs: lab.nowMs + 1 });
    await lab.run(1);
    expect(unheard.length).toBeGreaterThan(0);
    expect(counters.datagramsTaken - before).toBeGreaterThanOrEqual(unheard.length);
    expect(counters.datagramsDropped["seen before"] ?? 0).toBe(seen);
    expect(lab.ap(2).replicator.list()[0]!.address.address).toBe(addressOf(1));
  });

  it("and a superseded epoch is refused for good", async () => {
    const lab = await pair();
    const recorded: Uint8Array[] = [];
    lab.tap = ({ bytes, to }) => {
      if (to === 2) recorded.push(bytes.slice());
      return undefined;
    };
    await lab.run(2_500);
    lab.tap = () => undefined;
    await lab.restart(lab.ap(1));
    await lab.run(2_000);
    for (const bytes of recorded) lab.inject({ from: 1, to: 2, bytes, atMs: lab.nowMs + 1 });
    await lab.run(10);
    expect(lab.ap(2).replicator.counters.datagramsDropped["superseded"]).toBeGreaterThan(0);
    expect(await quietDifferences(lab)).toBe(0);
  });
});

describe("restarts", () => {
  it("of an agent keep the mirror and what is in it", async () => {
    const lab = await pair();
    for (let x = 1; x < 100; x++) insert(lab, lab.ap(1), x);
    await lab.run(500);
    const clears = lab.ap(2).datapath.calls["clearMirror"];
    await lab.restart(lab.ap(1));
    await lab.run(2_000);
    expect(lab.ap(2).datapath.calls["clearMirror"]).toBe(clears);
    expect(await quietDifferences(lab)).toBe(0);
    expect(lab.ap(2).replicator.list()[0]!.mirror!.used).toBe(99);
  });

  it("with an empty table leave the old mirror as an orphan that is still asked", async () => {
    const lab = await pair();
    for (let x = 1; x < 100; x++) insert(lab, lab.ap(1), x);
    await lab.run(500);
    const newborn = lab.add(1, 4711n);
    // It asks nobody for what it lost: restore.test.ts is about that.
    newborn.replicator.courier.restore.met = () => {};
    await lab.start([newborn]);
    await lab.run(2_000);
    const neighbour = lab.ap(2).replicator.list()[0]!;
    expect(neighbour.orphans.map(({ mirror }) => mirror.used)).toEqual([99]);
    expect(neighbour.mirror!.used).toBe(0);
    expect(neighbour.mask.toString(2).split("1")).toHaveLength(3);
    expect(lab.ap(2).datapath.sfr.mirrors[neighbour.orphans[0]!.mirror.index]!.used).toBe(99);
  });

  it("of a receiver cost a snapshot, no more", async () => {
    const lab = await pair(3);
    for (let x = 1; x < 100; x++) insert(lab, lab.ap(1), x);
    await lab.run(500);
    await lab.restart(lab.ap(2));
    await lab.run(2_000);
    expect(await quietDifferences(lab)).toBe(0);
  });

  it("are not needed when the numbers of an epoch end", async () => {
    const lab = await pair();
    for (let x = 1; x < 50; x++) insert(lab, lab.ap(1), x);
    await lab.run(500);
    lab.ap(1).replicator.sender.ver = 2 ** 31;
    await lab.run(1_500);
    for (let x = 50; x < 80; x++) insert(lab, lab.ap(1), x);
    await lab.run(1_500);
    expect(lab.ap(1).replicator.sender.ver).toBeLessThan(100);
    expect(await quietDifferences(lab)).toBe(0);
  });
});

describe("digests", () => {
  it("find a silent difference and repair its region alone", async () => {
    const lab = await pair();
    for (let x = 1; x < 400; x++) insert(lab, lab.ap(1), x);
    await lab.run(1_500);
    const { mirror } = lab.ap(2).replicator.list()[0]!;
    const at = mirror!.cells.findIndex((cell) => cell !== 0);
    // A bit flips, and its ver says that all is well.
    mirror!.applySnapshot(at, at + 1, mirror!.vers[at]!, { coordinates: [], cells: [], owners: [], count: 0 });
    mirror!.flush();
    const before = lab.ap(2).replicator.counters.cellsTaken;
    expect(await quietDifferences(lab)).toBe(0);
    expect(lab.ap(2).replicator.counters.digestMismatches).toBeGreaterThan(0);
    expect(lab.ap(2).replicator.counters.cellsTaken - before).toBeLessThan(40);
  });
});

describe("two APs with one id", () => {
  /** Two agents of number 1; what one says to number 2 reaches the other. */
  async function namesakes(setup: LabOptions): Promise<[Lab, Lab]> {
    const labs: [Lab, Lab] = [new Lab(2, { ...setup, seed: 1 }), new Lab(2, { ...setup, seed: 99 })];
    for (const [i, lab] of labs.entries()) {
      const other = labs[1 - i]!;
      lab.tap = ({ bytes }) => {
        other.inject({ from: 2, to: 1, bytes: bytes.slice(), atMs: other.nowMs + 1 });
        return false;
      };
      await lab.start([lab.ap(1)]);
    }
    return labs;
  }

  it.each([
    ["", {}],
    [", and one key: a cloned image", { identitiesOf: identitiesAmong(1, 2) }],
  ])("are reported%s", async (_what, setup) => {
    const labs = await namesakes(setup);
    for (let ms = 0; ms < 600; ms++) for (const lab of labs) await lab.run(1);
    for (const lab of labs) {
      expect(lab.ap(1).replicator.counters.duplicateIds).toBeGreaterThan(0);
      expect(lab.warnings.join()).toContain("another AP uses id 1");
    }
  });

  it("are told from a recording of ourselves before a restart", async () => {
    const lab = new Lab(2);
    const recorded: Uint8Array[] = [];
    lab.tap = ({ bytes, from }) => {
      if (from === 1) recorded.push(bytes.slice());
      return undefined;
    };
    await lab.start();
    await lab.run(1_000);
    lab.tap = () => undefined;
    await lab.restart(lab.ap(1));
    for (const [i, bytes] of recorded.entries()) lab.inject({ from: 2, to: 1, bytes, atMs: lab.nowMs + i });
    await lab.run(recorded.length + 500);
    expect(recorded.length).toBeGreaterThan(5);
    expect(lab.ap(1).replicator.counters.duplicateIds).toBe(0);
  });
});

describe("ticks", () => {
  it("of a source with a broken clock are clamped: its mirror does not expire at once", async () => {
    const lab = await pair();
    for (let x = 1; x < 50; x++) insert(lab, lab.ap(1), x);
    await lab.run(500);
    const { ticks } = lab.ap(1).replicator.proxy;
    // The agent lies; its table stays as it was.
    ticks.set(ticks.fast + 100, ticks.slow + 100);
    lab.ap(1).datapath.setTicks = () => {};
    await lab.run(3_000);
    expect(lab.ap(2).replicator.counters.ticksClamped).toBeGreaterThan(0);
    expect(lab.ap(2).replicator.list()[0]!.mirror!.used).toBe(49);
  });

  it("of a source that is dead go on by our clock, until its mirror is empty", async () => {
    const lab = await pair();
    lab.ap(1).datapath.sfr.table.insert(0, 5, 10, OP_MAX, 1, MARK_DIRTY);
    await lab.run(100);
    lab.ap(1).running = false;
    await lab.run(9_000);
    expect(lab.ap(2).replicator.list()[0]!.mirror!.used).toBe(1);
    await lab.run(130_000);
    expect(lab.ap(2).replicator.list()[0]!.mirror!.used).toBe(0);
  });
});

describe("cells in a datagram that comes after they were over", () => {
  /** What the mirror holds when all that carried the cell was held back for so many ticks of a cell of three. */
  async function heldFor(ticks: number): Promise<number> {
    const lab = await pair();
    let held: Parameters<Lab["inject"]>[0] | undefined;
    lab.tap = (packet) => {
      const kinds = kindsOf(packet.bytes);
      if (packet.to !== 2 || ![KIND.cells, KIND.repair, KIND.snap].some((kind) => kinds.includes(kind)))
        return undefined;
      held ??= packet;
      return false;
    };
    lab.ap(1).datapath.sfr.table.insert(0, 7, 3, OP_MAX, 1, MARK_DIRTY);
    await lab.run(ticks * 10_000);
    lab.inject({ ...held!, atMs: lab.nowMs + 1 });
    await lab.run(10);
    return lab.ap(2).replicator.list()[0]!.mirror!.used;
  }

  it("are not written, also where the counter has gone round and they look live again", async () => {
    for (const ticks of [4, 6, 8, 10, 12]) expect(await heldFor(ticks), `${ticks} ticks`).toBe(0);
  });
  it("and count for what is left before that", async () => expect(await heldFor(1)).toBe(1));
});

describe("nonsense", () => {
  it("cut at every byte, or with any bit changed, throws nothing", async () => {
    const lab = await pair();
    const datagrams: Uint8Array[] = [];
    lab.tap = ({ bytes, to }) => {
      if (to === 2 && datagrams.length < 60) datagrams.push(bytes.slice());
      return undefined;
    };
    await churn(lab, 300);
    await lab.restart(lab.ap(1));
    await churn(lab, 1_500);
    const { replicator } = lab.ap(2);
    const from = { address: "ap1", port: 1 };
    for (const bytes of datagrams) {
      for (let cut = 0; cut <= bytes.length; cut++) replicator.receive(bytes.subarray(0, cut), from, lab.nowMs);
      for (let i = 0; i < 300; i++) {
        const changed = bytes.slice();
        changed[Math.floor(lab.random() * changed.length)]! ^= 1 << Math.floor(lab.random() * 8);
        // A fresh pn, or the window would stop it.
        new DataView(changed.buffer).setUint32(10, 1_000_000 + Math.floor(lab.random() * 1e9));
        replicator.receive(changed, from, lab.nowMs);
      }
    }
  });
});

describe("the published cache", () => {
  it("finds the items of a range in the order of their ver", () => {
    const { geometry } = new Lab(0);
    const ticks = new Ticks(geometry);
    const cache = new PublishedCache(geometry, 8, ticks);
    for (let ver = 1; ver <= 20; ver++) cache.publish(ver % 7, (ver << 6) | 5, 1, ver);
    const found: number[] = [];
    for (let item = cache.firstFrom(16); item >= 0; item = cache.after(item)) found.push(cache.vers[item]!);
    expect(found).toEqual([16, 17, 18, 19, 20]);
    expect(cache.firstFrom(21)).toBe(-1);
    expect(cache.firstFrom(1)).toBe(14 % 7);
  });

  it("wants a refresh sent when what was sent has fallen below three quarters, at once below a half", () => {
    const { geometry } = new Lab(0);
    const ticks = new Ticks(geometry);
    const cache = new PublishedCache(geometry, 8, ticks);
    const cell = (left: number) => (77 << geometry.timerBits) | ticks.timer(1, left);
    cache.publish(3, cell(24), 1, 1);
    const wants = [0, 6, 7, 12, 13].map((passed) => {
      ticks.set(0, passed);
      return cache.urgency(3, cell(24), 1);
    });
    const { none, refresh, change } = URGENCY;
    expect(wants).toEqual([none, none, refresh, refresh, change]);
    ticks.set(0, 0);
    expect(cache.urgency(3, cell(23), 1)).toBe(change);
    expect(cache.urgency(3, cell(24), 2)).toBe(change);
    expect(cache.urgency(3, 0, 0)).toBe(change);
  });
});
