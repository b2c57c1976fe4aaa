import { BitWriter } from "../base/bits.ts";
import type { Endpoint } from "../platform/platform.ts";
import type { Ticks } from "../proxy/ticks.ts";
import { type Codec, KIND_EXTENDED, type Kind, RECORD_HEADER_BYTES } from "./records/kinds.ts";
import { type Channel, HEADER_BYTES, type Header, PN_MAX, SEALED_EXTRA_BYTES, type Seal } from "./seal.ts";
import type { ReplicationCounters } from "./status.ts";

/** dst:16 tickFast:8 tickSlow:8 */
export const PREFIX_BYTES = 4;
/** `dst` of what is for everybody. */
export const TO_ALL = 0;

export interface OutboxParts {
  readonly id: number;
  readonly identity: bigint;
  readonly seal: Seal;
  readonly ticks: Ticks;
  readonly datagramBytes: number;
  readonly counters: ReplicationCounters;
  send(bytes: Uint8Array, to: Endpoint): void;
  sendToAll(bytes: Uint8Array, isHello: boolean): void;
}

/** Puts records into datagrams, numbers and seals them. Every datagram carries the ticks of its sender's table. */
export class Outbox {
  private readonly body: Uint8Array;
  private readonly writer: BitWriter;
  private at = PREFIX_BYTES;
  private epoch: Uint8Array = new Uint8Array(16);
  private epochTag = 0;
  private keySlot = 0;
  /** Undefined before the first epoch. */
  private channel: Channel | undefined;
  private pn = 0;

  constructor(private readonly parts: OutboxParts) {
    // A single record may be a little larger than a datagram should be, never larger than this.
    this.body = new Uint8Array(parts.datagramBytes + 2048);
    this.writer = new BitWriter(this.body);
  }

  /** Numbers start again: a key is used by one epoch alone. */
  beginEpoch(epoch: Uint8Array, keySlot: number): void {
    const { id, identity, seal } = this.parts;
    this.epoch = epoch;
    this.epochTag = seal.epochTag(epoch);
    this.keySlot = keySlot;
    this.channel = seal.channel(keySlot, id, { identity, epoch });
    this.pn = 0;
  }

  /** What whom we greet must be told to read what we say to all; undefined: the mesh key is enough. */
  get secret(): Uint8Array | undefined {
    return this.channel?.dealing?.secret;
  }

  /** Half of the numbers are used up. */
  get epochEnds(): boolean {
    return this.pn > PN_MAX / 2;
  }

  /** Bytes of a record's body that still fit into this datagram. */
  get room(): number {
    const extra = this.channel?.extraBytes ?? SEALED_EXTRA_BYTES;
    return this.parts.datagramBytes - HEADER_BYTES - extra - this.at - RECORD_HEADER_BYTES;
  }

  get empty(): boolean {
    return this.at === PREFIX_BYTES;
  }

  add<T>(codec: Codec<T>, value: T): void {
    this.addRaw(codec.kind, (writer) => codec.emit(writer, value));
  }

  addRaw(kind: Kind, emit: (writer: BitWriter) => void): void {
    const start = this.at + RECORD_HEADER_BYTES;
    const isExtended = kind >= KIND_EXTENDED;
    this.writer.reset(start);
    if (isExtended) this.writer.write(kind, 8);
    emit(this.writer);
    this.at = this.writer.finish();
    if (this.writer.overflowed) throw new RangeError(`record ${kind} is larger than a datagram`);
    const length = this.at - start;
    this.body[start - 2] = ((isExtended ? 0 : kind) << 4) | (length >> 8);
    this.body[start - 1] = length & 255;
  }

  /**
   * Sends what was added; `dst` TO_ALL or the id of whom it is for. Returns its bytes on the wire: 0 when no number is
   * left, since a number that came twice would open the seal, and when we share no key with that AP.
   */
  flush(dst: number, to: Endpoint | undefined, isHello = false): number {
    const { ticks, counters } = this.parts;
    const length = this.at;
    this.at = PREFIX_BYTES;
    if (!this.channel || this.pn >= PN_MAX) return 0;
    this.body[0] = dst >> 8;
    this.body[1] = dst & 255;
    this.body[2] = ticks.fast & 255;
    this.body[3] = ticks.slow & 255;
    const bytes = this.channel.seal(this.header(isHello), this.body.subarray(0, length), dst);
    if (!bytes) return 0;
    counters.datagramsSent++;
    counters.bytesSent += bytes.length;
    if (to) this.parts.send(bytes, to);
    else this.parts.sendToAll(bytes, isHello);
    return bytes.length;
  }

  private header(isHello: boolean): Header {
    const header = { keySlot: this.keySlot, sender: this.parts.id, epochTag: this.epochTag, pn: ++this.pn };
    return isHello ? { ...header, hello: { identity: this.parts.identity, epoch: this.epoch } } : header;
  }
}
