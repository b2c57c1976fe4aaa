import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ROAMWALL, type RoamwallName } from "./attributes.ts";
import {
  applyDelta,
  type CarriedFilter,
  deltaOf,
  emitDelta,
  emitFilter,
  parseDelta,
  parseFilter,
} from "./carried-filter.ts";
import { type Changes, changed, isRefusal, readChanges } from "./changes.ts";
import { readFilterRules } from "./filter-rule.ts";
import { joinFragments, splitFragments } from "./fragments.ts";
import {
  type Attribute,
  attribute,
  CODE,
  emitPacket,
  integerAttribute,
  integerBytes,
  type Packet,
  vendorAttribute,
} from "./packet.ts";
import { NOTHING_SAID } from "./rights.ts";
import { bytesOf, packetOf, text, VECTORS } from "./testing/vectors.ts";

const accept = (...attributes: Attribute[]): Packet => packetOf(emitPacket(CODE.accessAccept, 1, attributes)!);
const own = (name: RoamwallName, value: Uint8Array) => vendorAttribute(ROAMWALL[name][0], value);
const rule = (value: string) => attribute("NAS-Filter-Rule", text(value));
const role = (name: string) => attribute("Filter-Id", text(name));

const FILTER: CarriedFilter = {
  bits: 14400,
  seed: 5,
  probes: 10,
  out: 1,
  in: 4,
  seedId: 77,
  data: Uint8Array.from({ length: 1800 }, (_, i) => i & 255),
};

function read(...attributes: Attribute[]): Changes {
  const changes = readChanges(accept(...attributes));
  if (isRefusal(changes)) throw new Error(changes.reason);
  return changes;
}

function refusalOf(...attributes: Attribute[]): string {
  const changes = readChanges(accept(...attributes));
  return isRefusal(changes) ? changes.reason : "accepted";
}

describe("readFilterRules", () => {
  const rows: [phrase: string, attributes: Attribute[], rules: string[] | undefined][] = [
    ["none", [], undefined],
    ["one", [rule("permit a")], ["permit a"]],
    ["several in one attribute", [rule("permit a\0permit b")], ["permit a", "permit b"]],
    ["one that straddles attributes", [rule("permit a\0per"), rule("mit b")], ["permit a", "permit b"]],
    ["an empty attribute at the end", [rule("permit a"), rule("")], ["permit a"]],
    ["NUL as the first octet of the next", [rule("permit a"), rule("\0permit b")], ["permit a", "permit b"]],
    ["a lone NUL, which takes all rules away", [rule("\0")], []],
  ];
  it.each(rows)("reads %s", (_phrase, attributes, rules) => {
    expect(readFilterRules(accept(...attributes))).toEqual(rules);
  });

  it("refuses two runs, which would be glued to a rule that nobody wrote", () => {
    const packet = accept(rule("permit in ip from any to 10.1.0.1"), role("x"), rule("0.0.0.0"));
    expect(readFilterRules(packet)).toContain("side by side");
    expect(refusalOf(...packet.attributes)).toContain("side by side");
  });

  it("reads what FreeRADIUS cut", () => {
    const rules = VECTORS.filter(({ code }) => code === "Access-Accept").map(({ reply }) => {
      return readFilterRules(packetOf(bytesOf(reply!)));
    });
    expect(rules[0]).toHaveLength(5);
    expect(rules[1]).toSatisfy(
      (list: string[]) => list.length > 20 && list.every((one) => /^(permit|deny) in /.test(one)),
    );
    expect(rules[2]).toBeUndefined();
  });
});

