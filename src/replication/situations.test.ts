import { describe, expect, it } from "vitest";
import { filterOf } from "../../test/support/firewall.ts";
import { tcp } from "../../test/support/packets.ts";
import { parseMac } from "../base/mac.ts";
import { eachRecord } from "./inbox.ts";
import { PREFIX_BYTES } from "./outbox.ts";
import { KIND } from "./records/kinds.ts";
import { HEADER_BYTES, HELLO_HEADER_BYTES } from "./seal.ts";
import { CLIENT, FLOWS, type FrameName, meshOf, open, pass, speak } from "./testing/flows.ts";
import type { Ap, Lab } from "./testing/lab.ts";

/** What can happen to a client that roams, and for each what would be lost without the rule that covers it. */

const CALM = { loss: 0, duplication: 0, delayMs: 1, jitterMs: 0 };

function has(bytes: Uint8Array, kind: number): boolean {
  const start = bytes[1]! & 1 ? HELLO_HEADER_BYTES : HEADER_BYTES;
  let found = false;
  eachRecord(bytes.subarray(start), PREFIX_BYTES, (of) => {
    found ||= of === kind;
  });
  return found;
}

/** The naive variants: what an AP neither asks for nor gives. */
const NAIVE = {
  noHandover(lab: Lab) {
    lab.tap = ({ bytes }) => (has(bytes, KIND.handover) ? false : undefined);
  },
  /** What is held back stays so whoever claims the client. */
  noFlush(lab: Lab) {
    for (const { datapath } of lab.aps) datapath.flushHeld = () => {};
  },
  noAdoption(lab: Lab) {
    for (const { datapath } of lab.aps) datapath.adopt = () => {};
  },
  noReclaim(lab: Lab) {
    for (const { replicator } of lab.aps) {
      const { roam } = replicator.proxy;
      const arrived = roam.arrived.bind(roam);
      // Whoever counted higher keeps the client, whatever is seen.
      roam.arrived = (mac, zone) => {
        const context = replicator.proxy.contexts.get(mac);
        if (!context || context.ap === 0 || context.ap === lab.aps[0]!.id) arrived(mac, zone);
      };
    }
  },
};

function servedBy(lab: Lab): number[] {
  const here = lab.aps.filter(({ replicator }) => replicator.proxy.contexts.get(CLIENT)?.here);
  return here.map(({ id }) => id);
}

/** What only the AP's own table can answer: every mirror of the others is gone. */
function forgetMirrors(ap: Ap): void {
  for (const mirror of ap.datapath.sfr.mirrors) mirror.clear();
}

describe("ping-pong every second for a minute", () => {
  async function pingPong(prepare: (lab: Lab) => void = () => {}, loss = 0): Promise<number> {
    const lab = await meshOf(2);
    prepare(lab);
    await open(lab, lab.ap(1), 20);
    lab.faults = { ...CALM, loss };
    let denied = 0;
    for (let i = 0; i < 60; i++) {
      denied += await speak(lab, lab.ap(i % 2 === 0 ? 2 : 1), 0, 20);
      await lab.run(1_000);
    }
    return denied;
  }

  it("costs no packet", async () => expect(await pingPong()).toBe(0));
  it("nor with every fifth datagram lost", async () => expect(await pingPong(undefined, 0.2)).toBe(0));

  it("costs idle flows where what is asked is cut at each claim", async () => {
    const cut = (lab: Lab) => {
      lab.tap = () => false;
    };
    expect(await pingPong(cut)).toBeGreaterThan(0);
  });
});

