import { describe, expect, it } from "vitest";
import { parseGeometry } from "../bloom/geometry.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import { AUTOMATA } from "../datapath/map-records.ts";
import { readProgram } from "../sfr/program.ts";
import { AUTOMATA_TABLES, compileAutomata, describeTypes, mayShorten } from "./compile.ts";
import { STATE, TYPE } from "./numbers.ts";
import {
  type Automaton,
  both,
  type Candidate,
  drop,
  HELD,
  max,
  min,
  other,
  QUIET,
  type Row,
  SOON,
  same,
  set,
} from "./table.ts";
import { TCP } from "./tcp.ts";
import { UDP } from "./udp.ts";

const WIDE = parseGeometry("4x1024x8/r26", "test");
const NARROW = parseGeometry("4x1024x8/r12", "test");
const E = both(STATE.ESTABLISHED);
const H = { same: same(STATE.HANDSHAKE), other: other(STATE.HANDSHAKE) };
const F = { same: same(STATE.FIN_SENT), other: other(STATE.FIN_SENT) };

/** A table with some of one row's fields replaced. */
function withRow(table: Automaton, type: number, change: (row: Row) => Partial<Row>): Automaton[] {
  const rows = table.rows.map((row) => (row.type === type ? { ...row, ...change(row) } : row));
  return AUTOMATA_TABLES.map((one) => (one === table ? { ...table, rows } : one));
}

function withCandidate(table: Automaton, type: number, index: number, change: Partial<Candidate>): Automaton[] {
  return withRow(table, type, (row) => ({
    candidates: row.candidates.map((candidate, i) => (i === index ? { ...candidate, ...change } : candidate)),
  }));
}

const compileWide = (tables: readonly Automaton[]) => compileAutomata({ geometry: WIDE, shorten: true }, tables);

describe("the compiler accepts our tables", () => {
  it.each([
    ["wide, shortening", WIDE, true],
    ["wide", WIDE, false],
    ["narrow", NARROW, false],
  ] as const)("%s", (_name, geometry, shorten) => {
    expect(compileAutomata({ geometry, shorten })).toHaveLength(AUTOMATA.BYTES);
  });

  it("with the codes of the width asked for", () => {
    const codes = (geometry: typeof WIDE) => {
      const program = readProgram(compileAutomata({ geometry, shorten: false }));
      return program.learn[program.types[TYPE.SYN]!.open]![0]!.code;
    };
    expect(codes(WIDE)).toBe(24);
    expect(codes(NARROW)).toBe(4);
  });

  it("and takes other lifetimes", () => {
    const blob = compileAutomata({ geometry: WIDE, shorten: true, lifetimes: { handshake: 60 } });
    const program = readProgram(blob);
    expect(program.learn[program.types[TYPE.SYN]!.open]![0]!.code).toBe(6);
  });
});

describe("without shortening", () => {
  const program = readProgram(compileAutomata({ geometry: NARROW, shorten: false }));
  it("no step lowers anything and F does not exist", () => {
    const steps = program.learn.flat();
    expect(steps.length).toBeGreaterThan(10);
    expect(steps.filter((step) => step.op !== CONSTANTS.OP_MAX)).toEqual([]);
    expect(steps.filter((step) => step.state === STATE.FIN_SENT)).toEqual([]);
    expect(program.types.flatMap((type) => type.candidates.flatMap((c) => c.probes))).toEqual([]);
  });

  it("FIN refreshes as an ACK does, and RST passes and teaches nothing", () => {
    const [fin, rst] = [program.types[TYPE.FIN]!, program.types[TYPE.RST]!];
    expect(program.learn[fin.candidates[0]!.learn]).toEqual(
      program.learn[program.types[TYPE.ACK]!.candidates[0]!.learn],
    );
    expect(rst.candidates.map((c) => c.learn)).toEqual([0, 0, 0]);
  });
});

