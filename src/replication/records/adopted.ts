import { type Mac, macFromBytes, macToBytes } from "../../base/mac.ts";
import { type Codec, KIND } from "./kinds.ts";

/** All that the old AP handed over stands in the new AP's table: the old one may let go, and nobody else need be asked. */
export interface Adopted {
  readonly mac: Mac;
  readonly n: number;
  /** The AP whose HANDOVER it answers. */
  readonly source: number;
}

export const adopted: Codec<Adopted> = {
  kind: KIND.adopted,
  length: () => 12,
  emit(writer, { mac, n, source }) {
    writer.writeBytes(macToBytes(mac));
    writer.write(n, 32);
    writer.write(source, 16);
  },
  parse(reader) {
    const bytes = reader.readBytes(6);
    const [n, source] = [reader.read(32), reader.read(16)];
    return reader.atEnd ? { mac: macFromBytes(bytes), n, source } : undefined;
  },
};