describe("two APs that claim at once", () => {
  it.each([0, 1, 3])("agree on one of them, and no packet is lost: seen %i ms apart", async (apart) => {
    const lab = await meshOf(3);
    await open(lab, lab.ap(1), 20);
    let denied = pass(lab.ap(2), 0, "A>");
    await lab.run(apart);
    denied += pass(lab.ap(3), 1, "A>");
    await lab.run(1_000);
    expect(servedBy(lab)).toHaveLength(1);
    const [winner] = servedBy(lab);
    for (const { id, replicator } of lab.aps)
      expect(replicator.proxy.contexts.get(CLIENT)!.ap, `AP ${id}`).toBe(winner);
    // It turns out to be at the other.
    const other = winner === 2 ? 3 : 2;
    denied += await speak(lab, lab.ap(other), 0, 20);
    await lab.run(1_000);
    expect(servedBy(lab)).toEqual([other]);
    expect(denied).toBe(0);
  });

  it("would leave it with the loser where evidence counts for nothing", async () => {
    const lab = await meshOf(3);
    NAIVE.noReclaim(lab);
    await open(lab, lab.ap(1), 20);
    pass(lab.ap(2), 0, "A>");
    pass(lab.ap(3), 1, "A>");
    await lab.run(1_000);
    const [winner] = servedBy(lab);
    const other = winner === 2 ? 3 : 2;
    await speak(lab, lab.ap(other), 0, 20);
    await lab.run(1_000);
    expect(servedBy(lab)).toEqual([winner]);
  });
});

describe("a client that vanishes, and comes back elsewhere after five minutes", () => {
  async function comesBack(prepare: (lab: Lab) => void): Promise<number> {
    const lab = await meshOf(3, { geometry: "4x256x8/r26" });
    prepare(lab);
    await open(lab, lab.ap(1));
    await lab.run(300_000);
    return speak(lab, lab.ap(3));
  }

  it("finds all its flows", async () => expect(await comesBack(() => {})).toBe(0), 30_000);
  it(
    "finds none where nothing is replicated",
    async () =>
      expect(
        await comesBack((lab) => {
          lab.tap = () => false;
        }),
      ).toBe(2 * FLOWS),
    30_000,
  );
});

describe("a roam during a partition", () => {
  /** AP 1 and 2 are cut off from each other while the client goes; later the link is whole again. */
  async function partitioned(prepare: (lab: Lab) => void): Promise<{ cut: number; healed: number; back: number }> {
    const lab = await meshOf(2);
    await open(lab, lab.ap(1));
    prepare(lab);
    lab.cut.add("1>2").add("2>1");
    // What was known before the cut is enough.
    const cut = await speak(lab, lab.ap(2));
    await lab.run(15_000);
    lab.cut.clear();
    await lab.run(3_000);
    const healed = await speak(lab, lab.ap(2));
    expect(servedBy(lab)).toEqual([2]);
    await lab.run(1_000);
    return { cut, healed, back: await speak(lab, lab.ap(1)) };
  }

  it("loses nothing, during it, after it and on the way back", async () =>
    expect(await partitioned(() => {})).toEqual({ cut: 0, healed: 0, back: 0 }));

  it("loses all where mirrors of the silent are not asked", async () => {
    const { cut } = await partitioned((lab) => forgetMirrors(lab.ap(2)));
    expect(cut).toBe(2 * FLOWS);
  });
});

