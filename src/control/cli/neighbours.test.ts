import { describe, expect, it } from "vitest";
import { differencesOf, type Shape } from "../../replication/compat.ts";
import type { NeighbourStatus } from "../../replication/status.ts";
import { neighboursText, unheardText } from "./neighbours.ts";
import { styleFor } from "./text.ts";

const well: NeighbourStatus = {
  id: 2,
  name: "attic",
  address: "10.0.0.2:4755",
  state: "alive",
  mirror: 0,
  compatible: true,
  differences: [],
  mode: "ftfw",
  mirroredCells: 1234,
  orphans: 0,
  edgeVer: 90,
  knownVer: 90,
  ackVer: 10,
  syncing: false,
  gaps: 0,
  givenUp: 0,
  lagMs: 0,
  periodMs: 1000,
  silentMs: 300,
  lossHere: 0.05,
  lossThere: 0,
  rttMs: 2,
  fill: 0.25,
  groupHere: true,
  heardGroup: true,
  heardAlone: true,
  hearsGroup: true,
  slow: false,
  slowHere: false,
  keys: [],
  lastHelloMs: 5,
  clockMs: -40,
  knownForMs: 60_000,
};

const shape: Shape = {
  fingerprints: 1,
  bucketBits: 10,
  remainderBits: 26,
  timerBits: 6,
  path: 0,
  fastTickMs: 10_000,
  slowTickMs: 300_000,
  seedId: 0x11223344,
};

const plain = styleFor(false);

describe("roamwall neighbours", () => {
  it("says no more than a line of a neighbour that is well", () => {
    const text = neighboursText([well], plain);
    expect(text.split("\n")).toHaveLength(3);
    expect(text).toMatch(
      /2\tattic\t10\.0\.0\.2:4755\talive\tcomplete\t-\t5 % here, 0 % there\t.*\t-0\.0 s\t25 %\t0: 1234 cells\t/,
    );
  });

  const rows: [string, Partial<NeighbourStatus>, string][] = [
    ["a clock that stood still", { clockMs: -31_000 }, "its table's clock is off by -31.0 s"],
    [
      "a table of another size",
      { differences: differencesOf(shape, { ...shape, bucketBits: 11 }) },
      "table: 4x1024x8/r26 here, 4x2048x8/r26 there",
    ],
    ["other timers", { differences: differencesOf(shape, { ...shape, timerBits: 4 }) }, "timer bits: 6 here, 4 there"],
    [
      "other ticks",
      { differences: differencesOf(shape, { ...shape, fastTickMs: 8_000 }) },
      "ticks: 10 s and 300 s here, 8 s and 300 s there",
    ],
    [
      "other seeds",
      { differences: differencesOf(shape, { ...shape, seedId: 7 }) },
      "seeds in the key file (by hash): 11223344 here, 00000007 there",
    ],
    [
      "another version",
      { differences: differencesOf(shape, { ...shape, fingerprints: 2 }) },
      "version of fingerprints and automata: 1 here, 2 there",
    ],
    ["no mirror left", { mirror: -1 }, "no mirror left"],
    ["silence", { state: "dead", silentMs: 12_300 }, "silent for 12.3 s"],
    ["dead multicast", { heardGroup: false }, "multicast from it does not come, unicast does"],
    ["dead unicast", { heardAlone: false }, "unicast from it does not come, multicast does"],
    ["its losses", { slow: true }, "slow: it loses more"],
    ["our losses", { slowHere: true }, "we lose more of it"],
    ["a mode that repairs nothing", { mode: "notrack" }, "its mode is notrack"],
  ];
  it.each(rows)("names what is wrong: %s", (_what, wrong, said) => {
    const status = { ...well, ...wrong, compatible: (wrong.differences ?? []).length === 0 };
    expect(neighboursText([status], plain)).toContain(`ap 2: `);
    expect(neighboursText([status], plain)).toContain(said);
  });

  it("does not miss a multicast that this AP has no group for", () => {
    expect(neighboursText([{ ...well, groupHere: false, heardGroup: false }], plain)).not.toContain("multicast");
  });
});

it("names who sends and cannot be read, and a number that is taken", () => {
  const unheard = [{ address: "10.9.0.7:4755", reason: "its mesh key is another", count: 4, lastMs: 0 }];
  const status = { unheard, replication: { duplicateIds: 1 } } as never;
  expect(unheardText(status, plain)).toBe(
    "\n10.9.0.7:4755 is not understood: its mesh key is another (4 times)\nanother AP uses our number: give each its own\n",
  );
  expect(unheardText({ unheard: [], replication: { duplicateIds: 0 } } as never, plain)).toBe("");
});
