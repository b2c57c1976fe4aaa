import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CLIENT, firewall, PEER } from "../../test/support/firewall.ts";
import * as make from "../../test/support/packets.ts";
import { INSERTED } from "../bloom/dlcbf.ts";
import { REASONS } from "../datapath/abi.ts";
import type { Sfr } from "./sfr.ts";

const RULES = [
  { direction: "out", proto: 6 },
  { direction: "out", proto: 17 },
  { direction: "out", proto: 1 },
] as const;
const FROM = { srcMac: CLIENT, dstMac: PEER, src: "10.0.0.1", dst: "10.1.0.2" };
const FROM6 = { srcMac: CLIENT, dstMac: PEER, src: "fd00::1", dst: "fd00::2" };
const TO = { srcMac: PEER, dstMac: CLIENT, src: "10.1.0.2", dst: "10.0.0.1" };

const SAMPLES = [
  make.tcp({ ...FROM, sport: 1, dport: 2, flags: "S", tcpOptions: new Uint8Array(8) }),
  make.udp({ ...FROM6, sport: 1, dport: 2, extensions: [{ header: 0 }, { header: 60 }], payload: new Uint8Array(30) }),
  ...make.fragments(make.udp({ ...FROM, sport: 1, dport: 2, payload: new Uint8Array(64) }), 32),
  ...make.fragments(make.udp({ ...FROM6, sport: 1, dport: 2, payload: new Uint8Array(64) }), 32),
  make.icmpError({ ...FROM, type: 3, quoted: make.tcp({ ...TO, sport: 1, dport: 2 }) }),
  make.icmpError({
    ...FROM6,
    type: 2,
    quoted: make.udp({ ...FROM6, src: "fd00::2", dst: "fd00::1", sport: 1, dport: 2 }),
  }),
  make.ping({ ...FROM, vlan: 3 }),
  make.arp({ ...FROM, senderIp: "10.0.0.1", targetIp: "10.1.0.2" }),
  make.llc(FROM),
];

/** A sample with some bytes changed, cut at some length. */
const frame = fc
  .record({
    sample: fc.constantFrom(...SAMPLES),
    // The MACs stay, or every frame would be an unknown client's.
    changes: fc.array(fc.tuple(fc.integer({ min: 12, max: 150 }), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }),
    cut: fc.oneof(fc.constant(1000), fc.integer({ min: 0, max: 150 })),
  })
  .map(({ sample, changes, cut }) => {
    const copy = sample.slice();
    for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
    return copy.slice(0, cut);
  });

const input = fc.record({
  frame,
  direction: fc.constantFrom(0 as const, 1 as const),
  tagged: fc.boolean(),
  portTagged: fc.boolean(),
  gso: fc.boolean(),
  fromAp: fc.boolean(),
});

describe("any bytes", () => {
  it("get a verdict with a reason from the list, and never an exception", () => {
    const sfr = firewall({ rules: RULES, geometry: "4x64x8/r26" });
    fc.assert(
      fc.property(input, (one) => {
        const verdict = sfr.judge(one);
        expect(REASONS[verdict.reason]).toBeDefined();
        expect(verdict.pass).toBe(verdict.reason === 0);
      }),
      { numRuns: 3000 },
    );
  });

  it("get the verdict of their first 128 bytes", () => {
    fc.assert(
      fc.property(input, (one) => {
        const long = make.concat(one.frame, new Uint8Array(200));
        const whole = firewall({ rules: RULES }).judge({ ...one, frame: long });
        const cut = firewall({ rules: RULES }).judge({ ...one, frame: long.slice(0, 128), length: long.length });
        expect(cut).toEqual(whole);
      }),
      { numRuns: 300 },
    );
  });
});

/** Packets of conforming hosts, in order: what a flow may send next. */
const TCP_SCRIPT = ["aS", "bSA", "aA", "aA", "bA", "bA", "aFA", "bA", "bFA", "aA"];

describe.each(["4x64x8/r4", "4x256x8/r12", "4x256x8/r26"])("false positives in %s", (geometry) => {
  const step = (sfr: Sfr, flow: number, at: number) => {
    const [from, flags] = [TCP_SCRIPT[at]![0], TCP_SCRIPT[at]!.slice(1)];
    const ports = from === "a" ? { sport: flow, dport: 80 } : { sport: 80, dport: flow };
    const frame = make.tcp({ ...(from === "a" ? FROM : TO), ...ports, flags });
    return sfr.judge({ frame, direction: from === "a" ? 0 : 1 });
  };

  it("deny no packet of a conforming flow, in any interleaving", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 9 })), { maxLength: 600 }),
        (plan) => {
          const sfr = firewall({ rules: RULES, geometry });
          const progress = new Map<number, number>();
          for (const [flow, tick] of plan) {
            const at = progress.get(flow) ?? 0;
            if (at >= TCP_SCRIPT.length) continue;
            const verdict = step(sfr, flow, at);
            expect([flow, at, REASONS[verdict.reason]![0]]).toEqual([flow, at, "pass"]);
            progress.set(flow, at + 1);
            // Silences stay below the shortest lifetime: what is denied after that is no fault.
            if (tick > 0 || sfr.table.fast === 104) continue;
            sfr.table.fast++;
            sfr.sweep();
            sfr.load = 0;
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it("(control) a table that evicts on insert denies some", () => {
    const sfr = firewall({ rules: RULES, geometry });
    for (let flow = 1; flow <= 60; flow++) for (let at = 0; at < 3; at++) expect(step(sfr, flow, at).pass).toBe(true);
    const { table } = sfr;
    let denied = 0;
    for (let i = 0; i < 4000; i++) {
      const x = Math.imul(i, 0x9e3779b1) >>> 0;
      const hi = table.permutations.spaceBits > 32 ? x & 3 : 0;
      const lo = table.permutations.spaceBits > 32 ? x : x % table.permutations.space;
      // The fault: a full or used bucket gives way to the newcomer.
      if (table.insert(hi, lo, 1, 1, 0, 0) !== INSERTED.unchanged) table.setCell(table.find(hi, lo) ^ 1, 0);
    }
    for (let flow = 1; flow <= 60; flow++) if (!step(sfr, flow, 3).pass) denied++;
    expect(denied).toBeGreaterThan(0);
  });
});
