/** How full the table of expectations is, where, for how long, and of whom. Names: append, never rename. */
import type { Geometry } from "../bloom/geometry.ts";
import { isLive, isSlow, rank } from "../bloom/timer.ts";
import { CONSTANTS } from "../datapath/abi.ts";

/** Parts of the fill map, in the order of coordinates. */
const PARTS = 128;

export interface TableView {
  readonly geometry: string;
  readonly cells: number;
  readonly usedCells: number;
  /** Shares at which clients over their share, and then all, open no more. */
  readonly fairAt: number;
  readonly closedAt: number;
  /** Chance that a packet of no flow finds an expectation, per expectation asked. */
  readonly falsePositive: number;
  /** Used shares of equal parts of the table, as last reported; what follows too. */
  readonly fill: readonly number[];
  /** Buckets by how many of their eight cells are used. */
  readonly buckets: readonly number[];
  /** Live cells by time left. */
  readonly lifetimes: readonly { readonly upToSeconds: number; readonly cells: number }[];
  /** Who has most, by slot; cells that several share have no owner. */
  readonly owners: readonly { readonly client: string; readonly cells: number }[];
  readonly shared: number;
  /** Packets that found no room, and openings that were refused for lack of it or by a limit. */
  readonly full: number;
  readonly budget: number;
  readonly mirrors: readonly { readonly mirror: number; readonly ap: string; readonly usedCells: number }[];
}

export interface TableParts {
  readonly geometry: Geometry;
  readonly cells: Uint32Array;
  readonly owners: Uint16Array;
  readonly fast: number;
  readonly slow: number;
  readonly denied: Readonly<Record<string, number>>;
  /** As the kernel counts: above what it has reported by what is held back. */
  readonly used: number;
  readonly mirrors: TableView["mirrors"];
  /** Undefined: nobody that is known. */
  clientOf(slot: number): string | undefined;
}

const OWNERS_SHOWN = 10;
/** As firmware/expect.h, of 256. */
const LOAD_FAIR = 205;
const LOAD_CLOSED = 225;

export function tableView(parts: TableParts): TableView {
  const { geometry, cells, used, denied, mirrors } = parts;
  return {
    geometry: geometry.text,
    cells: geometry.cells,
    usedCells: used,
    fairAt: LOAD_FAIR / 256,
    closedAt: LOAD_CLOSED / 256,
    falsePositive: used / geometry.buckets / 2 ** geometry.remainderBits,
    fill: fillOf(cells),
    buckets: bucketsOf(cells, geometry),
    lifetimes: lifetimesOf(parts),
    ...ownersOf(parts),
    full: denied["full"] ?? 0,
    budget: denied["budget"] ?? 0,
    mirrors,
  };
}

function fillOf(cells: Uint32Array): number[] {
  const size = Math.max(1, Math.ceil(cells.length / PARTS));
  return Array.from({ length: Math.ceil(cells.length / size) }, (_, i) => {
    const part = cells.subarray(i * size, (i + 1) * size);
    return part.reduce((sum, cell) => sum + (cell === 0 ? 0 : 1), 0) / part.length;
  });
}

function bucketsOf(cells: Uint32Array, { bucketCells }: Geometry): number[] {
  const counts = new Array<number>(bucketCells + 1).fill(0);
  for (let at = 0; at < cells.length; at += bucketCells) {
    let used = 0;
    for (let i = 0; i < bucketCells; i++) if (cells[at + i] !== 0) used++;
    counts[used]!++;
  }
  return counts;
}

/** Steps of people: what an opening lives, what a datagram flow lives, what an idle connection lives. */
const STEPS_S = [10, 60, 240, 1_800, 7_500];

function lifetimesOf({ cells, geometry, fast, slow }: TableParts): TableView["lifetimes"] {
  const counts = STEPS_S.map(() => 0);
  const [fastNow, slowNow] = [fast % geometry.modulus, slow % geometry.modulus];
  for (const cell of cells) {
    if (!isLive(cell, fastNow, slowNow, geometry)) continue;
    const code = rank(cell, fastNow, slowNow, geometry);
    const ticks = code & geometry.modulus;
    const seconds = (ticks * (isSlow(cell, geometry) ? geometry.slowTickMs : geometry.fastTickMs)) / 1000;
    const step = STEPS_S.findIndex((most) => seconds <= most);
    counts[step < 0 ? STEPS_S.length - 1 : step]!++;
  }
  return STEPS_S.map((upToSeconds, i) => ({ upToSeconds, cells: counts[i]! }));
}

function ownersOf({ cells, owners, clientOf }: TableParts): Pick<TableView, "owners" | "shared"> {
  const bySlot = new Map<number, number>();
  for (let at = 0; at < cells.length; at++) {
    if (cells[at] === 0) continue;
    const slot = owners[at]! & CONSTANTS.OWNER_SLOT_MASK;
    bySlot.set(slot, (bySlot.get(slot) ?? 0) + 1);
  }
  const shared = bySlot.get(CONSTANTS.SLOT_SHARED) ?? 0;
  bySlot.delete(CONSTANTS.SLOT_SHARED);
  const most = [...bySlot].sort((a, b) => b[1] - a[1]).slice(0, OWNERS_SHOWN);
  return { owners: most.map(([slot, count]) => ({ client: clientOf(slot) ?? `slot ${slot}`, cells: count })), shared };
}
