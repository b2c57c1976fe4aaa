import { describe, expect, it } from "vitest";
import { CLIENT, firewall, PEER, record } from "../../test/support/firewall.ts";
import * as make from "../../test/support/packets.ts";
import { parseMac } from "../base/mac.ts";
import { CONSTANTS, REASON } from "../datapath/abi.ts";
import type { Sfr } from "./sfr.ts";

/** Two access points: what the first has learnt lies in mirror 2 of the second, cell by cell. */
const RULES = {
  rules: [
    { direction: "out", proto: 6 },
    { direction: "out", proto: 17 },
  ],
  mirrors: 4,
} as const;
const A = { srcMac: CLIENT, dstMac: PEER, src: "10.0.0.1", dst: "10.1.0.2", sport: 1024, dport: 80 };
const B = { srcMac: PEER, dstMac: CLIENT, src: "10.1.0.2", dst: "10.0.0.1", sport: 80, dport: 1024 };
const MIRROR = 2;

const a = (sfr: Sfr, flags: string, more: object = {}) =>
  sfr.judge({ frame: make.tcp({ ...A, flags, ...more }), direction: 0 }).reason;
const b = (sfr: Sfr, flags: string, more: object = {}) =>
  sfr.judge({ frame: make.tcp({ ...B, flags, ...more }), direction: 1 }).reason;

function roamed(from: Sfr, of: Partial<Parameters<typeof record>[0]> = {}): Sfr {
  const to = firewall(RULES);
  to.setClient(parseMac(CLIENT, "test"), record({ from: 1 << MIRROR, presence: CONSTANTS.PRESENCE_REMOTE, ...of }));
  from.table.cells.forEach((cell, at) => {
    to.mirrors[MIRROR]!.setCell(at, cell);
  });
  return to;
}

function established(): Sfr {
  const sfr = firewall(RULES);
  expect([a(sfr, "S"), b(sfr, "SA"), a(sfr, "A")]).toEqual([0, 0, 0]);
  return sfr;
}

describe("a client that roamed", () => {
  it("keeps its flow by the mirror, and learns it into the own table", () => {
    const to = roamed(established());
    expect(a(to, "A")).toBe(0);
    expect(to.table.used).toBe(1);
    to.mirrors[MIRROR]!.clear();
    expect([b(to, "A"), a(to, "A")]).toEqual([0, 0]);
  });

  it("(control) loses it where the record names no mirror, another mirror, or another zone", () => {
    for (const of of [{ from: 0 }, { from: 1 << 1 }, { zone: 9 }]) {
      expect(a(roamed(established(), of), "A")).toBe(REASON.state);
    }
  });

  it("asks mirrors only on ports of the record's zone", () => {
    const to = roamed(established(), { zone: 9 });
    const frame = make.tcp({ ...A, flags: "A" });
    expect(to.judge({ frame, direction: 0, portZone: 9 }).reason).toBe(0);
  });

  it("keeps all its flows, not only the first that speaks", () => {
    const from = firewall(RULES);
    for (let port = 1; port <= 200; port++) {
      const p = { sport: port };
      expect([a(from, "S", p), b(from, "SA", { dport: port }), a(from, "A", p)]).toEqual([0, 0, 0]);
    }
    const to = roamed(from, { presence: CONSTANTS.PRESENCE_HERE });
    for (let port = 1; port <= 200; port++) expect(b(to, "A", { dport: port })).toBe(0);
  });

  it("judges a mirror by the ticks of its source", () => {
    const to = roamed(established());
    to.table.slow += 50;
    to.table.fast += 50;
    expect(a(to, "A")).toBe(0);
    const late = roamed(established());
    late.mirrors[MIRROR]!.slow += 26;
    late.mirrors[MIRROR]!.fast += 25;
    expect(a(late, "A")).toBe(REASON.state);
  });

  it("learns from a mirror's full cell too: the own table does not have it yet", () => {
    const to = roamed(established());
    to.mirrors[MIRROR]!.slow = 100;
    expect(a(to, "A")).toBe(0);
    expect(to.table.used).toBe(1);
  });

  it("in the middle of a close still knows both FINs", () => {
    const from = established();
    expect([a(from, "FA"), b(from, "FA")]).toEqual([0, 0]);
    const to = roamed(from);
    expect(a(to, "A")).toBe(0);
    const cells = [...to.table.cells].filter((cell) => cell !== 0);
    expect(cells.map((cell) => to.table.rank(cell))).toEqual([24]);
  });

  it("adoption by x alone makes the mirror superfluous", () => {
    const to = roamed(established());
    const mirror = to.mirrors[MIRROR]!;
    mirror.cells.forEach((cell, at) => {
      if (cell === 0 || !mirror.isLive(cell)) return;
      const { hi, lo } = mirror.permutations.xOf(at, cell >>> mirror.geometry.timerBits);
      to.table.insert(hi, lo, mirror.rank(cell), CONSTANTS.OP_MAX, 1, CONSTANTS.MARK_DIRTY);
    });
    to.setClient(parseMac(CLIENT, "test"), record({ from: 0 }));
    expect([a(to, "A"), b(to, "A"), a(to, "FA")]).toEqual([0, 0, 0]);
  });
});
