/** All access points of the mesh, as a broker tells of them: for the status page. */
import { apOf, everyAp } from "./topics.ts";

/** APs that are remembered, and bytes of what one says that are looked at: a broker is not trusted with our memory. */
const APS_MAX = 256;
const PAYLOAD_BYTES_MAX = 256 << 10;
/** Neighbours of one: more than any access point has. */
const LINKS_MAX = 64;
const TEXT_MAX = 64;

export interface MeshAp {
  readonly id: number;
  readonly name: string;
  readonly online: boolean;
  readonly version: string;
  readonly mode: string;
  readonly revision: number | null;
  /** Null: not told yet. */
  readonly fill: number | null;
  readonly clients: number | null;
  readonly denied: number | null;
  readonly neighbours: readonly MeshLink[];
}

export interface MeshLink {
  readonly id: number;
  readonly up: boolean;
  readonly lossHere: number;
}

/** What is shown of its last words, and no more: the rest of them is not kept. */
type OfStatus = Pick<MeshAp, "name" | "online" | "version" | "mode" | "revision">;
type OfCounters = Omit<MeshAp, "id" | keyof OfStatus>;
type Told = OfStatus & OfCounters;

export class MeshView {
  private readonly byId = new Map<number, Told>();

  static topics(mesh: string): string[] {
    return [everyAp(mesh, "status"), everyAp(mesh, "counters")];
  }

  take(topic: string, payload: Uint8Array): void {
    const id = apOf(topic);
    if (id === undefined || payload.length > PAYLOAD_BYTES_MAX) return;
    const value = parsed(payload);
    if (!value) return;
    const known = this.byId.get(id);
    if (!known && this.byId.size >= APS_MAX) return;
    const told = known ?? { ...ofStatus({}), ...ofCounters({}) };
    const said = topic.endsWith("/status") ? ofStatus(value) : topic.endsWith("/counters") ? ofCounters(value) : {};
    this.byId.set(id, { ...told, ...said });
  }

  list(): MeshAp[] {
    return [...this.byId].sort(([a], [b]) => a - b).map(([id, told]) => ({ id, ...told }));
  }
}

function parsed(payload: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(payload));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function ofStatus(status: Record<string, unknown>): OfStatus {
  // Joined anew: a piece of a text keeps all of it.
  const text = (value: unknown) => (typeof value === "string" ? [...value.slice(0, TEXT_MAX)].join("") : "");
  const policy = status["policy"] as { revision?: unknown } | null | undefined;
  return {
    name: text(status["name"]),
    online: status["state"] === "online",
    version: text(status["version"]),
    mode: text(status["mode"]),
    revision: typeof policy?.revision === "number" ? policy.revision : null,
  };
}

function ofCounters(series: Record<string, unknown>): OfCounters {
  const number = (name: string) => (typeof series[name] === "number" ? (series[name] as number) : null);
  const cells = number("roamwall_table_cells");
  const used = number("roamwall_table_used_cells");
  const denied = Object.entries(series).filter(([name]) => name.startsWith("roamwall_denied_packets_total{"));
  return {
    fill: cells && used !== null ? used / cells : null,
    clients: number("roamwall_clients_here"),
    denied: denied.length ? denied.reduce((sum, [, value]) => sum + (Number(value) || 0), 0) : null,
    neighbours: linksOf(series).slice(0, LINKS_MAX),
  };
}

function linksOf(series: Record<string, unknown>): MeshLink[] {
  return Object.entries(series).flatMap(([name, up]) => {
    const id = /^roamwall_neighbour_up\{neighbour="(\d{1,5})"\}$/.exec(name)?.[1];
    const loss = series[`roamwall_neighbour_loss_here_ratio{neighbour="${id}"}`];
    return id === undefined ? [] : [{ id: Number(id), up: up === 1, lossHere: typeof loss === "number" ? loss : 0 }];
  });
}
