import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { badInput } from "../base/errors.ts";
import { compilePolicy, parsePolicy } from "./policy.ts";

const SEEDS = [1, 2, 3, 4] as const;

/** One line of a policy that is wrong, where the complaint must point, and what it must offer. */
const WRONG: [phrase: string, text: string, place: string, accepted: string][] = [
  ["YAML that does not close", "zones: {a: [", "p.yaml:1:", "YAML 1.2 or JSON"],
  ["an unknown field", "\nzone: {}", "p.yaml:2 zone: unknown field", "zones, services"],
  ["a list at the top", "- a", "p.yaml:1: a list", "a mapping"],
  ["a prefix with host bits", "zones: {a: [10.0.0.1/8]}", "p.yaml:1 zones.a[0]", "host bits are zero"],
  ["a prefix too long", "zones: {a: [10.0.0.0/33]}", "zones.a[0]", "0 to 32"],
  ["IPv4 in IPv6 clothes", 'zones: {a: ["::ffff:10.0.0.0/104"]}', "zones.a[0]", "written as IPv4"],
  ["a zone with a reserved name", "zones: {any: []}", "zones.any", "a name other than"],
  ["a port above 65535", "services: {a: [tcp/65536]}", "services.a[0]", "0 to 65535"],
  ["a range upside down", "services: {a: [tcp/9-8]}", "services.a[0]", "the lower one first"],
  ["an unknown protocol word", "services: {a: [sctp/9]}", "services.a[0]", "proto/NUMBER"],
  ["a protocol number above 255", "services: {a: [proto/256]}", "services.a[0]", "proto/0 to proto/255"],
  ["a rule with a word missing", "roles: {r: {rules: [out tcp/80 any]}}", "roles.r.rules[0]", "out SERVICE to PEER"],
  ["`out ... from`", "roles: {r: {rules: [out tcp/80 from any]}}", "roles.r.rules[0]", "out SERVICE to PEER"],
  ["an unknown zone", "roles: {r: {rules: [out tcp/80 to mars]}}", 'unknown peer "mars"', "any, group, an address"],
  [
    "an unknown service",
    "zones: {z: []}\nroles: {r: {rules: [out web to z]}}",
    "p.yaml:2 roles.r.rules[0]",
    "tcp/PORT",
  ],
  ["a range in a rule", "roles: {r: {rules: [out tcp/1-9 to any]}}", "a range", "services: { NAME: [tcp/1-9] }"],
  ["a prefix in a rule", "roles: {r: {rules: [out icmp to 10.0.0.0/8]}}", "a prefix", "zones: { NAME: [10.0.0.0/8] }"],
  ["a limit above 65535", "roles: {r: {limits: {open-in: 70000}}}", "roles.r.limits.open-in", "0 to 65535"],
  ["a MAC address too short", 'clients: {"02:00": r}', 'clients.02:00: "02:00"', "six hex pairs"],
  ["a group MAC address", 'roles: {r: {}}\nclients: {"01:00:5e:00:00:01": r}', "p.yaml:2", "unicast"],
  ["a client of no role", 'roles: {r: {}}\nclients: {"02:00:00:00:00:01": x}', 'unknown role "x"', "policy (r)"],
  ["an unknown client's unknown role", "unknown: x", "unknown", "it has none"],
  [
    "a client that is named twice",
    'roles: {r: {}}\nclients: {"02:00:00:00:00:01": r, "02:00:00:00:00:01": r}',
    "2:",
    "",
  ],
  ["a rate of nothing", "rate: 0", "rate", "0.1%"],
];

