import { describe, expect, it } from "vitest";
import { BitWriter } from "../base/bits.ts";
import { type Mac, parseMac } from "../base/mac.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import { APS_MAX } from "../proxy/contexts.ts";
import { Serials } from "../proxy/serial.ts";
import { TokenBucket } from "./bucket.ts";
import { eachRecord } from "./inbox.ts";
import { MESH_DEFAULTS } from "./mesh.ts";
import { HINTS_PER_SECOND } from "./neighbour.ts";
import { type Outbox, PREFIX_BYTES } from "./outbox.ts";
import { ASK, ask } from "./records/ask.ts";
import { KIND, KIND_EXTENDED, type Kind, VER_FIRST } from "./records/kinds.ts";
import { locate, UNASKED } from "./records/locate.ts";
import { nack } from "./records/nack.ts";
import { emptySlot, rights } from "./records/rights.ts";
import { HEADER_BYTES, HELLO_HEADER_BYTES } from "./seal.ts";
import { CLIENT, meshOf, open } from "./testing/flows.ts";
import { addressOf, type Lab, lcg, mirrorDifferences } from "./testing/lab.ts";
import { SAMPLES } from "./testing/samples.ts";

/** What a member says is authentic, and may be a lie: nothing throws, nothing grows without a bound, nobody else suffers. */

const LIAR = 3;
const VICTIM = 2;
const OTHER = 1;
const RECORD_BYTES_MOST = 1_100;
const EXTREMES = [0, 0x7f, 0x80, 0xff];

const outboxOf = (lab: Lab): Outbox => (lab.ap(LIAR).replicator as unknown as { outbox: Outbox }).outbox;
const victimOf = (lab: Lab) => lab.ap(VICTIM).replicator;
const liarOf = (lab: Lab) =>
  victimOf(lab)
    .list()
    .find(({ id }) => id === LIAR)!;
const send = (lab: Lab) => outboxOf(lab).flush(VICTIM, { address: addressOf(VICTIM), port: 4755 });

function say(lab: Lab, kind: number, body: Uint8Array): void {
  outboxOf(lab).addRaw(kind as Kind, (writer) => writer.writeBytes(body));
  send(lab);
}

const named = (mac: Mac, slot: number, ver: number) => ({
  ...emptySlot(slot, ver),
  empty: false,
  mac,
  n: 1,
  serial: 1,
  role: "open",
  leftTenths: 0xffffffff,
});

