import { type Codec, KIND } from "./kinds.ts";

/** The sender stops; all that it held back was published before, up to `ver`. */
export interface Bye {
  readonly tableId: bigint;
  readonly ver: number;
}

export const bye: Codec<Bye> = {
  kind: KIND.bye,
  length: () => 12,
  emit(writer, { tableId, ver }) {
    writer.write64(tableId);
    writer.write(ver, 32);
  },
  parse(reader) {
    const tableId = reader.read64();
    const ver = reader.read(32);
    return reader.atEnd ? { tableId, ver } : undefined;
  },
};
