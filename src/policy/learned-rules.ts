/** Openings that were missed, as rules of roles: few and readable, and no wider than they must be. */
import { formatAddress, type Prefix } from "../base/ip.ts";
import type { Mac } from "../base/mac.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import { isGroupAddress, type Opening, serviceText } from "./explain.ts";
import type { LearnedRule, Need } from "./learn.ts";
import { type Policy, PROTO, type Role, type Rule, type ServiceItem } from "./model.ts";
import { parseRule } from "./policy.ts";

/** Up to so many peers a rule each; beyond, a zone of them. */
const PEER_RULES_MAX = 4;
/** Up to so many addresses in a zone; beyond, their /24 and /64. */
const ZONE_ADDRESSES_MAX = 32;
/** Beyond, `any`: it is the world. */
const ZONE_PREFIXES_MAX = 64;
/** Services with the same peers: beyond so many, one service with a name. */
const SERVICE_RULES_MAX = 4;
const ROLE_RULES_MAX = 256;
const NAME_CHARACTERS_MAX = 40;

/** A rule to be: services that share direction and peers. */
interface Group {
  readonly direction: number;
  readonly services: string[];
  readonly items: ServiceItem[];
  readonly openings: Opening[];
  flows: number;
  readonly clients: Set<Mac>;
}

interface Names {
  readonly zones: Map<string, readonly Prefix[]>;
  readonly services: Map<string, readonly ServiceItem[]>;
}

export function writeRules(
  policy: Policy,
  needs: ReadonlyMap<string, ReadonlyMap<string, Need>>,
  roleForUnknown: string,
): { policy: Policy; notes: Map<Rule, string>; added: LearnedRule[]; beyond: number } {
  const names: Names = { zones: new Map(policy.zones), services: new Map(policy.services) };
  const roles = new Map(policy.roles);
  const notes = new Map<Rule, string>();
  const added: LearnedRule[] = [];
  let beyond = 0;
  for (const [name, ofRole] of needs) {
    const groups = groupsOf([...ofRole.values()]).sort((a, b) => b.flows - a.flows);
    const rules = groups.flatMap((group) => rulesOf(name, group, names));
    beyond += rules.slice(ROLE_RULES_MAX).reduce((sum, { flows }) => sum + flows, 0);
    const taken = rules.slice(0, ROLE_RULES_MAX);
    for (const { rule, flows, clients } of taken) {
      notes.set(rule, `${flows} flows of ${clients} clients`);
      added.push({ role: name, rule: rule.text, flows, clients });
    }
    roles.set(
      name,
      withRules(
        roles.get(name),
        taken.map(({ rule }) => rule),
      ),
    );
  }
  const unknown = needs.has(roleForUnknown) ? (policy.unknown ?? roleForUnknown) : policy.unknown;
  const next = { ...policy, ...names, roles, ...(unknown !== undefined && { unknown }) };
  return { policy: next, notes, added, beyond };
}

function withRules(role: Role | undefined, rules: readonly Rule[]): Role {
  return {
    limits: { openOut: 0, openIn: 0, halfOpen: 0 },
    monitor: false,
    ...role,
    rules: [...(role?.rules ?? []), ...rules],
  };
}

/** By service, then services with the same peers together. */
function groupsOf(needs: readonly Need[]): Group[] {
  const byService = new Map<string, Need[]>();
  for (const need of needs) {
    const { direction, proto, port } = need.opening;
    const key = `${direction} ${serviceText(proto, port)}`;
    byService.set(key, [...(byService.get(key) ?? []), need]);
  }
  const byPeers = new Map<string, Group>();
  for (const ofService of byService.values()) {
    const { direction, proto, port } = ofService[0]!.opening;
    const peers = ofService.map(({ opening }) => formatAddress(opening.peer)).sort();
    const key = `${direction} ${peers.join()}`;
    const group = byPeers.get(key) ?? emptyGroup(direction);
    byPeers.set(key, group);
    group.services.push(serviceText(proto, port));
    group.items.push(itemOf(proto, port));
    if (group.openings.length === 0) group.openings.push(...ofService.map(({ opening }) => opening));
    for (const { flows, clients } of ofService) {
      group.flows += flows;
      for (const mac of clients) group.clients.add(mac);
    }
  }
  return [...byPeers.values()];
}

function emptyGroup(direction: number): Group {
  return { direction, services: [], items: [], openings: [], flows: 0, clients: new Set() };
}

function rulesOf(role: string, group: Group, names: Names) {
  const isOut = group.direction === CONSTANTS.DIRECTION_OUT;
  const services = servicesOf(role, group, names);
  const peers = peersOf(role, group, names);
  const count = services.length * peers.length;
  return services.flatMap((service) =>
    peers.map((peer) => ({
      rule: parseRule(isOut ? `out ${service} to ${peer}` : `in ${service} from ${peer}`, "learned", names),
      flows: Math.ceil(group.flows / count),
      clients: group.clients.size,
    })),
  );
}

function servicesOf(role: string, { services, items }: Group, names: Names): string[] {
  if (services.length <= SERVICE_RULES_MAX) return services;
  const name = freeName(`${role}-services`, names.services);
  names.services.set(name, items);
  return [name];
}

function peersOf(role: string, { openings, direction, services }: Group, names: Names): string[] {
  const groups = openings.filter(({ peer }) => direction === CONSTANTS.DIRECTION_OUT && isGroupAddress(peer));
  const single = openings.filter((opening) => !groups.includes(opening));
  const forGroups = groups.length > 0 ? ["group"] : [];
  if (single.length <= PEER_RULES_MAX) return [...forGroups, ...single.map(({ peer }) => formatAddress(peer))];
  const prefixes = prefixesOf(single);
  if (prefixes.length > ZONE_PREFIXES_MAX) return ["any"];
  const name = freeName(`${role}-${services[0]!.replace(/[^A-Za-z0-9]/g, "-")}`, names.zones);
  names.zones.set(name, prefixes);
  return [...forGroups, name];
}

function prefixesOf(openings: readonly Opening[]): Prefix[] {
  const wide = openings.length > ZONE_ADDRESSES_MAX;
  const prefixes = openings.map(({ peer }): Prefix => {
    if (!wide) return { address: peer, bits: peer.family === 4 ? 32 : 128 };
    const words = peer.words.map((word, i) => (peer.family === 4 ? (word & 0xffffff00) >>> 0 : i < 2 ? word : 0));
    return { address: { family: peer.family, words }, bits: peer.family === 4 ? 24 : 64 };
  });
  return [...new Map(prefixes.map((prefix) => [formatAddress(prefix.address), prefix])).values()];
}

function itemOf(proto: number, port: number): ServiceItem {
  if (proto === PROTO.tcp || proto === PROTO.udp) return { kind: "ports", proto, first: port, last: port };
  const isIcmp = proto === PROTO.icmp || proto === PROTO.icmp6;
  return { kind: "protocols", protos: isIcmp ? [PROTO.icmp, PROTO.icmp6] : [proto] };
}

function freeName(wish: string, taken: ReadonlyMap<string, unknown>): string {
  const stem = wish.slice(0, NAME_CHARACTERS_MAX);
  for (let i = 1; ; i++) {
    const name = i === 1 ? stem : `${stem}-${i}`;
    if (!taken.has(name)) return name;
  }
}
