import { hex } from "../../base/bytes.ts";
import type { Seeds } from "../../policy/filter.ts";
import type { Limits } from "../../policy/model.ts";
import type { CompiledPolicy } from "../../policy/policy.ts";
import { compileRules } from "../../policy/policy.ts";
import { type CarriedFilter, deltaOf, emitDelta, emitFilter } from "../../radius/carried-filter.ts";
import { splitFragments } from "../../radius/fragments.ts";
import { seedIdOf } from "../key.ts";
import { ADOPTION_OPTIONS, adopt, release } from "./adoption.ts";
import { readCompiled } from "./policy-file.ts";
import { type Call, EXIT, usage, type Verb } from "./verb.ts";

/** Attribute and value, as a FreeRADIUS users file has them. */
type Item = readonly [name: string, value: string];

export const radiusVerb: Verb = {
  name: "radius",
  summary: `Writes a role's rules as RADIUS attributes; points OpenWrt's hostapd at the relay.

  roamwall radius encode FILE ROLE   to paste into a FreeRADIUS users file or a CoA
  roamwall radius adopt IFACE        lets a wifi-iface of OpenWrt log in through the relay, and remembers what was there
  roamwall radius release [IFACE]    as it was before; without a name all that were adopted

A role is written as one Bloom filter (Roamwall-Filter), which takes 1.8 bytes a rule; bits and places are those of the mesh's key.`,
  arguments: ["ACTION", "[FILE]", "[ROLE]"],
  options: [
    { name: "key", value: "FILE", text: "the mesh's key file; without it the filter fits no AP" },
    { name: "text", text: "the rules as text (Roamwall-Rule) instead of a filter" },
    { name: "from", value: "OLDFILE", text: "only what changes the role's filter of OLDFILE to that of FILE" },
    { name: "coa", text: "a line each without commas, for radclient" },
    ...ADOPTION_OPTIONS,
  ],
  async run(call) {
    const [action, first, second] = call.arguments as [string, string?, string?];
    if (action === "adopt" && first !== undefined && second === undefined) return adopt(call, first);
    if (action === "release" && second === undefined) return release(call, first);
    if (action !== "encode" || first === undefined || second === undefined) {
      throw usage(`"${call.arguments.join(" ")}"`, "encode FILE ROLE, adopt IFACE or release [IFACE]");
    }
    print(call, itemsOf(call, first, second));
    return EXIT.ok;
  },
};

function itemsOf(call: Call, file: string, role: string): Item[] {
  const { compiled, seeds } = readCompiled(call, file);
  const { rules, limits } = roleOf(compiled, role);
  if (call.options.has("text")) {
    return [...rules.map(({ text }): Item => ["Roamwall-Rule", JSON.stringify(text)]), ...limitItems(limits)];
  }
  const old = call.options.get("from");
  if (old === undefined) return [...filterItems(filterOf(compiled, role, seeds)), ...limitItems(limits)];
  const before = filterOf(readCompiled(call, old).compiled, role, seeds);
  const after = filterOf(compiled, role, seeds, before);
  return fragmentItems("Roamwall-Filter-Delta", emitDelta(deltaOf(before, after)!));
}

function roleOf({ source }: CompiledPolicy, name: string) {
  const role = source.roles.get(name);
  if (!role) throw usage(`unknown role "${name}"`, [...source.roles.keys()].join(", ") || "a file with roles");
  return role;
}

function filterOf(compiled: CompiledPolicy, role: string, seeds: Seeds, like?: CarriedFilter): CarriedFilter {
  const { rules } = roleOf(compiled, role);
  const filter = compileRules(`role "${role}"`, rules, compiled, seeds, like);
  if (!filter) throw usage(`role "${role}" allows nothing`, "a role with rules");
  return { ...filter, seedId: seedIdOf(seeds) };
}

function filterItems(filter: CarriedFilter): Item[] {
  return fragmentItems("Roamwall-Filter", emitFilter(filter));
}

function fragmentItems(name: string, octets: Uint8Array): Item[] {
  return splitFragments(0, octets).map((part) => [name, `0x${hex(part)}`]);
}

function limitItems({ openOut, openIn, halfOpen }: Limits): Item[] {
  const items: Item[] = [
    ["Roamwall-Open-Out", `${openOut}`],
    ["Roamwall-Open-In", `${openIn}`],
    ["Roamwall-Half-Open", `${halfOpen}`],
  ];
  return items.filter(([, value]) => value !== "0");
}

function print({ terminal, options }: Call, items: readonly Item[]): void {
  const isCoa = options.has("coa");
  const lines = items.map(([name, value], i) => {
    return isCoa ? `${name} = ${value}` : `\t${name} += ${value}${i + 1 < items.length ? "," : ""}`;
  });
  terminal.out(`${lines.join("\n")}\n`);
}
