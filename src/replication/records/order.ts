import type { Verdict } from "../../proxy/roam-api.ts";
import { type Codec, KIND } from "./kinds.ts";
import { emitRights, parseRights, type RightsRecord, rightsBytes } from "./rights.ts";

/** "Give the client that you serve these rights, and tell me when it has them." */
export interface Order {
  /** Names the order and its answer; the same in each repetition. */
  readonly oid: bigint;
  /** Stamped by the sender. `slot`, `n` and `here` mean nothing. */
  readonly rights: RightsRecord;
}

/**
 * APPEND ONLY: the index is the number on the wire. `newer`: rights of a higher stamp count there, they follow. `refused`: a
 * role that the AP's policy does not know, or more filters than a client has room for.
 */
const VERDICTS: readonly Verdict[] = ["in force", "elsewhere", "newer", "refused", "full"];

/** What hostapd said of a station whose rights were revoked. APPEND ONLY, as above. */
export const STATIONS = ["nobody asked", "ended", "unknown there", "no answer"] as const;
export type Station = (typeof STATIONS)[number];

export interface Done {
  readonly oid: bigint;
  readonly verdict: Verdict;
  readonly station: Station;
  /** Of `newer`. */
  readonly rights: RightsRecord | undefined;
}

export const order: Codec<Order> = {
  kind: KIND.order,
  length: ({ rights }) => 8 + rightsBytes(rights),
  emit(writer, { oid, rights }) {
    writer.write64(oid);
    emitRights(writer, rights);
  },
  parse(reader) {
    const oid = reader.read64();
    const rights = parseRights(reader, 0);
    return rights && !rights.empty && reader.atEnd ? { oid, rights } : undefined;
  },
};

export const done: Codec<Done> = {
  kind: KIND.done,
  length: ({ rights }) => 8 + 2 + (rights ? rightsBytes(rights) : 0),
  emit(writer, { oid, verdict, station, rights }) {
    writer.write64(oid);
    writer.write(VERDICTS.indexOf(verdict), 8);
    writer.write(STATIONS.indexOf(station), 8);
    if (rights) emitRights(writer, rights);
  },
  parse(reader) {
    const oid = reader.read64();
    const [verdict, station] = [VERDICTS[reader.read(8)], STATIONS[reader.read(8)]];
    if (reader.failed || !verdict || !station) return undefined;
    if (reader.atEnd) return { oid, verdict, station, rights: undefined };
    const rights = parseRights(reader, 0);
    return rights && !rights.empty && reader.atEnd ? { oid, verdict, station, rights } : undefined;
  },
};
