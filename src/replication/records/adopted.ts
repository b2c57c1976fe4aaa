import { type Mac, macFromBytes, macToBytes } from "../../base/mac.ts";
import { type Codec, KIND } from "./kinds.ts";

/** All that the old AP handed over stands in the new AP's table: the old one may let go, and nobody else need be asked. */
export interface Adopted {
  readonly mac: Mac;
  readonly n: number;
  /** The AP whose HANDOVER it answers. */
  readonly source: number;
  /** Change set of the new AP up to which all of it is published. */
  readonly ver: number;
}

export const adopted: Codec<Adopted> = {
  kind: KIND.adopted,
  length: () => 16,
  emit(writer, { mac, n, source, ver }) {
    writer.writeBytes(macToBytes(mac));
    writer.write(n, 32);
    writer.write(source, 16);
    writer.write(ver, 32);
  },
  parse(reader) {
    const bytes = reader.readBytes(6);
    const [n, source, ver] = [reader.read(32), reader.read(16), reader.read(32)];
    return reader.atEnd ? { mac: macFromBytes(bytes), n, source, ver } : undefined;
  },
};
