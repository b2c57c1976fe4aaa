/**
 * The second spelling of rules: IPFilterRule of RFC 6733 section 4.3.1, which RADIUS carries as NAS-Filter-Rule (RFC 4849).
 *
 *     permit in tcp from assigned to 10.1.0.7 443      the client opens: out tcp/443 to 10.1.0.7
 *     permit out tcp from 10.1.0.7 to assigned 22      the peer opens:   in tcp/22 from 10.1.0.7
 *     deny in ip from any to any                       what holds anyway, at the end
 *
 * There, `in` is what comes *from* the client. Those lists are stateless and ordered, ours are positive and have answers of
 * their own: what cannot be said is refused with the nearest form that can.
 */
import { badInput, type RoamwallError } from "../base/errors.ts";
import { type Address, formatAddress, type Prefix, parsePrefix } from "../base/ip.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import { PROTO, type Rule, type RulePeer, type RuleService, type ServiceItem } from "./model.ts";

export interface RuleText {
  readonly text: string;
  readonly place: string;
}

/** What names stand for: a prefix or range that is one of them is one key. */
export interface RuleNames {
  readonly zones: ReadonlyMap<string, readonly Prefix[]>;
  readonly services: ReadonlyMap<string, readonly ServiceItem[]>;
}

const FORM = "permit in|out PROTOCOL from ADDRESS [PORTS] to ADDRESS [PORTS]";
/** A prefix, range or product that is no name becomes as many rules; beyond this a name is cheaper. */
const SPREAD_MAX = 256;
const PROTOCOLS: Readonly<Record<string, number>> = { icmp: PROTO.icmp, tcp: PROTO.tcp, udp: PROTO.udp };

interface IpFilter {
  readonly action: string;
  readonly direction: string;
  readonly protocol: string;
  readonly from: End;
  readonly to: End;
  readonly options: readonly string[];
}

interface End {
  readonly address: string;
  readonly ports: string | undefined;
}

/** Throws ROAMWALL_ERR_INPUT for the first that cannot be kept: nothing of the list counts then. */
export function parseIpFilters(texts: readonly RuleText[], names: RuleNames): Rule[] {
  const ended = new Set<string>();
  return texts.flatMap((rule) => {
    const filter = split(rule);
    if (filter.action === "deny") {
      refuseDenial(rule, filter);
      ended.add(filter.direction);
      return [];
    }
    if (ended.has(filter.direction)) {
      throw wrong(
        rule,
        "stands behind a deny of everything",
        "permits first, the deny of everything last or not at all",
      );
    }
    return permit(rule, filter, names);
  });
}

function split(rule: RuleText): IpFilter {
  const words = rule.text.trim().split(/\s+/);
  const [action, direction, protocol, from] = words;
  const to = words.indexOf("to");
  const isFormed = ["permit", "deny"].includes(action!) && ["in", "out"].includes(direction!) && from === "from";
  if (!isFormed || to < 5 || to > 6 || words.length < to + 2) throw wrong(rule, "is no IPFilterRule", FORM);
  const hasPorts = /^[\d,-]+$/.test(words[to + 2] ?? "");
  return {
    action: action!,
    direction: direction!,
    protocol: protocol!,
    from: { address: words[4]!, ports: to === 6 ? words[5] : undefined },
    to: { address: words[to + 1]!, ports: hasPorts ? words[to + 2] : undefined },
    options: words.slice(to + (hasPorts ? 3 : 2)),
  };
}

/** A deny of everything at the end says what holds without it; any other would have to be asked before the permits. */
function refuseDenial(rule: RuleText, { protocol, from, to, options }: IpFilter): void {
  const isAll = [from, to].every(({ address, ports }) => /^(any|assigned)$/.test(address) && ports === undefined);
  if (isAll && protocol === "ip" && options.length === 0) return;
  const nearest = "no deny: only what is permitted passes; permit less instead";
  throw wrong(rule, "is a deny, which filters of what is allowed cannot say", nearest);
}

function permit(rule: RuleText, filter: IpFilter, names: RuleNames): Rule[] {
  const isOut = filter.direction === "in";
  const [client, peer] = isOut ? [filter.from, filter.to] : [filter.to, filter.from];
  if (!/^(any|assigned)$/.test(client.address)) {
    throw wrong(rule, `names the client's own address ${client.address}`, "`assigned` in its place");
  }
  if (filter.from.ports !== undefined)
    throw wrong(rule, "asks for the port that the opening side comes from", reversed(filter));
  for (const option of filter.options) {
    if (option === "established") return [];
    if (option !== "setup") throw wrong(rule, `has the option ${option}`, `${FORM} [setup|established]`);
  }
  // Opened by the client: the peer's port counts; opened by the peer: the client's.
  const services = servicesOf(rule, filter.protocol, filter.to.ports, names);
  const peers = peersOf(rule, peer.address, names);
  if (services.length * peers.length > SPREAD_MAX) {
    throw wrong(
      rule,
      `is ${services.length * peers.length} pairs of address and port`,
      `at most ${SPREAD_MAX}; name the ports as a service or the addresses as a zone`,
    );
  }
  const direction = isOut ? CONSTANTS.DIRECTION_OUT : CONSTANTS.DIRECTION_IN;
  return services.flatMap((service) => peers.map((one) => ({ ...rule, direction, service, peer: one })));
}

