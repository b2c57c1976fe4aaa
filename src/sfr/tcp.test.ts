import { describe, expect, it } from "vitest";
import { CLIENT, type FirewallOptions, firewall, PEER } from "../../test/support/firewall.ts";
import * as make from "../../test/support/packets.ts";
import { REASON } from "../datapath/abi.ts";
import type { Sfr } from "./sfr.ts";

/** A is the client, B its peer; only A may open. */
const OUT = { rules: [{ direction: "out", proto: 6, port: 80 }] } as const satisfies FirewallOptions;
const A = { srcMac: CLIENT, dstMac: PEER, src: "10.0.0.1", dst: "10.1.0.2", sport: 1024, dport: 80 };
const B = { srcMac: PEER, dstMac: CLIENT, src: "10.1.0.2", dst: "10.0.0.1", sport: 80, dport: 1024 };
const FLAGS = { SYN: "S", "SYN-ACK": "SA", ACK: "A", FIN: "FA", RST: "R" } as const;
type Kind = keyof typeof FLAGS;

const frame = (from: "A" | "B", kind: Kind) => make.tcp({ ...(from === "A" ? A : B), flags: FLAGS[kind] });
const send = (sfr: Sfr, from: "A" | "B", kind: Kind) =>
  sfr.judge({ frame: frame(from, kind), direction: from === "A" ? 0 : 1 });
const play = (sfr: Sfr, ...script: readonly string[]) => {
  for (const line of script) {
    const [kind, from] = line.slice(0, -1).split("(") as [Kind, "A" | "B"];
    expect([line, send(sfr, from, kind).reason]).toEqual([line, 0]);
  }
};

describe("what passes in each state, when only the client may open", () => {
  const all = [
    "SYN(A)",
    "SYN(B)",
    "SYN-ACK(A)",
    "SYN-ACK(B)",
    "ACK(A)",
    "ACK(B)",
    "FIN(A)",
    "FIN(B)",
    "RST(A)",
    "RST(B)",
  ];
  const CLOSING = ["SYN(A)", "SYN-ACK(B)", "ACK(A)", "FIN(A)", "FIN(B)"];
  const rows: [state: string, script: string[], passes: string[]][] = [
    ["nothing", [], ["SYN(A)"]],
    ["after SYN(A)", ["SYN(A)"], ["SYN(A)", "SYN(B)", "SYN-ACK(B)", "ACK(B)", "FIN(B)", "RST(A)", "RST(B)"]],
    ["after SYN-ACK(B)", ["SYN(A)", "SYN-ACK(B)"], all.filter((one) => one !== "SYN-ACK(A)")],
    ["established", ["SYN(A)", "SYN-ACK(B)", "ACK(A)"], all.filter((one) => one !== "SYN-ACK(A)")],
    ["half-closed", ["SYN(A)", "SYN-ACK(B)", "ACK(A)", "FIN(A)"], all.filter((one) => one !== "SYN-ACK(A)")],
    ["closed", CLOSING, all.filter((one) => one !== "SYN-ACK(A)")],
    // A crossing SYN gives both sides H, so A may answer it.
    ["after crossing SYNs", ["SYN(A)", "SYN(B)"], all],
  ];

  it.each(rows)("%s", (_state, script, passes) => {
    for (const one of all) {
      const sfr = firewall(OUT);
      play(sfr, ...script);
      const [kind, from] = one.slice(0, -1).split("(") as [Kind, "A" | "B"];
      const verdict = send(sfr, from, kind);
      expect([one, verdict.pass]).toEqual([one, passes.includes(one)]);
      if (!verdict.pass) expect(verdict.reason).toBe(REASON.state);
    }
  });
});

describe("flags", () => {
  it.each([
    ["none", 0],
    ["FIN alone", "F"],
    ["SYN FIN", "SF"],
    ["SYN RST", "SR"],
    ["all", "FSRA"],
    ["FIN RST ACK", "FRA"],
  ])("%s are no packet", (_name, flags) => {
    const sfr = firewall(OUT);
    play(sfr, "SYN(A)", "SYN-ACK(B)");
    expect(sfr.judge({ frame: make.tcp({ ...A, flags }), direction: 0 }).reason).toBe(REASON.flags);
  });
});

describe("a flow costs", () => {
  it("two cells in the handshake, three half-closed, one at rest", () => {
    const sfr = firewall(OUT);
    play(sfr, "SYN(A)");
    expect(sfr.table.used).toBe(1);
    play(sfr, "SYN-ACK(B)", "ACK(A)");
    expect(sfr.table.used).toBe(2);
    play(sfr, "FIN(A)");
    expect(sfr.table.used).toBe(3);
    sfr.table.fast += 25;
    sfr.sweep();
    expect(sfr.table.used).toBe(2);
  });

  it("no write for an ACK while the slow tick stands", () => {
    const sfr = firewall(OUT);
    play(sfr, "SYN(A)", "SYN-ACK(B)", "ACK(A)");
    sfr.table.takeDirty();
    const before = sfr.table.cells.slice();
    play(sfr, "ACK(A)", "ACK(B)");
    expect(sfr.table.cells).toEqual(before);
    expect(sfr.table.takeDirty()).toEqual([]);
    sfr.table.slow++;
    play(sfr, "ACK(B)");
    expect(sfr.table.cells).not.toEqual(before);
  });
});