describe("the compiler refuses, naming type and candidate,", () => {
  const rows: [string, RegExp, readonly Automaton[]][] = [
    [
      "a full hit that would have taught the next state (SYN-ACK would never insert E)",
      /SYN_ACK candidate 1: is done at its full lifetime/,
      withCandidate(TCP, TYPE.SYN_ACK, 0, { fullDone: "handshake" }),
    ],
    [
      "a full hit whose refresh has another lifetime than the full one",
      /ACK candidate 1: is done at its full lifetime/,
      withCandidate(TCP, TYPE.ACK, 0, { fullDone: "handshake" }),
    ],
    [
      "a full hit that learns itself and one thing more",
      /FIN candidate 1: is done at its full lifetime/,
      withCandidate(TCP, TYPE.FIN, 0, { fullDone: "established" }),
    ],
    [
      "a full hit whose alternative is asked at full lifetime too",
      /ACK candidate 1: .*alternative/,
      withCandidate(TCP, TYPE.ACK, 0, { probeIfFast: false }),
    ],
    [
      "an ACK that lowers",
      /ACK candidate 1: lowers E/,
      withCandidate(TCP, TYPE.ACK, 0, { alternative: [set(E, "closing", SOON)] }),
    ],
    [
      "a first FIN that lowers (half-close would die)",
      /FIN candidate 1: lowers E/,
      withCandidate(TCP, TYPE.FIN, 0, { learns: [set(E, "closing", SOON)] }),
    ],
    [
      "an RST that sets instead of taking the minimum",
      /RST candidate 1: lowers E/,
      withCandidate(TCP, TYPE.RST, 0, { learns: [set(E, "reset", SOON)] }),
    ],
    [
      "an RST that deletes the flow",
      /RST candidate 1: drops E/,
      withCandidate(TCP, TYPE.RST, 0, { learns: [drop(E, SOON)] }),
    ],
    [
      "a SYN-ACK that cuts the handshake",
      /SYN_ACK candidate 1: lowers H/,
      withCandidate(TCP, TYPE.SYN_ACK, 0, { learns: [max(E, "handshake", HELD), min(H.other, "closing", QUIET)] }),
    ],
    [
      "an opening that lowers",
      /SYN opening: may only insert/,
      withRow(TCP, TYPE.SYN, () => ({ opens: [set(H.same, "handshake", HELD)] })),
    ],
    [
      "more candidates than the record holds",
      /ACK: has more than 4 candidates/,
      withRow(TCP, TYPE.ACK, (row) => ({ candidates: [...row.candidates, ...row.candidates, ...row.candidates] })),
    ],
    [
      "more steps than a list holds",
      /SYN_ACK candidate 1: learns more than 4 steps/,
      withCandidate(TCP, TYPE.SYN_ACK, 0, { learns: Array(5).fill(max(E, "handshake", HELD)) }),
    ],
    [
      "a third probe",
      /ACK candidate 1: has more than 2 probes/,
      withCandidate(TCP, TYPE.ACK, 0, { probes: [F.same, F.other, F.same] }),
    ],
    ["a marker that accepts", /RST candidate 2: expects F/, withCandidate(TCP, TYPE.RST, 1, { expects: F.same })],
    [
      "probes without an alternative",
      /UDP candidate 1: has probes/,
      withCandidate(UDP, TYPE.UDP, 0, { probes: [F.same] }),
    ],
    [
      "H withheld where E does not take the ACK",
      /SYN_ACK candidate 1: H may be withheld, but E does not accept ACK/,
      withRow(TCP, TYPE.ACK, (row) => ({ candidates: row.candidates.slice(1) })),
    ],
    [
      "H withheld where E does not take a repeated SYN-ACK",
      /H may be withheld, but E does not accept SYN_ACK/,
      withRow(TCP, TYPE.SYN_ACK, (row) => ({ candidates: row.candidates.slice(0, 1) })),
    ],
    [
      "O withheld where R does not take the next answer",
      /UDP candidate 1: O may be withheld, but R does not accept UDP/,
      withRow(UDP, TYPE.UDP, (row) => ({ candidates: row.candidates.slice(1) })),
    ],
    [
      "a state that supersedes without a successor that is published",
      /UDP candidate 2: supersedes O, but learns no other state/,
      withCandidate(UDP, TYPE.UDP, 1, { learns: [max(both(STATE.REPLIED), "udpReplied", QUIET)] }),
    ],
    [
      "two rows of one type",
      /SYN: has two rows/,
      [...AUTOMATA_TABLES, { name: "again", classify: [], rows: [TCP.rows[0]!] }],
    ],
    [
      "a class without a row",
      /class 1 1: is classified as type 9, which has no row/,
      [{ ...TCP, classify: [[CONSTANTS.CLASS_TCP, 1, TYPE.QUERY]] }],
    ],
    [
      "a class twice",
      /class 1 2: is classified twice/,
      [{ ...TCP, classify: [...TCP.classify, [CONSTANTS.CLASS_TCP, 2, TYPE.SYN]] }],
    ],
  ];

  it.each(rows)("%s", (_what, message, tables) => {
    expect(() => compileWide(tables)).toThrow(message);
  });

  it("a lifetime without a code in either width", () => {
    const compile = (established: number) =>
      compileAutomata({ geometry: WIDE, shorten: true, lifetimes: { established } });
    expect(() => compile(7440)).not.toThrow();
    expect(() => compile(7441)).toThrow(/established = 7441 has no code in 4x1024x8\/r12; at most 7440 s/);
    expect(() => compile(8501)).toThrow(
      /tcp ACK candidate 1: lifetime established = 8501 has no code in 4x1024x8\/r26/,
    );
    expect(() => compile(0)).toThrow(/has no code/);
  });

  it("shortening where strangers share fingerprints", () => {
    expect(mayShorten(WIDE)).toBe(true);
    expect(mayShorten(NARROW)).toBe(false);
    expect(() => compileAutomata({ geometry: NARROW, shorten: true })).toThrow(/shortening in 4x1024x8\/r12/);
    expect(() => compileAutomata({ geometry: parseGeometry("4x64x8/r4", "test"), shorten: true })).toThrow(
      /shortening/,
    );
  });
});

describe("the description", () => {
  it("has a line per type, in the words of the tables", () => {
    const lines = describeTypes({ geometry: WIDE, shorten: true });
    expect(lines).toHaveLength(15);
    expect(lines[0]).toBe(
      "1 SYN [H(d) -> max H(d)=handshake] [H(-d) as reply -> max H(d)=handshake] opens max H(d)=handshake",
    );
  });
});
