/** A rule as the keys that the kernel will ask for. */
import { CONSTANTS } from "../datapath/abi.ts";
import { type ClassesByName, serviceMember } from "./classes.ts";
import { PROTO, type Rule, type RulePeer, type RuleService, type ServiceItem } from "./model.ts";

export interface AclKey {
  /** Words to hash; the first is the tag. */
  readonly words: readonly number[];
  readonly direction: number;
  /** peer kind * 3 + service kind */
  readonly template: number;
}

export interface KeyContext {
  readonly services: ReadonlyMap<string, readonly ServiceItem[]>;
  readonly zoneClasses: ClassesByName;
  readonly serviceClasses: ClassesByName;
}

interface PeerKey {
  readonly kind: number;
  readonly words: readonly number[];
  readonly family: 0 | 4 | 6;
}

interface ServiceKey {
  readonly kind: number;
  readonly proto: number;
  readonly word: number;
}

/** Every combination of what the rule's peer and its service stand for. */
export function ruleKeys(rule: Rule, context: KeyContext): AclKey[] {
  const keys: AclKey[] = [];
  for (const peer of peerKeys(rule.peer, context)) {
    for (const service of serviceKeys(rule.service, context)) {
      if (isOfOtherFamily(rule.service, service.proto, peer.family)) continue;
      const template = peer.kind * 3 + service.kind;
      const tag = template | (rule.direction << 4) | (peer.family === 6 ? 1 << 5 : 0) | (service.proto << 8);
      keys.push({ words: [tag, ...peer.words, service.word], direction: rule.direction, template });
    }
  }
  return keys;
}

/** `icmp` stands for both protocols, but an address has only one of them. */
export function isOfOtherFamily(service: RuleService, proto: number, family: 0 | 4 | 6): boolean {
  const both =
    service.kind === "protocols" && service.protos.includes(PROTO.icmp) && service.protos.includes(PROTO.icmp6);
  return both && ((family === 4 && proto === PROTO.icmp6) || (family === 6 && proto === PROTO.icmp));
}

function peerKeys(peer: RulePeer, context: KeyContext): PeerKey[] {
  switch (peer.kind) {
    case "any":
      return [{ kind: CONSTANTS.PEER_ANY, words: [0], family: 0 }];
    case "group":
      return [{ kind: CONSTANTS.PEER_ZONE, words: [CONSTANTS.ZONE_GROUP], family: 0 }];
    case "address":
      return [{ kind: CONSTANTS.PEER_ADDRESS, words: peer.words, family: peer.family }];
    case "zone":
      return (context.zoneClasses.get(peer.name) ?? []).map((zone) => {
        return { kind: CONSTANTS.PEER_ZONE, words: [zone], family: 0 };
      });
  }
}

function serviceKeys(service: RuleService, context: KeyContext): ServiceKey[] {
  switch (service.kind) {
    case "ports":
      return [{ kind: CONSTANTS.SERVICE_PORT, proto: service.proto, word: service.first }];
    case "protocols":
      return service.protos.map((proto) => ({ kind: CONSTANTS.SERVICE_ANY, proto, word: 0 }));
    case "named":
      return namedServiceKeys(service.name, context);
  }
}

function namedServiceKeys(name: string, context: KeyContext): ServiceKey[] {
  const keys: ServiceKey[] = [];
  for (const proto of [PROTO.tcp, PROTO.udp]) {
    for (const word of context.serviceClasses.get(serviceMember(proto, name)) ?? []) {
      keys.push({ kind: CONSTANTS.SERVICE_CLASS, proto, word });
    }
  }
  for (const item of context.services.get(name) ?? []) {
    if (item.kind === "protocols") keys.push(...serviceKeys(item, context));
  }
  return keys;
}
