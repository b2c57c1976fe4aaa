import { describe, expect, it } from "vitest";
import { filterOf } from "../../test/support/firewall.ts";
import { parseMac } from "../base/mac.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import { CLIENT, FLOWS, meshOf, open, pass, speak } from "./testing/flows.ts";
import { type Ap, Lab } from "./testing/lab.ts";

const { PRESENCE_HERE: HERE, PRESENCE_REMOTE: REMOTE } = CONSTANTS;

describe("a roam", () => {
  it("costs no packet of 200 flows", async () => {
    const lab = await meshOf(2);
    await open(lab, lab.ap(1));
    expect(await speak(lab, lab.ap(2))).toBe(0);
    await lab.run(500);
    expect(lab.ap(1).replicator.proxy.roam.counters.handoversSent).toBe(1);
    expect(lab.ap(2).replicator.proxy.roam.counters.handoversTaken).toBe(1);
    const { here } = lab.ap(1).replicator.proxy.status()[0]!;
    expect(here).toBe(false);
    const [came] = lab.ap(2).replicator.proxy.roam.history.list();
    expect(came).toMatchObject({ kind: "came", aps: [1], by: "handover" });
    expect(came!.cells).toBeGreaterThanOrEqual(FLOWS);
    expect(came!.gapMs).toBeLessThan(100);
    expect(lab.ap(1).replicator.proxy.roam.history.list()).toMatchObject([{ kind: "left", aps: [2] }]);
  });

  it("costs them all without replication", async () => {
    const lab = await meshOf(2);
    lab.tap = () => false;
    await lab.run(200);
    await open(lab, lab.ap(1));
    expect(await speak(lab, lab.ap(2))).toBe(2 * FLOWS);
  });

  it("costs nothing at 20 % loss and with reordering", async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const lab = await meshOf(3, { seed });
      lab.faults = { loss: 0.2, duplication: 0.1, delayMs: 1, jitterMs: 5 };
      await lab.run(3_000);
      await open(lab, lab.ap(1));
      await lab.run(1_000);
      expect(await speak(lab, lab.ap(2)), `seed ${seed}`).toBe(0);
    }
  });

  it("keeps a mirror asked after the first packet (with `from` cleared by it, the other flows are denied)", async () => {
    const lab = await meshOf(2, { prepare: forgetFromWhenHere });
    await open(lab, lab.ap(1));
    lab.tap = () => false;
    expect(await speak(lab, lab.ap(2))).toBeGreaterThan(FLOWS);
  });

  it("carries idle flows on to the next AP and the next but one", async () => {
    const lab = await meshOf(3);
    await open(lab, lab.ap(1));
    expect(await speak(lab, lab.ap(2), 0, 1)).toBe(0);
    await lab.run(2_000);
    expect(await speak(lab, lab.ap(3), 0, 1)).toBe(0);
    await lab.run(2_000);
    expect(await speak(lab, lab.ap(3))).toBe(0);
  });

  it("loses idle flows at the next AP but one when nobody adopts", async () => {
    const lab = await meshOf(3, {
      prepare(ap) {
        ap.datapath.adopt = () => {};
      },
    });
    await open(lab, lab.ap(1));
    await speak(lab, lab.ap(2), 0, 1);
    await lab.run(2_000);
    // The third never hears that the first is still asked for, nobody tells it, and it does not look itself.
    for (const { replicator } of lab.aps) {
      replicator.courier.hint = () => {};
      replicator.courier.publishers = () => [];
    }
    lab.ap(3).replicator.proxy.contexts.get(CLIENT)!.holders.delete(1);
    await speak(lab, lab.ap(3), 0, 1);
    await lab.run(2_000);
    expect(await speak(lab, lab.ap(3))).toBeGreaterThan(FLOWS);
  });

  it.each([
    ["is told of an AP that it did not know may hold the client's state", "publishers"],
    ["finds an AP that still holds the client's state, though nobody tells", "hint"],
  ] as const)("%s", async (_name, without) => {
    const lab = await meshOf(3, {
      prepare(ap) {
        if (ap.id === 2) ap.datapath.adopt = () => {};
      },
    });
    await open(lab, lab.ap(1));
    await speak(lab, lab.ap(2), 0, 1);
    await lab.run(2_000);
    lab.ap(3).replicator.courier[without] = () => [];
    lab.ap(3).replicator.proxy.contexts.get(CLIENT)!.holders.delete(1);
    await speak(lab, lab.ap(3), 0, 1);
    await lab.run(2_000);
    expect(await speak(lab, lab.ap(3))).toBe(0);
  });

  it("back and forth every minute keeps flows that speak", async () => {
    const lab = await meshOf(2, { options: { handoverLifetimeS: 600 } });
    await open(lab, lab.ap(1));
    let denied = 0;
    for (let i = 0; i < 6; i++) {
      const ap = lab.ap(i % 2 === 0 ? 2 : 1);
      denied += await speak(lab, ap);
      await lab.run(30_000);
    }
    expect(denied).toBe(0);
    expect(lab.ap(1).datapath.calls["shortenClient"]).toBeGreaterThan(0);
  });

  it("never lets an idle flow outlive its lifetime by going to and fro", async () => {
    const lab = await meshOf(2);
    // UDP with an answer: 180 s.
    expect(pass(lab.ap(1), 1, "U>", "<U")).toBe(0);
    await lab.run(400);
    for (let i = 0; i < 10; i++) {
      const ap = lab.ap(i % 2 === 0 ? 2 : 1);
      pass(ap, 999, "S");
      await lab.run(20_000);
    }
    // 200 s and ten roams later.
    expect(pass(lab.ap(1), 1, "<U") + pass(lab.ap(2), 1, "<U")).toBe(2);
  });

  it("hands over what is held back", async () => {
    const lab = await meshOf(2, { holdMs: 600 });
    await lab.run(100);
    expect(pass(lab.ap(1), 5, "S")).toBe(0);
    // Longer than a claim's evidence must be younger, shorter than the hold.
    await lab.run(120);
    expect(lab.ap(2).datapath.sfr.mirrors[0]!.used).toBe(0);
    // Its first frame at the new AP is of another flow.
    expect(pass(lab.ap(2), 6, "S")).toBe(0);
    await lab.run(20);
    expect(pass(lab.ap(2), 5, "SA", "A>")).toBe(0);
  });

  it("takes the mirror when the old AP is gone", async () => {
    const lab = await meshOf(3);
    await open(lab, lab.ap(1));
    lab.ap(1).running = false;
    expect(await speak(lab, lab.ap(2), 0, 1)).toBe(0);
    await lab.run(500);
    expect(lab.ap(2).replicator.proxy.roam.counters.adoptedFromMirror).toBeGreaterThanOrEqual(FLOWS);
    // Idle flows survive a second roam too.
    await lab.run(2_000);
    expect(await speak(lab, lab.ap(3))).toBe(0);
  });

  /** AP 2 claims the client and dies with it; sixteen minutes later the client is back at AP 1, where all is as it was. */
  async function backAfterAClaim(cuts: boolean): Promise<number> {
    const lab = await meshOf(2);
    const [old, other] = [lab.ap(1), lab.ap(2)];
    await open(lab, old);
    if (cuts) {
      const { roam } = old.replicator.proxy;
      const claimed = roam.claimed.bind(roam);
      // The naive variant: who claims takes all.
      roam.claimed = (from, claim) => {
        claimed(from, claim);
        old.datapath.shortenClient(1, (1 << lab.geometry.tickBits) | 2);
      };
    }
    pass(other, 0, "A>");
    other.running = false;
    await lab.run(10);
    expect(old.replicator.proxy.contexts.get(CLIENT)!.here).toBe(false);
    lab.nowMs += 960_000;
    for (const mirror of old.datapath.sfr.mirrors) mirror.clear();
    await lab.run(10);
    return speak(lab, old);
  }

  it("is claimed and nothing is cut: the client comes back to all its flows", async () => {
    expect(await backAfterAClaim(false)).toBe(0);
  });

  it("would lose them if a claim shortened what the old AP holds", async () => {
    expect(await backAfterAClaim(true)).toBeGreaterThan(FLOWS);
  });

  it.each([
    ["the same zone hands over", 1, 0],
    ["another zone gives nothing", 2, 2 * FLOWS],
  ])("between ports of %s", async (_name, zone, expected) => {
    const lab = await meshOf(2);
    for (const [id, of] of [
      [1, 1],
      [2, zone],
    ] as const) {
      const { datapath } = lab.ap(id);
      const judge = datapath.judge.bind(datapath);
      datapath.judge = (input) => judge({ ...input, portZone: of });
    }
    await open(lab, lab.ap(1));
    expect(await speak(lab, lab.ap(2))).toBe(expected);
    expect(lab.ap(1).replicator.proxy.contexts.get(CLIENT)!.here).toBe(zone !== 1);
    expect(lab.warnings.join().includes("zone")).toBe(zone !== 1);
  });

  it("is claimed again by the AP that sees the client, whoever counted higher", async () => {
    const lab = await meshOf(2);
    await open(lab, lab.ap(1));
    const context = lab.ap(2).replicator.proxy.contexts.get(CLIENT)!;
    // Out of reach of AP 1 the client wandered: AP 2 has heard of eight claims.
    context.n = 8;
    context.ap = 2;
    context.here = true;
    context.announced = true;
    lab.ap(2).replicator.proxy.contexts.write(context);
    lab.ap(2).replicator.sender.announce(context.slot);
    await lab.run(1_500);
    let denied = 0;
    for (let i = 0; i < 10; i++) {
      denied += pass(lab.ap(1), i, "A>", "<A");
      await lab.run(200);
    }
    expect(denied).toBe(0);
    expect(lab.ap(1).replicator.proxy.contexts.get(CLIENT)!).toMatchObject({ here: true, ap: 1, n: 9 });
    expect(lab.ap(2).replicator.proxy.contexts.get(CLIENT)!).toMatchObject({ here: false, ap: 1, n: 9 });
  });

  it("is left to who has seen the client since, when a third AP tells of a higher claim", async () => {
    const lab = await meshOf(3, { hears: (from, to) => Math.abs(from - to) === 1 });
    await open(lab, lab.ap(1), 1);
    await lab.run(3_000);
    const { proxy } = lab.ap(1).replicator;
    proxy.hinted(CLIENT, { from: 2, holder: 3, n: 8, claimAgeMs: 0 });
    expect(proxy.contexts.get(CLIENT)).toMatchObject({ here: false, n: 7, ap: 3 });
    await lab.run(150);
    expect(pass(lab.ap(1), 0, "A>")).toBe(0);
    await lab.run(10);
    proxy.hinted(CLIENT, { from: 2, holder: 3, n: 20, claimAgeMs: 0 });
    expect(proxy.contexts.get(CLIENT), "a frame of it was just here").toMatchObject({ here: true });
  });

  it("stays with who has seen it since a higher claim was made, in a part that was cut off", async () => {
    const lab = await meshOf(2);
    await open(lab, lab.ap(1), 1);
    await lab.run(3_000);
    const { proxy } = lab.ap(1).replicator;
    proxy.hinted(CLIENT, { from: 2, holder: 3, n: 8, claimAgeMs: 60_000 });
    expect(proxy.contexts.get(CLIENT)).toMatchObject({ here: true, n: 8, ap: 1 });
  });

  /** It goes to AP 2 while the APs don't hear each other, and AP 1 has the higher claim. Who serves it, both asked, and packets to it denied there. */
  async function cameLast(prepare: (ap: Ap) => void): Promise<{ servedBy: number[]; denied: number }> {
    const lab = await meshOf(2);
    lab.aps.forEach(prepare);
    await open(lab, lab.ap(1));
    await lab.run(1_000);
    for (const way of ["1>2", "2>1"]) lab.cut.add(way);
    lab.ap(1).replicator.proxy.contexts.get(CLIENT)!.n += 5;
    expect(pass(lab.ap(2), 0, "A>")).toBe(0);
    await lab.run(4_000);
    // What is mirrored would do: of this flow nothing was known before.
    expect(pass(lab.ap(1), 300, "S", "SA", "A>")).toBe(0);
    await lab.run(1_000);
    lab.cut.clear();
    await lab.run(3_000);
    const contexts = lab.aps.map(({ replicator }) => replicator.proxy.contexts.get(CLIENT)!);
    expect(contexts.filter(({ here }) => here)).toHaveLength(1);
    return { servedBy: contexts.map(({ ap }) => ap), denied: pass(lab.ap(2), 300, "<A") };
  }

  it("is where it came last, however often it was claimed in another part of the mesh", async () =>
    expect(await cameLast(() => {})).toEqual({ servedBy: [2, 2], denied: 0 }));
  it("and would be where it was claimed more often, if claims did not say when it came", async () => {
    const unknown = ({ replicator }: Ap) => {
      const said = replicator.proxy.roam.claimed.bind(replicator.proxy.roam);
      const told = replicator.proxy.roam.heardOf.bind(replicator.proxy.roam);
      const seenAgeMs = Number.POSITIVE_INFINITY;
      replicator.proxy.roam.claimed = (from, claim) => said(from, { ...claim, seenAgeMs });
      replicator.proxy.roam.heardOf = (context, ap, heard) => told(context, ap, { ...heard, seenAgeMs });
    };
    expect(await cameLast(unknown)).toMatchObject({ servedBy: [1, 1] });
  });

  it("is claimed again when hostapd lets it in where it is believed to be: it was elsewhere, unheard", async () => {
    const lab = await meshOf(2);
    await open(lab, lab.ap(1), 1);
    await lab.run(6_000);
    for (const way of ["1>2", "2>1"]) lab.cut.add(way);
    expect(pass(lab.ap(2), 0, "A>")).toBe(0);
    await lab.run(50);
    const [here, there] = [1, 2].map((id) => lab.ap(id).replicator.proxy);
    const { n } = here!.contexts.get(CLIENT)!;
    expect(there!.contexts.get(CLIENT)).toMatchObject({ here: true, n: n + 1 });
    for (let i = 0; i < 5; i++) here!.arrived(CLIENT, 0);
    expect(here!.contexts.get(CLIENT)).toMatchObject({ here: true, n: n + 1 });
  });

  it("stays with who claimed it, above whatever was before, when nobody is known to serve it", async () => {
    const lab = await meshOf(2);
    await open(lab, lab.ap(1), 1);
    await lab.run(3_000);
    const { proxy } = lab.ap(1).replicator;
    proxy.hinted(CLIENT, { from: 2, holder: 2, n: 8, claimAgeMs: 0 });
    expect(proxy.contexts.get(CLIENT)).toMatchObject({ here: true, n: 8, ap: 1 });
  });

  /** Its rights end, then the agent that has its flows begins anew; new rights come at another AP. Packets denied there. */
  async function deniedOfNameless(isKnown: boolean): Promise<number> {
    const lab = new Lab(2, {
      geometry: "4x256x8/r26",
      prepare: ({ datapath }) => datapath.setFilter(filterOf(0, [{ direction: "out", proto: 6 }])),
    });
    const grant = { role: "open", authority: true };
    await lab.start();
    await lab.run(2_000);
    lab.ap(1).replicator.proxy.rights.give(CLIENT, { ...grant, leftSeconds: 3 });
    lab.ap(1).replicator.proxy.arrived(CLIENT, 0);
    await open(lab, lab.ap(1), 10);
    await lab.run(4_000);
    expect(lab.ap(1).datapath.client(CLIENT)).toBeUndefined();
    await lab.restart(lab.ap(1));
    const { nameless } = lab.ap(1).replicator.proxy.own;
    expect(nameless.size).toBe(1);
    if (!isKnown) nameless.clear();
    await lab.run(2_000);
    lab.ap(2).replicator.proxy.rights.give(CLIENT, grant);
    lab.ap(2).replicator.proxy.arrived(CLIENT, 0);
    await lab.run(500);
    return speak(lab, lab.ap(2), 0, 10);
  }

  it("gets its flows also from an AP that no longer knows whose they are", async () =>
    expect(await deniedOfNameless(true)).toBe(0));
  it("and would not if that AP told the slot as it stands", async () =>
    expect(await deniedOfNameless(false)).toBeGreaterThan(10));

  it("reports two stations with one MAC", async () => {
    const lab = await meshOf(2);
    for (let i = 0; i < 60; i++) {
      pass(lab.ap(1 + (i % 2)), i, "S");
      await lab.run(140);
    }
    expect(lab.warnings.join()).toContain("cloned MAC");
    const claims =
      lab.ap(1).replicator.proxy.roam.counters.arrivals + lab.ap(2).replicator.proxy.roam.counters.arrivals;
    expect(claims).toBeLessThan(20);
  });
});

