/**
 * Rules for people: what a role may do, in words. `compile.ts` turns them into the filters that the kernel asks.
 *
 *     out web to internet          the client opens
 *     in tcp/22 from servers       the peer opens
 */
import { badInput } from "../base/errors.ts";
import { formatAddress, type Prefix, parseAddress, parsePrefix } from "../base/ip.ts";
import { type Mac, parseMac } from "../base/mac.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import { type Field, readDocument } from "./document.ts";
import { parseIpFilters, type RuleNames, type RuleText } from "./ipfilter.ts";

import {
  type Policy,
  PROTO,
  type Role,
  type Rule,
  type RulePeer,
  type RuleService,
  type ServiceItem,
} from "./model.ts";

import { NAME, NAME_ACCEPTED } from "./names.ts";

export {
  type CompiledPolicy,
  type CompiledRole,
  type CompileOptions,
  compilePolicy,
  compileRules,
  type FilterContent,
} from "./compile.ts";
export type { RuleNames, RuleText } from "./ipfilter.ts";
export type { Limits, Policy, Role, Rule } from "./model.ts";

const RATE_DEFAULT = 0.001;
/** Words of the rule language: a zone or service of this name could not be told from them. */
const RESERVED = ["any", "group", "icmp", "tcp", "udp", "proto", "to", "from", "in", "out"];

const RULE_ACCEPTED = "`out SERVICE to PEER` or `in SERVICE from PEER`, as `out tcp/443 to any`";
const SERVICE_ACCEPTED = "tcp/PORT, udp/PORT, tcp/*, udp/*, icmp, proto/NUMBER, any, or the name of a service";
const ITEM_ACCEPTED = "tcp/PORT, tcp/FIRST-LAST, udp/PORT, udp/FIRST-LAST, tcp/*, udp/*, icmp or proto/NUMBER";

/** Reads a whole policy. `place` is the file's name. Throws ROAMWALL_ERR_INPUT; nothing is half accepted. */
export function parsePolicy(text: string, place: string): Policy {
  const top = readDocument(text, place);
  const fields = top.fields([
    "zones",
    "services",
    "roles",
    "clients",
    "unknown",
    "group",
    "port-zones",
    "rate",
    "mode",
  ]);
  const zones = readNamed(fields.zones, "zone", (prefix) => readPrefix(prefix));
  const services = readNamed(fields.services, "service", (item) => readServiceItem(item));
  const names: RuleNames = { zones, services };
  const roles = new Map<string, Role>();
  for (const [name, field] of fields.roles?.entries("a mapping of role names") ?? []) {
    if (!NAME.test(name)) throw badInput(field.place, `role "${name}"`, NAME_ACCEPTED);
    roles.set(name, readRole(field, names));
  }
  const { clients, monitored } = readClients(fields.clients, roles);
  return {
    zones,
    services,
    roles,
    clients,
    monitor: fields.mode ? isMonitor(fields.mode) : false,
    monitored,
    ...(fields.unknown && { unknown: readRoleName(fields.unknown, roles) }),
    ...(fields.group && { group: readRole(fields.group, names) }),
    privateZones: readPrivateZones(fields["port-zones"]),
    rate: fields.rate ? readRate(fields.rate) : RATE_DEFAULT,
  };
}

/** Rules in either spelling, as a source brings them: `place` names it. Throws ROAMWALL_ERR_INPUT for the first wrong one. */
export function parseRules(texts: readonly RuleText[], names: RuleNames): Rule[] {
  const isFilter = ({ text }: RuleText) => /^\s*(permit|deny)\b/.test(text);
  const filters = parseIpFilters(texts.filter(isFilter), names);
  return [...texts.filter((one) => !isFilter(one)).map(({ text, place }) => parseRule(text, place, names)), ...filters];
}

function readNamed<T>(field: Field | undefined, what: string, read: (item: Field) => T): Map<string, T[]> {
  const named = new Map<string, T[]>();
  for (const [name, list] of field?.entries(`a mapping of ${what} names`) ?? []) {
    if (!NAME.test(name)) throw badInput(list.place, `${what} "${name}"`, NAME_ACCEPTED);
    if (RESERVED.includes(name)) {
      throw badInput(
        list.place,
        `${what} "${name}" is a word of the rules`,
        `a name other than ${RESERVED.join(", ")}`,
      );
    }
    named.set(name, list.list(`a list, as [${what === "zone" ? "10.1.0.0/24" : "tcp/443"}]`).map(read));
  }
  return named;
}

