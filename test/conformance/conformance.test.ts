import { describe, expect, it } from "vitest";
import { isSlow } from "../../src/bloom/timer.ts";
import { LIFE_S, RESIDUES } from "./limits.ts";
import {
  ackRestoresAlways,
  expectationPerDirection,
  finShortensAtOnce,
  fullTimerEverywhere,
  insertOverwrites,
  shortensAnyway,
} from "./naive.ts";
import { type SimulationResult, simulate } from "./simulation.ts";
import { FLAG, type Segment } from "./tcp.ts";
import { tcpChat } from "./tcp-flows.ts";
import { TcpMemory } from "./tcp-memory.ts";

/** Kinds of flow that the scenarios are counted by. */
const KINDS = 23;

function transcripts(result: SimulationResult): string[] {
  return result.failures.map((f) => `seed ${result.seed}, ${f.kind}, denied ${f.reason}\n${f.transcript.join("\n")}`);
}

describe("endpoints that conform", () => {
  const rows = [
    // Geometry, seed, least load that must be reached. Remainders of 4 bits saturate: half the cells hold every fingerprint.
    ["32-bit cells", "4x128x8/r26", 101, 0.7],
    ["16-bit cells, no shortening", "4x128x8/r12", 102, 0.7],
    ["remainders of 4 bits, every cell shared", "4x128x8/r4", 103, 0.4],
  ] as const;

  it.each(rows)("are never denied: %s (%s, seed %i)", (_, geometry, seed, load) => {
    const result = simulate({ packets: 150_000, seed, geometry });
    expect(transcripts(result)).toEqual([]);
    expect(result.denied).toBe(0);
    expect(result.packets).toBe(150_000);
    expect(Object.keys(result.byKind)).toHaveLength(KINDS);
    expect(result.maxLoad).toBeGreaterThan(load);
    expect(result.maxLoad).toBeLessThan(0.8);
    for (const name of Object.keys(result.residues)) expect(RESIDUES).toHaveProperty([name]);
    expect(sum(result.residues)).toBeLessThan(result.packets * 0.003);
  });

  it("are denied at 15 % loss on each side only where a stated lifetime has run out", () => {
    const result = simulate({ packets: 60_000, seed: 104, geometry: "4x128x8/r26", conditions: { loss: 0.15 } });
    expect(transcripts(result)).toEqual([]);
    expect(result.residues["tcp close gap"] ?? 0).toBeLessThan(result.packets * 0.001);
  });
});

describe("the simulation denies under a naive automaton:", () => {
  const rows = [
    ["1a: a hit at its full timer teaches nothing, everywhere", "4x128x8/r26", fullTimerEverywhere, 1_000],
    ["1b: one expectation per direction, with the shortcut, in shared cells", "4x128x8/r4", expectationPerDirection, 5],
    ["5: FIN shortens at once", "4x128x8/r26", finShortensAtOnce, 100],
    ["5: shortening with short remainders", "4x128x8/r4", shortensAnyway, 50],
    ["6: insert overwrites the timer, in shared cells", "4x128x8/r4", insertOverwrites, 100],
    ["6: insert overwrites the timer, 16-bit cells", "4x128x8/r12", insertOverwrites, 20],
  ] as const;

  it.each(rows)("%s", (_, geometry, blob, least) => {
    const result = simulate({ packets: 60_000, seed: 105, geometry, blob });
    expect(result.denied).toBeGreaterThanOrEqual(least);
  });

  it("5: an ACK that restores always gives closed flows their two hours back", () => {
    const closed = {
      packets: 30_000,
      seed: 106,
      geometry: "4x1024x8/r26",
      seconds: 3_000,
      scenarios: [[1, tcpChat]],
    } as const;
    const proper = slowCells(simulate(closed));
    const naive = slowCells(simulate({ ...closed, blob: ackRestoresAlways }));
    expect(proper).toBeLessThan(naive / 4);
  });
});

describe("the oracle", () => {
  const row = (side: 0 | 1, flags: number, connection = 1): Segment => ({
    side,
    flags,
    connection,
    seq: 0,
    ack: 0,
    data: 0,
  });
  const syn = row(0, FLAG.syn);
  const synAck = row(1, FLAG.syn | FLAG.ack);
  const ack = row(0, FLAG.ack);
  const late = 0.001;

  const having = (...history: readonly (readonly [Segment, number])[]) => {
    const memory = new TcpMemory([true, false], true);
    for (const [segment, seconds] of history) memory.passed(segment, seconds * 1000);
    return (segment: Segment, seconds: number) => memory.excuse(segment, seconds * 1000);
  };
  const handshake = [
    [syn, 0],
    [synAck, 0],
    [ack, 0],
  ] as const;
  const fin = (side: 0 | 1, connection = 1) => row(side, FLAG.fin | FLAG.ack, connection);

  it("excuses no SYN of the side that may open", () => {
    expect(having()(syn, 0)).toBeUndefined();
  });

  it("excuses an idle flow after 7,440 s and not before", () => {
    const excuse = having(...handshake);
    expect(excuse(ack, LIFE_S.long)).toBeUndefined();
    expect(excuse(ack, LIFE_S.long + late)).toBe("tcp idle");
  });

  it("does not excuse half-close, however often its FIN is repeated", () => {
    const excuse = having(...handshake, [fin(0), 1], [fin(0), 2]);
    expect(excuse(row(1, FLAG.ack), LIFE_S.long)).toBeUndefined();
  });

  it("excuses silence after both FINs beyond 240 s, and says whose FIN it was", () => {
    expect(having(...handshake, [fin(0), 1], [fin(1), 1])(ack, 1 + LIFE_S.close)).toBeUndefined();
    expect(having(...handshake, [fin(0), 1], [fin(1), 1])(ack, 1 + LIFE_S.close + late)).toBe("tcp close gap");
    expect(having(...handshake, [fin(0, 0), 1], [fin(1), 1])(ack, 1 + LIFE_S.close + late)).toBe("tcp late fin");
  });

  it("excuses silence after a RST beyond two slow ticks, unless an ACK followed", () => {
    const rst = row(1, FLAG.rst);
    expect(having(...handshake, [rst, 1])(ack, 1 + LIFE_S.reset + late)).toBe("tcp reset");
    expect(having(...handshake, [rst, 1], [ack, 2])(ack, 2 + LIFE_S.long)).toBeUndefined();
  });

  it("excuses a crossing SYN that came first, and none that came second", () => {
    expect(having()(row(1, FLAG.syn), 0)).toBe("tcp crossing first");
    expect(having([syn, 0])(row(1, FLAG.syn), 1)).toBeUndefined();
  });
});

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((a, b) => a + b, 0);
}

/** Live cells that count in slow ticks: flows that keep their cell for hours. */
function slowCells({ firewall }: SimulationResult): number {
  const { table, geometry } = firewall.sfr;
  return table.cells.filter((cell) => table.isLive(cell) && isSlow(cell, geometry)).length;
}
