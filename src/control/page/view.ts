/** What the page is told. The browser's half (page/) reads these types; names: append, never rename. */
import { type Geometry, parseGeometry } from "../../bloom/geometry.ts";
import { isSlow } from "../../bloom/timer.ts";
import { CONSTANTS, REASONS } from "../../datapath/abi.ts";
import type { MeshAp } from "../../mqtt/mesh-view.ts";
import type { RoamLine } from "../../proxy/roam-history.ts";
import type { NeighbourStatus } from "../../replication/status.ts";
import type { AgentStatus, ClientLine } from "../status.ts";
import type { Verdict } from "../verdict.ts";

/** Every second. */
export interface Now {
  /** On the agent's clock, as `atMs` of all lines. */
  readonly atMs: number;
  readonly status: AgentStatus;
  readonly neighbours: readonly NeighbourStatus[];
  readonly roams: readonly RoamLine[];
  /** Newest last: those that came since the last time. */
  readonly denials: readonly DenialLine[];
  /** Of the agent, of one processor; null: not known yet. */
  readonly cpuShare: number | null;
  readonly residentBytes: number;
  /** All access points that a broker told of; absent: there is none. */
  readonly mesh?: readonly MeshAp[];
}

export interface DenialLine extends Verdict {
  readonly number: number;
  readonly atMs: number;
}

/** What takes longer to find out and changes less: every five seconds. */
export interface Slow {
  /** Those that hold most; `clientsAll` may be more. */
  readonly clients: readonly ClientLine[];
  readonly clientsAll: number;
  /** by role: its rules as the policy spells them */
  readonly rules: Readonly<Record<string, readonly string[]>>;
  readonly table: TableView | null;
}

export interface TableView {
  readonly geometry: string;
  /** Used share of each part of the table, 0 to 100; a row a subtable. */
  readonly fill: readonly (readonly number[])[];
  /** Expectations that wait for an answer or a close, and those of open flows at rest. */
  readonly brief: number;
  readonly lasting: number;
}

/** Every five seconds, kept for ten minutes: what the page shows of the time before it was opened. */
export interface Sample {
  readonly atMs: number;
  readonly passed: number;
  readonly denied: number;
  readonly usedCells: number;
}

/** Said once to each who looks. */
export interface First {
  readonly samples: readonly Sample[];
  readonly denials: readonly DenialLine[];
  /** by name: for people */
  readonly reasons: Readonly<Record<string, string>>;
}

export const FIRST_REASONS = Object.fromEntries(REASONS) as Readonly<Record<string, string>>;

const COLUMNS = 64;
export const CLIENTS_SHOWN = 200;

/** `cells` by coordinate: (subtable, bucket, cell). */
export function tableView(text: string, cells: Uint32Array): TableView {
  const geometry = parseGeometry(text, "the table");
  const { subtables } = geometry;
  const perSubtable = geometry.cells / subtables;
  const columns = Math.min(COLUMNS, geometry.buckets);
  const used = Array.from({ length: subtables }, () => new Array<number>(columns).fill(0));
  let [brief, lasting] = [0, 0];
  for (let at = 0; at < cells.length; at++) {
    const cell = cells[at]!;
    if (cell === 0) continue;
    const row = Math.floor(at / perSubtable);
    used[row]![Math.floor(((at % perSubtable) * columns) / perSubtable)]!++;
    if (isSlow(cell, geometry)) lasting++;
    else brief++;
  }
  const fill = used.map((row) => row.map((count) => Math.round((100 * count * columns) / perSubtable)));
  return { geometry: text, fill, brief, lasting };
}

/** Bytes that such a look costs grow with the table, so large ones are looked at less often. */
export function scanEveryMs({ cells }: Geometry): number {
  return Math.max(5_000, Math.ceil(cells / 2 ** 17) * 5_000);
}

/** Clients that hold most, and those that are here first; records that are nobody's own last. */
export function mostActive(clients: readonly ClientLine[]): ClientLine[] {
  const rank = (client: ClientLine) => (client.slot === CONSTANTS.SLOT_UNKNOWN ? 0 : client.here ? 2 : 1);
  const order = (a: ClientLine, b: ClientLine) => rank(b) - rank(a) || b.cells - a.cells || (a.mac < b.mac ? -1 : 1);
  return [...clients].sort(order).slice(0, CLIENTS_SHOWN);
}
