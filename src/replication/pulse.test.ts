import { describe, expect, it } from "vitest";
import { CONSTANTS } from "../datapath/abi.ts";
import { eachRecord } from "./inbox.ts";
import { PREFIX_BYTES } from "./outbox.ts";
import { KIND } from "./records/kinds.ts";
import { HEADER_BYTES, HELLO_HEADER_BYTES, SEALED_EXTRA_BYTES } from "./seal.ts";
import { addressOf, Lab, type LabOptions, mirrorDifferences } from "./testing/lab.ts";

const KNOWN_AFTER_MS = 12_000;

interface Said {
  readonly from: number;
  readonly kinds: number[];
  readonly atMs: number;
}

/** A mesh whose members know each other, and what is said in it from then on. */
async function mesh(count: number, setup: LabOptions = {}): Promise<{ lab: Lab; said: Said[] }> {
  const lab = new Lab(count, setup);
  await lab.start();
  await lab.run(KNOWN_AFTER_MS);
  const said: Said[] = [];
  lab.tap = ({ from, bytes }) => {
    const start = bytes[1]! & 1 ? HELLO_HEADER_BYTES : HEADER_BYTES;
    const kinds: number[] = [];
    eachRecord(bytes.subarray(start, bytes.length - SEALED_EXTRA_BYTES), PREFIX_BYTES, (kind) => kinds.push(kind));
    said.push({ from, kinds, atMs: lab.nowMs });
    return undefined;
  };
  return { lab, said };
}

const saying = (said: readonly Said[], from: number, kind: number) =>
  said.filter((one) => one.from === from && one.kinds.includes(kind));

const stateOf = (lab: Lab, at: number, of: number) =>
  lab
    .ap(at)
    .replicator.list()
    .find(({ id }) => id === of)?.state;

function publish(lab: Lab, x: number): void {
  const { table } = lab.ap(1).datapath.sfr;
  const code = (1 << lab.geometry.tickBits) | 20;
  table.insert(0, (x * 2654435761) >>> 0, code, CONSTANTS.OP_MAX, 1, CONSTANTS.MARK_DIRTY);
}

/** A change every 10 ms. */
const busy = (lab: Lab, ms: number) => lab.run(ms, (nowMs) => nowMs % 10 === 0 && publish(lab, nowMs % 4096));

/** Two pairs out of each other's reach, and when the first of one hears the first of the other once they are in it. */
async function meetingMs(setup: LabOptions): Promise<number> {
  const lab = new Lab(4, setup);
  for (const a of [1, 2]) for (const b of [3, 4]) for (const way of [`${a}>${b}`, `${b}>${a}`]) lab.cut.add(way);
  await lab.start();
  await lab.run(KNOWN_AFTER_MS);
  lab.cut.clear();
  const beganMs = lab.nowMs;
  while (stateOf(lab, 1, 3) !== "alive" && lab.nowMs - beganMs < 20_000) await lab.run(1);
  return lab.nowMs - beganMs;
}

describe("a pulse", () => {
  it("is said each second among those who know each other, a hello every five", async () => {
    const { lab, said } = await mesh(3);
    await lab.run(20_000);
    // A hello to all every 5 s, and one to each of the two others, who hear the group.
    expect(saying(said, 1, KIND.pulse).length / 2).toBe(16);
    expect(saying(said, 1, KIND.hello).length / 2).toBe(4 + 4);
    for (const of of [2, 3]) expect(stateOf(lab, 1, of)).toBe("alive");
  });

  it("goes along with what is published, and alone when nothing is", async () => {
    const { lab, said } = await mesh(2);
    await busy(lab, 4_000);
    const [busyOnes, idleOnes] = [saying(said, 1, KIND.pulse), saying(said, 2, KIND.pulse)];
    expect(busyOnes.length).toBeGreaterThanOrEqual(3);
    expect(busyOnes.every(({ kinds }) => kinds.join() === `${KIND.pulse},${KIND.cells}`)).toBe(true);
    expect(idleOnes.every(({ kinds }) => kinds.join() === `${KIND.pulse}`)).toBe(true);
    await lab.run(200);
    expect(mirrorDifferences(lab, 2, 1)).toBe(0);
  });

  it("leaves all that a hello does each second done while every one goes along with cells", async () => {
    const { lab } = await mesh(2);
    await busy(lab, 3_000);
    lab.cut.add("2>1");
    await busy(lab, 3_000 + 2_000);
    expect(stateOf(lab, 1, 2)).toBe("suspect");
    await busy(lab, 8_000);
    expect(stateOf(lab, 1, 2)).toBe("dead");
  });

  it("shows a lost last change set", async () => {
    const { lab } = await mesh(2);
    lab.tap = ({ from, bytes }) => (from === 1 && (bytes[1]! & 1) === 0 ? false : undefined);
    publish(lab, 7);
    await lab.run(200);
    expect(mirrorDifferences(lab, 2, 1)).toBe(1);
    // Only hellos were let through until now: from here on only pulses.
    lab.tap = ({ from, bytes }) => (from === 1 && (bytes[1]! & 1) !== 0 ? false : undefined);
    await lab.run(1_200);
    expect(mirrorDifferences(lab, 2, 1)).toBe(0);
  });

  it("gives way to hellos while a neighbour is silent, and within the second in which it is back", async () => {
    const { lab, said } = await mesh(2);
    lab.cut.add("2>1").add("1>2");
    await lab.run(15_000);
    said.length = 0;
    lab.cut.clear();
    await lab.run(1_100);
    expect(saying(said, 1, KIND.hello).length).toBeGreaterThan(0);
    expect([stateOf(lab, 1, 2), stateOf(lab, 2, 1)]).toEqual(["alive", "alive"]);
  });

  it("says nothing to a listed peer that is missing: hellos go on until it is there", async () => {
    const peers = [2, 9].map((id) => ({ address: addressOf(id), port: 4755 }));
    const { lab, said } = await mesh(2, { link: { group: false, peers } });
    await lab.run(5_000);
    expect(saying(said, 1, KIND.pulse)).toEqual([]);
    const listed = await mesh(2, { link: { group: false, peers: peers.slice(0, 1) } });
    await listed.lab.run(60_000);
    // Nobody else would hear them.
    expect(saying(listed.said, 1, KIND.hello).length).toBe(2);
    expect(saying(listed.said, 1, KIND.pulse).length).toBeGreaterThanOrEqual(57);
    expect(stateOf(listed.lab, 1, 2)).toBe("alive");
  });

  it("lets those who come into each other's reach meet within five seconds", async () => {
    for (let seed = 1; seed <= 4; seed++) expect(await meetingMs({ seed })).toBeLessThanOrEqual(5_100);
  });
});