describe("a roam in the very moment of", () => {
  /** Frames before the cut pass through AP 1; then the client is seen at AP 2, and a few ms later the rest passes there. */
  async function cutAfter(
    frames: readonly FrameName[],
    at: number,
    prepare: (lab: Lab) => void = () => {},
  ): Promise<number> {
    const lab = await meshOf(2, { holdMs: 1_000 });
    prepare(lab);
    await open(lab, lab.ap(1), 1);
    let denied = pass(lab.ap(1), 7, ...frames.slice(0, at));
    await lab.run(150);
    lab.ap(2).replicator.proxy.arrived(CLIENT, 0);
    await lab.run(20);
    for (const frame of frames.slice(at)) {
      denied += pass(lab.ap(2), 7, frame);
      await lab.run(5);
    }
    return denied;
  }

  const HANDSHAKE = ["S", "SA", "A>", "<D", "A>"] as const;
  const CLOSE = ["S", "SA", "A>", "<D", "F>", "<A", "<F", "A>"] as const;
  const CLOSED_BY_PEER = ["S", "SA", "A>", "<D", "<F", "A>", "F>", "<A"] as const;

  it.each([1, 2, 3])("a handshake: after %i of its packets", async (at) =>
    expect(await cutAfter(HANDSHAKE, at)).toBe(0),
  );
  it.each([4, 5, 6, 7])("a close by the client: after %i packets", async (at) =>
    expect(await cutAfter(CLOSE, at)).toBe(0),
  );
  it.each([4, 5, 6, 7])("a close by the server: after %i packets", async (at) =>
    expect(await cutAfter(CLOSED_BY_PEER, at)).toBe(0),
  );

  it.each([
    ["of the SYN", ["S", "S", "SA", "A>"], 1],
    ["of the SYN that was answered at the old AP", ["S", "SA", "S", "SA", "A>"], 2],
    ["of the SYN-ACK", ["S", "SA", "SA", "A>", "<D"], 2],
    ["of the SYN-ACK by a server that speaks first, whose final ACK was lost", ["S", "SA", "A>", "SA", "A>", "<D"], 3],
    ["of data", ["S", "SA", "A>", "<D", "<D", "A>"], 4],
    ["of a FIN", ["S", "SA", "A>", "F>", "F>", "<A", "<F", "A>"], 4],
    ["of the other FIN", ["S", "SA", "A>", "F>", "<F", "<F", "A>"], 5],
  ] as [string, FrameName[], number][])("a retransmission %s", async (_name, frames, at) =>
    expect(await cutAfter(frames, at)).toBe(0),
  );

  it("a handshake would fail where what is held back is not handed over", async () => {
    const naive = (lab: Lab) => {
      NAIVE.noHandover(lab);
      NAIVE.noFlush(lab);
    };
    expect(await cutAfter(HANDSHAKE, 1, naive)).toBeGreaterThan(0);
  });

  it("a close would fail where nothing is replicated", async () => {
    const deaf = (lab: Lab) => {
      lab.tap = () => false;
    };
    for (const at of [4, 5, 6]) expect(await cutAfter(CLOSE, at, deaf), `after ${at}`).toBeGreaterThan(0);
  });

  it("a handshake costs a retransmission when the first that the new AP sees is the server's answer", async () => {
    const lab = await meshOf(2, { holdMs: 1_000 });
    await open(lab, lab.ap(1), 1);
    expect(pass(lab.ap(1), 7, "S")).toBe(0);
    expect(pass(lab.ap(2), 7, "SA")).toBe(1);
    // The client's own retransmission is the evidence; then the server's passes too.
    expect(pass(lab.ap(2), 7, "S")).toBe(0);
    await lab.run(20);
    expect(pass(lab.ap(2), 7, "SA", "A>", "<D")).toBe(0);
  });
});

describe("client to client, both roaming", () => {
  const OTHER = parseMac("02:00:00:00:0a:02", "test");
  const TO = { srcMac: CLIENT, dstMac: OTHER, src: "10.0.0.1", dst: "10.0.0.2", sport: 20_000, dport: 22 };
  const FROM = { srcMac: OTHER, dstMac: CLIENT, src: "10.0.0.2", dst: "10.0.0.1", sport: 22, dport: 20_000 };

  /** One packet: through the AP of its sender, then through that of its receiver. */
  function hop(lab: Lab, packet: typeof TO, flags: string, at: { from: number; to: number }): number {
    const frame = tcp({ ...packet, flags });
    const out = lab.ap(at.from).datapath.judge({ frame, direction: 0 }).pass;
    return out && lab.ap(at.to).datapath.judge({ frame, direction: 1 }).pass ? 0 : 1;
  }

  async function conversation(prepare: (lab: Lab) => void): Promise<number> {
    const lab = await meshOf(4, {
      prepare(ap) {
        ap.datapath.setFilter(
          filterOf(0, [
            { direction: "out", proto: 6 },
            { direction: "in", proto: 6 },
          ]),
        );
      },
    });
    lab.localRoles.set(OTHER, "open");
    for (const ap of lab.aps) ap.replicator.proxy.rights.give(OTHER, { role: "open" });
    prepare(lab);
    const at = { client: 1, other: 1 };
    const say = (flags: string) => hop(lab, TO, flags, { from: at.client, to: at.other });
    const answer = (flags: string) => hop(lab, FROM, flags, { from: at.other, to: at.client });
    let denied = say("S") + answer("SA") + say("A") + answer("A");
    await lab.run(500);
    // Each in turn, and both at once; by the end each has been at three APs.
    for (const [client, other] of [
      [2, 1],
      [2, 3],
      [4, 3],
      [3, 4],
      [1, 1],
    ] as const) {
      Object.assign(at, { client, other });
      lab.ap(client).replicator.proxy.arrived(CLIENT, 0);
      lab.ap(other).replicator.proxy.arrived(OTHER, 0);
      await lab.run(300);
      denied += say("A") + answer("A");
      await lab.run(1_000);
    }
    return denied;
  }

  it("keeps talking", async () => expect(await conversation(() => {})).toBe(0));
  it("is cut off where nothing is replicated", async () =>
    expect(
      await conversation((lab) => {
        lab.tap = () => false;
      }),
    ).toBeGreaterThan(0));
});

