import type { Reason } from "../../../src/datapath/abi.ts";
import * as frame from "./frames.ts";
import { CLIENT, SERVER, type Topology } from "./topology.ts";
import { PORTS } from "./traffic/plan.ts";

/** In every bad frame, followed by the number of its row: whoever sees one behind the firewall knows which it was. */
export const MARKER = "ROAMWALL-BAD";
/** A station that no policy knows. */
const STRANGER_MAC = "02:00:00:00:66:66";
/** Above what the client's system gives to its own flows. */
const UNUSED_PORT = 61_000;
const UNUSED_PORTS = 4_000;

export type Origin = "client" | "server";
export interface BadRow {
  readonly from: Origin;
  readonly name: string;
  /** Why it must be denied. */
  readonly reason: Reason;
  /** A router would drop it before the filter sees it. */
  readonly switchedOnly?: boolean;
  readonly build: (place: Topology, id: number, turn: number) => Buffer;
}

type Transport = (mark: Buffer, port: number) => Buffer;
interface Shape {
  readonly family?: "v4" | "v6";
  readonly ip?: Partial<frame.IpFields>;
  readonly proto?: number;
  readonly sourceMac?: string;
}

/** A frame of this origin to the other end, with this transport in it. */
function row(from: Origin, name: string, reason: Reason, transport: Transport, shape: Shape = {}): BadRow {
  return {
    from,
    name,
    reason,
    build: (place, id, turn) => {
      const [here, there] = from === "client" ? [CLIENT, SERVER] : [SERVER, CLIENT];
      const family = shape.family ?? "v4";
      const payload = transport(mark(id), UNUSED_PORT + (turn % UNUSED_PORTS));
      const proto = shape.proto ?? frame.PROTO.tcp;
      const packet = frame.ip({ from: here[family], to: there[family], proto, ...shape.ip }, payload);
      return frame.ethernet(place.nextHop(from), shape.sourceMac ?? here.mac, packet.type, packet.bytes);
    },
  };
}

function mark(id: number): Buffer {
  const bytes = Buffer.alloc(MARKER.length + 4);
  bytes.write(MARKER, "latin1");
  bytes.writeUInt32BE(id, MARKER.length);
  return bytes;
}

const { fin, syn, rst, ack } = frame.FLAG;
const udp = { proto: frame.PROTO.udp };
/** From a port that nothing uses to this one, or from this one to a port that nothing uses. */
const tcpTo = (port: number, flags: number, words?: number): Transport => {
  return (mark, unused) => frame.tcp(unused, port, flags, mark, words);
};
const tcpFrom =
  (port: number, flags: number): Transport =>
  (mark, unused) =>
    frame.tcp(port, unused, flags, mark);
const batman = (place: Topology, from: Origin, id: number): Buffer => {
  const source = from === "client" ? CLIENT.mac : SERVER.mac;
  return frame.ethernet(
    place.nextHop(from),
    source,
    frame.ETHERTYPE.batman,
    Buffer.concat([Buffer.alloc(32), mark(id)]),
  );
};
const inVlan = (plain: BadRow): BadRow => ({ ...plain, build: (...at) => frame.tagged(plain.build(...at), 7) });
const switchedOnly = (plain: BadRow): BadRow => ({ ...plain, switchedOnly: true });

/** Every row must be denied, for its own reason, wherever the client is and whatever else goes on. */
export const BAD_ROWS: readonly BadRow[] = [
  row("client", "SYN to a port that no rule names", "acl", tcpTo(PORTS.forbidden, syn)),
  row("client", "datagram to a port that no rule names", "acl", (m, p) => frame.udp(p, PORTS.forbidden, m), udp),
  row("client", "ACK of no flow", "state", tcpTo(PORTS.web, ack)),
  row("client", "SYN-ACK that answers nothing", "state", tcpTo(PORTS.web, syn | ack)),
  row("client", "FIN of no flow", "state", tcpTo(PORTS.chat, fin | ack)),
  row("client", "RST of no flow", "state", tcpTo(PORTS.chat, rst)),
  row("client", "ACK of no flow, IPv6", "state", tcpTo(PORTS.web, ack), { family: "v6" }),
  row("client", "SYN and FIN at once", "flags", tcpTo(PORTS.web, syn | fin)),
  row("client", "no TCP flag at all", "flags", tcpTo(PORTS.web, 0)),
  row("client", "total length beyond the frame", "malformed", tcpTo(PORTS.web, syn), { ip: { lie: 200 } }),
  row("client", "IPv4 header of 16 bytes", "malformed", tcpTo(PORTS.web, syn), { ip: { headerWords: 4 } }),
  row("client", "TCP header beyond the packet", "malformed", tcpTo(PORTS.web, syn, 15)),
  row("client", "UDP length beyond the packet", "malformed", (m, p) => frame.udp(p, PORTS.lookup, m, 64), udp),
  row("client", "tail of a datagram without a head", "fragment", (m) => m, { ...udp, ip: { fragmentOffset: 185 } }),
  row("client", "SYN of a stranger", "unknown", tcpTo(PORTS.web, syn), { sourceMac: STRANGER_MAC }),
  inVlan(row("client", "SYN in a VLAN tag", "vlan", tcpTo(PORTS.web, syn))),
  { from: "client", name: "a mesh frame from a client", reason: "non_ip", build: (at, id) => batman(at, "client", id) },

  row("server", "SYN to a port that no rule names", "acl", tcpTo(PORTS.forbidden, syn)),
  row("server", "datagram from a port that no rule names", "acl", (m, p) => frame.udp(PORTS.forbidden, p, m), udp),
  row("server", "SYN from the port of a service", "state", tcpFrom(PORTS.web, syn)),
  row("server", "SYN-ACK that answers nothing", "state", tcpFrom(PORTS.web, syn | ack)),
  row("server", "ACK of no flow", "state", tcpFrom(PORTS.web, ack)),
  row("server", "FIN of no flow", "state", tcpFrom(PORTS.chat, fin | ack)),
  row("server", "RST of no flow, IPv6", "state", tcpFrom(PORTS.chat, rst), { family: "v6" }),
  row("server", "answer to a question never asked", "state", (m, p) => frame.udp(PORTS.lookup, p, m), udp),
  row("server", "ICMP error about no flow", "state", forgedError, { proto: frame.PROTO.icmp }),
  row("server", "SYN and FIN at once", "flags", tcpFrom(PORTS.web, syn | fin)),
  row("server", "tail of a datagram without a head", "fragment", (m) => m, { ...udp, ip: { fragmentOffset: 185 } }),
  switchedOnly(
    row("server", "total length beyond the frame", "malformed", tcpFrom(PORTS.web, ack), { ip: { lie: 200 } }),
  ),
  {
    from: "server",
    name: "a mesh frame to a client",
    reason: "non_ip",
    switchedOnly: true,
    build: (at, id) => batman(at, "server", id),
  },
];

function forgedError(mark: Buffer, port: number): Buffer {
  const segment = frame.tcp(port, PORTS.web, ack, mark);
  return frame.icmpTooBig(frame.ip({ from: CLIENT.v4, to: SERVER.v4, proto: frame.PROTO.tcp }, segment).bytes);
}