describe("records that lie", () => {
  const samples = SAMPLES.map(([, codec, value]) => {
    const writer = new BitWriter(new Uint8Array(2_000));
    codec.emit(writer, value as never);
    return { kind: codec.kind, bytes: writer.bytes.slice(0, writer.finish()) };
  });

  /** What it said truly: cells and snapshots as they are, to be bent. */
  async function said(lab: Lab): Promise<typeof samples> {
    const found: typeof samples = [];
    lab.tap = ({ from, bytes }) => {
      const start = bytes[1]! & 1 ? HELLO_HEADER_BYTES : HEADER_BYTES;
      const body = bytes.subarray(start);
      eachRecord(body, PREFIX_BYTES, (kind, at, end) => {
        const isMore = found.filter((one) => one.kind === kind).length < 6;
        if (from === LIAR && kind < KIND_EXTENDED && isMore)
          found.push({ kind: kind as Kind, bytes: body.slice(at, end) });
      });
      return undefined;
    };
    await open(lab, lab.ap(LIAR), 30);
    lab.faults = { ...lab.faults, loss: 0.3 };
    const { table } = lab.ap(LIAR).datapath.sfr;
    for (let x = 1; x <= 50; x++) {
      table.insert(0, (x * 2654435761) >>> 0, 20, CONSTANTS.OP_MAX, 1, CONSTANTS.MARK_DIRTY);
      await lab.run(10);
    }
    lab.faults = { ...lab.faults, loss: 0 };
    await lab.restart(lab.ap(VICTIM));
    await lab.run(1_000);
    lab.tap = () => undefined;
    for (const kind of [KIND.cells, KIND.repair, KIND.snap]) expect(found.some((one) => one.kind === kind)).toBe(true);
    return found.filter(({ kind }) => kind !== KIND.hello);
  }

  function noise(random: () => number): [number, Uint8Array] {
    const length = Math.floor(random() * (random() < 0.5 ? 60 : RECORD_BYTES_MOST));
    const byte = () => (random() < 0.5 ? Math.floor(random() * 256) : EXTREMES[Math.floor(random() * 4)]!);
    return [1 + Math.floor(random() * (KIND.deal + 2)), Uint8Array.from({ length }, byte)];
  }

  /** A true record, some of its fields at their extremes, or cut. */
  function bent(random: () => number, of: typeof samples): [number, Uint8Array] {
    const { kind, bytes } = of[Math.floor(random() * of.length)]!;
    const body = bytes.slice(0, random() < 0.2 ? Math.floor(random() * bytes.length) : bytes.length);
    for (let changes = Math.floor(random() * 4); changes > 0 && body.length > 0; changes--) {
      const at = Math.floor(random() * body.length);
      body.fill(EXTREMES[Math.floor(random() * 4)]!, at, at + 2 ** Math.floor(random() * 4));
    }
    return [kind, body];
  }

  it.each([1, 2, 3, 4])("of every kind, in any order, throw nothing and harm nobody else: %i", async (seed) => {
    const random = lcg(seed);
    const lab = await meshOf(3, { seed });
    const records = [...samples, ...(await said(lab))];
    const victim = victimOf(lab);
    let drives = 0;
    const tick = victim.tick.bind(victim);
    victim.tick = (nowMs) => {
      drives++;
      tick(nowMs);
    };
    for (let i = 0; i < 2_000; i++) {
      const [kind, body] = random() < 0.4 ? noise(random) : bent(random, records);
      // Its goodbye would end it too soon.
      if (kind !== KIND.bye || i > 1_900) say(lab, kind, body);
      if (i % 10 === 0) await lab.run(2);
    }
    expect(victim.counters.malformedRecords).toBeGreaterThan(500);
    drives = 0;
    await lab.run(3_000);
    // Each millisecond at most, and by far not in each: no timer stands still or is no number.
    expect(drives).toBeLessThan(1_500);
    expect(victim.nextAtMs()).toBeGreaterThan(lab.nowMs - 1);
    await lab.settle();
    expect(mirrorDifferences(lab, VICTIM, OTHER)).toBe(0);
    expect(mirrorDifferences(lab, OTHER, VICTIM)).toBe(0);
  });
});

describe("a NACK for all that stood in the table when the epoch began", () => {
  async function asked(ver: number): Promise<Lab> {
    const lab = await meshOf(3);
    for (let i = 0; i < 1_500; i++)
      lab
        .ap(VICTIM)
        .datapath.sfr.table.insert(
          0,
          Math.floor(lab.random() * 2 ** 32),
          20,
          CONSTANTS.OP_MAX,
          1,
          CONSTANTS.MARK_DIRTY,
        );
    await lab.run(1_000);
    const { proxy, sender } = victimOf(lab);
    proxy.published.renumber(ver);
    sender.ver = ver;
    outboxOf(lab).add(nack, { target: VICTIM, ranges: [{ from: ver, count: 1 }] });
    send(lab);
    await lab.run(20);
    return lab;
  }

  it("is not answered: no datagram holds that", async () => {
    expect(victimOf(await asked(VER_FIRST)).counters.repairsSent).toBe(0);
  });

  it("would end the agent, if it were answered", async () => {
    await expect(asked(VER_FIRST + 1)).rejects.toThrow(/larger than a datagram/);
  });
});

