import { CONSTANTS, REASON } from "../datapath/abi.ts";

/**
 * What the firewall wants to know of a frame, from its first 128 bytes: the client's tuple, the class of the packet, and
 * whether a header lies. Lengths are compared with the frame's, captured or not; a header that is needed and lies beyond the
 * captured bytes is `malformed`, an extension header too. No checksum is verified (offloads fill them in later).
 */
const { CLASS_ERROR, CLASS_ICMP, CLASS_ICMP6, CLASS_OTHER, CLASS_TAIL, CLASS_TCP, CLASS_UDP } = CONSTANTS;
const { SIDE_CLIENT, UDP_GROUP, UDP_UNICAST } = CONSTANTS;

export const ETHERTYPE = {
  IPV4: 0x0800,
  ARP: 0x0806,
  VLAN: 0x8100,
  IPV6: 0x86dd,
  EAPOL: 0x888e,
  SERVICE_VLAN: 0x88a8,
  PREAUTH: 0x88c7,
} as const;

export const PROTO = {
  HOP_BY_HOP: 0,
  ICMP: 1,
  IGMP: 2,
  TCP: 6,
  UDP: 17,
  ROUTING: 43,
  FRAGMENT: 44,
  ICMPV6: 58,
  NONE: 59,
  DESTINATION: 60,
} as const;

const ETHERNET_BYTES = 14;
const TAG_BYTES = 4;
const IPV6_BYTES = 40;
/** RFC 8200 gives no limit; the kernel's verifier needs one. Counted over the outer and the quoted packet together. */
const EXTENSION_HEADERS_MAX = 6;
/** An error must quote this much of the transport header (RFC 792): ports, or identifier. */
const QUOTED_BYTES = 8;

export interface FrameInput {
  /** From the Ethernet header; may be cut short by a capture. */
  readonly frame: Uint8Array;
  /** Bytes of the frame on the wire, when `frame` is cut short. */
  readonly length?: number;
  /** SIDE_CLIENT: it enters a client port. SIDE_PEER: it leaves one. */
  readonly direction: 0 | 1;
  /** A VLAN tag lies in the metadata, not in the frame. */
  readonly tagged?: boolean;
  /** The port is a trunk: tags from its clients are welcome. */
  readonly portTagged?: boolean;
  readonly portZone?: number;
  /** It came from no other interface: the AP's own, or from a station of the same BSS. */
  readonly fromAp?: boolean;
  /** A segment to be cut: its IP length may be 0. */
  readonly gso?: boolean;
  readonly ifindex?: number;
}

/** A parsed frame. One object is used again and again: nothing is allocated per packet. */
export class Packet {
  /** 0, or the reason to deny before anything else is asked. */
  reason = 0;
  direction: 0 | 1 = 0;
  length = 0;
  /** Of the payload, after tags. */
  ethertype = 0;
  tagged = false;
  /** Where the payload begins. */
  l2 = 0;
  /** 4, 6, or 0: not IP. */
  family = 0;
  /** Index into `classify`. */
  class = 0;
  sub = 0;
  /** IP protocol of the flow: of the quoted packet in an error. */
  proto = 0;
  /** Protocol that tails of this datagram show: differs from `proto` where extension headers follow the fragment header. */
  pairProto = 0;
  hopLimit = 0;
  icmpType = 0;
  icmpCode = 0;
  /** First fragment of several / a later one. */
  head = false;
  tail = false;
  /** Sent to many: by its MAC or by its address. */
  group = false;
  /** Reading order; IPv4 uses the first word, the others are 0. */
  readonly client = new Uint32Array(4);
  readonly peer = new Uint32Array(4);
  clientPort = 0;
  peerPort = 0;