describe("carried filters", () => {
  it("come back whole from their fragments, in whatever order", () => {
    const parts = splitFragments(2, emitFilter(FILTER));
    expect(parts.length).toBe(Math.ceil((1800 + 22) / 244));
    expect(parts.every((part) => part.length <= 247)).toBe(true);
    const joined = joinFragments([...parts].reverse()) as Map<number, Uint8Array>;
    expect(parseFilter(joined.get(2)!)).toEqual(FILTER);
  });

  it("are refused when anything is missing, doubled, cut or turned", () => {
    const parts = splitFragments(0, emitFilter(FILTER));
    for (let i = 0; i < parts.length; i++) {
      expect(joinFragments(parts.filter((_, j) => j !== i))).toContain("missing");
      expect(joinFragments([...parts, parts[i]!])).toContain("twice");
    }
    expect(joinFragments([Uint8Array.of(4, 0, 0)])).toContain("wrong head");
    const whole = emitFilter(FILTER);
    for (let cut = 0; cut < whole.length; cut++) expect(typeof parseFilter(whole.subarray(0, cut))).toBe("string");
    for (let at = 0; at < whole.length; at += 5) {
      const turned = whole.slice();
      turned[at]! ^= 4;
      expect(typeof parseFilter(turned)).toBe("string");
    }
  });

  it("become what a delta says, and only from the filter that it is for", () => {
    const bits = fc.uint8Array({ minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(bits, bits, bits, (a, b, c) => {
        const of = (data: Uint8Array) => ({ ...FILTER, bits: 64, out: data[0]!, data });
        const delta = parseDelta(emitDelta(deltaOf(of(a), of(b))!));
        if (typeof delta === "string") throw new Error(delta);
        expect(applyDelta(of(a), delta)).toEqual(of(b));
        if (c.some((byte, i) => byte !== a[i])) expect(typeof applyDelta(of(c), delta)).toBe("string");
      }),
    );
    expect(deltaOf(FILTER, { ...FILTER, seed: 6 })).toBeUndefined();
    const delta = emitDelta({ base: 1, sum: 2, out: 1, in: 0, set: [1, 2], clear: [3] });
    for (let cut = 0; cut < delta.length; cut++) expect(typeof parseDelta(delta.subarray(0, cut))).toBe("string");
  });
});

describe("readChanges", () => {
  it("reads roles, rules, limits, filters and the session's time", () => {
    const filters = splitFragments(0, emitFilter(FILTER)).map((part) => own("Roamwall-Filter", part));
    const limits = [own("Roamwall-Open-Out", integerBytes(50)), own("Roamwall-Open-In", integerBytes(0))];
    const times = [own("Roamwall-Zone", integerBytes(3)), integerAttribute("Session-Timeout", 3600)];
    const changes = read(
      role("staff"),
      rule("permit a"),
      own("Roamwall-Rule", text("out b")),
      ...filters,
      ...limits,
      ...times,
    );
    expect(changes).toEqual({
      role: "staff",
      rules: ["permit a", "out b"],
      addRules: [],
      removeRules: [],
      filters: new Map([[0, FILTER]]),
      deltas: new Map(),
      openOut: 50,
      openIn: 0,
      zone: 3,
      sessionSeconds: 3600,
    });
  });

  it("listens to Roamwall-Role before Filter-Id, and to no two roles", () => {
    expect(read(role("enterasys"), own("Roamwall-Role", text("staff"))).role).toBe("staff");
    expect(refusalOf(role("a"), role("b"))).toContain("2 roles (a, b)");
  });

  it.each([
    ["a limit that does not fit", own("Roamwall-Open-In", integerBytes(65536)), "65536"],
    ["a limit of two octets", own("Roamwall-Open-In", Uint8Array.of(1, 2)), "2 octets"],
    ["no time at all", integerAttribute("Session-Timeout", 0), "Session-Timeout of 0"],
    ["a filter cut by the server", own("Roamwall-Filter", splitFragments(0, emitFilter(FILTER))[0]!), "missing"],
  ])("refuses %s", (_phrase, one, reason) => {
    expect(refusalOf(role("staff"), one)).toContain(reason);
  });
});

describe("changed", () => {
  const before = {
    ...NOTHING_SAID,
    role: "staff",
    rules: ["out a", "out b"],
    filters: new Map([[0, FILTER]]),
    openOut: 5,
  };
  const add = (word: string) => own("Roamwall-Add-Rule", text(word));
  const remove = (word: string) => own("Roamwall-Remove-Rule", text(word));

  it("adds and removes rules one by one, or replaces them all", () => {
    expect(changed(before, read(add("out c"), remove("out a")))).toMatchObject({
      rules: ["out b", "out c"],
      role: "staff",
    });
    expect(changed(before, read(rule("permit x")))).toMatchObject({ rules: ["permit x"], openOut: 5 });
    expect(changed(before, read(rule("\0")))).toMatchObject({ rules: [] });
    expect(changed(NOTHING_SAID, read(role("a")))).toEqual({ ...NOTHING_SAID, role: "a" });
  });

  it("refuses to remove what is not there, and a delta for another filter", () => {
    expect(changed(before, read(add("out c"), remove("out z")))).toMatchObject({ cause: 407 });
    const delta = splitFragments(1, emitDelta({ base: 1, sum: 2, out: 1, in: 0, set: [], clear: [] }))[0]!;
    expect(changed(before, read(own("Roamwall-Filter-Delta", delta)))).toMatchObject({ cause: 407 });
  });
});
