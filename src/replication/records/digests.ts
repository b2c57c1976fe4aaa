import { REGIONS } from "../../proxy/digest.ts";
import { type Codec, KIND } from "./kinds.ts";

/** Digests of the 64 regions; they mean something only at this very stamp. */
export interface Digests {
  readonly asOf: number;
  readonly fast: number;
  readonly slow: number;
  readonly regions: Uint32Array;
}

export const digests: Codec<Digests> = {
  kind: KIND.digests,
  length: () => 12 + REGIONS * 4,
  emit(writer, { asOf, fast, slow, regions }) {
    writer.write(asOf, 32);
    writer.write(fast, 32);
    writer.write(slow, 32);
    for (const region of regions) writer.write(region, 32);
  },
  parse(reader) {
    const [asOf, fast, slow] = [reader.read(32), reader.read(32), reader.read(32)];
    const regions = Uint32Array.from({ length: REGIONS }, () => reader.read(32));
    return reader.atEnd ? { asOf, fast, slow, regions } : undefined;
  },
};
