/** Openings that were missed, as rules of roles: few and readable, and no wider than they must be. */
import { formatAddress, type Prefix } from "../base/ip.ts";
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

/** Services that share direction and peers. */
interface Group {
  readonly direction: number;
  readonly services: string[];
  readonly items: ServiceItem[];
  readonly needs: Need[];
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
    const groups = groupsOf([...ofRole.values()]);
    const rules = groups.flatMap((group) => rulesOf(name, group, names)).sort((a, b) => b.flows - a.flows);
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
    const group = byPeers.get(key) ?? { direction, services: [], items: [], needs: [] };
    byPeers.set(key, group);
    group.services.push(serviceText(proto, port));
    group.items.push(itemOf(proto, port));
    group.needs.push(...ofService);
  }
  return [...byPeers.values()];
}

/** A rule that is to be written: its word for the service or the peer, and the needs behind the word. */
interface Word {
  readonly text: string;
  covers(opening: Opening): boolean;
}

function rulesOf(role: string, group: Group, names: Names) {
  const isOut = group.direction === CONSTANTS.DIRECTION_OUT;
  const peers = peersOf(role, group, names);
  return servicesOf(role, group, names).flatMap((service) =>
    peers.map((peer) => {
      const text = isOut ? `out ${service.text} to ${peer.text}` : `in ${service.text} from ${peer.text}`;
      const needs = group.needs.filter(({ opening }) => service.covers(opening) && peer.covers(opening));
      return {
        rule: parseRule(text, "learned", names),
        flows: needs.reduce((sum, { flows }) => sum + flows, 0),
        clients: new Set(needs.flatMap(({ clients }) => [...clients])).size,
      };
    }),
  );
}

function servicesOf(role: string, { services, items }: Group, names: Names): Word[] {
  if (services.length <= SERVICE_RULES_MAX) {
    return services.map((text) => ({ text, covers: ({ proto, port }) => serviceText(proto, port) === text }));
  }
  const text = freeName(`${role}-services`, names.services);
  names.services.set(text, items);
  return [{ text, covers: () => true }];
}

function peersOf(role: string, { needs, direction, services }: Group, names: Names): Word[] {
  const isGroup = ({ peer }: Opening) => direction === CONSTANTS.DIRECTION_OUT && isGroupAddress(peer);
  const openings = needs.map(({ opening }) => opening);
  const texts = new Map(openings.filter((one) => !isGroup(one)).map((one) => [formatAddress(one.peer), one]));
  const groups: Word[] = openings.some(isGroup) ? [{ text: "group", covers: isGroup }] : [];
  if (texts.size <= PEER_RULES_MAX) {
    const single = [...texts.keys()].map(
      (text): Word => ({ text, covers: ({ peer }) => formatAddress(peer) === text }),
    );
    return [...groups, ...single];
  }
  const prefixes = prefixesOf([...texts.values()]);
  if (prefixes.length > ZONE_PREFIXES_MAX) return [{ text: "any", covers: () => true }];
  const text = freeName(`${role}-${services[0]!.replace(/[^A-Za-z0-9]/g, "-")}`, names.zones);
  names.zones.set(text, prefixes);
  return [...groups, { text, covers: (opening) => !isGroup(opening) }];
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
