/** How large a table must be for a network: docs/sizing.md. */
import { LIFETIMES } from "../automata/lifetimes.ts";
import { type Geometry, parseGeometry } from "../bloom/geometry.ts";
import { codeFor } from "../bloom/timer.ts";
import { CONSTANTS } from "../datapath/abi.ts";

/** CONSTANTS.* of the datapath: budget at 80 %, nothing opened at 88 %. */
const SHARED_OUT_LOAD = 205 / 256;
const REFUSAL_LOAD = 225 / 256;
const KERNEL_BUCKET_BITS = { least: 5, most: 17 } as const;
const OWNER_BYTES = 2;

export interface Needs {
  readonly clients: number;
  readonly flows: number;
  readonly tcpRate: number;
  readonly udpRate: number;
  readonly mirrors: number;
}

export interface Sizing {
  readonly cellBits: number;
  readonly cellsNeeded: number;
  /** undefined: more than the largest table. */
  readonly geometry: string | undefined;
  readonly cells: number;
  readonly load: number;
  readonly tableBytes: number;
  readonly ownerBytes: number;
  readonly mirrorBytes: number;
  readonly falsePositiveRate: number;
  readonly budgetAtCells: number;
  readonly refusedAtCells: number;
}

/** Seconds that an expectation may stay: a tick more than promised, since it begins in the middle of one. */
function staysS(lifetimeS: number, geometry: Geometry): number {
  const code = codeFor(lifetimeS, geometry);
  const slow = code >> geometry.tickBits;
  return (((code & geometry.modulus) + 1) * (slow ? geometry.slowTickMs : geometry.fastTickMs)) / 1000;
}

/** An open flow is one cell; one that comes and goes leaves others for a while. */
function cellsNeeded(needs: Needs, geometry: Geometry): number {
  const stays = (lifetimeS: number) => staysS(lifetimeS, geometry);
  const shortens = geometry.cellBits === 32;
  // With shortening: E and both FINs while it closes. Without: E alone, as long as any idle flow.
  const closing = shortens ? 3 * stays(LIFETIMES.closing) : stays(LIFETIMES.established);
  const tcp = needs.tcpRate * (stays(LIFETIMES.handshake) + closing);
  const udp = needs.udpRate * (stays(LIFETIMES.udpOpened) + stays(LIFETIMES.udpReplied));
  return Math.ceil(needs.clients * needs.flows + tcp + udp);
}

export function sizeTable(needs: Needs, remainderBits: 26 | 12): Sizing {
  let bits: number = KERNEL_BUCKET_BITS.least;
  const at = (bucketBits: number) => parseGeometry(`4x${2 ** bucketBits}x8/r${remainderBits}`, "sizing");
  const needed = cellsNeeded(needs, at(bits));
  while (bits < KERNEL_BUCKET_BITS.most && at(bits).cells * SHARED_OUT_LOAD < needed) bits++;
  const geometry = at(bits);
  const fits = needed <= geometry.cells * SHARED_OUT_LOAD;
  const tableBytes = (geometry.cells * geometry.cellBits) / 8;
  return {
    cellBits: geometry.cellBits,
    cellsNeeded: needed,
    geometry: fits ? geometry.text : undefined,
    cells: geometry.cells,
    load: needed / geometry.cells,
    tableBytes,
    ownerBytes: geometry.cells * OWNER_BYTES + Math.ceil(geometry.cells / CONSTANTS.DIRTY_CELLS),
    mirrorBytes: tableBytes * needs.mirrors,
    falsePositiveRate: needed / (geometry.buckets * 2 ** geometry.remainderBits),
    budgetAtCells: Math.ceil(geometry.cells * SHARED_OUT_LOAD),
    refusedAtCells: Math.ceil(geometry.cells * REFUSAL_LOAD),
  };
}