describe("an agent that restarts", () => {
  it("keeps slots, presence and records of clients that only others know", async () => {
    const lab = await meshOf(2);
    const guest = parseMac("02:00:00:00:0a:77", "test");
    lab.ap(2).replicator.proxy.rights.give(guest, { role: "open", authority: true });
    await lab.run(200);
    lab.ap(1).replicator.proxy.arrived(guest, 3);
    await lab.run(1_500);
    const before = lab.ap(1).datapath.client(guest);
    expect(before).toMatchObject({ presence: CONSTANTS.PRESENCE_HERE });
    const deletions = lab.ap(1).datapath.calls["deleteClient"] ?? 0;
    await lab.restart(lab.ap(1));
    expect(lab.ap(1).datapath.client(guest)).toEqual(before);
    await lab.run(2_000);
    expect(lab.ap(1).datapath.client(guest)).toMatchObject({ slot: before!.slot, presence: CONSTANTS.PRESENCE_HERE });
    expect(lab.ap(1).datapath.calls["deleteClient"] ?? 0).toBe(deletions);
    expect(lab.ap(1).replicator.proxy.contexts.get(guest)!.rights).toMatchObject({ serial: 1, origin: 2 });
    expect(lab.ap(1).replicator.proxy.contexts.get(guest)!.zone).toBe(3);
  });
});

