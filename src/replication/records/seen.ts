import type { BitReader, BitWriter } from "../../base/bits.ts";

/**
 * How long ago the AP that serves a client heard that it came: tenths of a second, 0xfffe or longer. 0xffff: it does not
 * know, since it serves the client from before its agent began.
 */
export const SEEN_BYTES = 2;
const TENTH_MS = 100;
const UNKNOWN = 0xffff;
const MOST = UNKNOWN - 1;

/** `ageMs` Infinity: unknown. Never more than it was. */
export function emitSeen(writer: BitWriter, ageMs: number): void {
  const tenths = ageMs === Number.POSITIVE_INFINITY ? UNKNOWN : Math.min(MOST, Math.floor(ageMs / TENTH_MS));
  writer.write(Math.max(0, tenths), SEEN_BYTES * 8);
}

export function parseSeen(reader: BitReader): number {
  const tenths = reader.read(SEEN_BYTES * 8);
  return tenths === UNKNOWN ? Number.POSITIVE_INFINITY : tenths * TENTH_MS;
}
