import { describe, expect, it } from "vitest";
import { CONSTANTS } from "../datapath/abi.ts";
import { statusOf } from "./neighbour-status.ts";
import { addressOf, type InFlight, Lab, mirrorDifferences } from "./testing/lab.ts";

function insert(lab: Lab, from: number, count: number): void {
  const { table } = lab.ap(1).datapath.sfr;
  for (let x = from; x < from + count; x++)
    table.insert(
      0,
      (x * 2654435761) >>> 0,
      (1 << lab.geometry.tickBits) | 20,
      CONSTANTS.OP_MAX,
      1,
      CONSTANTS.MARK_DIRTY,
    );
}

const seenBy = (lab: Lab, at: number, of: number) => {
  const neighbour = lab
    .ap(at)
    .replicator.list()
    .find(({ id }) => id === of)!;
  return statusOf(neighbour, lab.nowMs);
};

const groupOf = (from: number) => (packet: InFlight) =>
  packet.from === from && packet.path === "group" ? false : undefined;

async function mesh(count: number): Promise<Lab> {
  const lab = new Lab(count);
  await lab.start();
  await lab.run(8_000);
  return lab;
}

describe("the paths of a neighbour", () => {
  it("are both alive where both work", async () => {
    const lab = await mesh(3);
    const { heardGroup, heardAlone, hearsGroup } = seenBy(lab, 2, 1);
    expect([heardGroup, heardAlone, hearsGroup]).toEqual([true, true, true]);
  });

  it("are judged each by itself: multicast dead, unicast alive, and changes go alone", async () => {
    const lab = await mesh(3);
    lab.tap = groupOf(1);
    await lab.run(12_000);
    const { state, heardGroup, heardAlone } = seenBy(lab, 2, 1);
    expect([state, heardGroup, heardAlone]).toEqual(["alive", false, true]);
    expect(seenBy(lab, 1, 2).hearsGroup).toBe(false);
    const nacks = lab.ap(2).replicator.counters.nacksSent;
    insert(lab, 1, 50);
    await lab.run(40);
    expect(mirrorDifferences(lab, 2, 1)).toBe(0);
    expect(lab.ap(2).replicator.counters.nacksSent).toBe(nacks);
    // Once the group works again, changes go there alone.
    lab.tap = () => undefined;
    await lab.run(3_000);
    let alone = 0;
    lab.tap = ({ from, path }) => {
      if (from === 1 && path === "alone") alone++;
      return undefined;
    };
    insert(lab, 100, 50);
    await lab.run(40);
    expect([alone, mirrorDifferences(lab, 2, 1), mirrorDifferences(lab, 3, 1)]).toEqual([0, 0, 0]);
  });

  it("would be one dead neighbour if nobody were spoken to alone", async () => {
    const lab = await mesh(3);
    lab.tap = (packet) => (packet.from === 1 && packet.to === 2 ? false : undefined);
    await lab.run(12_000);
    expect(seenBy(lab, 2, 1).state).toBe("dead");
  });
});

describe("a peer that is listed beside a group", () => {
  /** Datagrams of cells that AP 1 sends, by whom they reach. */
  async function sent(group: boolean): Promise<string[]> {
    const lab = new Lab(2, {
      link: {
        group,
        peers: [
          { address: addressOf(2), port: 4755 },
          { address: addressOf(9), port: 4755 },
        ],
      },
    });
    const paths: string[] = [];
    await lab.start();
    await lab.run(3_000);
    lab.tap = ({ from, path, bytes }) => {
      const isHello = (bytes[1]! & 1) !== 0;
      if (from === 1 && !isHello) paths.push(path ?? "");
      return undefined;
    };
    insert(lab, 1, 20);
    await lab.run(6);
    return paths;
  }

  it("is sent each change once, by the group that it hears", async () => expect(await sent(true)).toEqual(["group"]));
  it("is sent each change once, alone, where there is no group", async () =>
    expect(await sent(false)).toEqual(["alone"]));
});