/** Such a rule is meant for answers mostly, which need none here. */
function reversed({ direction, protocol, from, to }: IpFilter): string {
  const other = direction === "in" ? "out" : "in";
  return `nothing, if it is for answers; else \`permit ${other} ${protocol} from ${to.address} to ${from.address} ${from.ports}\``;
}

function servicesOf(rule: RuleText, protocol: string, ports: string | undefined, names: RuleNames): RuleService[] {
  const proto = protocolOf(rule, protocol);
  if (ports === undefined) {
    if (proto === undefined) return [{ kind: "protocols", protos: Array.from({ length: 256 }, (_, i) => i) }];
    return [{ kind: "protocols", protos: proto === PROTO.icmp ? [PROTO.icmp, PROTO.icmp6] : [proto] }];
  }
  if (proto !== PROTO.tcp && proto !== PROTO.udp)
    throw wrong(rule, `has ports with protocol ${protocol}`, "ports with tcp or udp only");
  return ports.split(",").flatMap((part) => portsOf(rule, proto, part, names));
}

function protocolOf(rule: RuleText, protocol: string): number | undefined {
  if (protocol === "ip") return undefined;
  const number = PROTOCOLS[protocol] ?? (/^\d{1,3}$/.test(protocol) ? Number(protocol) : -1);
  if (number < 0 || number > 255)
    throw wrong(rule, `has the protocol ${protocol}`, "ip, tcp, udp, icmp or a number of 0 to 255");
  return number;
}

function portsOf(rule: RuleText, proto: number, part: string, names: RuleNames): RuleService[] {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (!match || first > last || last > 0xffff)
    throw wrong(rule, `has the ports ${part}`, "ports of 0 to 65535, the lower one first");
  if (first <= 1 && last === 0xffff) return [{ kind: "protocols", protos: [proto] }];
  const name = serviceOfRange(proto, first, last, names);
  if (name !== undefined) return [{ kind: "named", name }];
  const word = proto === PROTO.tcp ? "tcp" : "udp";
  if (last - first >= SPREAD_MAX) {
    throw wrong(
      rule,
      `has a range of ${last - first + 1} ports`,
      `the same rule, and \`services: { NAME: [${word}/${first}-${last}] }\` in the policy of the APs; or at most ${SPREAD_MAX} ports`,
    );
  }
  return Array.from({ length: last - first + 1 }, (_, i) => ({
    kind: "ports",
    proto,
    first: first + i,
    last: first + i,
  }));
}

function serviceOfRange(proto: number, first: number, last: number, { services }: RuleNames): string | undefined {
  if (first === last) return undefined;
  const isIt = (items: readonly ServiceItem[]) => {
    const [item, ...more] = items;
    return !more.length && item?.kind === "ports" && item.proto === proto && item.first === first && item.last === last;
  };
  return [...services].find(([, items]) => isIt(items))?.[0];
}

function peersOf(rule: RuleText, text: string, names: RuleNames): RulePeer[] {
  if (text === "any") return [{ kind: "any" }];
  if (text === "assigned") throw wrong(rule, "has the client on both sides", FORM);
  if (text.startsWith("!")) throw wrong(rule, `has the inverted address ${text}`, "the addresses that are meant");
  const { address, bits } = parsePrefix(text, `${rule.place} "${rule.text}"`);
  const width = address.family === 4 ? 32 : 128;
  if (bits === width) return [{ kind: "address", ...address }];
  const zone = [...names.zones].find(([, list]) => list.length === 1 && isSame(list[0]!, { address, bits }));
  if (zone) return [{ kind: "zone", name: zone[0] }];
  const count = 2 ** (width - bits);
  if (count > SPREAD_MAX) {
    const prefix = `${formatAddress(address)}/${bits}`;
    const any = bits === 0 ? "; or `any`, if both families are meant" : "";
    throw wrong(
      rule,
      `has the prefix ${prefix}`,
      `the same rule, and \`zones: { NAME: ["${prefix}"] }\` in the policy of the APs; or a prefix of at most ${SPREAD_MAX} addresses${any}`,
    );
  }
  return Array.from({ length: count }, (_, i) => ({ kind: "address", ...plus(address, i) }));
}

/** Host bits of a prefix are zero, so the last word never overflows. */
function plus({ family, words }: Address, offset: number): Address {
  return { family, words: words.map((word, i) => (i === words.length - 1 ? word + offset : word)) };
}

function isSame(a: Prefix, b: Prefix): boolean {
  return a.bits === b.bits && formatAddress(a.address) === formatAddress(b.address);
}

function wrong(rule: RuleText, found: string, accepted: string): RoamwallError {
  return badInput(rule.place, `"${rule.text}" ${found}`, accepted);
}
