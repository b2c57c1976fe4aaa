/**
 * Which rule allows a flow to be opened, read from the rules as a person reads them: no class, key or filter is asked.
 * Beside it what the filter says, so that a false positive is seen as one.
 */
import type { Address, Prefix } from "../base/ip.ts";
import { formatAddress, prefixHolds } from "../base/ip.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import type { ServiceEntry, ZoneEntry } from "../datapath/datapath.ts";
import { AclKey, type AclQuestion, ALL_TEMPLATES, aclMatches } from "../sfr/acl.ts";
import { Zones } from "../sfr/zones.ts";
import type { CompiledPolicy, FilterContent } from "./compile.ts";
import type { Seeds } from "./filter.ts";
import { isOfOtherFamily } from "./keys.ts";
import { type Policy, PROTO, type Role, type Rule, type ServiceItem } from "./model.ts";

/** The first packet of a flow. */
export interface Opening {
  /** DIRECTION_OUT: the client opens, DIRECTION_IN: the peer does. */
  readonly direction: number;
  readonly proto: number;
  /** Of the side that is opened to; 0 where the protocol has none. */
  readonly port: number;
  readonly peer: Address;
}

export interface Explanation {
  /** The first rule of the role that allows it. */
  readonly rule: Rule | undefined;
  readonly filterAllows: boolean;
  /** Keys that the kernel asks the filter for, and the chance that one of them is there by accident. */
  readonly keysAsked: number;
  readonly falsePositive: number;
  /** What the words of the rules may call this peer and this service. */
  readonly zones: readonly string[];
  readonly services: readonly string[];
  /** The narrowest rule that would allow it. */
  readonly missing: string;
  /** Roles of this policy that allow it, each with its first rule. */
  readonly otherRoles: readonly { readonly role: string; readonly rule: Rule }[];
}

/** `role` must be one of the policy. */
export function explain(
  policy: Policy,
  compiled: CompiledPolicy,
  seeds: Seeds,
  role: string,
  opening: Opening,
): Explanation {
  const others = [...policy.roles].filter(([name]) => name !== role);
  return {
    rule: ruleFor(policy, policy.roles.get(role)!, opening),
    ...filtersSay(ofRole(compiled, role), compiled, seeds, opening),
    zones: [...policy.zones].filter(([, prefixes]) => isInside(prefixes, opening.peer)).map(([name]) => name),
    services: [...policy.services].filter(([, items]) => items.some((i) => covers(i, opening))).map(([name]) => name),
    missing: narrowest(opening),
    otherRoles: others.flatMap(([name, other]) => {
      const rule = ruleFor(policy, other, opening);
      return rule ? [{ role: name, rule }] : [];
    }),
  };
}

/** The first rule of a role that lets the flow be opened; undefined: none does. */
export function ruleFor(policy: Policy, role: Role, opening: Opening): Rule | undefined {
  return role.rules.find(
    (rule) =>
      rule.direction === opening.direction && servesPort(policy, rule, opening) && namesPeer(policy, rule, opening),
  );
}

/** 224.0.0.0/4, the broadcast address, ff00::/8. What a subnet calls its broadcast only the link layer shows. */
export function isGroupAddress({ family, words }: Address): boolean {
  const top = words[0]! >>> 24;
  return family === 6 ? top === 0xff : (top >= 224 && top < 240) || words[0] === 0xffffffff;
}

function servesPort(policy: Policy, { service }: Rule, opening: Opening): boolean {
  if (service.kind === "named") return policy.services.get(service.name)!.some((item) => covers(item, opening));
  return covers(service, opening);
}

function covers(item: ServiceItem, { proto, port }: Opening): boolean {
  if (item.kind === "ports") return item.proto === proto && port >= item.first && port <= item.last;
  return item.protos.includes(proto);
}

function namesPeer(policy: Policy, { peer, service, direction }: Rule, opening: Opening): boolean {
  const toGroup = direction === CONSTANTS.DIRECTION_OUT && isGroupAddress(opening.peer);
  switch (peer.kind) {
    case "any":
      return true;
    case "group":
      return toGroup;
    case "address":
      if (isOfOtherFamily(service, opening.proto, peer.family)) return false;
      return peer.family === opening.peer.family && peer.words.every((word, i) => word === opening.peer.words[i]);
    case "zone":
      return !toGroup && isInside(policy.zones.get(peer.name)!, opening.peer);
  }
}

function isInside(prefixes: readonly Prefix[], address: Address): boolean {
  return prefixes.some((prefix) => prefixHolds(prefix, address));
}

function ofRole({ filters, roles }: CompiledPolicy, role: string): FilterContent[] {
  return filters.filter(({ id }) => roles.get(role)!.filters.includes(id));
}

/** What the kernel finds in these filters, as they are. */
export function filtersSay(
  filters: readonly FilterContent[],
  compiled: Pick<CompiledPolicy, "zones" | "services">,
  seeds: Seeds,
  opening: Opening,
): Pick<Explanation, "filterAllows" | "keysAsked" | "falsePositive"> {
  const question = questionOf(opening, compiled.zones, compiled.services);
  const key = new AclKey(seeds[2], seeds[3]);
  let keysAsked = 0;
  let miss = 1;
  for (const filter of filters) {
    const used = opening.direction === CONSTANTS.DIRECTION_OUT ? filter.out : filter.in;
    for (let template = 0; used >>> template !== 0; template++) {
      if (((used >>> template) & 1) === 0 || !key.set(template, opening.direction, question)) continue;
      keysAsked++;
      miss *= 1 - fill(filter) ** filter.probes;
    }
  }
  const numbered = filters.map((filter, id) => ({ id, ...filter }));
  const filterAllows = aclMatches(numbered, opening.direction, question, key, ALL_TEMPLATES);
  return { filterAllows, keysAsked, falsePositive: 1 - miss };
}

/** Share of bits that are set. */
function fill({ data, bits }: FilterContent): number {
  let set = 0;
  for (let byte of data) for (; byte !== 0; byte &= byte - 1) set++;
  return set / bits;
}

function questionOf(
  { direction, proto, port, peer }: Opening,
  entries: readonly ZoneEntry[],
  services: readonly ServiceEntry[],
): AclQuestion {
  const zones = new Zones();
  zones.set(entries);
  const words = Uint32Array.from([...peer.words, 0, 0, 0].slice(0, 4));
  const toGroup = direction === CONSTANTS.DIRECTION_OUT && isGroupAddress(peer);
  const zoneOf = () => (peer.family === 4 ? zones.of4(words[0]!) : zones.of6(words));
  return {
    family: peer.family,
    proto,
    peer: words,
    zoneClass: toGroup ? CONSTANTS.ZONE_GROUP : zoneOf(),
    service: port,
    serviceClass: services.find((entry) => entry.port === port)?.service ?? 0,
  };
}

/** The narrowest rule that allows it. */
export function narrowest({ direction, proto, port, peer }: Opening): string {
  const service = serviceText(proto, port);
  const address = formatAddress(peer);
  return direction === CONSTANTS.DIRECTION_OUT ? `out ${service} to ${address}` : `in ${service} from ${address}`;
}

/** As rules spell it. */
export function serviceText(proto: number, port: number): string {
  if (proto === PROTO.tcp) return `tcp/${port}`;
  if (proto === PROTO.udp) return `udp/${port}`;
  return proto === PROTO.icmp || proto === PROTO.icmp6 ? "icmp" : `proto/${proto}`;
}
