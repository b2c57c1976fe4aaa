import { badInput } from "../../base/errors.ts";
import { parseAddress } from "../../base/ip.ts";
import { parseMac } from "../../base/mac.ts";
import { CONSTANTS } from "../../datapath/abi.ts";
import { type Explanation, explain, type Opening, serviceText } from "../../policy/explain.ts";
import { readOpening } from "../../policy/opening.ts";
import type { CompiledPolicy } from "../../policy/policy.ts";
import { policySources, roleOf } from "../../policy/sources.ts";
import type { PolicyAction } from "./policy.ts";
import { readCompiled } from "./policy-file.ts";
import { facts, printable, styleOf } from "./text.ts";
import { type Call, EXIT } from "./verb.ts";

/** Exit code 0: a rule allows it; 1: none does. */
export const explainAction: PolicyAction = {
  form: "explain FILE CLIENT|ROLE PEER SERVICE [--in]",
  least: 4,
  most: 4,
  run(call, [file, who, peer, service]) {
    const { policy, compiled, seeds } = readCompiled(call, file!);
    const { role, source } = roleFor(compiled, who!);
    const opening = readOpening(parseAddress(peer!, "peer"), service!, call.options.has("in"));
    const found = role === undefined ? undefined : explain(policy, compiled, seeds, role, opening);
    if (call.options.has("json")) call.terminal.out(`${JSON.stringify(jsonOf(who!, role, source, found), null, 2)}\n`);
    else print(call, who!, role, source, opening, found);
    return found?.rule ? EXIT.ok : EXIT.failure;
  },
};

function roleFor(compiled: CompiledPolicy, who: string): { role: string | undefined; source: string } {
  if (compiled.roles.has(who)) return { role: who, source: "named" };
  if (!who.includes(":")) {
    const roles = [...compiled.roles.keys()].join(", ") || "it has none";
    throw badInput("client or role", `"${who}"`, `a MAC address, or a role of this policy (${roles})`);
  }
  const found = roleOf(policySources(compiled), parseMac(who, "client"));
  return found ?? { role: undefined, source: "nobody knows it" };
}

function jsonOf(who: string, role: string | undefined, source: string, found: Explanation | undefined) {
  return {
    asked: who,
    role: role ?? null,
    source,
    allowed: found?.rule !== undefined,
    rule: found?.rule?.text ?? null,
    place: found?.rule?.place ?? null,
    filterAllows: found?.filterAllows ?? false,
    keysAsked: found?.keysAsked ?? 0,
    falsePositive: found?.falsePositive ?? 0,
    zones: found?.zones ?? [],
    services: found?.services ?? [],
    missing: found && !found.rule ? found.missing : null,
    otherRoles: found?.otherRoles.map(({ role: name, rule }) => ({ role: name, rule: rule.text })) ?? [],
  };
}

function print(
  { terminal }: Call,
  who: string,
  role: string | undefined,
  source: string,
  opening: Opening,
  found: Explanation | undefined,
): void {
  const style = styleOf(terminal);
  const lines: [string, string][] = [];
  const isOut = opening.direction === CONSTANTS.DIRECTION_OUT;
  lines.push(["role", role === undefined ? "none: everything is denied" : `${role} (${sourceText(source)})`]);
  if (found) {
    if (found.rule) lines.push(["rule", found.rule.text], ["at", printable(found.rule.place)]);
    lines.push(["peer is in", found.zones.join(", ") || "no zone"]);
    lines.push([`${serviceText(opening.proto, opening.port)} is`, found.services.join(", ") || "no named service"]);
    if (!found.rule) lines.push(["missing", found.missing]);
    for (const { role: name, rule } of found.otherRoles) lines.push([`role ${name}`, `has ${rule.text}`]);
    lines.push(["by chance", chanceText(found)]);
  }
  const verdict = found?.rule
    ? style.good("allowed")
    : found?.filterAllows
      ? style.bad("passes by chance")
      : style.bad("denied");
  terminal.out(`${verdict} ${printable(who)} ${isOut ? "opens" : "is opened to"}\n\n${facts(lines, style)}`);
}

function sourceText(source: string): string {
  return source === "unknown" ? "as everybody unknown" : source === "named" ? "as asked" : `from the ${source}`;
}

function chanceText({ rule, filterAllows, keysAsked, falsePositive }: Explanation): string {
  const share = `${(falsePositive * 100).toPrecision(2)} % of what no rule allows passes (${keysAsked} keys asked)`;
  return !rule && filterAllows ? `yes, this very flow: ${share}` : share;
}
