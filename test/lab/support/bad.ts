import type { Reason } from "../../../src/datapath/abi.ts";
import { checksum, ethernet, icmpError, ip, type Tcp, tcp, type Udp, udp } from "../../support/packets.ts";
import { CLIENT, SERVER, type Topology } from "./topology.ts";
import { PORTS } from "./traffic/plan.ts";

/** In every bad frame, then the numbers of its row and turn: whoever sees one behind the firewall knows which it was. */
export const MARKER = "ROAMWALL-BAD";
/** A station that no policy knows. */
const STRANGER_MAC = "02:00:00:00:66:66";
/** Above what the client's system gives to its own flows. */
const UNUSED_PORT = 61_000;
/** Few: each is a new question to the access list, whose answer may be a false yes, rarely. */
const UNUSED_PORTS = 16;
const BATMAN = 0x4305;
const UDP = 17;

export type Origin = "client" | "server";

/** Everything right, for a row to say what is wrong. */
interface Frame {
  readonly srcMac: string;
  readonly dstMac: string;
  readonly src: string;
  readonly dst: string;
  readonly payload: Uint8Array;
  readonly checksums: true;
  /** The other family's addresses. */
  readonly six: { readonly src: string; readonly dst: string };
  /** A port that nobody uses. */
  readonly unused: number;
}

export interface BadRow {
  readonly from: Origin;
  readonly name: string;
  /** Why it must be denied. */
  readonly reason: Reason;
  readonly build: (frame: Frame) => Uint8Array;
  /** A router would drop it before the filter sees it. */
  readonly switchedOnly?: true;
}

const toPort = (dport: number, more: Partial<Tcp & Udp>) => (frame: Frame) =>
  tcp({ ...frame, sport: frame.unused, dport, ...more });
const fromPort = (sport: number, more: Partial<Tcp & Udp>) => (frame: Frame) =>
  tcp({ ...frame, sport, dport: frame.unused, ...more });
const overSix = (build: BadRow["build"]) => (frame: Frame) => build({ ...frame, ...frame.six });
const fromStranger = (build: BadRow["build"]) => (frame: Frame) => build({ ...frame, srcMac: STRANGER_MAC });
const asTail = (frame: Frame) => ip({ ...frame, fragment: { offset: 1_480, more: false } }, UDP, frame.payload);
const meshFrame = (frame: Frame) => ethernet(frame, BATMAN, [...new Uint8Array(32), ...frame.payload]);

/** Overwrites one byte of the IPv4 header and makes its checksum right again: only the lie is wrong. */
function lying(offset: number, value: number, build: BadRow["build"]): BadRow["build"] {
  return (frame) => {
    const bytes = build(frame);
    const header = bytes.subarray(14, 34);
    header.set([0, 0], 10);
    header[offset] = value;
    const sum = checksum(header);
    header.set([sum >> 8, sum & 0xff], 10);
    return bytes;
  };
}
const LENGTH_HIGH = 2;
const VERSION_AND_WORDS = 0;

/** What an on-path attacker would send to shrink a flow's segments, about a flow that never was. */
function forgedError(frame: Frame): Uint8Array {
  const { unused, payload } = frame;
  const quoted = tcp({ src: frame.dst, dst: frame.src, sport: unused, dport: PORTS.web, payload });
  return icmpError({ ...frame, type: 3, code: 4, quoted });
}

