import type { BitReader, BitWriter } from "../../base/bits.ts";
import { KIND } from "./kinds.ts";

/**
 * A range as it was when `ver` stood at `asOf`, taken before reading. What it does not name is free: it sets every
 * coordinate (or client slot) of the range whose own `ver` is not newer.
 */
export interface SnapHead {
  readonly asOf: number;
  /** Client slots instead of cells: then count:16 and so many rights follow, else a cell block. */
  readonly slots: boolean;
  /** Datagrams of this answer that are still to come, as far as seven bits say. */
  readonly toCome: number;
  /** Names the ask. */
  readonly round: number;
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
}

export const SNAP_KIND = KIND.snap;
export const SNAP_FIXED_BYTES = 12;
const TO_COME_MAX = 127;

export function emitSnapHead(writer: BitWriter, head: SnapHead): void {
  writer.write(head.asOf, 32);
  writer.write(head.slots ? 1 : 0, 1);
  writer.write(Math.min(TO_COME_MAX, head.toCome), 7);
  writer.write(head.round, 8);
  writer.write(head.from, 24);
  writer.write(head.to, 24);
}

export function parseSnapHead(reader: BitReader): SnapHead | undefined {
  const asOf = reader.read(32);
  const slots = reader.read(1) === 1;
  const toCome = reader.read(7);
  const head = { asOf, slots, toCome, round: reader.read(8), from: reader.read(24), to: reader.read(24) };
  return reader.failed || head.to < head.from ? undefined : head;
}
