import { describe, expect, it } from "vitest";
import { parseAddress } from "../base/ip.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import { serviceClasses, zoneClasses } from "./classes.ts";
import { ruleKeys } from "./keys.ts";
import { parsePolicy } from "./policy.ts";

const HEAD =
  "zones: {z: [10.0.0.0/8], y: [10.1.0.0/16]}\nservices: {web: [tcp/80, tcp/443, udp/443], mix: [tcp/1, icmp]}\n";
const tag = (peer: number, service: number, direction: number, v6: number, proto: number) =>
  (peer * 3 + service) | (direction << 4) | (v6 << 5) | (proto << 8);

function keysOf(rule: string): (readonly number[])[] {
  const policy = parsePolicy(`${HEAD}roles: {r: {rules: ["${rule}"]}}`, "p");
  const zones = zoneClasses(policy.zones).classes;
  const services = serviceClasses(policy.services).classes;
  const context = { services: policy.services, zoneClasses: zones, serviceClasses: services };
  return ruleKeys(policy.roles.get("r")!.rules[0]!, context).map((key) => key.words);
}

const four = parseAddress("10.0.0.7", "test").words;
const six = parseAddress("2001:db8::7", "test").words;

/** The rule, and its keys as the specification writes them. */
const ROWS: [rule: string, keys: (readonly number[])[]][] = [
  ["out tcp/443 to 10.0.0.7", [[tag(0, 0, 0, 0, 6), ...four, 443]]],
  ["in udp/53 from 2001:db8::7", [[tag(0, 0, 1, 1, 17), ...six, 53]]],
  ["out tcp/* to any", [[tag(2, 2, 0, 0, 6), 0, 0]]],
  ["in proto/47 from any", [[tag(2, 2, 1, 0, 47), 0, 0]]],
  ["out udp/1900 to group", [[tag(1, 0, 0, 0, 17), CONSTANTS.ZONE_GROUP, 1900]]],
  [
    "out icmp to any",
    [
      [tag(2, 2, 0, 0, 1), 0, 0],
      [tag(2, 2, 0, 0, 58), 0, 0],
    ],
  ],
  ["out icmp to 10.0.0.7", [[tag(0, 2, 0, 0, 1), ...four, 0]]],
  ["out icmp to 2001:db8::7", [[tag(0, 2, 0, 1, 58), ...six, 0]]],
];

describe("ruleKeys", () => {
  it.each(ROWS)("turns `%s` into the kernel's keys", (rule, keys) => {
    expect(keysOf(rule)).toEqual(keys);
  });

  it("expands a zone to every class that holds it, and a service to every class of its ports", () => {
    expect(keysOf("out tcp/22 to z").length).toBe(2);
    expect(keysOf("out tcp/22 to y").length).toBe(1);
    expect(keysOf("out web to any").length).toBe(3);
    expect(keysOf("out mix to any").map((words) => words[0]! >> 8)).toEqual([6, 1, 58]);
  });

  it("allows every protocol by `any`", () => {
    expect(new Set(keysOf("out any to any").map((words) => words[0]! >> 8)).size).toBe(256);
  });
});