/** Ticks left of the longest live cell: the flow's own expectation. */
function ranks(sfr: Sfr): number[] {
  return [...sfr.table.cells]
    .filter((cell) => cell !== 0 && sfr.table.isLive(cell))
    .map((cell) => sfr.table.rank(cell))
    .sort((a, b) => b - a);
}
const LONG = 32 + 25;
const CLOSE = 24;
const RESET = 32 + 2;

describe("shortening", () => {
  it("a first FIN, and its retransmission, leave the flow its two hours", () => {
    const sfr = firewall(OUT);
    play(sfr, "SYN(A)", "SYN-ACK(B)", "ACK(A)", "FIN(A)", "ACK(B)", "FIN(A)");
    expect(ranks(sfr)[0]).toBe(LONG);
    sfr.table.slow += 10;
    play(sfr, "ACK(B)", "ACK(A)");
    expect(ranks(sfr)[0]).toBe(LONG);
  });

  it("the second FIN shortens, and the last ACK does not undo it", () => {
    const sfr = firewall(OUT);
    play(sfr, "SYN(A)", "SYN-ACK(B)", "ACK(A)", "FIN(A)", "ACK(B)", "FIN(B)", "ACK(A)", "FIN(B)", "ACK(A)");
    expect(ranks(sfr).every((rank) => rank <= CLOSE)).toBe(true);
  });

  it("1,000 orderly closes leave no long cell", () => {
    const sfr = firewall({ ...OUT, geometry: "4x1024x8/r26" });
    for (let port = 1; port <= 1000; port++) {
      const a = (flags: string) => sfr.judge({ frame: make.tcp({ ...A, sport: port, flags }), direction: 0 }).reason;
      const b = (flags: string) => sfr.judge({ frame: make.tcp({ ...B, dport: port, flags }), direction: 1 }).reason;
      expect([a("S"), b("SA"), a("A"), b("A"), a("FA"), b("A"), b("FA"), a("A")]).toEqual(Array(8).fill(0));
    }
    expect(ranks(sfr).filter((rank) => rank > CLOSE)).toEqual([]);
    sfr.table.fast += 25;
    sfr.sweep();
    expect(sfr.table.used).toBe(0);
  });

  it("an RST leaves two slow ticks, and any later ACK restores the flow", () => {
    const sfr = firewall(OUT);
    play(sfr, "SYN(A)", "SYN-ACK(B)", "ACK(A)", "RST(B)");
    expect(ranks(sfr)[0]).toBe(RESET);
    play(sfr, "ACK(A)");
    expect(ranks(sfr)[0]).toBe(LONG);
  });

  it("an RST never lengthens", () => {
    const sfr = firewall(OUT);
    play(sfr, "SYN(A)", "SYN-ACK(B)", "RST(B)");
    expect(ranks(sfr)[0]).toBe(CLOSE);
  });

  it("a SYN-ACK forgets the FINs of the tuple's last life", () => {
    const sfr = firewall(OUT);
    play(sfr, "SYN(A)", "SYN-ACK(B)", "ACK(A)", "FIN(A)", "FIN(B)", "SYN(A)", "SYN-ACK(B)", "ACK(A)");
    expect(ranks(sfr)[0]).toBe(LONG);
  });

  it("does not exist in 16-bit cells", () => {
    const sfr = firewall({ ...OUT, geometry: "4x256x8/r12" });
    play(sfr, "SYN(A)", "SYN-ACK(B)", "ACK(A)", "FIN(A)", "FIN(B)", "RST(A)");
    expect(ranks(sfr)).toEqual([8 + 4, 4]);
  });
});

describe("half-close", () => {
  it("survives 3,000 s of silence", () => {
    const sfr = firewall(OUT);
    play(sfr, "SYN(A)", "SYN-ACK(B)", "ACK(A)", "FIN(A)", "ACK(B)");
    sfr.table.slow += 10;
    sfr.table.fast += 300;
    sfr.sweep();
    play(sfr, "ACK(B)", "ACK(A)");
  });
});

describe("marks", () => {
  it("of a handshake within the hold time: H is withheld, E goes out", () => {
    const sfr = firewall(OUT);
    const marks = () => [...sfr.table.owners].filter((owner) => owner !== 0).map((owner) => owner >>> 14);
    play(sfr, "SYN(A)");
    expect(marks()).toEqual([1]);
    play(sfr, "SYN-ACK(B)");
    expect(marks().sort()).toEqual([0, 1]);
    play(sfr, "ACK(A)");
    expect(marks().sort()).toEqual([0, 2]);
  });
});
