/**
 * The rim between datagrams and what they say. A sealed datagram is header, filter, ciphertext, tag; the header is the
 * same in clear and sealed ones, so that sealing changes no other file.
 *
 *   version:4 keySlot:4 | flags:8 | sender:16 | epochTag:32 | pn:48     14 bytes
 *   hello only (flag): id64, epoch128                                   24 bytes
 */
export interface Header {
  /** Which of two accepted mesh keys. */
  readonly keySlot: number;
  readonly sender: number;
  /** Names the epoch among those that a receiver knows. */
  readonly epochTag: number;
  /** Counts the datagrams of an epoch, whatever their path: nonce and replay window. Its gaps mean nothing. */
  readonly pn: number;
  /** A hello says who speaks: without it no key can be derived. */
  readonly hello?: { readonly identity: bigint; readonly epoch: Uint8Array };
}

export type Opened = { readonly header: Header; readonly body: Uint8Array };
export type NotOpened = "short" | "version" | "unsealed" | "forged";

export interface Seal {
  /** Bytes that a datagram costs beside its body. */
  readonly overheadBytes: number;
  seal(header: Header, body: Uint8Array): Uint8Array;
  open(bytes: Uint8Array): Opened | NotOpened;
  epochTag(epoch: Uint8Array): number;
}

export const HEADER_BYTES = 14;
export const HELLO_HEADER_BYTES = HEADER_BYTES + 24;
/** Filter and tag of a sealed datagram: reserved in every datagram, so that sealing does not move a boundary. */
export const SEALED_EXTRA_BYTES = 8 + 16;

const VERSION = 1;
/** Top bit of the version: no filter, no tag, nothing is authentic. */
const VERSION_UNSEALED = 8;
const FLAG_HELLO = 1;

/** No protection whatsoever: for trusted links and tests. Its version bit says so, and a sealed mesh refuses it. */
export const clearSeal: Seal = {
  overheadBytes: HEADER_BYTES,

  seal(header, body) {
    const start = header.hello ? HELLO_HEADER_BYTES : HEADER_BYTES;
    const bytes = new Uint8Array(start + body.length);
    emitHeader(header, VERSION | VERSION_UNSEALED, bytes);
    bytes.set(body, start);
    return bytes;
  },

  open(bytes) {
    if (bytes.length < HEADER_BYTES) return "short";
    const version = bytes[0]! >> 4;
    if (version !== (VERSION | VERSION_UNSEALED)) return "version";
    const header = parseHeader(bytes);
    if (!header) return "short";
    return { header, body: bytes.subarray(header.hello ? HELLO_HEADER_BYTES : HEADER_BYTES) };
  },

  epochTag(epoch) {
    return new DataView(epoch.buffer, epoch.byteOffset, epoch.byteLength).getUint32(0);
  },
};

export function emitHeader(header: Header, version: number, bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint8(0, (version << 4) | header.keySlot);
  view.setUint8(1, header.hello ? FLAG_HELLO : 0);
  view.setUint16(2, header.sender);
  view.setUint32(4, header.epochTag);
  view.setUint16(8, Math.floor(header.pn / 2 ** 32));
  view.setUint32(10, header.pn >>> 0);
  if (!header.hello) return;
  view.setBigUint64(HEADER_BYTES, header.hello.identity);
  bytes.set(header.hello.epoch, HEADER_BYTES + 8);
}

/** Undefined when the bytes end before the header does. */
export function parseHeader(bytes: Uint8Array): Header | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isHello = (view.getUint8(1) & FLAG_HELLO) !== 0;
  if (bytes.length < (isHello ? HELLO_HEADER_BYTES : HEADER_BYTES)) return undefined;
  const header = {
    keySlot: view.getUint8(0) & 15,
    sender: view.getUint16(2),
    epochTag: view.getUint32(4),
    pn: view.getUint16(8) * 2 ** 32 + view.getUint32(10),
  };
  if (!isHello) return header;
  const identity = view.getBigUint64(HEADER_BYTES);
  return { ...header, hello: { identity, epoch: bytes.slice(HEADER_BYTES + 8, HELLO_HEADER_BYTES) } };
}