describe("an agent that restarts in the middle of a handover", () => {
  it.each([
    ["the old AP's", 1],
    ["the new AP's", 2],
  ])("%s: nothing is lost, whenever it is", async (_name, id) => {
    for (const afterMs of [0, 1, 2, 3, 4, 8, 50, 120]) {
      const lab = await meshOf(3);
      await open(lab, lab.ap(1), 50);
      let denied = pass(lab.ap(2), 0, "A>", "<A");
      await lab.run(afterMs);
      await lab.restart(lab.ap(id));
      await lab.run(20);
      denied += await speak(lab, lab.ap(2), 0, 25);
      await lab.run(3_000);
      expect(servedBy(lab), `after ${afterMs} ms`).toEqual([2]);
      // The idle ones too, one AP on.
      denied += pass(lab.ap(3), 0, "A>", "<A");
      await lab.run(1_000);
      denied += await speak(lab, lab.ap(3), 0, 50);
      expect(denied, `after ${afterMs} ms`).toBe(0);
    }
  });
});

describe("the loss of any single datagram of a handover", () => {
  /** The `lost`-th datagram after the roam never arrives. Datagrams there were, packets denied, cells adopted. */
  async function withoutThe(lost: number): Promise<{ datagrams: number; denied: number; adopted: boolean }> {
    const lab = await meshOf(2);
    await open(lab, lab.ap(1), 50);
    let datagrams = 0;
    lab.tap = ({ bytes }) => {
      if (has(bytes, KIND.hello)) return undefined;
      return ++datagrams === lost ? false : undefined;
    };
    let denied = pass(lab.ap(2), 0, "A>", "<A");
    await lab.run(1_000);
    const sent = datagrams;
    forgetMirrors(lab.ap(2));
    const adopted = (await speak(lab, lab.ap(2), 0, 50)) === 0;
    lab.tap = () => undefined;
    await lab.run(1_000);
    denied += await speak(lab, lab.ap(1), 0, 50);
    return { datagrams: sent, denied, adopted };
  }

  it("costs nothing: each of them, one at a time", async () => {
    const { datagrams } = await withoutThe(-1);
    expect(datagrams).toBeGreaterThan(5);
    for (let lost = 1; lost <= datagrams; lost++)
      expect(await withoutThe(lost), `datagram ${lost}`).toMatchObject({ denied: 0, adopted: true });
  }, 60_000);

  it("would cost flows if a claim were said once and the mirror never taken", async () => {
    const lab = await meshOf(2);
    NAIVE.noHandover(lab);
    NAIVE.noAdoption(lab);
    await open(lab, lab.ap(1), 50);
    pass(lab.ap(2), 0, "A>", "<A");
    await lab.run(1_000);
    forgetMirrors(lab.ap(2));
    expect(await speak(lab, lab.ap(2), 0, 50)).toBeGreaterThan(50);
  });
});
