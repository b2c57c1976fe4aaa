import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { filterOf, type Rule, SEEDS } from "../../test/support/firewall.ts";
import { AclKey, type AclQuestion, aclMatches, FILTER_BITS_MAX, filterHas, GROUP_TEMPLATES, probeBit } from "./acl.ts";

const question = (of: Partial<AclQuestion>): AclQuestion => ({
  family: 4,
  proto: 17,
  peer: new Uint32Array([0x0a010002, 0, 0, 0]),
  zoneClass: 0,
  service: 53,
  serviceClass: 0,
  ...of,
});
const key = () => new AclKey(SEEDS[2], SEEDS[3]);
const matches = (rules: readonly Rule[], direction: number, of: Partial<AclQuestion>, mask?: number) =>
  aclMatches([filterOf(0, rules)], direction, question(of), key(), mask);

describe("a probe", () => {
  it("stays within the filter, and agrees with 64-bit arithmetic", () => {
    const word = fc.integer({ min: 0, max: 0xffffffff });
    const bits = fc.integer({ min: 1, max: FILTER_BITS_MAX / 64 }).map((words) => words * 64);
    fc.assert(
      fc.property(word, word, fc.integer({ min: 0, max: 15 }), bits, word, (h1, h2, i, m, seed) => {
        const a = BigInt.asUintN(32, BigInt((h1 ^ seed) >>> 0) * 0x9e3779b1n);
        const b = BigInt.asUintN(32, BigInt.asUintN(32, BigInt(h2) + BigInt(seed)) * 0x85ebca77n) | 1n;
        const g = BigInt.asUintN(32, a + BigInt(i) * b);
        expect(BigInt(probeBit(h1, h2, i, m, seed))).toBe((g * BigInt(m)) >> 32n);
      }),
    );
  });
});

describe("a filter", () => {
  it("never denies what was put in, and seldom allows what was not", () => {
    const rules = Array.from(
      { length: 500 },
      (_, port): Rule => ({ direction: "out", proto: 17, peer: "10.1.0.2", port }),
    );
    const filter = filterOf(0, rules);
    const ask = (service: number) => aclMatches([filter], 0, question({ service }), key());
    for (let port = 0; port < 500; port++) expect(ask(port)).toBe(true);
    let wrong = 0;
    for (let port = 500; port < 20_500; port++) if (ask(port)) wrong++;
    // 24 bits a key and 10 probes: about 2 in 100,000.
    expect(wrong).toBeLessThan(10);
  });

  it("without probes holds nothing", () => {
    expect(filterHas({ ...filterOf(0, []), probes: 0 }, 1, 2)).toBe(false);
  });
});

describe("a template", () => {
  it("of a zone or a class never matches where there is none", () => {
    expect(matches([{ direction: "out", proto: 17, peer: 7 }], 0, { zoneClass: 7 })).toBe(true);
    expect(matches([{ direction: "out", proto: 17, peer: 7 }], 0, { zoneClass: 8 })).toBe(false);
    expect(matches([{ direction: "out", proto: 17, serviceClass: 7 }], 0, { serviceClass: 7 })).toBe(true);
    expect(matches([{ direction: "out", proto: 17, serviceClass: 7 }], 0, {})).toBe(false);
    // Zone class 0 is "no zone", not a class that a rule could name.
    expect(matches([{ direction: "out", proto: 17, peer: 0 }], 0, { zoneClass: 0 })).toBe(false);
  });

  it("keeps directions, protocols and families apart", () => {
    const rule: Rule = { direction: "out", proto: 17, peer: "10.1.0.2", port: 53 };
    expect(matches([rule], 0, {})).toBe(true);
    expect(matches([{ ...rule, direction: "in" }], 0, {})).toBe(false);
    expect(matches([rule], 0, { proto: 6 })).toBe(false);
    expect(matches([rule], 0, { family: 6 })).toBe(false);
  });

  it("of an address does not answer for a group", () => {
    expect(matches([{ direction: "out", proto: 17, peer: "10.1.0.2" }], 0, {}, GROUP_TEMPLATES)).toBe(false);
    expect(matches([{ direction: "out", proto: 17 }], 0, {}, GROUP_TEMPLATES)).toBe(true);
    expect(GROUP_TEMPLATES).toBe(0b111111000);
  });
});
