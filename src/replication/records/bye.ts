import { type Codec, KIND } from "./kinds.ts";

/** The sender stops; all that it held back was published before. */
export interface Bye {
  readonly tableId: bigint;
}

export const bye: Codec<Bye> = {
  kind: KIND.bye,
  length: () => 8,
  emit: (writer, { tableId }) => writer.write64(tableId),
  parse(reader) {
    const tableId = reader.read64();
    return reader.atEnd ? { tableId } : undefined;
  },
};
