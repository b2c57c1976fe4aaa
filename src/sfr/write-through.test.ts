import { describe, expect, it } from "vitest";
import { CLIENT, filterOf, PEER, record, SEEDS } from "../../test/support/firewall.ts";
import { tcp, udp } from "../../test/support/packets.ts";
import { compileAutomata } from "../automata/compile.ts";
import { parseMac } from "../base/mac.ts";
import { parseGeometry } from "../bloom/geometry.ts";
import { FakeDatapath } from "../datapath/fake.ts";
import { Mirror } from "../proxy/mirror.ts";

const geometry = parseGeometry("4x1024x8/r26", "test");
const out = { srcMac: CLIENT, dstMac: PEER, src: "10.0.0.1", dst: "10.1.0.1" };
const back = { srcMac: PEER, dstMac: CLIENT, src: "10.1.0.1", dst: "10.0.0.1" };
const ours = { ...out, sport: 1024, dport: 443 };
const theirs = { ...back, sport: 443, dport: 1024 };

/** Two APs of one mesh; what one reports stands in the other's mirror at once. */
function pair(writeThrough: boolean) {
  const aps = [1, 2].map(() => {
    const datapath = new FakeDatapath({ geometry, seeds: SEEDS, mirrors: 1 });
    datapath.loadAutomata(compileAutomata({ geometry, shorten: true, writeThrough }));
    const rules = [{ direction: "out", proto: 6, port: 443 } as const, { direction: "out", proto: 17 } as const];
    datapath.setFilter(filterOf(0, rules));
    datapath.setClient(parseMac(CLIENT, "test"), record());
    datapath.setOptions({ mode: 0, holdMs: 0, pickupS: 0, flushMs: 0, writeThrough });
    return { datapath, mirror: new Mirror(0, geometry, datapath, writeThrough) };
  });
  let ver = 0;
  aps.forEach(({ datapath }, i) => {
    const { mirror } = aps[1 - i]!;
    mirror.advance(1, 1);
    datapath.setTicks(1, 1);
    datapath.handlers = {
      ...datapath.handlers,
      cells(at, cells, owners, count) {
        ver++;
        for (let n = 0; n < count; n++) mirror.apply(at[n]!, cells[n]!, owners[n]!, ver);
        mirror.flush();
      },
    };
  });
  const judge = (ap: 0 | 1, frame: Uint8Array, direction: 0 | 1) => {
    const { pass } = aps[ap]!.datapath.judge({ frame, direction });
    for (const { datapath } of [...aps, ...aps]) datapath.flush(0);
    return pass;
  };
  const cells = () => aps.map(({ datapath }) => datapath.sfr.table.used);
  /** Cells of both tables that live for hours. */
  const long = () => {
    const { tickBits } = geometry;
    return aps.flatMap(({ datapath }) => [...datapath.sfr.table.cells]).filter((cell) => (cell >>> tickBits) & 1)
      .length;
  };
  return { judge, cells, long };
}

describe("write through", () => {
  it("lets a whole connection pass, request here and reply there, and shortens both halves at its end", () => {
    const { judge, long } = pair(true);
    const up = (flags: string) => judge(0, tcp({ ...ours, flags }), 0);
    const down = (flags: string) => judge(1, tcp({ ...theirs, flags }), 1);
    expect([up("S"), down("SA"), up("A"), up("PA"), down("A"), down("PA"), up("A")]).not.toContain(false);
    expect(long()).toBeGreaterThan(0);
    expect([up("FA"), down("A"), down("FA"), up("A")]).not.toContain(false);
    expect(long()).toBe(0);
  });

  it("stores a question and its answer once each", () => {
    const { judge, cells } = pair(true);
    expect(judge(0, udp({ ...ours, dport: 53 }), 0)).toBe(true);
    expect(judge(1, udp({ ...theirs, sport: 53 }), 1)).toBe(true);
    expect(judge(0, udp({ ...ours, dport: 53 }), 0)).toBe(true);
    expect(cells()).toEqual([1, 1]);
  });

  it("lets the opener answer a SYN-ACK that the mirror has not heard of, and nobody else", () => {
    const { judge } = pair(true);
    judge(0, tcp({ ...ours, flags: "S" }), 0);
    expect(judge(0, tcp({ ...ours, flags: "A" }), 0)).toBe(true);
    expect(judge(0, tcp({ ...ours, sport: 1025, flags: "A" }), 0)).toBe(false);
  });

  it("write back denies the reply", () => {
    const { judge } = pair(false);
    expect(judge(0, tcp({ ...ours, flags: "S" }), 0)).toBe(true);
    expect(judge(1, tcp({ ...theirs, flags: "SA" }), 1)).toBe(false);
  });
});
