import { type Codec, KIND } from "./kinds.ts";

/** A part of a client's own filter, by the digest of the whole. Each part says all that is needed to begin with it. */
export interface FilterPart {
  readonly digest: bigint;
  readonly bits: number;
  readonly seed: number;
  readonly probes: number;
  /** Templates in use, a bit each. */
  readonly out: number;
  readonly in: number;
  readonly part: number;
  /** 512 bytes, but in the last part. */
  readonly data: Uint8Array;
}

export const FILTER_PART_BYTES = 512;
const FIXED_BYTES = 8 + 4 + 4 + 1 + 2 + 2 + 2;

export const filter: Codec<FilterPart> = {
  kind: KIND.filter,
  length: ({ data }) => FIXED_BYTES + data.length,
  emit(writer, { digest, bits, seed, probes, out, in: into, part, data }) {
    writer.write64(digest);
    writer.write(bits, 32);
    writer.write(seed, 32);
    writer.write(probes, 8);
    writer.write(out, 16);
    writer.write(into, 16);
    writer.write(part, 16);
    writer.writeBytes(data);
  },
  parse(reader) {
    const digest = reader.read64();
    const [bits, seed, probes] = [reader.read(32), reader.read(32), reader.read(8)];
    const [out, into, part] = [reader.read(16), reader.read(16), reader.read(16)];
    const size = Math.min(FILTER_PART_BYTES, bits / 8 - part * FILTER_PART_BYTES);
    if (reader.failed || bits % 64 !== 0 || size <= 0 || reader.bytesLeft !== size) return undefined;
    const data = reader.readBytes(size);
    return reader.atEnd ? { digest, bits, seed, probes, out, in: into, part, data } : undefined;
  },
};
