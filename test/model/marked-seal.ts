import { clearSeal, type Seal } from "../../src/replication/seal.ts";

const MARK_BYTES = 8;

/**
 * A clear seal with a mark of what it sealed: nothing is secret, but what the network breaks is noticed, as behind a real
 * tag, at a fiftieth of its cost. Whether real ones can be forged is not this simulation's question.
 */
export const markedSeal: Seal = {
  ...clearSeal,
  overheadBytes: clearSeal.overheadBytes + MARK_BYTES,

  seal(header, body) {
    const clear = clearSeal.seal(header, body);
    const bytes = new Uint8Array(clear.length + MARK_BYTES);
    bytes.set(clear);
    const [high, low] = markOf(clear);
    const view = new DataView(bytes.buffer);
    view.setUint32(clear.length, high);
    view.setUint32(clear.length + 4, low);
    return bytes;
  },

  open(bytes) {
    const end = bytes.length - MARK_BYTES;
    if (end < 0) return "short";
    const [high, low] = markOf(bytes.subarray(0, end));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (view.getUint32(end) !== high || view.getUint32(end + 4) !== low) return "forged";
    return clearSeal.open(bytes.subarray(0, end));
  },
};

function markOf(bytes: Uint8Array): [number, number] {
  let a = 0x243f6a88 ^ bytes.length;
  let b = 0x85a308d3;
  for (let i = 0; i < bytes.length; i++) {
    a = Math.imul(a ^ bytes[i]!, 0x01000193);
    b = Math.imul(b + bytes[i]!, 0x9e3779b1) ^ (b >>> 13);
  }
  return [(a ^ (b >>> 7)) >>> 0, (b ^ (a >>> 11)) >>> 0];
}
