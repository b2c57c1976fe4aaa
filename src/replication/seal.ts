/**
 * The rim between datagrams and what they say.
 *
 *   version:4 keySlot:4 | flags:8 | sender:16 | epochTag:32 | pn:48     14 bytes
 *   hello only (flag): id64, epoch128                                   24 bytes
 *   filter:64 | ciphertext | tag:128
 */
export interface Header {
  /** Which of two accepted mesh keys. */
  readonly keySlot: number;
  readonly sender: number;
  /** Names the epoch among those that a receiver knows. */
  readonly epochTag: number;
  /** Counts the datagrams of an epoch, whatever their path: nonce and replay window. Its gaps mean nothing. */
  readonly pn: number;
  /** Sealed for one AP, under the key of the pair: only with identities. */
  readonly alone?: boolean;
  /** A hello says who speaks: without it no key can be derived. */
  readonly hello?: Greeting;
}

export interface Greeting {
  readonly identity: bigint;
  /** 16 bytes */
  readonly epoch: Uint8Array;
}

/** How a mesh protects its datagrams: `sealed.ts`, or with identities `paired.ts`. */
export interface Seal {
  /** First four bits of every datagram. */
  readonly version: number;
  epochTag(epoch: Uint8Array): number;
  /** Whether anything that AP says may count. */
  isMember(sender: number): boolean;
  /** Can this hello be of somebody who has the mesh key? Costs no derivation: any stranger may ask. */
  mayBeHello(header: Header, bytes: Uint8Array): boolean;
  /** The keys of one sender in one epoch. Undefined: no mesh key in this slot, or no member. */
  channel(keySlot: number, sender: number, greeting: Greeting): Channel | undefined;
}

export interface Channel {
  /** What the next datagram for all costs beside header and body. */
  readonly extraBytes: number;
  /** `dst`: TO_ALL, or the AP that it is for. Undefined: we share no key with that one. */
  seal(header: Header, body: Uint8Array, dst: number): Uint8Array | undefined;
  /** Cheap and forgeable once in 2^64: what fails it costs no decryption. */
  mayBe(header: Header, bytes: Uint8Array): boolean;
  /** The body. Undefined: not authentic. */
  open(header: Header, bytes: Uint8Array): Uint8Array | undefined;
  /** Absent: whoever has the mesh key is believed to be who it says. */
  readonly dealing?: Dealing;
}

/** What a channel has more where each AP has keys of its own. */
export interface Dealing {
  /** Of our own channel: told to each neighbour alone, who reads by it what we say to all. */
  readonly secret: Uint8Array;
  /** Of a neighbour's: what it told us so. */
  take(secret: Uint8Array): void;
  /** Does it claim to prove to this AP who said it? A hello that does not is for those who do not know its sender. */
  isAddressed(header: Header, bytes: Uint8Array): boolean;
}

export const HEADER_BYTES = 14;
export const HELLO_HEADER_BYTES = HEADER_BYTES + 24;
export const FILTER_BYTES = 8;
export const TAG_BYTES = 16;
/** What a datagram costs beside header and body. */
export const SEALED_EXTRA_BYTES = FILTER_BYTES + TAG_BYTES;
/** The number of a datagram's form, sealed, and of its records. 1 and 2 had no pulses, and cells by coordinate only. */
export const VERSION = 3;
/** The same with identities: neither believes the other. */
export const VERSION_PAIRED = 4;
/** Beyond it an epoch says nothing more: a number that came twice would give away plaintext and the tag's key. */
export const PN_MAX = 2 ** 48 - 1;

const FLAG_HELLO = 1;
const FLAG_ALONE = 2;

export function headerBytes(header: Header): number {
  return header.hello ? HELLO_HEADER_BYTES : HEADER_BYTES;
}

export function emitHeader(header: Header, version: number, bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint8(0, (version << 4) | header.keySlot);
  view.setUint8(1, (header.hello ? FLAG_HELLO : 0) | (header.alone ? FLAG_ALONE : 0));
  view.setUint16(2, header.sender);
  view.setUint32(4, header.epochTag);
  view.setUint16(8, Math.floor(header.pn / 2 ** 32));
  view.setUint32(10, header.pn >>> 0);
  if (!header.hello) return;
  view.setBigUint64(HEADER_BYTES, header.hello.identity);
  bytes.set(header.hello.epoch, HEADER_BYTES + 8);
}

export function isHello(bytes: Uint8Array): boolean {
  return (bytes[1]! & FLAG_HELLO) !== 0;
}

/** Undefined when the bytes end before the header does. */
export function parseHeader(bytes: Uint8Array): Header | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isHello = (view.getUint8(1) & FLAG_HELLO) !== 0;
  if (isHello && bytes.length < HELLO_HEADER_BYTES) return undefined;
  const header = {
    keySlot: view.getUint8(0) & 15,
    sender: view.getUint16(2),
    alone: (view.getUint8(1) & FLAG_ALONE) !== 0,
    epochTag: view.getUint32(4),
    pn: view.getUint16(8) * 2 ** 32 + view.getUint32(10),
  };
  if (!isHello) return header;
  const identity = view.getBigUint64(HEADER_BYTES);
  return { ...header, hello: { identity, epoch: bytes.slice(HEADER_BYTES + 8, HELLO_HEADER_BYTES) } };
}
