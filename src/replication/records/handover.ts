import { type Mac, macFromBytes, macToBytes } from "../../base/mac.ts";
import { type Codec, KIND } from "./kinds.ts";

/**
 * All expectations of a client, as integers that any table can place: the answer to a CLAIM. `left` counts ticks of the
 * source; `fastPhase` and `slowPhase` say how much of the present tick has gone by (256ths), so that the new AP can
 * choose the largest timer that does not outlive what is left.
 */
export interface Handover {
  readonly mac: Mac;
  readonly n: number;
  readonly part: number;
  readonly parts: number;
  readonly fastPhase: number;
  readonly slowPhase: number;
  readonly xHi: Uint32Array;
  readonly xLo: Uint32Array;
  /** speed << tick bits | ticks left */
  readonly codes: Uint8Array;
}

const FIXED_BYTES = 14;

/** `xBits` = bucket bits + remainder bits, `codeBits` = 1 + tick bits: the geometry, which both sides share. */
export function handoverCodec(xBits: number, codeBits: number): Codec<Handover> {
  const highBits = Math.max(0, xBits - 32);
  const lowBits = Math.min(32, xBits);
  return {
    kind: KIND.handover,
    length: ({ codes }) => FIXED_BYTES + 2 + Math.ceil((codes.length * (xBits + codeBits)) / 8),
    emit(writer, { mac, n, part, parts, fastPhase, slowPhase, xHi, xLo, codes }) {
      writer.writeBytes(macToBytes(mac));
      writer.write(n, 32);
      writer.write(part, 8);
      writer.write(parts, 8);
      writer.write(fastPhase, 8);
      writer.write(slowPhase, 8);
      writer.write(codes.length, 16);
      for (let i = 0; i < codes.length; i++) {
        writer.write(xHi[i]!, highBits);
        writer.write(xLo[i]!, lowBits);
        writer.write(codes[i]!, codeBits);
      }
    },
    parse(reader) {
      const mac = macFromBytes(reader.readBytes(6));
      const n = reader.read(32);
      const [part, parts, fastPhase, slowPhase] = [reader.read(8), reader.read(8), reader.read(8), reader.read(8)];
      const count = reader.read(16);
      if (reader.failed || parts === 0 || part >= parts || count * (xBits + codeBits) > reader.bytesLeft * 8)
        return undefined;
      const [xHi, xLo, codes] = [new Uint32Array(count), new Uint32Array(count), new Uint8Array(count)];
      for (let i = 0; i < count; i++) {
        xHi[i] = reader.read(highBits);
        xLo[i] = reader.read(lowBits);
        codes[i] = reader.read(codeBits);
      }
      return reader.atEnd ? { mac, n, part, parts, fastPhase, slowPhase, xHi, xLo, codes } : undefined;
    },
  };
}

/** Expectations that fit a body of so many bytes. */
export function handoverCapacity(bodyBytes: number, xBits: number, codeBits: number): number {
  return Math.floor(((bodyBytes - FIXED_BYTES - 2) * 8) / (xBits + codeBits));
}
