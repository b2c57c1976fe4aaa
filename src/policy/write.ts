/** A policy as text that reads back as the same policy. By hand: the YAML library's way back to text is not on board. */
import { formatAddress, type Prefix } from "../base/ip.ts";
import { type Policy, PROTO, type Role, type Rule, type ServiceItem } from "./model.ts";

/** `notes`: what to say beside a rule. */
export function policyText(policy: Policy, notes: ReadonlyMap<Rule, string> = new Map()): string {
  const { zones, services, roles, clients, unknown, group, privateZones, rate } = policy;
  const role = (one: Role, indent: string) => roleLines(one, indent, notes);
  return [
    ...(policy.monitor ? ["mode: monitor"] : []),
    ...section("zones", zones, (name, prefixes) => [`  ${name}: [${prefixes.map(prefixText).join(", ")}]`]),
    ...section("services", services, (name, items) => [`  ${name}: [${items.map(itemText).join(", ")}]`]),
    ...section("roles", roles, (name, one) => [`  ${name}:`, ...role(one, "    ")]),
    ...section("clients", clients, (mac, name) => [`  "${mac}": ${clientText(policy, mac, name)}`]),
    ...(unknown === undefined ? [] : [`unknown: ${unknown}`]),
    ...(group ? ["group:", ...role(group, "  ")] : []),
    ...section("port-zones", new Map([...privateZones].map((zone) => [zone, zone])), (zone) => [
      `  ${zone}: { roam: false }`,
    ]),
    `rate: ${rate}`,
    "",
  ].join("\n");
}

function section<K, V>(name: string, members: ReadonlyMap<K, V>, lines: (key: K, value: V) => string[]): string[] {
  return members.size === 0 ? [] : [`${name}:`, ...[...members].flatMap(([key, value]) => lines(key, value))];
}

function roleLines(role: Role, indent: string, notes: ReadonlyMap<Rule, string>): string[] {
  const { openOut, openIn, halfOpen } = role.limits;
  const limits = [
    ["open-out", openOut],
    ["open-in", openIn],
    ["half-open", halfOpen],
  ].filter(([, limit]) => limit !== 0);
  // One line of the second spelling may have become many rules.
  const distinct = [...new Map([...role.rules].reverse().map((rule) => [rule.text, rule])).values()].reverse();
  const rules = distinct.map((rule) => {
    const note = notes.get(rule);
    return `${indent}  - ${rule.text}${note === undefined ? "" : `  # ${note}`}`;
  });
  return [
    ...(rules.length ? [`${indent}rules:`, ...rules] : [`${indent}rules: []`]),
    ...(limits.length ? [`${indent}limits: { ${limits.map(([name, limit]) => `${name}: ${limit}`).join(", ")} }`] : []),
    ...(role.monitor ? [`${indent}mode: monitor`] : []),
  ];
}

function clientText(policy: Policy, mac: string, role: string): string {
  return (policy.monitored as ReadonlySet<string>).has(mac) ? `{ role: ${role}, mode: monitor }` : role;
}

function prefixText({ address, bits }: Prefix): string {
  const text = formatAddress(address);
  return `"${bits === (address.family === 4 ? 32 : 128) ? text : `${text}/${bits}`}"`;
}

/** As a list of a service spells it. */
export function itemText(item: ServiceItem): string {
  if (item.kind === "ports") {
    const proto = item.proto === PROTO.tcp ? "tcp" : "udp";
    return `${proto}/${item.first === item.last ? item.first : `${item.first}-${item.last}`}`;
  }
  const { protos } = item;
  if (protos.length === 256) return "any";
  if (protos.length === 2) return "icmp";
  if (protos[0] === PROTO.tcp || protos[0] === PROTO.udp) return `${protos[0] === PROTO.tcp ? "tcp" : "udp"}/*`;
  return `proto/${protos[0]}`;
}
