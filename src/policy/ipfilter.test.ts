import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RoamwallError } from "../base/errors.ts";
import { parsePrefix } from "../base/ip.ts";
import { ruleKeys } from "./keys.ts";
import { parseRules, type RuleNames } from "./policy.ts";

const NAMES: RuleNames = {
  zones: new Map([["servers", [parsePrefix("10.1.0.0/16", "test")]]]),
  services: new Map([["voip", [{ kind: "ports", proto: 17, first: 10000, last: 20000 }]]]),
};
const CONTEXT = {
  services: NAMES.services,
  zoneClasses: new Map([["servers", [7]]]),
  serviceClasses: new Map([["17/voip", [9]]]),
};

function keysOf(...texts: string[]): string[] {
  const rules = parseRules(
    texts.map((text, i) => ({ text, place: `line ${i + 1}` })),
    NAMES,
  );
  return rules.flatMap((rule) => ruleKeys(rule, CONTEXT).map((key) => key.words.join(" "))).sort();
}

/** A rule of each spelling that means the same. */
const SAME: [filter: string, rules: string[]][] = [
  ["permit in tcp from assigned to 10.1.0.7 443", ["out tcp/443 to 10.1.0.7"]],
  ["permit in 6 from any to 10.1.0.7/32 443 setup", ["out tcp/443 to 10.1.0.7"]],
  ["permit in tcp from any to any 80,443", ["out tcp/80 to any", "out tcp/443 to any"]],
  ["permit in udp from any to 10.1.0.0/16 10000-20000", ["out voip to servers"]],
  ["permit in udp from any to any", ["out udp/* to any"]],
  ["permit in udp from any to any 0-65535", ["out udp/* to any"]],
  ["permit in ip from any to any", ["out any to any"]],
  ["permit in icmp from assigned to 2001:db8::7", ["out icmp to 2001:db8::7"]],
  ["permit in 47 from any to any", ["out proto/47 to any"]],
  ["permit in tcp from any to 192.0.2.4/30 22", ["4", "5", "6", "7"].map((n) => `out tcp/22 to 192.0.2.${n}`)],
  ["permit in tcp from any to any 20-21", ["out tcp/20 to any", "out tcp/21 to any"]],
  ["permit out tcp from 10.1.0.7 to assigned 22", ["in tcp/22 from 10.1.0.7"]],
  ["permit out ip from any to assigned", ["in any from any"]],
  ["permit out tcp from any to any established", []],
];

const WRONG: [phrase: string, text: string | string[], found: string, accepted: string][] = [
  ["a deny of something", "deny in tcp from any to 10.1.0.7 25", "is a deny", "permit less"],
  ["a permit behind the end", ["deny in ip from any to any", "permit in ip from any to any"], "behind a deny", "last"],
  ["a prefix without a zone", "permit in ip from any to 10.0.0.0/8", "prefix 10.0.0.0/8", "zones: { NAME:"],
  ["all of IPv4", "permit in ip from any to 0.0.0.0/0", "prefix 0.0.0.0/0", "or `any`"],
  ["an odd range", "permit in tcp from any to any 1000-2000", "1001 ports", "services: { NAME: [tcp/1000-2000] }"],
  ["too many pairs", "permit in tcp from any to 192.0.2.0/24 80,443", "512 pairs", "at most 256"],
  ["a range upside down", "permit in tcp from any to any 9-8", "ports 9-8", "lower one first"],
  ["a port above 65535", "permit in tcp from any to any 65536", "ports 65536", "0 to 65535"],
  ["ports without tcp or udp", "permit in ip from any to any 80", "ports with protocol ip", "tcp or udp only"],
  ["an unknown protocol", "permit in sctp from any to any", "protocol sctp", "a number"],
  ["an inverted address", "permit in ip from any to !10.1.0.7", "inverted", "addresses that are meant"],
  ["the client's address", "permit in ip from 10.1.0.9 to any", "own address", "assigned"],
  ["answers", "permit out udp from 10.1.0.1 53 to assigned", "comes from", "nothing, if it is for answers"],
  ["flags", "permit in tcp from any to any tcpflags syn", "option tcpflags", "setup|established"],
  ["the client twice", "permit in ip from any to assigned", "both sides", "permit in|out"],
  ["half a rule", "permit in ip from any", "no IPFilterRule", "permit in|out"],
];

describe("parseRules", () => {
  it.each(SAME)("reads `%s` as %j", (filter, rules) => {
    expect(keysOf(filter)).toEqual(keysOf(...rules));
  });

  it("takes a deny of everything at the end for what it is", () => {
    const denials = ["deny in ip from any to any", "deny out ip from any to assigned"];
    expect(keysOf("permit in tcp from any to any 80", ...denials)).toEqual(keysOf("out tcp/80 to any"));
  });

  it.each(WRONG)("refuses %s with rule, reason and what would do", (_phrase, text, found, accepted) => {
    const texts = [text].flat();
    const attempt = () => keysOf(...texts);
    expect(attempt).toThrow(RoamwallError);
    expect(attempt).toThrow(`line ${texts.length}`);
    expect(attempt).toThrow(texts.at(-1));
    expect(attempt).toThrow(found);
    expect(attempt).toThrow(accepted);
  });

  it("answers any words with rules or an error that names the place", () => {
    const word = fc.constantFrom(
      ..."permit deny in out ip tcp udp from to any assigned 10.1.0.7 10.1.0.0/16 80 1-9 , ! x".split(" "),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 10 }), (words) => {
        try {
          keysOf(["permit", ...words].join(" "));
        } catch (error) {
          expect(error).toBeInstanceOf(RoamwallError);
          expect((error as Error).message).toContain("line 1");
        }
      }),
    );
  });
});