describe("rights under the highest serial there is", () => {
  it("would be the last that the mesh agrees on, if they were", async () => {
    const { hear } = Serials.prototype;
    Serials.prototype.hear = function (serial) {
      this.newest = Math.max(this.newest, serial);
      return true;
    };
    try {
      // Equal stamps: nothing outranks what stands.
      expect(await granted()).not.toEqual(["open", "open"]);
    } finally {
      Serials.prototype.hear = hear;
    }
  });

  it("leave room for the next grant", async () => expect(await granted()).toEqual(["open", "open"]));

  /** A client's role, first one and then, at another AP, another. */
  async function granted(): Promise<(string | undefined)[]> {
    const lab = await meshOf(3);
    await lab.run(60_000);
    for (const to of [OTHER, VICTIM]) {
      outboxOf(lab).add(rights, { ...named(CLIENT, 5, 9_999), role: "guest", serial: 0xffffffff, origin: LIAR });
      outboxOf(lab).flush(to, { address: addressOf(to), port: 4755 });
    }
    await lab.run(100);
    victimOf(lab).proxy.rights.give(CLIENT, { role: "open", authority: true });
    await lab.run(500);
    return [OTHER, VICTIM].map((id) => lab.ap(id).replicator.proxy.contexts.get(CLIENT)?.rights?.role);
  }
});

describe("what is remembered of a member", () => {
  const SLOTS = 2_000;

  async function slotsKept(sloven: boolean): Promise<number> {
    const lab = await meshOf(3);
    const liar = liarOf(lab);
    if (sloven) Object.defineProperty(liar.units, "slots", { value: 65_536 });
    for (let slot = 0; slot < SLOTS; slot++) {
      const hex = [slot >> 8, slot & 255].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
      outboxOf(lab).add(rights, named(parseMac(`02:00:01:00:${hex}`, "test"), slot, 10_000 + slot));
      if (slot % 10 === 9) send(lab);
    }
    await lab.run(2);
    let kept = 0;
    for (let slot = 0; slot < SLOTS; slot++) if (liar.rights.get(slot)) kept++;
    return kept;
  }

  it("is no more than it has slots", async () => {
    expect(await slotsKept(false)).toBeLessThanOrEqual(64);
    expect(await slotsKept(true)).toBeGreaterThan(1_900);
  });

  async function hinted(sloven: boolean) {
    const lab = await meshOf(3);
    await open(lab, lab.ap(VICTIM), 2);
    const { counters, proxy } = victimOf(lab);
    if (sloven) Object.assign(liarOf(lab), { hints: new TokenBucket(1e9, 1e9) });
    const before = counters.datagramsSent;
    for (let holder = 100; holder < 1_100; holder++) {
      const record = { ...named(CLIENT, 5, 0), n: 0, serial: 0 };
      const endpoint = undefined;
      outboxOf(lab).add(locate, { found: true, qid: UNASKED, holder, endpoint, claimAgeTenths: 9, rights: record });
      if (holder % 10 === 9) send(lab);
    }
    await lab.run(2);
    return { sent: counters.datagramsSent - before, holders: proxy.contexts.get(CLIENT)!.holders.size };
  }

  it("are few APs for each client, whatever it hints, and few claims follow", async () => {
    const { sent, holders } = await hinted(false);
    expect(holders).toBe(APS_MAX);
    expect(sent).toBeLessThan(2 * HINTS_PER_SECOND + 10);
    expect((await hinted(true)).sent).toBeGreaterThan(900);
  });
});

describe("what a member may draw by a datagram", () => {
  async function drawn(sloven: boolean): Promise<number> {
    const lab = await meshOf(3);
    await open(lab, lab.ap(VICTIM), 20);
    const { counters } = victimOf(lab);
    if (sloven) liarOf(lab).account.take = () => true;
    const before = counters.bytesSent;
    for (let i = 0; i < 50; i++) {
      for (let j = 0; j < 150; j++) outboxOf(lab).add(ask, { what: ASK.digests, round: 0, window: 1, units: [] });
      send(lab);
    }
    await lab.run(2);
    return counters.bytesSent - before;
  }

  it("is a share of the rate: digests, too", async () => {
    expect(await drawn(false)).toBeLessThan(MESH_DEFAULTS.bytesPerSecond / 4);
    expect(await drawn(true)).toBeGreaterThan(2_000_000);
  });
});
