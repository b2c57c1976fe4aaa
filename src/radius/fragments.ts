import { joined } from "../base/bytes.ts";

/**
 * Octets that are longer than a vendor attribute (247 octets in all), over several of them:
 *
 *     filter:8  index:8  last:8  data
 *
 * `filter` is the number that the octets are for, 0 to 3; `index` counts from 0 to `last`.
 */
const HEAD_BYTES = 3;
const VENDOR_VALUE_BYTES_MAX = 247;
const DATA_BYTES_MAX = VENDOR_VALUE_BYTES_MAX - HEAD_BYTES;
/** Of a client, by number. */
export const FILTERS_MAX = 4;

export function splitFragments(filter: number, octets: Uint8Array): Uint8Array[] {
  const count = Math.max(1, Math.ceil(octets.length / DATA_BYTES_MAX));
  return Array.from({ length: count }, (_, i) => {
    const data = octets.subarray(i * DATA_BYTES_MAX, (i + 1) * DATA_BYTES_MAX);
    return Uint8Array.of(filter, i, count - 1, ...data);
  });
}

/** by filter number: its octets; or what is missing. The order in which they come does not matter. */
export function joinFragments(values: readonly Uint8Array[]): Map<number, Uint8Array> | string {
  const parts = new Map<number, (Uint8Array | undefined)[]>();
  for (const value of values) {
    const [filter, index, last] = value;
    if (value.length < HEAD_BYTES || filter! >= FILTERS_MAX || index! > last!) return "a fragment with a wrong head";
    const own = parts.get(filter!) ?? Array<Uint8Array | undefined>(last! + 1).fill(undefined);
    if (own.length !== last! + 1) return `fragments of filter ${filter} that disagree on their number`;
    if (own[index!]) return `fragment ${index} of filter ${filter} twice`;
    own[index!] = value.subarray(HEAD_BYTES);
    parts.set(filter!, own);
  }
  const whole = new Map<number, Uint8Array>();
  for (const [filter, own] of parts) {
    const missing = own.indexOf(undefined);
    if (missing >= 0) return `fragment ${missing} of ${own.length} of filter ${filter} is missing`;
    whole.set(filter, joined(...(own as Uint8Array[])));
  }
  return whole;
}
