/** The opening of a flow as a person writes it: a peer's address, and a service. */
import { badInput } from "../base/errors.ts";
import type { Address } from "../base/ip.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import type { Opening } from "./explain.ts";
import { PROTO } from "./model.ts";
import { parseRule } from "./policy.ts";

const SERVICE_ACCEPTED = "tcp/PORT, udp/PORT, icmp or proto/NUMBER";
const NO_NAMES = { zones: new Map(), services: new Map() };

/** Throws ROAMWALL_ERR_INPUT. */
export function readOpening(peer: Address, serviceWord: string, isIn: boolean): Opening {
  const direction = isIn ? CONSTANTS.DIRECTION_IN : CONSTANTS.DIRECTION_OUT;
  const { service } = parseRule(`out ${serviceWord} to any`, "service", NO_NAMES);
  if (service.kind === "ports") return { direction, proto: service.proto, port: service.first, peer };
  const protos = service.kind === "protocols" ? service.protos : [];
  if (serviceWord === "icmp") return { direction, proto: peer.family === 4 ? PROTO.icmp : PROTO.icmp6, port: 0, peer };
  // `tcp/*` and `any` are no single packet's.
  const proto = protos[0];
  const hasPorts = proto === PROTO.tcp || proto === PROTO.udp;
  if (protos.length !== 1 || proto === undefined || hasPorts) {
    throw badInput("service", `"${serviceWord}"`, SERVICE_ACCEPTED);
  }
  return { direction, proto, port: 0, peer };
}
