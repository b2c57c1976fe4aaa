import { describe, expect, it } from "vitest";
import { SipHash } from "./siphash.ts";

/** First rows of vectors_sip64 in the authors' reference implementation: key 00..0f, input 00..(length - 1). */
const VECTORS: readonly [length: number, bytes: string][] = [
  [0, "310e0edd47db6f72"],
  [1, "fd67dc93c539f874"],
  [2, "5a4fa9d909806c0d"],
  [3, "2d7efbd796666785"],
  [7, "37d1018bf50002ab"],
  [8, "6224939a79f5f593"],
  [15, "e545be4961ca29a1"],
  [63, "724506eb4c328a95"],
];

describe("SipHash", () => {
  const hash = new SipHash(Uint8Array.from({ length: 16 }, (_, i) => i));
  it.each(VECTORS)("of %i bytes is the reference's", (length, expected) => {
    hash.hash(
      Uint8Array.from({ length: 64 }, (_, i) => i),
      length,
    );
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32LE(hash.low, 0);
    bytes.writeUInt32LE(hash.high, 4);
    expect(bytes.toString("hex")).toBe(expected);
  });
});
