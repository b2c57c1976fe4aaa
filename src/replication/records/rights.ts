import type { BitReader, BitWriter } from "../../base/bits.ts";
import { type Mac, macFromBytes, macToBytes } from "../../base/mac.ts";
import { type Codec, KIND } from "./kinds.ts";
import { emitSeen, parseSeen, SEEN_BYTES } from "./seen.ts";

/**
 * A client slot of the sender: whose it is, whether the client is served there, and its rights, ahead of its roam. It
 * takes a `ver` as a change set of cells does, and is repaired the same way.
 */
export interface RightsRecord {
  readonly ver: number;
  readonly slot: number;
  /** The slot names nobody (any more): nothing else counts. */
  readonly empty: boolean;
  readonly mac: Mac;
  /** Claim count of the sender's knowledge, and whether the sender is who claimed. */
  readonly n: number;
  readonly here: boolean;
  /** See `emitSeen`; of a client that the sender serves. */
  readonly seenAgeMs: number;
  readonly revoked: boolean;
  readonly monitor: boolean;
  readonly serial: number;
  readonly rev: number;
  readonly origin: number;
  /** 0xffffffff: without end. */
  readonly leftTenths: number;
  readonly zone: number;
  /** Hash of kind and identity of the login; 0: none. */
  readonly bind: bigint;
  /** Instead of the role's; 0xffff: the role's. */
  readonly openOut: number;
  readonly openIn: number;
  readonly halfOpen: number;
  /** Digests of the client's own filters, at most four. */
  readonly filters: readonly bigint[];
  readonly role: string;
}

export const ROLE_BYTES_MAX = 63;
const FILTERS_MAX = 4;
const FIXED_BYTES = 3 + 6 + 4 + 4 + 2 + 2 + 4 + 2 + 8 + 2 + 2 + 2 + 1 + 1;
export const WITHOUT_END = 0xffffffff;
export const ROLE_LIMIT = 0xffff;
const NOBODY = "00:00:00:00:00:00" as Mac;

export const rights: Codec<RightsRecord> = {
  kind: KIND.rights,
  length: (value) => 4 + rightsBytes(value),
  emit(writer, value) {
    writer.write(value.ver, 32);
    emitRights(writer, value);
  },
  parse(reader) {
    const ver = reader.read(32);
    const value = parseRights(reader, ver);
    return value && reader.atEnd ? value : undefined;
  },
};

/** Without `ver`: as in a snapshot. */
export function rightsBytes(value: RightsRecord): number {
  if (value.empty) return 3;
  return (
    FIXED_BYTES + (value.here ? SEEN_BYTES : 0) + value.filters.length * 8 + new TextEncoder().encode(value.role).length
  );
}

export function emitRights(writer: BitWriter, value: RightsRecord): void {
  writer.write(value.slot, 16);
  const flags = [value.empty, value.here, value.revoked, value.monitor];
  writer.write(
    flags.reduce((bits, flag, i) => bits | (flag ? 1 << i : 0), 0),
    8,
  );
  if (value.empty) return;
  writer.writeBytes(macToBytes(value.mac));
  writer.write(value.n, 32);
  if (value.here) emitSeen(writer, value.seenAgeMs);
  writer.write(value.serial, 32);
  writer.write(value.rev, 16);
  writer.write(value.origin, 16);
  writer.write(value.leftTenths, 32);
  writer.write(value.zone, 16);
  writer.write64(value.bind);
  writer.write(value.openOut, 16);
  writer.write(value.openIn, 16);
  writer.write(value.halfOpen, 16);
  writer.write(value.filters.length, 8);
  for (const digest of value.filters) writer.write64(digest);
  const role = new TextEncoder().encode(value.role);
  writer.write(role.length, 8);
  writer.writeBytes(role);
}

export function parseRights(reader: BitReader, ver: number): RightsRecord | undefined {
  const slot = reader.read(16);
  const flags = reader.read(8);
  const [empty, here, revoked, monitor] = [0, 1, 2, 3].map((i) => (flags & (1 << i)) !== 0) as [
    boolean,
    boolean,
    boolean,
    boolean,
  ];
  if (empty) return reader.failed ? undefined : emptySlot(slot, ver);
  const macBytes = reader.readBytes(6);
  const n = reader.read(32);
  const seenAgeMs = here ? parseSeen(reader) : Number.POSITIVE_INFINITY;
  const [serial, rev, origin] = [reader.read(32), reader.read(16), reader.read(16)];
  const [leftTenths, zone, bind] = [reader.read(32), reader.read(16), reader.read64()];
  const [openOut, openIn, halfOpen] = [reader.read(16), reader.read(16), reader.read(16)];
  const count = reader.read(8);
  if (reader.failed || count > FILTERS_MAX) return undefined;
  const filters = Array.from({ length: count }, () => reader.read64());
  const roleBytes = reader.read(8);
  if (reader.failed || roleBytes > ROLE_BYTES_MAX) return undefined;
  const role = new TextDecoder().decode(reader.readBytes(roleBytes));
  if (reader.failed) return undefined;
  return {
    ver,
    slot,
    empty,
    mac: macFromBytes(macBytes),
    n,
    here,
    seenAgeMs,
    revoked,
    monitor,
    serial,
    rev,
    origin,
    leftTenths,
    zone,
    bind,
    openOut,
    openIn,
    halfOpen,
    filters,
    role,
  };
}

export function emptySlot(slot: number, ver: number): RightsRecord {
  return {
    ver,
    slot,
    empty: true,
    mac: NOBODY,
    n: 0,
    here: false,
    seenAgeMs: Number.POSITIVE_INFINITY,
    revoked: false,
    monitor: false,
    serial: 0,
    rev: 0,
    origin: 0,
    leftTenths: 0,
    zone: 0,
    bind: 0n,
    openOut: 0,
    openIn: 0,
    halfOpen: 0,
    filters: [],
    role: "",
  };
}