function readPrefix(field: Field): Prefix {
  const prefix = parsePrefix(field.text("a prefix, as 10.1.0.0/24 or 2001:db8::/32"), field.place);
  const [a, b, c] = prefix.address.words;
  if (prefix.address.family === 6 && prefix.bits >= 96 && a === 0 && b === 0 && c === 0xffff) {
    throw badInput(field.place, "an IPv4 prefix in IPv6 clothes", "the same prefix written as IPv4");
  }
  return prefix;
}

function readRole(field: Field, names: RuleNames): Role {
  const { rules, limits, mode } = field.fields(["rules", "limits", "mode"]);
  const limit = limits?.fields(["open-out", "open-in", "half-open"]);
  const texts =
    rules?.list("a list of rules").map((rule) => ({ text: rule.text(RULE_ACCEPTED), place: rule.place })) ?? [];
  return {
    rules: parseRules(texts, names),
    limits: {
      openOut: limit?.["open-out"]?.integer(0, 0xffff) ?? 0,
      openIn: limit?.["open-in"]?.integer(0, 0xffff) ?? 0,
      halfOpen: limit?.["half-open"]?.integer(0, 0xffff) ?? 0,
    },
    monitor: mode ? isMonitor(mode) : false,
  };
}

function isMonitor(mode: Field): boolean {
  return mode.oneOf(["enforce", "monitor"]) === "monitor";
}

/** `MAC: ROLE`, or `MAC: { role: ROLE, mode: monitor }`. */
function readClients(field: Field | undefined, roles: ReadonlyMap<string, Role>) {
  const clients = new Map<Mac, string>();
  const monitored = new Set<Mac>();
  for (const [text, entry] of field?.entries("a mapping of MAC address to role") ?? []) {
    const mac = readClientMac(text, entry);
    monitored.delete(mac);
    if (!entry.isMapping()) {
      clients.set(mac, readRoleName(entry, roles));
      continue;
    }
    const { role, mode } = entry.fields(["role", "mode"]);
    if (!role) throw badInput(entry.place, "no role", "`{ role: NAME, mode: monitor }`");
    clients.set(mac, readRoleName(role, roles));
    if (mode && isMonitor(mode)) monitored.add(mac);
  }
  return { clients, monitored };
}

/** Where a link authenticates nobody, anybody may use any MAC: what such a client has and does stays at its AP. */
function readPrivateZones(field: Field | undefined): Set<number> {
  const zones = new Set<number>();
  for (const [text, zone] of field?.entries("a mapping of zone numbers, as roamwalld's --port gives them") ?? []) {
    const number = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
    if (!(number <= 0xffff)) throw badInput(zone.place, `port zone "${text}"`, "a number of 0 to 65535");
    const { auth, roam } = zone.fields(["auth", "roam"]);
    const isOpen = auth?.oneOf(["link", "none"]) === "none";
    if (!(roam?.boolean() ?? !isOpen)) zones.add(number);
  }
  return zones;
}

function readRoleName(field: Field, roles: ReadonlyMap<string, Role>): string {
  const accepted = `a role of this policy (${[...roles.keys()].join(", ") || "it has none"})`;
  const name = field.text(accepted);
  if (!roles.has(name)) throw badInput(field.place, `unknown role "${name}"`, accepted);
  return name;
}

function readClientMac(text: string, field: Field): Mac {
  const mac = parseMac(text, field.place);
  const first = Number.parseInt(mac.slice(0, 2), 16);
  if ((first & 1) === 1 || mac === "00:00:00:00:00:00") {
    throw badInput(field.place, `"${text}" is no station's address`, "a unicast MAC address");
  }
  return mac;
}

