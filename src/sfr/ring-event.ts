import type { RingEvent } from "../datapath/map-records.ts";
import type { Packet } from "./packet.ts";

export const EMPTY_EVENT: RingEvent = {
  kind: 0,
  reason: 0,
  direction: 0,
  proto: 0,
  slot: 0,
  ethertype: 0,
  ifindex: 0,
  mac: [0, 0, 0, 0, 0, 0],
  family: 0,
  type: 0,
  client: [0, 0, 0, 0],
  peer: [0, 0, 0, 0],
  client_port: 0,
  peer_port: 0,
  monitored: 0,
  pad: [0, 0, 0],
  lost: 0,
  length: 0,
  captured: 0,
};

type Tuple = Pick<RingEvent, "family" | "proto" | "client" | "peer" | "client_port" | "peer_port">;

/** Nothing of a packet whose header lies: it does not say whose flow it is. */
export function tupleOf(packet: Packet): Partial<Tuple> {
  if (packet.reason !== 0) return {};
  return {
    family: packet.family,
    proto: packet.proto,
    client: [...packet.client],
    peer: [...packet.peer],
    client_port: packet.clientPort,
    peer_port: packet.peerPort,
  };
}

/** `high`: the first four bytes. */
export function macBytes(high: number, low: number): number[] {
  return [high >>> 24, (high >>> 16) & 255, (high >>> 8) & 255, high & 255, low >>> 8, low & 255];
}