describe("a client whose rights all agents forgot by restarting, so that only records remember", () => {
  it("is served where it goes: who served it before asks others again, and hears when it comes back", async () => {
    const guest = parseMac("02:00:00:00:0a:77", "test");
    const lab = await meshOf(2);
    lab.ap(1).replicator.proxy.rights.give(guest, { role: "open", authority: true });
    lab.ap(1).replicator.proxy.arrived(guest, 0);
    await lab.run(500);
    await lab.restart(lab.ap(1), lab.ap(2));
    await lab.run(2_000);
    const contexts = lab.aps.map(({ replicator }) => replicator.proxy.contexts.get(guest)!);
    expect(contexts.map(({ rights }) => rights?.serial ?? 0)).toEqual([0, 0]);
    const records = () => lab.aps.map(({ datapath }) => datapath.client(guest)?.presence);
    for (const [id, presence] of [
      [2, [REMOTE, HERE]],
      [1, [HERE, REMOTE]],
    ] as const) {
      lab.ap(id).replicator.proxy.arrived(guest, 0);
      await lab.run(500);
      expect(records(), `at AP ${id}`).toEqual(presence);
      expect(lab.ap(3 - id).datapath.client(guest)!.from, "asks the mirror of who serves it").not.toBe(0);
    }
  });
});