/** Every row must be denied, for its own reason, wherever the client is and whatever else goes on. */
export const BAD_ROWS: readonly BadRow[] = [
  {
    from: "client",
    name: "SYN to a port that no rule names",
    reason: "acl",
    build: toPort(PORTS.forbidden, { flags: "S" }),
  },
  {
    from: "client",
    name: "datagram to a port that no rule names",
    reason: "acl",
    build: (frame) => udp({ ...frame, sport: frame.unused, dport: PORTS.forbidden }),
  },
  { from: "client", name: "ACK of no flow", reason: "state", build: toPort(PORTS.web, { flags: "A" }) },
  { from: "client", name: "SYN-ACK that answers nothing", reason: "state", build: toPort(PORTS.web, { flags: "SA" }) },
  { from: "client", name: "FIN of no flow", reason: "state", build: toPort(PORTS.chat, { flags: "FA" }) },
  { from: "client", name: "RST of no flow", reason: "state", build: toPort(PORTS.chat, { flags: "R" }) },
  { from: "client", name: "ACK of no flow, IPv6", reason: "state", build: overSix(toPort(PORTS.web, { flags: "A" })) },
  { from: "client", name: "SYN and FIN at once", reason: "flags", build: toPort(PORTS.web, { flags: "SF" }) },
  { from: "client", name: "no TCP flag at all", reason: "flags", build: toPort(PORTS.web, { flags: 0 }) },
  {
    from: "client",
    name: "total length beyond the frame",
    reason: "malformed",
    build: lying(LENGTH_HIGH, 2, toPort(PORTS.web, { flags: "S" })),
  },
  {
    from: "client",
    name: "IPv4 header of 16 bytes",
    reason: "malformed",
    build: lying(VERSION_AND_WORDS, 0x44, toPort(PORTS.web, { flags: "S" })),
  },
  {
    from: "client",
    name: "TCP header beyond the packet",
    reason: "malformed",
    build: toPort(PORTS.web, { flags: "S", dataOffset: 15 }),
  },
  {
    from: "client",
    name: "UDP length beyond the packet",
    reason: "malformed",
    build: (frame) => udp({ ...frame, sport: frame.unused, dport: PORTS.lookup, udpLength: 200 }),
  },
  { from: "client", name: "tail of a datagram without a head", reason: "fragment", build: asTail },
  {
    from: "client",
    name: "SYN of a stranger",
    reason: "unknown",
    build: fromStranger(toPort(PORTS.web, { flags: "S" })),
  },
  { from: "client", name: "SYN in a VLAN tag", reason: "vlan", build: toPort(PORTS.web, { flags: "S", vlan: 7 }) },
  { from: "client", name: "a mesh frame", reason: "non_ip", build: meshFrame },

  {
    from: "server",
    name: "SYN to a port that no rule names",
    reason: "acl",
    build: (frame) => tcp({ ...frame, sport: frame.unused, dport: PORTS.forbidden, flags: "S" }),
  },
  {
    from: "server",
    name: "datagram from a port that no rule names",
    reason: "acl",
    build: (frame) => udp({ ...frame, sport: PORTS.forbidden, dport: frame.unused }),
  },
  {
    from: "server",
    name: "SYN from the port of a service",
    reason: "state",
    build: fromPort(PORTS.web, { flags: "S" }),
  },
  {
    from: "server",
    name: "SYN-ACK that answers nothing",
    reason: "state",
    build: fromPort(PORTS.web, { flags: "SA" }),
  },
  { from: "server", name: "ACK of no flow", reason: "state", build: fromPort(PORTS.web, { flags: "A" }) },
  { from: "server", name: "FIN of no flow", reason: "state", build: fromPort(PORTS.chat, { flags: "FA" }) },
  {
    from: "server",
    name: "RST of no flow, IPv6",
    reason: "state",
    build: overSix(fromPort(PORTS.chat, { flags: "R" })),
  },
  {
    from: "server",
    name: "answer to a question never asked",
    reason: "state",
    build: (frame) => udp({ ...frame, sport: PORTS.lookup, dport: frame.unused }),
  },
  { from: "server", name: "ICMP error about no flow", reason: "state", build: forgedError },
  { from: "server", name: "SYN and FIN at once", reason: "flags", build: fromPort(PORTS.web, { flags: "SF" }) },
  { from: "server", name: "tail of a datagram without a head", reason: "fragment", build: asTail },
  {
    from: "server",
    name: "total length beyond the frame",
    reason: "malformed",
    build: lying(LENGTH_HIGH, 2, fromPort(PORTS.web, { flags: "A" })),
    switchedOnly: true,
  },
  { from: "server", name: "a mesh frame", reason: "non_ip", build: meshFrame, switchedOnly: true },
];

/** The frame of a row: `id` is its number, `turn` varies the port. */
export function badFrame(row: BadRow, place: Pick<Topology, "nextHop">, id: number, turn: number): Uint8Array {
  const [here, there] = row.from === "client" ? [CLIENT, SERVER] : [SERVER, CLIENT];
  const payload = Buffer.alloc(MARKER.length + 8);
  payload.write(MARKER, "latin1");
  payload.writeUInt32BE(id, MARKER.length);
  payload.writeUInt32BE(turn, MARKER.length + 4);
  return row.build({
    srcMac: here.mac,
    dstMac: place.nextHop(row.from),
    src: here.v4,
    dst: there.v4,
    six: { src: here.v6, dst: there.v6 },
    payload,
    checksums: true,
    unused: UNUSED_PORT + (turn % UNUSED_PORTS),
  });
}
