import { CONSTANTS } from "../datapath/abi.ts";
import { ETHERTYPE, type Packet, PROTO } from "./packet.ts";

/**
 * What must never be filtered for a network to live, by direction and exact shape: anything looser is a tunnel (WireGuard on
 * port 67, a neighbour discovery type that routers forward). Routers, servers and redirects may only speak *to* clients.
 */
const { CLASS_ICMP6, CLASS_OTHER, CLASS_UDP, SIDE_CLIENT } = CONSTANTS;

/** RFC 4861: no router can have forwarded it. */
const ND_HOP_LIMIT = 255;
/** RFC 2710, 3810. */
const MLD_HOP_LIMIT = 1;
/** IEEE 802.2 XID, without and with the poll bit: how a bridge learns that a station moved. */
const XID = 0xaf;
const XID_POLL = 0xbf;
const MAX_802_3_LENGTH = 1500;

const ROUTER_SOLICITATION = 133;
const NEIGHBOUR_SOLICITATION = 135;
const NEIGHBOUR_ADVERTISEMENT = 136;
const REDIRECT = 137;
const MLD_QUERY = 130;
const MLD_REPORT = 131;
const MLD_DONE = 132;
const MLD2_REPORT = 143;

export function isExempt(packet: Packet): boolean {
  const fromClient = packet.direction === SIDE_CLIENT;
  if (packet.family === 0) return isExemptLink(packet);
  // RFC 6980, 7112: none of these needs fragments; half of one is a way around the shape.
  if (packet.head || packet.tail) return false;
  // Not an error that quotes one: `proto` is the quoted packet's then.
  if (packet.family === 4 && packet.class === CLASS_OTHER && packet.proto === PROTO.IGMP) return true;
  if (packet.class === CLASS_UDP) return isDhcp(packet, fromClient);
  if (packet.class !== CLASS_ICMP6) return false;
  return isNeighbourDiscovery(packet, fromClient) || isMld(packet, fromClient);
}

function isExemptLink(packet: Packet): boolean {
  const { ethertype } = packet;
  if (ethertype === ETHERTYPE.ARP || ethertype === ETHERTYPE.EAPOL || ethertype === ETHERTYPE.PREAUTH) return true;
  if (ethertype > MAX_802_3_LENGTH) return false;
  const control = packet.byteAt(packet.l2 + 2);
  return packet.group && (control === XID || control === XID_POLL);
}

function isDhcp(packet: Packet, fromClient: boolean): boolean {
  const { clientPort, peerPort, destination } = packet;
  if (packet.family === 4) {
    const ports = clientPort === 68 && peerPort === 67;
    return ports && (!fromClient || destination[0] === 0xffffffff);
  }
  return clientPort === 546 && peerPort === 547 && (!fromClient || isAllDhcpServers(destination));
}

/** ff02::1:2 */
function isAllDhcpServers(address: Uint32Array): boolean {
  return address[0] === 0xff020000 && address[1] === 0 && address[2] === 0 && address[3] === 0x00010002;
}

function isNeighbourDiscovery(packet: Packet, fromClient: boolean): boolean {
  const { icmpType, icmpCode, hopLimit } = packet;
  if (hopLimit !== ND_HOP_LIMIT || icmpCode !== 0) return false;
  if (!fromClient) return icmpType >= ROUTER_SOLICITATION && icmpType <= REDIRECT;
  return (
    icmpType === ROUTER_SOLICITATION || icmpType === NEIGHBOUR_SOLICITATION || icmpType === NEIGHBOUR_ADVERTISEMENT
  );
}

function isMld(packet: Packet, fromClient: boolean): boolean {
  const { icmpType, hopLimit } = packet;
  if (hopLimit !== MLD_HOP_LIMIT) return false;
  if (icmpType === MLD_REPORT || icmpType === MLD_DONE || icmpType === MLD2_REPORT) return true;
  return icmpType === MLD_QUERY && !fromClient;
}