  /** Of the outer header, in an error too. */
  readonly source = new Uint32Array(4);
  readonly destination = new Uint32Array(4);
  readonly #quotedSource = new Uint32Array(4);
  readonly #quotedDestination = new Uint32Array(4);
  #bytes: Uint8Array = new Uint8Array(0);
  #captured = 0;
  /** End of the IP packet within the frame. */
  #end = 0;
  #gso = false;
  /** Extension headers seen, outer and quoted. */
  #extensions = 0;
  #sourcePort = 0;
  #destinationPort = 0;

  /** Fills all fields; `reason` is set for vlan and malformed frames. `direction`: a frame between stations is judged twice. */
  parse(input: FrameInput, direction: 0 | 1 = input.direction): void {
    const { frame } = input;
    this.#reset(input, direction);
    this.reason = this.#parseEthernet(frame, input);
    if (this.reason !== 0) return;
    if (this.ethertype === ETHERTYPE.IPV4) this.reason = this.#parse4(frame, input.gso === true);
    else if (this.ethertype === ETHERTYPE.IPV6) this.reason = this.#parse6(frame, input.gso === true);
  }

  #reset(input: FrameInput, direction: 0 | 1): void {
    this.#bytes = input.frame;
    this.#gso = input.gso === true;
    this.length = input.length ?? input.frame.length;
    this.#captured = Math.min(this.length, input.frame.length, CONSTANTS.PARSE_BYTES);
    this.direction = direction;
    this.ethertype = 0;
    this.family = 0;
    this.class = CLASS_OTHER;
    this.sub = 0;
    this.proto = 0;
    this.pairProto = 0;
    this.head = false;
    this.tail = false;
    this.group = false;
    this.client.fill(0);
    this.peer.fill(0);
    this.clientPort = 0;
    this.peerPort = 0;
    this.#extensions = 0;
    this.#sourcePort = 0;
    this.#destinationPort = 0;
  }

  #parseEthernet(bytes: Uint8Array, input: FrameInput): number {
    if (this.#captured < ETHERNET_BYTES) return REASON.malformed;
    this.tagged = input.tagged === true;
    this.l2 = ETHERNET_BYTES;
    this.ethertype = be16(bytes, 12);
    if (isTag(this.ethertype)) {
      this.tagged = true;
      this.l2 += TAG_BYTES;
    }
    const trunk = input.portTagged === true;
    if (this.tagged && this.direction === SIDE_CLIENT && !trunk) return REASON.vlan;
    this.group = (bytes[0]! & 1) === 1;
    if (this.l2 === ETHERNET_BYTES) return 0;
    if (this.#captured < this.l2) return REASON.malformed;
    // A further tag stays here as the ethertype: nobody knows it, so it is denied as non-IP.
    this.ethertype = be16(bytes, 16);
    return 0;
  }

  #parse4(bytes: Uint8Array, gso: boolean): number {
    const at = this.l2;
    if (!this.#has(at, 20, this.length) || bytes[at]! >>> 4 !== 4) return REASON.malformed;
    const headerBytes = (bytes[at]! & 15) * 4;
    let total = be16(bytes, at + 2);
    if (total === 0 && gso) total = this.length - at;
    if (headerBytes < 20 || total < headerBytes || at + total > this.length) return REASON.malformed;
    this.family = 4;
    this.#end = at + total;
    this.hopLimit = bytes[at + 8]!;
    this.proto = bytes[at + 9]!;
    this.pairProto = this.proto;
    this.source[0] = be32(bytes, at + 12);
    this.destination[0] = be32(bytes, at + 16);
    this.group ||= isGroup4(this.destination[0]!);
    const fragment = be16(bytes, at + 6);
    if (!this.#fragment(fragment & 0x1fff, (fragment & 0x2000) !== 0)) return REASON.malformed;
    return this.#parseTransport(bytes, at + headerBytes);
  }

  /** Head, tail, or neither. False: RFC 1858, a tail that would overwrite the flags that were judged in its head. */
  #fragment(offset: number, more: boolean): boolean {
    this.tail = offset > 0;
    this.head = offset === 0 && (more || this.head);
    return this.proto !== PROTO.TCP || offset !== 1;
  }

  #parse6(bytes: Uint8Array, gso: boolean): number {
    const at = this.l2;
    if (!this.#has(at, IPV6_BYTES, this.length) || bytes[at]! >>> 4 !== 6) return REASON.malformed;
    const payload = be16(bytes, at + 4);
    this.#end = payload === 0 && gso ? this.length : at + IPV6_BYTES + payload;
    if (this.#end > this.length) return REASON.malformed;
    this.family = 6;
    this.hopLimit = bytes[at + 7]!;
    for (let i = 0; i < 4; i++) {
      this.source[i] = be32(bytes, at + 8 + i * 4);
      this.destination[i] = be32(bytes, at + 24 + i * 4);
    }
    this.group ||= bytes[at + 24] === 0xff;
    const transport = this.#walkExtensions(bytes, at + IPV6_BYTES, bytes[at + 6]!);
    if (transport < 0) return REASON.malformed;
    return this.#parseTransport(bytes, transport);
  }

  /**
   * Follows the chain to the protocol, or to a fragment's tail. Sets `proto`, `pairProto`, `head`, `tail`; returns where the
   * transport begins, or -1. AH, ESP and unknown headers end the chain: they are the protocol then.
   */
  #walkExtensions(bytes: Uint8Array, start: number, first: number): number {
    let at = start;
    this.proto = first;
    this.pairProto = first;
    let fragmented = false;
    for (;;) {
      const header = this.proto;
      const isFragment = header === PROTO.FRAGMENT;
      if (!isFragment && header !== PROTO.HOP_BY_HOP && header !== PROTO.ROUTING && header !== PROTO.DESTINATION)
        return at;
      if (++this.#extensions > EXTENSION_HEADERS_MAX || !this.#has(at, 8, this.#end)) return -1;
      this.proto = bytes[at]!;
      const headerBytes = isFragment ? 8 : (bytes[at + 1]! + 1) * 8;
      if (!this.#has(at, headerBytes, this.#end)) return -1;
      if (isFragment) {
        const field = be16(bytes, at + 2);
        if (!this.#fragment(field >>> 3, (field & 1) === 1)) return -1;
        fragmented = true;
      }
      if (isFragment || !fragmented) this.pairProto = this.proto;
      at += headerBytes;
      if (this.tail) return at;
    }
  }

  #parseTransport(bytes: Uint8Array, at: number): number {
    if (this.tail) {
      this.class = CLASS_TAIL;
      return this.#orient();
    }
    const { proto, family } = this;
    if (proto === PROTO.TCP) return this.#parseTcp(bytes, at);
    if (proto === PROTO.UDP) return this.#parseUdp(bytes, at);
    if (proto === (family === 4 ? PROTO.ICMP : PROTO.ICMPV6)) return this.#parseIcmp(bytes, at);
    this.class = CLASS_OTHER;
    this.sub = proto;
    return this.#orient();
  }

  #parseTcp(bytes: Uint8Array, at: number): number {
    if (!this.#has(at, 20, this.#end)) return REASON.malformed;
    const headerBytes = (bytes[at + 12]! >>> 4) * 4;
    if (headerBytes < 20 || at + headerBytes > this.#end) return REASON.malformed;
    const flags = bytes[at + 13]!;
    this.class = CLASS_TCP;
    // FIN, SYN, RST stand as in the header; ACK (0x10) moves to 8. The others say nothing about the state.
    this.sub = (flags & 7) | ((flags & 0x10) >>> 1);
    this.#ports(bytes, at);
    return this.#orient();
  }

  #parseUdp(bytes: Uint8Array, at: number): number {
    if (!this.#has(at, 8, this.#end)) return REASON.malformed;
    const datagramBytes = be16(bytes, at + 4);
    // A tunnel's segments of more than 64 kB have no length that the field could hold.
    const isCut = datagramBytes === 0 && this.#gso;
    if (!isCut && (datagramBytes < 8 || (!this.head && at + datagramBytes > this.#end))) return REASON.malformed;
    this.class = CLASS_UDP;
    this.sub = this.group && this.direction === SIDE_CLIENT ? UDP_GROUP : UDP_UNICAST;
    this.#ports(bytes, at);
    return this.#orient();
  }

  #parseIcmp(bytes: Uint8Array, at: number): number {
    if (!this.#has(at, 8, this.#end)) return REASON.malformed;
    this.icmpType = bytes[at]!;
    this.icmpCode = bytes[at + 1]!;
    if (isIcmpError(this.icmpType, this.family)) return this.#parseQuoted(bytes, at + 8);
    this.class = this.family === 4 ? CLASS_ICMP : CLASS_ICMP6;
    this.sub = this.icmpType;
    const reason = this.#orient();
    this.#query(bytes, at);
    return reason;
  }

  /** An ICMP error: its tuple is the quoted packet's, which the receiver of the error has sent. */
  #parseQuoted(bytes: Uint8Array, at: number): number {
    const outerHead = this.head;
    this.head = false;
    const transport = this.family === 4 ? this.#quoted4(bytes, at) : this.#quoted6(bytes, at);
    if (transport < 0 || !this.#quotesReceiver()) return REASON.malformed;
    this.class = CLASS_ERROR;
    this.sub = this.#quotedClass();
    // `sub` says whether the quoted packet was a tail; the error itself is none.
    this.tail = false;
    this.head = outerHead;
    if (this.sub !== CLASS_TAIL && !this.#has(transport, QUOTED_BYTES, this.#end)) return REASON.malformed;
    return this.#quotedTuple(bytes, transport);
  }

  #quotesReceiver(): boolean {
    for (let i = 0; i < (this.family === 4 ? 1 : 4); i++) {
      if (this.#quotedSource[i] !== this.destination[i]) return false;
    }
    return true;
  }

  #quoted4(bytes: Uint8Array, at: number): number {
    if (!this.#has(at, 20, this.#end) || bytes[at]! >>> 4 !== 4) return -1;
    const headerBytes = (bytes[at]! & 15) * 4;
    if (headerBytes < 20) return -1;
    this.proto = bytes[at + 9]!;
    this.pairProto = this.proto;
    this.#quotedSource[0] = be32(bytes, at + 12);
    this.#quotedDestination[0] = be32(bytes, at + 16);
    const offset = be16(bytes, at + 6) & 0x1fff;
    return this.#fragment(offset, false) ? at + headerBytes : -1;
  }

  #quoted6(bytes: Uint8Array, at: number): number {
    if (!this.#has(at, IPV6_BYTES, this.#end) || bytes[at]! >>> 4 !== 6) return -1;
    for (let i = 0; i < 4; i++) {
      this.#quotedSource[i] = be32(bytes, at + 8 + i * 4);
      this.#quotedDestination[i] = be32(bytes, at + 24 + i * 4);
    }
    return this.#walkExtensions(bytes, at + IPV6_BYTES, bytes[at + 6]!);
  }

  #quotedClass(): number {
    if (this.tail) return CLASS_TAIL;
    if (this.proto === PROTO.TCP) return CLASS_TCP;
    if (this.proto === PROTO.UDP) return CLASS_UDP;
    if (this.family === 4 && this.proto === PROTO.ICMP) return CLASS_ICMP;
    return this.family === 6 && this.proto === PROTO.ICMPV6 ? CLASS_ICMP6 : CLASS_OTHER;
  }

  #quotedTuple(bytes: Uint8Array, at: number): number {
    if (this.sub === CLASS_TCP || this.sub === CLASS_UDP) this.#ports(bytes, at);
    // The other way round: the quoted packet went against the error.
    this.#tuple(this.#quotedSource, this.#quotedDestination, this.direction !== SIDE_CLIENT);
    if (this.sub !== CLASS_ICMP && this.sub !== CLASS_ICMP6) return 0;
    const quotedType = bytes[at]!;
    if (queryKind(quotedType, this.family) < 0) return REASON.malformed;
    this.#ids(bytes, at, quotedType);
    return 0;
  }

  /** Identifier and kind instead of ports. A type that is no query is no packet that a conforming host sends to a client. */
  #query(bytes: Uint8Array, at: number): void {
    if (queryKind(this.icmpType, this.family) >= 0) this.#ids(bytes, at, this.icmpType);
  }

  #ids(bytes: Uint8Array, at: number, icmpType: number): void {
    this.clientPort = be16(bytes, at + 4);
    this.peerPort = queryKind(icmpType, this.family);
  }

  #ports(bytes: Uint8Array, at: number): void {
    this.#sourcePort = be16(bytes, at);
    this.#destinationPort = be16(bytes, at + 2);
  }

  /** The client is the source of what enters its port and the destination of what leaves it. */
  #orient(): number {
    this.#tuple(this.source, this.destination, this.direction === SIDE_CLIENT);
    return 0;
  }

  #tuple(source: Uint32Array, destination: Uint32Array, clientIsSource: boolean): void {
    const { client, peer } = this;
    for (let i = 0; i < 4; i++) {
      const used = i === 0 || this.family === 6;
      client[i] = !used ? 0 : clientIsSource ? source[i]! : destination[i]!;
      peer[i] = !used ? 0 : clientIsSource ? destination[i]! : source[i]!;
    }
    this.clientPort = clientIsSource ? this.#sourcePort : this.#destinationPort;
    this.peerPort = clientIsSource ? this.#destinationPort : this.#sourcePort;
  }

  /** Whether a header lies within `end` (of the packet), and was captured. */
  #has(at: number, count: number, end: number): boolean {
    return at + count <= end && at + count <= this.#captured;
  }

  /** A question to a group names no peer: any host may answer. Its fragments follow it. */
  asksGroup(): boolean {
    return (
      this.group &&
      this.direction === SIDE_CLIENT &&
      (this.class === CLASS_UDP || (this.class === CLASS_TAIL && this.proto === PROTO.UDP))
    );
  }

  /** A tail, or an error that quotes one: ports are unknown, the pair decides. */
  isOfPair(): boolean {
    return this.class === CLASS_TAIL || (this.class === CLASS_ERROR && this.sub === CLASS_TAIL);
  }

  /** An ICMP query or answer, or an error that quotes one: identifier and kind stand where ports would. */
  isQuery(): boolean {
    const judged = this.class === CLASS_ERROR ? this.sub : this.class;
    return judged === CLASS_ICMP || judged === CLASS_ICMP6;
  }

  /** A byte of the captured frame, or -1. */
  byteAt(at: number): number {
    return at < this.#captured ? this.#bytes[at]! : -1;
  }
}

/** The request's type of a query or its answer, or -1: RFC 792, 950, 4443. */
export function queryKind(icmpType: number, family: number): number {
  if (family === 6) return icmpType === 128 || icmpType === 129 ? 128 : -1;
  switch (icmpType) {
    case 0:
    case 8:
      return 8;
    case 13:
    case 14:
      return 13;
    case 15:
    case 16:
      return 15;
    case 17:
    case 18:
      return 17;
    default:
      return -1;
  }
}

/** Unreachable, time exceeded, parameter problem; packet too big in v6. A redirect is no error. */
function isIcmpError(type: number, family: number): boolean {
  return family === 4 ? type === 3 || type === 11 || type === 12 : type >= 1 && type <= 4;
}

function isGroup4(address: number): boolean {
  return address >>> 28 === 14 || address === 0xffffffff;
}

function isTag(ethertype: number): boolean {
  return ethertype === ETHERTYPE.VLAN || ethertype === ETHERTYPE.SERVICE_VLAN;
}

function be16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function be32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
