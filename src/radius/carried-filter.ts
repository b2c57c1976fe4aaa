/**
 * A client's Bloom filter, and changes to one, as octets: `Roamwall-Filter` and `Roamwall-Filter-Delta`.
 *
 *     filter  version:8 = 1  probes:8  out:16  in:16  bits:32  seed:32  seedId:32  sum:32  data
 *     delta   version:8 = 1  reserved:8  out:16  in:16  set:16  clear:16  base:32  sum:32  { bit:32 } set + clear times
 *
 * `sum` is the XXH32 of the filter without itself: servers cut long attributes without a word, so a filter must know that it
 * is whole. It keeps no forger out; the packet's authenticator does. A delta names the sum of the filter that it is for and
 * of the one it makes: on any other it is refused.
 */
import { xxh32Words } from "../base/hash.ts";

export interface CarriedFilter {
  readonly bits: number;
  readonly seed: number;
  readonly probes: number;
  /** Templates in use, a bit each, by direction. */
  readonly out: number;
  readonly in: number;
  /** Bit i in byte i >> 3 at i & 7. */
  readonly data: Uint8Array;
  /** Which mesh key its bits were made with. */
  readonly seedId: number;
}

export interface FilterDelta {
  /** Sums of the filter before and after. */
  readonly base: number;
  readonly sum: number;
  /** Templates afterwards. */
  readonly out: number;
  readonly in: number;
  readonly set: readonly number[];
  readonly clear: readonly number[];
}

const VERSION = 1;
const HEAD_BYTES = 1 + 1 + 2 + 2 + 4 + 4 + 4;
const SUM_BYTES = 4;
const DELTA_HEAD_BYTES = 1 + 1 + 2 + 2 + 2 + 2 + 4 + 4;
const WORD_BITS = 64;
/** What the datapath can ask at most, and the number of its templates. */
const PROBES_MAX = 16;
const TEMPLATE_BITS = 9;

export function filterSum(filter: CarriedFilter): number {
  return sumOf(headOf(filter), filter.data);
}

export function emitFilter(filter: CarriedFilter): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + SUM_BYTES + filter.data.length);
  bytes.set(headOf(filter));
  new DataView(bytes.buffer).setUint32(HEAD_BYTES, filterSum(filter));
  bytes.set(filter.data, HEAD_BYTES + SUM_BYTES);
  return bytes;
}

/** The filter, or why it is none. */
export function parseFilter(bytes: Uint8Array): CarriedFilter | string {
  if (bytes.length < HEAD_BYTES + SUM_BYTES) return "a filter shorter than its head";
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes[0] !== VERSION) return `a filter of version ${bytes[0]}`;
  const filter: CarriedFilter = {
    probes: bytes[1]!,
    out: view.getUint16(2),
    in: view.getUint16(4),
    bits: view.getUint32(6),
    seed: view.getUint32(10),
    seedId: view.getUint32(14),
    data: bytes.slice(HEAD_BYTES + SUM_BYTES),
  };
  const { bits, data, probes } = filter;
  if (bits === 0 || bits % WORD_BITS !== 0 || data.length * 8 !== bits) {
    return `a filter of ${bits} bits in ${data.length} octets`;
  }
  if (probes < 1 || probes > PROBES_MAX) return `a filter of ${probes} probes`;
  if ((filter.out | filter.in) >> TEMPLATE_BITS !== 0) return "a filter with unknown templates";
  return view.getUint32(HEAD_BYTES) === filterSum(filter) ? filter : "a filter whose checksum is wrong";
}

export function emitDelta(delta: FilterDelta): Uint8Array {
  const positions = [...delta.set, ...delta.clear];
  const bytes = new Uint8Array(DELTA_HEAD_BYTES + 4 * positions.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = VERSION;
  view.setUint16(2, delta.out);
  view.setUint16(4, delta.in);
  view.setUint16(6, delta.set.length);
  view.setUint16(8, delta.clear.length);
  view.setUint32(10, delta.base);
  view.setUint32(14, delta.sum);
  positions.forEach((bit, i) => {
    view.setUint32(DELTA_HEAD_BYTES + 4 * i, bit);
  });
  return bytes;
}

/** The delta, or why it is none. */
export function parseDelta(bytes: Uint8Array): FilterDelta | string {
  if (bytes.length < DELTA_HEAD_BYTES) return "a delta shorter than its head";
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes[0] !== VERSION || bytes[1] !== 0) return `a delta of version ${bytes[0]}`;
  const [set, clear] = [view.getUint16(6), view.getUint16(8)];
  if (bytes.length !== DELTA_HEAD_BYTES + 4 * (set + clear)) return `a delta of ${set} + ${clear} bits cut short`;
  const positions = Array.from({ length: set + clear }, (_, i) => view.getUint32(DELTA_HEAD_BYTES + 4 * i));
  return {
    out: view.getUint16(2),
    in: view.getUint16(4),
    base: view.getUint32(10),
    sum: view.getUint32(14),
    set: positions.slice(0, set),
    clear: positions.slice(set),
  };
}

/** What must change in `from` to make it `to`. Undefined: their sizes or places of bits differ, only a whole filter helps. */
export function deltaOf(from: CarriedFilter, to: CarriedFilter): FilterDelta | undefined {
  const isSamePlaces = (["bits", "seed", "probes", "seedId"] as const).every((name) => from[name] === to[name]);
  if (!isSamePlaces) return undefined;
  const set: number[] = [];
  const clear: number[] = [];
  for (let bit = 0; bit < from.bits; bit++) {
    const [was, is] = [bitOf(from.data, bit), bitOf(to.data, bit)];
    if (was !== is) (is ? set : clear).push(bit);
  }
  return { base: filterSum(from), sum: filterSum(to), out: to.out, in: to.in, set, clear };
}

/** The changed filter, or why the delta is not for this one. */
export function applyDelta(filter: CarriedFilter, delta: FilterDelta): CarriedFilter | string {
  if (filterSum(filter) !== delta.base) return "a delta for another filter than the one in force";
  const data = filter.data.slice();
  for (const bit of delta.set) if (bit < filter.bits) data[bit >> 3]! |= 1 << (bit & 7);
  for (const bit of delta.clear) if (bit < filter.bits) data[bit >> 3]! &= ~(1 << (bit & 7));
  const next = { ...filter, out: delta.out, in: delta.in, data };
  return filterSum(next) === delta.sum ? next : "a delta whose checksum is wrong";
}

function bitOf(data: Uint8Array, bit: number): boolean {
  return (data[bit >> 3]! & (1 << (bit & 7))) !== 0;
}

function headOf(filter: CarriedFilter): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES);
  const view = new DataView(head.buffer);
  head[0] = VERSION;
  head[1] = filter.probes;
  view.setUint16(2, filter.out);
  view.setUint16(4, filter.in);
  view.setUint32(6, filter.bits);
  view.setUint32(10, filter.seed);
  view.setUint32(14, filter.seedId);
  return head;
}

/** XXH32 of the octets, filled up with zeros to words. */
function sumOf(head: Uint8Array, data: Uint8Array): number {
  const padded = new Uint8Array(Math.ceil((head.length + data.length) / 4) * 4);
  padded.set(head);
  padded.set(data, head.length);
  const view = new DataView(padded.buffer);
  return xxh32Words(
    Uint32Array.from({ length: padded.length / 4 }, (_, i) => view.getUint32(4 * i, true)),
    0,
  );
}