describe("parsePolicy", () => {
  it.each(WRONG)("refuses %s and says where and what is accepted", (_phrase, text, place, accepted) => {
    const message = messageOf(() => parsePolicy(text, "p.yaml"));
    expect(message).toContain("p.yaml");
    expect(message).toContain(place);
    expect(message).toContain(accepted);
  });

  it("reads the example that the documentation shows", () => {
    const policy = parsePolicy(readFileSync("docs/examples/policy.yaml", "utf8"), "policy.yaml");
    expect([...policy.roles.keys()]).toEqual(["staff", "guest"]);
    expect(policy.roles.get("staff")!.limits).toEqual({ openOut: 200, openIn: 50, halfOpen: 0 });
    expect(policy.unknown).toBe("guest");
  });

  it("reads the same policy from JSON", () => {
    const yaml = "zones: {z: [10.0.0.0/8]}\nroles: {r: {rules: [out tcp/1 to z]}}\nclients: {020000000001: r}\n";
    const json =
      '{"zones":{"z":["10.0.0.0/8"]},"roles":{"r":{"rules":["out tcp/1 to z"]}},"clients":{"020000000001":"r"}}';
    const compiled = [yaml, json].map((text) => compilePolicy(parsePolicy(text, "p"), SEEDS));
    // Where a rule stands in its text is the only difference.
    const [first, second] = compiled.map(({ source: _, ...rest }) => rest);
    expect(first).toEqual(second);
    expect([...compiled[0]!.clients.keys()]).toEqual(["02:00:00:00:00:01"]);
  });

  it("refuses an empty file, since a file that is being rewritten is empty for a moment", () => {
    expect(messageOf(() => parsePolicy("", "p"))).toContain("nothing is no mapping");
    expect(compilePolicy(parsePolicy("{}", "p"), SEEDS).filters).toEqual([]);
  });

  it("never fails with anything but an error that names the place, however the text is cut", () => {
    const text = readFileSync("docs/examples/policy.yaml", "utf8");
    for (let length = 0; length < text.length; length++) {
      try {
        compilePolicy(parsePolicy(text.slice(0, length), "p.yaml"), SEEDS);
      } catch (error) {
        expect(error).toMatchObject({ code: badInput("", "", "").code });
        expect(String(error)).toContain("p.yaml:");
      }
    }
  });
});

describe("compilePolicy", () => {
  it("gives the same filters the same numbers, and changed content another number", () => {
    const text = readFileSync("docs/examples/policy.yaml", "utf8");
    const before = compilePolicy(parsePolicy(text, "p"), SEEDS);
    const same = compilePolicy(parsePolicy(text, "p"), SEEDS, { previous: before });
    expect(same).toEqual(before);
    const changed = compilePolicy(parsePolicy(text.replace("in tcp/22", "in tcp/23"), "p"), SEEDS, {
      previous: before,
    });
    expect(changed.roles.get("guest")!.filters).toEqual(before.roles.get("guest")!.filters);
    expect(changed.roles.get("staff")!.filters).not.toEqual(before.roles.get("staff")!.filters);
  });

  it("does not give a number that an old filter still holds to another content", () => {
    const old = compilePolicy(parsePolicy("roles: {r: {rules: [out tcp/1 to any]}}", "p"), SEEDS);
    const [filter] = old.filters;
    // Of another role that is gone: an edit of this one would start from it.
    const impostor = { ...old, roles: new Map(), filters: [{ ...filter!, data: filter!.data.map((b) => b ^ 1) }] };
    const next = compilePolicy(parsePolicy("roles: {r: {rules: [out tcp/1 to any]}}", "p"), SEEDS, {
      previous: impostor,
    });
    expect(next.filters[0]!.id).toBe((filter!.id + 1) % 4096);
  });

  it("keeps the limits and the mode of a role", () => {
    const text = "roles: {r: {mode: monitor, limits: {open-out: 7}}}";
    const role = compilePolicy(parsePolicy(text, "p"), SEEDS).roles.get("r")!;
    expect(role).toMatchObject({ filters: [], limits: { openOut: 7, openIn: 0, halfOpen: 0 }, monitor: true });
  });
});

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as Error).message;
  }
  return "(nothing was refused)";
}

describe("monitor mode", () => {
  const roles = "roles: { staff: { mode: monitor }, guest: {} }";
  const compiled = (text: string) => compilePolicy(parsePolicy(text, "test"), [1, 2, 3, 4]);

  it("is of a role, of all, or of a client", () => {
    expect([...compiled(roles).roles.values()].map(({ monitor }) => monitor)).toEqual([true, false]);
    expect([...compiled(`mode: monitor\n${roles}`).roles.values()].map(({ monitor }) => monitor)).toEqual([true, true]);
    const one = compiled(
      `${roles}\nclients: { "02:00:00:00:00:01": { role: guest, mode: monitor }, "02:00:00:00:00:02": guest }`,
    );
    expect([...one.monitored]).toEqual(["02:00:00:00:00:01"]);
    expect([...one.clients.values()]).toEqual(["guest", "guest"]);
  });

  it.each([
    ["mode: on", "enforce, monitor"],
    [`${roles}\nclients: { "02:00:00:00:00:01": { mode: monitor } }`, "no role"],
  ])("refuses %s", (text, message) => {
    expect(() => compiled(text)).toThrow(message);
  });
});
