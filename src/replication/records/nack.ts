import { type Codec, KIND } from "./kinds.ts";

export interface VerRange {
  readonly from: number;
  readonly count: number;
}

/** What is missing of one sender's change sets. Multicast, so that others who miss the same keep silent. */
export interface Nack {
  readonly target: number;
  readonly ranges: readonly VerRange[];
}

export const NACK_RANGES_MAX = 32;

export const nack: Codec<Nack> = {
  kind: KIND.nack,
  length: ({ ranges }) => 2 + ranges.length * 6,
  emit(writer, { target, ranges }) {
    writer.write(target, 16);
    for (const { from, count } of ranges) {
      writer.write(from, 32);
      writer.write(count, 16);
    }
  },
  parse(reader) {
    const target = reader.read(16);
    const ranges: VerRange[] = [];
    while (reader.bytesLeft >= 6 && ranges.length < NACK_RANGES_MAX) {
      ranges.push({ from: reader.read(32), count: reader.read(16) });
    }
    return reader.atEnd && ranges.every((r) => r.from > 0 && r.count > 0) ? { target, ranges } : undefined;
  },
};
