/** What is written correctly and yet rarely meant: a network's own services are easily forgotten. */
import { CONSTANTS } from "../datapath/abi.ts";
import { type Policy, PROTO, type Role, type RuleService, type ServiceItem } from "./model.ts";

export interface Advice {
  /** Absent: of the whole policy. */
  readonly role?: string;
  readonly text: string;
  /** A rule, or a line of the policy. */
  readonly remedy: string;
}

/** Services that nearly every client needs, on the peer's side. */
const NEEDED = [
  { port: 53, what: "no DNS: clients will find no name", remedy: "out udp/53 to ADDRESS-OF-RESOLVER" },
  {
    port: 67,
    what: "no DHCP to the server itself: leases are renewed only by broadcast, at the last moment",
    remedy: "out udp/67 to ADDRESS-OF-DHCP-SERVER",
  },
] as const;

export function adviceOn(policy: Policy): Advice[] {
  const advice: Advice[] = [];
  for (const [role, { rules }] of policy.roles) {
    // Who may open nothing is not meant to find names either.
    if (!rules.some(({ direction }) => direction === CONSTANTS.DIRECTION_OUT)) continue;
    for (const { port, what, remedy } of NEEDED) {
      if (!mayReach(policy, policy.roles.get(role)!, port)) advice.push({ role, text: what, remedy });
    }
  }
  if (policy.clients.size === 0 && policy.unknown === undefined) {
    advice.push({
      text: "nobody has a role: everything is denied, unless RADIUS gives roles",
      remedy: "unknown: ROLE",
    });
  }
  return advice;
}

function mayReach(policy: Policy, role: Role, port: number): boolean {
  return role.rules.some(
    ({ direction, service }) =>
      direction === CONSTANTS.DIRECTION_OUT && itemsOf(policy, service).some((item) => coversUdp(item, port)),
  );
}

function itemsOf(policy: Policy, service: RuleService): readonly ServiceItem[] {
  return service.kind === "named" ? policy.services.get(service.name)! : [service];
}

function coversUdp(item: ServiceItem, port: number): boolean {
  if (item.kind === "protocols") return item.protos.includes(PROTO.udp);
  return item.proto === PROTO.udp && port >= item.first && port <= item.last;
}
