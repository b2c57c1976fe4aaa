import { endianness } from "node:os";
import { DEFAULT_GEOMETRY, parseGeometry } from "../../../src/bloom/geometry.ts";
import { isLive } from "../../../src/bloom/timer.ts";
import { CONSTANTS } from "../../../src/datapath/abi.ts";
import { readRecord } from "../../../src/datapath/layout.ts";
import { MAP_RECORDS } from "../../../src/datapath/map-records.ts";
import type { AccessPoint } from "./access-point.ts";

const geometry = parseGeometry(DEFAULT_GEOMETRY, "lab");
/** Below the remainder: the timer, which a mirror need not have to the tick. */
const TIMER_BITS = 32 - geometry.remainderBits;

/** Remainders of live cells by coordinate: `published` ones the mirrors must have, `held` ones they need not. */
export interface TableContent {
  readonly published: Map<number, number>;
  readonly held: Map<number, number>;
}

/** What the kernel of this AP holds itself. */
export function ownTable(ap: AccessPoint): TableContent {
  const owners = words16(ap.peek("owner"));
  const content: TableContent = { published: new Map(), held: new Map() };
  for (const [coordinate, remainder] of liveCells(words32(ap.peek("table")), clock(ap))) {
    const clean = owners[coordinate]! >>> CONSTANTS.OWNER_MARK_SHIFT === CONSTANTS.MARK_CLEAN;
    (clean ? content.published : content.held).set(coordinate, remainder);
  }
  return content;
}

/** What the kernel of this AP holds of its only neighbour: the mirror with anything in it, live by the source's clock. */
export function mirrorOf(source: AccessPoint, at: AccessPoint): Map<number, number> {
  const all = words32(at.peek("mirror"));
  const found = new Map<number, number>();
  for (let from = 0; from < all.length; from += geometry.cells) {
    for (const [coordinate, remainder] of liveCells(all.subarray(from, from + geometry.cells), clock(source))) {
      found.set(coordinate, remainder);
    }
  }
  return found;
}

/** In words, each coordinate at which a mirror is not what its source holds; empty: they are equal. */
export function differences(own: TableContent, mirror: Map<number, number>): string[] {
  const found: string[] = [];
  for (const [coordinate, remainder] of own.published) {
    if (mirror.get(coordinate) !== remainder)
      found.push(`${coordinate}: ${remainder}, mirror has ${mirror.get(coordinate)}`);
  }
  for (const [coordinate, remainder] of mirror) {
    const held = own.held.get(coordinate) === remainder;
    if (!held && own.published.get(coordinate) !== remainder)
      found.push(`${coordinate}: mirror alone has ${remainder}`);
  }
  return found;
}

function* liveCells(cells: Uint32Array, now: { fast: number; slow: number }): Generator<[number, number]> {
  for (let coordinate = 0; coordinate < cells.length; coordinate++) {
    const cell = cells[coordinate]!;
    if (isLive(cell, now.fast, now.slow, geometry)) yield [coordinate, cell >>> TIMER_BITS];
  }
}

function clock(ap: AccessPoint): { fast: number; slow: number } {
  const bytes = ap.peek("ctl");
  return readRecord(MAP_RECORDS.ctl, new DataView(bytes.buffer, bytes.byteOffset), 0, endianness() === "LE");
}

const words32 = (bytes: Buffer) =>
  new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
const words16 = (bytes: Buffer) =>
  new Uint16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
