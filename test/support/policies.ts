/** Random policies, and openings that meet their rules. */
import fc from "fast-check";
import { parseAddress } from "../../src/base/ip.ts";
import { CONSTANTS } from "../../src/datapath/abi.ts";
import type { Opening } from "../../src/policy/explain.ts";
import { PROTO } from "../../src/policy/model.ts";
import { tcp, udp } from "./packets.ts";

/** Addresses and ports are few, so that rules meet packets, zones meet zones and services meet services. */
const ZONES: Record<string, string[]> = {
  all: ["0.0.0.0/0", "::/0"],
  low: ["10.0.0.0/30", "2001:db8::/126"],
  mid: ["10.0.0.2/31", "10.0.0.8/29"],
  one: ["10.0.0.3", "2001:db8::3"],
};
const SERVICES: Record<string, string[]> = {
  web: ["tcp/80", "tcp/81-83"],
  quic: ["udp/80-82", "tcp/82"],
  whole: ["udp/*"],
};
export const ADDRESSES = [
  "10.0.0.1",
  "10.0.0.2",
  "10.0.0.3",
  "10.0.0.9",
  "192.0.2.1",
  "2001:db8::1",
  "2001:db8::3",
  "2001:db9::1",
];
export const PORTS = [79, 80, 81, 82, 83, 84];

const service = fc.oneof(
  fc.constantFrom(...Object.keys(SERVICES), "tcp/*", "udp/*", "any"),
  fc.tuple(fc.constantFrom("tcp", "udp"), fc.constantFrom(...PORTS)).map(([proto, port]) => `${proto}/${port}`),
);
const peer = fc.constantFrom("any", ...Object.keys(ZONES), ...ADDRESSES);
export const rule = fc
  .tuple(fc.boolean(), service, peer)
  .map(([out, s, p]) => (out ? `out ${s} to ${p}` : `in ${s} from ${p}`));
export const opening = fc.record({
  out: fc.boolean(),
  proto: fc.constantFrom("tcp", "udp"),
  peer: fc.constantFrom(...ADDRESSES),
  port: fc.constantFrom(...PORTS),
});

export interface Asked {
  readonly out: boolean;
  readonly proto: "tcp" | "udp";
  readonly peer: string;
  readonly port: number;
}

/** A policy of one role `r`, as JSON. */
export function policyOf(rules: readonly string[], rate: string): string {
  return JSON.stringify({ zones: ZONES, services: SERVICES, roles: { r: { rules } }, rate });
}

/** The first packet of the flow that is asked for, from a port of the opener's side that no other flow has. */
export function openingFrame(mac: string, asked: Asked, own: number): Uint8Array {
  const client = asked.peer.includes(":") ? "2001:db8:1::9" : "172.16.0.9";
  const frame = { src: asked.out ? client : asked.peer, dst: asked.out ? asked.peer : client };
  const ends = { ...frame, sport: own, dport: asked.port, ...(asked.out ? { srcMac: mac } : { dstMac: mac }) };
  return asked.proto === "tcp" ? tcp({ ...ends, flags: "S" }) : udp(ends);
}

/** The same for `explain`. */
export function asOpening({ out, proto, peer, port }: Asked): Opening {
  const direction = out ? CONSTANTS.DIRECTION_OUT : CONSTANTS.DIRECTION_IN;
  return { direction, proto: PROTO[proto], port, peer: parseAddress(peer, "test") };
}
