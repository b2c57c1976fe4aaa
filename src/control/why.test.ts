import { describe, expect, it } from "vitest";
import { TYPE } from "../automata/numbers.ts";
import type { Mac } from "../base/mac.ts";
import { REASON } from "../datapath/abi.ts";
import type { RingEvent } from "../datapath/map-records.ts";
import { compilePolicy, parsePolicy } from "../policy/policy.ts";
import type { RadiusGrant } from "../radius/rights.ts";
import { rightsOf } from "./client-rights.ts";
import { readQuestion, type WhyParts, why } from "./why.ts";

const MAC = "02:00:00:00:0a:01" as Mac;
const OTHER = "02:00:00:00:0a:02" as Mac;
const SEEDS = [1, 2, 3, 4] as const;
const policy = compilePolicy(
  parsePolicy(
    `roles: { staff: { rules: [out tcp/443 to any, in tcp/22 from 10.1.0.3] }, boss: { rules: [out any to any] } }
clients: { "${MAC}": staff }`,
    "policy.yaml",
  ),
  SEEDS,
);

function ask(service: string, over: Partial<WhyParts> = {}, mac = MAC, grant?: RadiusGrant, isIn = false) {
  const rights = rightsOf(mac, { policy, grant, granted: undefined });
  const line = { mac, slot: 1, role: "staff", here: true, revoked: false, monitored: false, filters: [] };
  const parts = {
    policy,
    seeds: SEEDS,
    rights,
    line: { ...line, passed: 0, denied: 0, bytes: 0, cells: 0, holders: [] },
    mode: "enforce",
    denied: [],
    nowSeconds: 1000,
    ...over,
  };
  return why(readQuestion(mac, "10.1.0.3", service, isIn), parts);
}

function event(over: Partial<RingEvent>): RingEvent {
  const empty = { kind: 2, reason: REASON.state, direction: 0, proto: 6, slot: 1, ethertype: 0x800, ifindex: 1 };
  const ends = { client: [0x0a000009], peer: [0x0a010003], client_port: 40000, peer_port: 443, family: 4 };
  return {
    ...empty,
    ...ends,
    mac: [2, 0, 0, 0, 10, 1],
    type: TYPE.ACK,
    monitored: 0,
    pad: [0, 0, 0],
    lost: 0,
    length: 54,
    captured: 0,
    ...over,
  };
}

describe("why", () => {
  it("names the rule that allows, its source and place", () => {
    expect(ask("443")).toMatchObject({
      verdict: "allowed",
      rule: "out tcp/443 to any",
      ruleSource: "file",
      place: "policy.yaml:1 roles.staff.rules[0]",
      filterAllows: true,
    });
    expect(ask("tcp/22", {}, MAC, undefined, true)).toMatchObject({
      verdict: "allowed",
      rule: "in tcp/22 from 10.1.0.3",
    });
  });

  it("says what is missing, and who has it", () => {
    expect(ask("udp/53")).toMatchObject({
      verdict: "denied",
      because: "no rule allows out udp/53 to 10.1.0.3",
      remedy: "add `out udp/53 to 10.1.0.3` to role staff",
      otherRoles: [{ role: "boss", rule: "out any to any" }],
    });
  });

  it("says when it passes in monitor mode all the same", () => {
    expect(ask("udp/53", { mode: "monitor" })).toMatchObject({ verdict: "monitored" });
  });

  it("tells the rules of a RADIUS login from those of the role", () => {
    const grant = { rules: ["out udp/53 to any"], filters: new Map(), changed: true };
    // The kernel's filters are this AP's policy alone: that they lack the rule is said.
    expect(ask("udp/53", {}, MAC, grant)).toMatchObject({ ruleSource: "coa", verdict: "denied", filterAllows: false });
    expect(ask("udp/53", { line: undefined }, MAC, grant)).toMatchObject({ verdict: "allowed", ruleSource: "coa" });
  });

  it.each([
    ["nobody lists it", ask("443", { line: undefined }, OTHER), "no role"],
    ["its rights were revoked", ask("443", { line: { ...ask("443").kernel!, revoked: true } as never }), "revoked"],
    [
      "an opening was refused of late",
      ask("443", { denied: [{ event: event({ reason: REASON.budget, type: TYPE.SYN }), seconds: 990 }] }),
      '"budget"',
    ],
  ])("says so where %s", (_, answer, because) => {
    expect(answer.verdict).toBe("denied");
    expect(answer.because).toContain(because);
  });

  it("remarks on a stray packet of late", () => {
    const { verdict, because } = ask("443", { denied: [{ event: event({}), seconds: 990 }] });
    expect([verdict, because]).toEqual([
      "allowed",
      'out tcp/443 to any (file); yet within the last minute a packet of it was denied for "state"',
    ]);
  });

  it("holds no old denial against a rule, nor one of another flow", () => {
    expect(ask("443", { denied: [{ event: event({}), seconds: 900 }] })).toMatchObject({ verdict: "allowed" });
    const other = event({ peer: [0x0a010004] });
    expect(ask("443", { denied: [{ event: other, seconds: 999 }] })).toMatchObject({ verdict: "allowed", denials: [] });
  });

  it.each(["tcp/99999", "http", "tcp/*"])("refuses %s as a port", (service) => {
    expect(() => ask(service)).toThrow(/accepted/);
  });
});
