/** MQTT 3.1.1 (OASIS, 2014), as much as an AP speaks: what goes out as bytes, what comes in cut into packets. */
import { host } from "./host.ts";

export const PACKET = {
  CONNECT: 1,
  CONNACK: 2,
  PUBLISH: 3,
  PUBACK: 4,
  SUBSCRIBE: 8,
  SUBACK: 9,
  PINGREQ: 12,
  PINGRESP: 13,
  DISCONNECT: 14,
} as const;

const PROTOCOL_LEVEL = 4;
const CONNECT_FLAG = { clean: 2, will: 4, willQos1: 8, willRetain: 32, password: 64, user: 128 } as const;
const QOS1 = 2;
const RETAIN = 1;
const SUBSCRIBE_FLAGS = 2;
/** A signed policy has at most 4 MB. */
const BODY_BYTES_MAX = 8 << 20;
const LENGTH_BYTES_MAX = 4;

export interface Connect {
  readonly clientId: string;
  readonly keepaliveS: number;
  readonly user?: string;
  readonly password?: string;
  /** QoS 1, retained. */
  readonly will?: { readonly topic: string; readonly payload: string };
}

export interface Packet {
  readonly type: number;
  /** The low half of the first byte. */
  readonly flags: number;
  readonly body: Uint8Array;
}

/** [MQTT-3.1] */
export function connect({ clientId, keepaliveS, user, password, will }: Connect): Uint8Array {
  const flags =
    CONNECT_FLAG.clean |
    (will ? CONNECT_FLAG.will | CONNECT_FLAG.willQos1 | CONNECT_FLAG.willRetain : 0) |
    (user === undefined ? 0 : CONNECT_FLAG.user) |
    (password === undefined ? 0 : CONNECT_FLAG.password);
  return packet(PACKET.CONNECT, 0, [
    text("MQTT"),
    Uint8Array.of(PROTOCOL_LEVEL, flags),
    word(keepaliveS),
    text(clientId),
    ...(will ? [text(will.topic), text(will.payload)] : []),
    ...(user === undefined ? [] : [text(user)]),
    ...(password === undefined ? [] : [text(password)]),
  ]);
}

/** QoS 1. */
export function publish(id: number, topic: string, payload: string, isRetained: boolean): Uint8Array {
  return packet(PACKET.PUBLISH, QOS1 | (isRetained ? RETAIN : 0), [text(topic), word(id), host.encode(payload)]);
}

export function subscribe(id: number, topic: string): Uint8Array {
  return packet(PACKET.SUBSCRIBE, SUBSCRIBE_FLAGS, [word(id), text(topic), Uint8Array.of(1)]);
}

export function puback(id: number): Uint8Array {
  return packet(PACKET.PUBACK, 0, [word(id)]);
}

export function bare(type: number): Uint8Array {
  return packet(type, 0, []);
}

/** Of a PUBLISH; undefined: it is none that we asked for. `id` 0: it wants no answer. */
export function readPublish({ flags, body }: Packet): { topic: string; payload: Uint8Array; id: number } | undefined {
  const qos = (flags >> 1) & 3;
  const topicBytes = ((body[0] ?? 0) << 8) | (body[1] ?? 0);
  const start = 2 + topicBytes + (qos > 0 ? 2 : 0);
  if (qos > 1 || body.length < start || body.length < 2) return undefined;
  const id = qos > 0 ? (body[start - 2]! << 8) | body[start - 1]! : 0;
  return { topic: host.decode(body.subarray(2, 2 + topicBytes)), payload: body.slice(start), id };
}

/** Cuts what a stream brings. */
export class PacketReader {
  private held: Uint8Array = new Uint8Array();
  private heldBytes = 0;

  /** Whole packets; undefined: what came is no MQTT, or larger than anything that we asked for. */
  take(bytes: Uint8Array): Packet[] | undefined {
    this.hold(bytes);
    const packets: Packet[] = [];
    let at = 0;
    for (;;) {
      const head = this.head(at);
      if (head === undefined) return undefined;
      if (head === "more" || at + head.start + head.length > this.heldBytes) break;
      const [first, from] = [this.held[at]!, at + head.start];
      packets.push({ type: first >> 4, flags: first & 15, body: this.held.slice(from, from + head.length) });
      at = from + head.length;
    }
    this.held.copyWithin(0, at, this.heldBytes);
    this.heldBytes -= at;
    return packets;
  }

  private hold(bytes: Uint8Array): void {
    const need = this.heldBytes + bytes.length;
    if (need > this.held.length) {
      const larger = new Uint8Array(Math.max(need, Math.min(this.held.length * 2, BODY_BYTES_MAX)));
      larger.set(this.held.subarray(0, this.heldBytes));
      this.held = larger;
    }
    this.held.set(bytes, this.heldBytes);
    this.heldBytes = need;
  }

  /** [MQTT-2.2.3] */
  private head(at: number): { start: number; length: number } | "more" | undefined {
    let length = 0;
    for (let i = 0; i < LENGTH_BYTES_MAX; i++) {
      if (at + 1 + i >= this.heldBytes) return "more";
      const byte = this.held[at + 1 + i]!;
      length += (byte & 127) * 128 ** i;
      if (byte < 128) return length <= BODY_BYTES_MAX ? { start: 2 + i, length } : undefined;
    }
    return undefined;
  }
}

function packet(type: number, flags: number, parts: readonly Uint8Array[]): Uint8Array {
  const bodyBytes = parts.reduce((sum, part) => sum + part.length, 0);
  const length: number[] = [];
  for (let left = bodyBytes; ; left = Math.floor(left / 128)) {
    length.push(left < 128 ? left : (left % 128) | 128);
    if (left < 128) break;
  }
  const whole = new Uint8Array(1 + length.length + bodyBytes);
  whole.set([(type << 4) | flags, ...length]);
  let at = 1 + length.length;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function text(value: string): Uint8Array {
  const bytes = host.encode(value);
  const whole = new Uint8Array(2 + bytes.length);
  whole.set(word(bytes.length));
  whole.set(bytes, 2);
  return whole;
}

function word(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 255);
}