/** 0.001 or 0.1%. Filters grow with the logarithm of 1 / rate: ten times stricter is a third larger. */
function readRate(field: Field): number {
  const accepted = "a share of 0.000001 to 0.1, as 0.001 or 0.1%";
  const text = field.text(accepted);
  const match = /^(\d+(?:\.\d+)?(?:e-\d+)?)(%?)$/.exec(text);
  const rate = match ? Number(match[1]) / (match[2] ? 100 : 1) : Number.NaN;
  if (!(rate >= 1e-6 && rate <= 0.1)) throw badInput(field.place, `"${text}"`, accepted);
  return rate;
}

/** One rule. Exported for the tests and for sources that bring rules one at a time. */
export function parseRule(text: string, place: string, names: RuleNames): Rule {
  const words = text.trim().split(/\s+/);
  const [direction, service, link, peer] = words;
  if (words.length !== 4 || (direction !== "out" && direction !== "in")) {
    throw badInput(place, `"${text}"`, RULE_ACCEPTED);
  }
  if (link !== (direction === "out" ? "to" : "from")) throw badInput(place, `"${text}"`, RULE_ACCEPTED);
  return {
    text: words.join(" "),
    place,
    direction: direction === "out" ? CONSTANTS.DIRECTION_OUT : CONSTANTS.DIRECTION_IN,
    service: parseRuleService(service!, place, names),
    peer: parsePeer(peer!, place, names),
  };
}

function parseRuleService(text: string, place: string, names: RuleNames): RuleService {
  if (names.services.has(text)) return { kind: "named", name: text };
  const item = parseServiceItem(
    text,
    place,
    `${SERVICE_ACCEPTED} (${[...names.services.keys()].join(", ") || "none named"})`,
  );
  if (item.kind === "ports" && item.first !== item.last) {
    throw badInput(
      place,
      `"${text}" is a range, which a key of one port cannot say`,
      `a named service: \`services: { NAME: [${text}] }\`, then NAME in the rule`,
    );
  }
  return item;
}

function parsePeer(text: string, place: string, names: RuleNames): RulePeer {
  if (text === "any") return { kind: "any" };
  if (text === "group") return { kind: "group" };
  if (names.zones.has(text)) return { kind: "zone", name: text };
  if (text.includes("/")) {
    const { address, bits } = parsePrefix(text, place);
    if (bits === (address.family === 4 ? 32 : 128)) return { kind: "address", ...address };
    throw badInput(
      place,
      `"${text}" is a prefix, which a key of one address cannot say`,
      `a zone: \`zones: { NAME: [${formatAddress(address)}/${bits}] }\`, then NAME in the rule`,
    );
  }
  if (/^[\d.]+$|:/.test(text)) return { kind: "address", ...parseAddress(text, place) };
  const zones = [...names.zones.keys()].join(", ") || "none named";
  throw badInput(place, `unknown peer "${text}"`, `any, group, an address, or a zone (${zones})`);
}

function readServiceItem(field: Field): ServiceItem {
  return parseServiceItem(field.text(ITEM_ACCEPTED), field.place, ITEM_ACCEPTED);
}

function parseServiceItem(text: string, place: string, accepted: string): ServiceItem {
  if (text === "any") return { kind: "protocols", protos: Array.from({ length: 256 }, (_, proto) => proto) };
  if (text === "icmp") return { kind: "protocols", protos: [PROTO.icmp, PROTO.icmp6] };
  const match = /^(tcp|udp|proto)\/(?:(\*)|(\d{1,5})(?:-(\d{1,5}))?)$/.exec(text);
  if (!match) throw badInput(place, `"${text}"`, accepted);
  const [, proto, star, low, high] = match;
  if (proto === "proto") {
    const number = star || high ? -1 : Number(low);
    if (number < 0 || number > 255) throw badInput(place, `"${text}"`, "proto/0 to proto/255");
    return { kind: "protocols", protos: [number] };
  }
  const number = proto === "tcp" ? PROTO.tcp : PROTO.udp;
  if (star) return { kind: "protocols", protos: [number] };
  const first = Number(low);
  const last = Number(high ?? low);
  if (first > last || last > 0xffff) throw badInput(place, `"${text}"`, "ports of 0 to 65535, the lower one first");
  return { kind: "ports", proto: number, first, last };
}