describe("rights", () => {
  it("end when their time is over, everywhere", async () => {
    const lab = await meshOf(2);
    const guest = parseMac("02:00:00:00:0a:77", "test");
    lab.ap(1).replicator.proxy.rights.give(guest, { role: "open", authority: true, leftSeconds: 5 });
    await lab.run(1_000);
    for (const ap of lab.aps) expect(ap.datapath.client(guest), `AP ${ap.id}`).toBeDefined();
    await lab.run(6_500);
    for (const ap of lab.aps) expect(ap.datapath.client(guest), `AP ${ap.id}`).toBeUndefined();
  });

  it("are there before the client is, where no file knows it", async () => {
    const lab = await meshOf(2);
    const guest = parseMac("02:00:00:00:0a:77", "test");
    lab.ap(1).replicator.proxy.rights.give(guest, { role: "open", authority: true, openOut: 9 });
    lab.ap(1).replicator.proxy.arrived(guest, 0);
    await lab.run(100);
    expect(lab.ap(2).datapath.client(guest)).toMatchObject({
      presence: CONSTANTS.PRESENCE_REMOTE,
      open_out: 9,
      from: 1,
    });
  });

  it("are not given again by an AP that slept through the revocation", async () => {
    const lab = await meshOf(3);
    const guest = parseMac("02:00:00:00:0a:77", "test");
    lab.ap(1).replicator.proxy.rights.give(guest, { role: "open", authority: true });
    lab.ap(1).replicator.proxy.arrived(guest, 0);
    await lab.run(200);
    for (const other of ["1", "2"]) {
      lab.cut.add(`${other}>3`);
      lab.cut.add(`3>${other}`);
    }
    lab.ap(2).replicator.proxy.rights.revoke(guest);
    await lab.run(2_000);
    lab.cut.clear();
    lab.ap(3).replicator.proxy.arrived(guest, 0);
    await lab.run(3_000);
    for (const ap of lab.aps) expect(ap.datapath.client(guest), `AP ${ap.id}`).toBeUndefined();
  });
});

/** The naive variant: the first hit makes the client local, and local clients ask no mirror. */
function forgetFromWhenHere(ap: Ap): void {
  const set = ap.datapath.setClient.bind(ap.datapath);
  ap.datapath.setClient = (mac, record) =>
    set(mac, record.presence === CONSTANTS.PRESENCE_HERE ? { ...record, from: 0 } : record);
}
