import { type Codec, KIND } from "./kinds.ts";

/** The newest `ver` there is. Sent 20, 60 and 140 ms after the last change, or a lost last message would be missed late. */
export interface Edge {
  readonly ver: number;
}

export const edge: Codec<Edge> = {
  kind: KIND.edge,
  length: () => 4,
  emit: (writer, { ver }) => writer.write(ver, 32),
  parse(reader) {
    const ver = reader.read(32);
    return reader.atEnd ? { ver } : undefined;
  },
};
