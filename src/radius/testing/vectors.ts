import { readFileSync } from "node:fs";
import { type Packet, parsePacket } from "../packet.ts";

/** What real servers and a real hostapd said: FreeRADIUS 3.2.1, hostapd 2.10, radclient; in hex, with their secret. */
export interface Vector {
  readonly user: string;
  readonly ch: "auth" | "acct" | "coa";
  readonly secret: string;
  readonly request: string;
  readonly reply?: string;
  /** Of a reply, if there is one. */
  readonly ra: "ok" | "BAD";
  readonly ma: "ok" | "BAD" | "absent";
  readonly code?: string;
  readonly answer?: string;
  readonly drop?: string;
}

export const VECTORS: readonly Vector[] = readFileSync(new URL("./vectors.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Vector);

export function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

export function packetOf(bytes: Uint8Array): Packet {
  const packet = parsePacket(bytes);
  if (typeof packet === "string") throw new Error(packet);
  return packet;
}
