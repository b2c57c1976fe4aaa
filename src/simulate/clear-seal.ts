import { type Channel, emitHeader, headerBytes, SEALED_EXTRA_BYTES, type Seal, VERSION } from "../replication/seal.ts";

/** Top bit of the version: no filter, no tag, nothing is authentic. */
const VERSION_UNSEALED = 8;

const channel: Channel = {
  extraBytes: SEALED_EXTRA_BYTES,
  seal(header, body) {
    const start = headerBytes(header);
    // As many bytes as sealed ones, so that simulations count what a mesh would send.
    const bytes = new Uint8Array(start + body.length + SEALED_EXTRA_BYTES);
    emitHeader(header, clearSeal.version, bytes);
    bytes.set(body, start);
    return bytes;
  },
  mayBe: (header, bytes) => bytes.length >= headerBytes(header) + SEALED_EXTRA_BYTES,
  open: (header, bytes) => bytes.subarray(headerBytes(header), bytes.length - SEALED_EXTRA_BYTES),
};

/** No protection whatsoever: for simulations in which cryptography is not the subject. A sealed mesh refuses it. */
export const clearSeal: Seal = {
  version: VERSION | VERSION_UNSEALED,
  epochTag: (epoch) => new DataView(epoch.buffer, epoch.byteOffset, epoch.byteLength).getUint32(0),
  isMember: () => true,
  mayBeHello: (header, bytes) => channel.mayBe(header, bytes),
  channel: () => channel,
};
