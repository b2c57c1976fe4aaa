import { type Mac, macToBytes } from "../base/mac.ts";

/** A connection of a client to port 443 of a server. */
export interface TcpEnds {
  readonly mac: Mac;
  /** Of 10.x.y.z. */
  readonly client: number;
  readonly port: number;
  /** Of 198.18.x.y. */
  readonly peer: number;
}

const ROUTER = [2, 0, 0, 0, 0xff, 1];
const SERVICE = 443;
const FLAGS = { S: 0x02, SA: 0x12, A: 0x10, FA: 0x11 } as const;

/** Ethernet, IPv4 and TCP without payload; no checksums, which nobody looks at. */
export function tcpFrame(
  { mac, client, port, peer }: TcpEnds,
  direction: 0 | 1,
  flags: keyof typeof FLAGS,
): Uint8Array {
  const own = [10, client >>> 16, (client >>> 8) & 255, client & 255];
  const other = [198, 18, peer >>> 8, peer & 255];
  const isOut = direction === 0;
  const [source, destination] = isOut ? [own, other] : [other, own];
  const [from, to] = isOut ? [port, SERVICE] : [SERVICE, port];
  const [sender, receiver] = isOut ? [macToBytes(mac), ROUTER] : [ROUTER, macToBytes(mac)];
  const ip = [0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, ...source, ...destination];
  const tcp = [
    from >> 8,
    from & 255,
    to >> 8,
    to & 255,
    0,
    0,
    0,
    1,
    0,
    0,
    0,
    0,
    0x50,
    FLAGS[flags],
    0xff,
    0xff,
    0,
    0,
    0,
    0,
  ];
  return Uint8Array.of(...receiver, ...sender, 8, 0, ...ip, ...tcp);
}
