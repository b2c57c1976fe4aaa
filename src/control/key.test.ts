import { describe, expect, it } from "vitest";
import { parseKey } from "./key.ts";

const MESH = `mesh ${"ab".repeat(32)}`;
const SEED = "seed 000000010000000200000003000000ff";
const slot = (number: number, byte: string) => `mesh ${number} ${byte.repeat(32)}`;

describe("parseKey", () => {
  it("reads key and seed, comments apart; a key without a slot is in slot 0", () => {
    const key = parseKey(`# mesh key\n${MESH} # of the mesh\n\n${SEED}\n`, "key");
    expect(key.seeds).toEqual([1, 2, 3, 255]);
    expect(key.keys.map(({ slot, secret }) => [slot, ...secret])).toEqual([[0, ...Array(32).fill(0xab)]]);
  });

  it("reads two keys in the order of their age", () => {
    const { keys } = parseKey(`${slot(1, "cd")}\n${slot(0, "ab")}\n${SEED}\n`, "key");
    expect(keys.map(({ slot, secret }) => [slot, secret[31]])).toEqual([
      [1, 0xcd],
      [0, 0xab],
    ]);
  });

  it.each([
    ["a seed that is too short", `${MESH}\nseed 0001`, "key:2: a wrong seed"],
    ["a line that is neither", `${MESH}\nsead 00`, "key:2: an unknown line"],
    ["a missing seed", MESH, "key: no seed line"],
    ["a missing mesh", SEED, "key: no mesh line"],
    ["an empty file", "", "key: no mesh line"],
    ["a slot that there is not", `${SEED}\n${slot(2, "ab")}`, "key:2: a wrong mesh"],
    ["two keys in one slot", `${MESH}\n${slot(0, "cd")}\n${SEED}`, "key:2: slot 0 once more"],
    ["two seeds", `${MESH}\n${SEED}\n${SEED}`, "key:3: a second seed"],
  ])("refuses %s, and repeats no secret", (_phrase, text, message) => {
    expect(() => parseKey(text, "key")).toThrow(message);
    expect(() => parseKey(text, "key")).not.toThrow(/abab|cdcd|0001/);
  });
});
