import type { BitReader, BitWriter } from "../../base/bits.ts";

/** Record kinds. APPEND ONLY. From 16 on the header's kind is 0, and the kind stands in a byte before the body. */
export const KIND = {
  hello: 1,
  cells: 2,
  edge: 3,
  nack: 4,
  repair: 5,
  snap: 6,
  ask: 7,
  digests: 8,
  claim: 9,
  handover: 10,
  adopted: 11,
  rights: 12,
  filter: 13,
  /** LOCATE, and with its top bit set FOUND */
  locate: 14,
  bye: 15,
  order: 16,
  done: 17,
  deal: 18,
  pulse: 19,
} as const;
export type Kind = (typeof KIND)[keyof typeof KIND];

/** kind:4 len:12; `len` counts the body. */
export const RECORD_HEADER_BYTES = 2;
/** Kinds from here on do not fit into the header. */
export const KIND_EXTENDED = 16;
export const RECORD_BODY_MAX = 4095;

/** How one kind of record is written and read. `parse` answers undefined when the body is cut short or lies. */
export interface Codec<T> {
  readonly kind: Kind;
  /** Bytes of the body. */
  length(value: T): number;
  emit(writer: BitWriter, value: T): void;
  parse(reader: BitReader): T | undefined;
}

/** `ver` never goes round: an epoch ends before. */
export const VER_MAX = 2 ** 31;
/** Of all that stood in the table when an epoch began: no datagram holds that, snapshots alone bring it. */
export const VER_FIRST = 1;
