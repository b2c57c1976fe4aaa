import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseAddress } from "../base/ip.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import { explain, type Opening } from "./explain.ts";
import { PROTO } from "./model.ts";
import { compilePolicy, parsePolicy } from "./policy.ts";

const { DIRECTION_IN, DIRECTION_OUT } = CONSTANTS;
const SEEDS = [1, 2, 3, 4] as const;
const TEXT = `
zones:
  internet: [0.0.0.0/0, "::/0"]
  servers: [10.1.0.0/24, "2001:db8:1::/64"]
services:
  web: [tcp/80, tcp/443, udp/443]
  voip: [udp/10000-10100]
roles:
  staff:
    rules: [out web to internet, out voip to servers, out icmp to any, in tcp/22 from servers, out udp/5353 to group]
  guest:
    rules: [out tcp/443 to 10.1.0.9]
`;
const POLICY = parsePolicy(TEXT, "p");
const COMPILED = compilePolicy(POLICY, SEEDS);

function asked(role: string, direction: number, proto: keyof typeof PROTO, port: number, peer: string) {
  const opening: Opening = { direction, proto: PROTO[proto], port, peer: parseAddress(peer, "test") };
  return explain(POLICY, COMPILED, SEEDS, role, opening);
}

/** What is asked, and the rule that must be named; undefined: none. */
const CASES: [phrase: string, found: ReturnType<typeof asked>, rule: string | undefined][] = [
  ["a port of a service in a zone", asked("staff", DIRECTION_OUT, "tcp", 443, "192.0.2.7"), "out web to internet"],
  ["the last port of a range", asked("staff", DIRECTION_OUT, "udp", 10_100, "10.1.0.3"), "out voip to servers"],
  ["a port beyond the range", asked("staff", DIRECTION_OUT, "udp", 10_101, "10.1.0.3"), undefined],
  ["the range in another zone", asked("staff", DIRECTION_OUT, "udp", 10_000, "10.2.0.3"), undefined],
  ["IPv6 of a zone", asked("staff", DIRECTION_OUT, "udp", 10_000, "2001:db8:1::3"), "out voip to servers"],
  ["the other direction", asked("staff", DIRECTION_IN, "tcp", 443, "192.0.2.7"), undefined],
  ["a peer that opens", asked("staff", DIRECTION_IN, "tcp", 22, "10.1.0.3"), "in tcp/22 from servers"],
  ["ping", asked("staff", DIRECTION_OUT, "icmp", 0, "192.0.2.7"), "out icmp to any"],
  ["a question to a group", asked("staff", DIRECTION_OUT, "udp", 5353, "224.0.0.251"), "out udp/5353 to group"],
  ["a group address is in no zone", asked("staff", DIRECTION_OUT, "udp", 443, "224.0.0.251"), undefined],
  ["one address", asked("guest", DIRECTION_OUT, "tcp", 443, "10.1.0.9"), "out tcp/443 to 10.1.0.9"],
  ["its neighbour", asked("guest", DIRECTION_OUT, "tcp", 443, "10.1.0.8"), undefined],
];

describe("explain", () => {
  it.each(CASES)("names the rule: %s", (_, found, rule) => {
    expect(found.rule?.text).toBe(rule);
    expect(found.filterAllows).toBe(rule !== undefined);
  });

  it("says what is missing in a form that the parser takes, and which role has it", () => {
    const found = asked("guest", DIRECTION_OUT, "udp", 10_000, "10.1.0.3");
    expect(found.missing).toBe("out udp/10000 to 10.1.0.3");
    expect(found.otherRoles.map(({ role, rule }) => `${role}: ${rule.text}`)).toEqual(["staff: out voip to servers"]);
    expect(found.zones).toEqual(["internet", "servers"]);
    expect(found.services).toEqual(["voip"]);
  });

  it("the rule that it says is missing, added, allows the flow", () => {
    const opening = fc.record({
      direction: fc.constantFrom(DIRECTION_IN, DIRECTION_OUT),
      proto: fc.constantFrom(1, 6, 17, 47),
      port: fc.integer({ min: 0, max: 65_535 }),
      peer: fc.ipV4().map((text) => parseAddress(text, "test")),
    });
    fc.assert(
      fc.property(opening, (o) => {
        const { missing } = explain(POLICY, COMPILED, SEEDS, "guest", o);
        const more = parsePolicy(`roles: { r: { rules: [${missing}] } }`, "p");
        const found = explain(more, compilePolicy(more, SEEDS), SEEDS, "r", o);
        expect(found.rule?.text).toBe(missing);
        expect(found.filterAllows).toBe(true);
      }),
    );
  });

  it("tells the chance of a false positive as it is measured", () => {
    const rules = Array.from({ length: 300 }, (_, i) => `out tcp/${1000 + i} to 10.1.0.9`);
    const policy = parsePolicy(JSON.stringify({ roles: { r: { rules } }, rate: "5%" }), "p");
    const compiled = compilePolicy(policy, SEEDS);
    let strangers = 0;
    let expected = 0;
    for (let i = 0; i < 20_000; i++) {
      const peer = parseAddress(`10.2.${i >> 8}.${i & 255}`, "test");
      const found = explain(policy, compiled, SEEDS, "r", { direction: DIRECTION_OUT, proto: 6, port: 80, peer });
      expect(found.rule).toBeUndefined();
      if (found.filterAllows) strangers++;
      expected += found.falsePositive;
    }
    expect(expected).toBeGreaterThan(500);
    expect(Math.abs(strangers - expected) / expected).toBeLessThan(0.15);
  });

  it("with another salt the same rules let other strangers through (the control: with the same salt the same ones)", () => {
    const rules = Array.from({ length: 300 }, (_, i) => `out tcp/${1000 + i} to 10.1.0.9`);
    const policy = parsePolicy(JSON.stringify({ roles: { r: { rules } }, rate: "10%" }), "p");
    const passing = (salt: number) => {
      const compiled = compilePolicy(policy, SEEDS, { salt });
      return Array.from({ length: 5_000 }, (_, i) => {
        const peer = parseAddress(`10.2.${i >> 8}.${i & 255}`, "test");
        return explain(policy, compiled, SEEDS, "r", { direction: DIRECTION_OUT, proto: 6, port: 80, peer })
          .filterAllows;
      });
    };
    const first = passing(0);
    const count = first.filter(Boolean).length;
    const both = (other: boolean[]) => first.filter((passes, i) => passes && other[i]).length;
    expect(count).toBeGreaterThan(300);
    expect(both(passing(0))).toBe(count);
    // One in ten of one in ten.
    expect(both(passing(1)) / count).toBeLessThan(0.2);
  });
});
