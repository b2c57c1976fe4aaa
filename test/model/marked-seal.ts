import type { Channel, Seal } from "../../src/replication/seal.ts";
import { clearSeal } from "../../src/simulate/clear-seal.ts";

const MARK_BYTES = 8;
const CLEAR = clearSeal.channel(0, 0, { identity: 0n, epoch: new Uint8Array(16) })!;

const channel: Channel = {
  extraBytes: CLEAR.extraBytes,
  seal(header, body, dst) {
    const bytes = CLEAR.seal(header, body, dst)!;
    const [high, low] = markOf(bytes.subarray(0, bytes.length - MARK_BYTES));
    const view = viewOf(bytes);
    view.setUint32(bytes.length - MARK_BYTES, high);
    view.setUint32(bytes.length - MARK_BYTES + 4, low);
    return bytes;
  },
  mayBe: (header, bytes) => CLEAR.mayBe(header, bytes),
  open(header, bytes) {
    const end = bytes.length - MARK_BYTES;
    const [high, low] = markOf(bytes.subarray(0, end));
    const view = viewOf(bytes);
    if (view.getUint32(end) !== high || view.getUint32(end + 4) !== low) return undefined;
    return CLEAR.open(header, bytes);
  },
};

/**
 * A clear seal with a mark of what it sealed: nothing is secret, but what the network breaks is noticed, as behind a real
 * tag, at a fiftieth of its cost. Whether real ones can be forged is not this simulation's question.
 */
export const markedSeal: Seal = { ...clearSeal, channel: () => channel };

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function markOf(bytes: Uint8Array): [number, number] {
  let a = 0x243f6a88 ^ bytes.length;
  let b = 0x85a308d3;
  for (let i = 0; i < bytes.length; i++) {
    a = Math.imul(a ^ bytes[i]!, 0x01000193);
    b = Math.imul(b + bytes[i]!, 0x9e3779b1) ^ (b >>> 13);
  }
  return [(a ^ (b >>> 7)) >>> 0, (b ^ (a >>> 11)) >>> 0];
}
