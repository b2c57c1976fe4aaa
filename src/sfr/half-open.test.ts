import { describe, expect, it } from "vitest";
import { Prng } from "../../test/conformance/prng.ts";
import { CLIENT, firewall, PEER, type Rule, record } from "../../test/support/firewall.ts";
import { ping, tcp, udp } from "../../test/support/packets.ts";
import { parseMac } from "../base/mac.ts";
import { REASONS, type Reason } from "../datapath/abi.ts";
import type { Sfr } from "./sfr.ts";

const OUT = { srcMac: CLIENT, dstMac: PEER, src: "10.0.0.1", dst: "10.1.0.2" };
const IN = { srcMac: PEER, dstMac: CLIENT, src: "10.1.0.2", dst: "10.0.0.1" };
const SLOT = 1;
const RULES: Rule[] = [6, 17, 1].flatMap((proto) => [
  { direction: "out", proto },
  { direction: "in", proto },
]);
/** Every opening has expired by then; more than the modulus would let them seem alive again. */
const LONG_TICKS = 27;

function limited(half_open: number, more: object = {}): Sfr {
  const sfr = firewall({ rules: RULES });
  sfr.setClient(parseMac(CLIENT, "test"), record({ half_open, ...more }));
  return sfr;
}

/** A packet of flow `id`; side 0: the client opens. `isAnswer`: it goes the other way. */
function pass(sfr: Sfr, id: number, side: 0 | 1, flags: string): Reason {
  const isAnswer = flags === "SA" || flags === "<A";
  const direction = (isAnswer ? 1 - side : side) as 0 | 1;
  const [client, peer] = [1_000 + id, side === 0 ? 443 : 20_000 + id];
  const ports = direction === 0 ? { sport: client, dport: peer } : { sport: peer, dport: client };
  const frame = tcp({ ...(direction === 0 ? OUT : IN), ...ports, flags: flags.replace("<", "") });
  return REASONS[sfr.judge({ frame, direction }).reason]![0];
}

describe("a limit of openings without an answer", () => {
  it("refuses what is above it, and lets in again what answers make room for", () => {
    const sfr = limited(2);
    expect([1, 2, 3].map((id) => pass(sfr, id, 0, "S"))).toEqual(["pass", "pass", "budget"]);
    // A repetition opens nothing.
    expect(pass(sfr, 1, 0, "S")).toBe("pass");
    expect(pass(sfr, 1, 0, "SA")).toBe("pass");
    expect([3, 4].map((id) => pass(sfr, id, 0, "S"))).toEqual(["pass", "budget"]);
    // A second SYN-ACK answers nothing more.
    expect(pass(sfr, 1, 0, "SA")).toBe("pass");
    expect(pass(sfr, 4, 0, "S")).toBe("budget");
  });

  it("counts what peers open apart: a flood from outside leaves the client its own", () => {
    const sfr = limited(1);
    expect([1, 2].map((id) => pass(sfr, id, 1, "S"))).toEqual(["pass", "budget"]);
    expect([3, 4].map((id) => pass(sfr, id, 0, "S"))).toEqual(["pass", "budget"]);
  });

  it("lets in again when openings expire, though nobody answered", () => {
    const sfr = limited(1);
    pass(sfr, 1, 0, "S");
    expect(pass(sfr, 2, 0, "S")).toBe("budget");
    sfr.table.fast += LONG_TICKS;
    sfr.sweep();
    expect(pass(sfr, 2, 0, "S")).toBe("pass");
  });

  it.each([
    [
      "UDP",
      (id: number) => udp({ ...OUT, sport: id, dport: 53 }),
      (id: number) => udp({ ...IN, sport: 53, dport: id }),
    ],
    [
      "a ping",
      (id: number) => ping({ ...OUT, identifier: id }),
      (id: number) => ping({ ...IN, identifier: id, answer: true }),
    ],
  ])("takes an answer of %s for one", (_name, ask, answer) => {
    const sfr = limited(1);
    const asks = (id: number) => sfr.judge({ frame: ask(id), direction: 0 }).pass;
    expect([asks(1), asks(2)]).toEqual([true, false]);
    expect(sfr.judge({ frame: answer(1), direction: 1 }).pass).toBe(true);
    expect(asks(2)).toBe(true);
  });

  it("counts nothing where there is none, and what was opened then is nobody's debt later", () => {
    const sfr = limited(0);
    for (let id = 1; id < 50; id++) expect(pass(sfr, id, 0, "S")).toBe("pass");
    sfr.setClient(parseMac(CLIENT, "test"), record({ half_open: 1 }));
    sfr.sweep();
    expect(pass(sfr, 60, 0, "S")).toBe("pass");
  });

  it("denies nothing while the client is only monitored", () => {
    const sfr = limited(1, { flags: 1 });
    expect([1, 2, 3].map((id) => pass(sfr, id, 0, "S"))).toEqual(["pass", "pass", "pass"]);
  });

  it.each([1, 2, 3, 4, 5])("neither drifts nor denies an established flow, whatever happens (seed %i)", (seed) => {
    const random = new Prng(seed);
    const limit = 1 + random.below(6);
    const sfr = limited(limit);
    const open: [Set<number>, Set<number>] = [new Set(), new Set()];
    const established: [id: number, side: 0 | 1][] = [];
    let next = 1;
    for (let i = 0; i < 3_000; i++) {
      const side = random.below(2) as 0 | 1;
      const waiting = open[side];
      const dice = random.unit();
      if (dice < 0.45) {
        const id = next++;
        const reason = pass(sfr, id, side, "S");
        expect(reason).toBe(waiting.size < limit ? "pass" : "budget");
        if (reason === "pass") waiting.add(id);
      } else if (dice < 0.8 && waiting.size > 0) {
        const id = random.pick([...waiting]);
        expect(pass(sfr, id, side, "SA")).toBe("pass");
        expect(pass(sfr, id, side, "A")).toBe("pass");
        waiting.delete(id);
        established.push([id, side]);
      } else if (dice < 0.97 && established.length > 0) {
        const [id, of] = random.pick(established);
        expect(pass(sfr, id, of, "A")).toBe("pass");
      } else if (dice > 0.99) {
        sfr.table.fast += LONG_TICKS;
        for (const set of open) set.clear();
        sfr.sweep();
      } else {
        sfr.sweep();
      }
      expect([sfr.halfOpen.of(SLOT, 0), sfr.halfOpen.of(SLOT, 1)]).toEqual([open[0].size, open[1].size]);
    }
    expect(established.length).toBeGreaterThan(100);
  });

  it("heals what two CPUs counted wrongly, with the next sweep", () => {
    const sfr = limited(2);
    pass(sfr, 1, 0, "S");
    sfr.halfOpen.counts[SLOT * 2] = 99;
    expect(pass(sfr, 2, 0, "S")).toBe("budget");
    sfr.sweep();
    expect(pass(sfr, 2, 0, "S")).toBe("pass");
  });
});
