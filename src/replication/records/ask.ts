import { type Codec, KIND } from "./kinds.ts";

/** What a receiver asks of one sender. APPEND ONLY. */
export const ASK = {
  /** the named units, as snapshots */
  snapshot: 0,
  /** region digests */
  digests: 1,
  /** the named units of the table that I had before, as far as you keep it */
  restore: 2,
  /** a client's filter, by digest, from a part on */
  filter: 3,
  /** as `restore`, of the table before that; one more for each before that one */
  restoreOlder: 4,
} as const;
/** Who loses its table again and again is given back so many. */
export const TABLES_MAX = 8;

/** What asks for the table that was lost so many tables ago, 0 the last; at most `TABLES_MAX` - 1. */
export function askForTable(age: number): number {
  return age === 0 ? ASK.restore : ASK.restoreOlder + age - 1;
}

/** Undefined: it is no question for a lost table. */
export function tableAsked(what: number): number | undefined {
  if (what === ASK.restore) return 0;
  const age = what - ASK.restoreOlder + 1;
  return age > 0 && age < TABLES_MAX ? age : undefined;
}

/** Units: 64 cells, then 8 client slots, numbered through. */
export interface UnitRange {
  readonly from: number;
  readonly count: number;
}

export interface Ask {
  readonly what: number;
  /** Given back by every datagram of the answer. */
  readonly round: number;
  /** At most so many datagrams; the answer's last one says that it is. */
  readonly window: number;
  readonly units: readonly UnitRange[];
  /** Of `filter` alone: instead of units. */
  readonly filter?: { readonly digest: bigint; readonly part: number };
}

export const ASK_RANGES_MAX = 64;

export const ask: Codec<Ask> = {
  kind: KIND.ask,
  length: ({ units, filter }) => 4 + (filter ? 10 : units.length * 6),
  emit(writer, { what, round, window, units, filter }) {
    writer.write(what, 8);
    writer.write(round, 8);
    writer.write(window, 16);
    if (filter) {
      writer.write64(filter.digest);
      writer.write(filter.part, 16);
      return;
    }
    for (const { from, count } of units) {
      writer.write(from, 24);
      writer.write(count, 24);
    }
  },
  parse(reader) {
    const what = reader.read(8);
    const round = reader.read(8);
    const window = reader.read(16);
    if (what === ASK.filter) {
      const filter = { digest: reader.read64(), part: reader.read(16) };
      return reader.atEnd ? { what, round, window, units: [], filter } : undefined;
    }
    const units: UnitRange[] = [];
    while (reader.bytesLeft >= 6 && units.length < ASK_RANGES_MAX) {
      units.push({ from: reader.read(24), count: reader.read(24) });
    }
    return reader.atEnd ? { what, round, window, units } : undefined;
  },
};
