/** Every metric of an access point. APPEND ONLY: dashboards and alerts name them. */
import { parseGeometry } from "../../bloom/geometry.ts";
import { REASONS } from "../../datapath/abi.ts";
import type { ProxyCounters } from "../../proxy/proxy.ts";
import type { RoamCounters } from "../../proxy/roam-api.ts";
import type { LocateCounters } from "../../replication/locator.ts";
import type { NeighbourStatus, ReplicationCounters } from "../../replication/status.ts";
import type { DatapathStatus } from "../status.ts";
import type { Figures } from "./figures.ts";
import { counter, family, gauge, histogram, type Metric } from "./metric.ts";

const MS = 1 / 1_000;

const datapathOf = ({ status }: Figures): DatapathStatus | undefined => status.datapath;

const AGENT: readonly Metric[] = [
  family(
    "gauge",
    "roamwall_info",
    "",
    "Always 1; who this is: name, number, version, mode, and the shape of its table.",
    ["name", "id", "version", "mode", "table"],
    ({ status }) => [[[status.name, String(status.id), status.version, status.mode, status.datapath?.table ?? ""], 1]],
  ),
  gauge("roamwall_uptime_seconds", "seconds", "Since the agent started.", ({ status }) => status.uptimeMs * MS),
  gauge(
    "roamwall_datapath_up",
    "boolean",
    "1 while roamwalld answers. At 0 an eBPF filter goes on by the last policy, and without eBPF packets pass or are dropped as --fail says; the other figures of the datapath are away.",
    ({ status }) => status.datapath !== undefined,
  ),
  gauge(
    "roamwall_restoring",
    "boolean",
    "1 while a lost table is filled with what neighbours kept of it.",
    (figures) => datapathOf(figures) && datapathOf(figures)?.readiness === "restoring",
  ),
  gauge(
    "roamwall_policy_revision",
    "revision",
    "Revision of the network's policy in force; absent: the file's.",
    ({ status }) => status.policy.revision,
  ),
  gauge(
    "roamwall_policy_refused",
    "boolean",
    "1 while the newest policy is refused and the one before stays.",
    ({ status }) => status.policy.problem !== undefined,
  ),
  gauge("roamwall_policy_roles", "roles", "Roles of the policy in force.", ({ status }) => status.policy.roles),
  gauge("roamwall_policy_clients", "clients", "Clients that the policy lists.", ({ status }) => status.policy.clients),
  gauge(
    "roamwall_policy_filters",
    "filters",
    "Access lists loaded, as Bloom filters.",
    ({ status }) => status.policy.filters,
  ),
  counter("process_cpu_seconds_total", "seconds", "Processor time of the agent.", ({ usage }) => usage?.cpuSeconds),
  gauge("process_resident_memory_bytes", "bytes", "Resident memory of the agent.", ({ usage }) => usage?.residentBytes),
];

const DATAPATH: readonly Metric[] = [
  counter(
    "roamwall_passed_packets_total",
    "packets",
    "Packets that passed, both directions, all clients.",
    (f) => datapathOf(f)?.passed,
  ),
  counter("roamwall_passed_bytes_total", "bytes", "Bytes of frames that passed.", (f) => datapathOf(f)?.bytes),
  family(
    "counter",
    "roamwall_denied_packets_total",
    "packets",
    "Packets denied, by reason (`roamwall status` says what each means); in mode monitor they passed all the same.",
    ["reason"],
    (f) => {
      const denied = datapathOf(f)?.denied;
      return denied ? REASONS.slice(1).map(([reason]) => [[reason], denied[reason] ?? 0] as const) : [];
    },
  ),
  counter(
    "roamwall_ring_lost_total",
    "events",
    "Arrivals and denials that found no room in the kernel's ring; no verdict depends on them.",
    (f) => datapathOf(f)?.eventsLost,
  ),
  gauge("roamwall_table_cells", "cells", "Size of the table of expectations.", (f) => datapathOf(f)?.cells),
  gauge(
    "roamwall_table_used_cells",
    "cells",
    "Live expectations. From 80 % of the cells on greedy clients open nothing new, from 88 % nobody does.",
    (f) => datapathOf(f)?.usedCells,
  ),
  gauge(
    "roamwall_false_positive_ratio",
    "ratio",
    "Chance that one lookup of a stranger's packet finds a fingerprint that is not its own, at the table's fill now.",
    (f) => {
      const datapath = datapathOf(f);
      return datapath && falsePositives(datapath);
    },
  ),
  gauge("roamwall_clients_here", "clients", "Clients that this AP serves.", (f) => datapathOf(f)?.clientsHere),
  gauge(
    "roamwall_clients_known",
    "clients",
    "Clients whose rights this AP holds, its neighbours' included.",
    (f) => datapathOf(f)?.clientsKnown,
  ),
  family("gauge", "roamwall_port_attached", "boolean", "1 while the client port is filtered.", ["port"], (f) =>
    (datapathOf(f)?.ports ?? []).map((port) => [[port.name], port.attached] as const),
  ),
  family(
    "gauge",
    "roamwall_port_open_seconds",
    "seconds",
    "Time that the port was up before it was filtered.",
    ["port"],
    (f) => (datapathOf(f)?.ports ?? []).map((port) => [[port.name], port.openMs * MS] as const),
  ),
];

/** A record of all counters of a room: a new one without a row does not compile. */
type Rows<T> = Record<keyof T, readonly [name: string, unit: string, help: string]>;

const REPLICATION_ROWS: Rows<Omit<ReplicationCounters, "datagramsDropped">> = {
  datagramsSent: ["sealed_datagrams", "datagrams", "Datagrams sealed and sent to neighbours."],
  bytesSent: ["sent_bytes", "bytes", "Bytes of those, without IP and UDP headers."],
  datagramsTaken: ["opened_datagrams", "datagrams", "Datagrams of neighbours that were authentic, new, and taken."],
  changeSets: ["change_sets", "change sets", "Change sets published."],
  cellsPublished: ["published_cells", "cells", "Changed cells published."],
  cellsTaken: ["mirrored_cells", "cells", "Cells of neighbours taken into mirrors."],
  nacksSent: ["nacks", "records", "Requests to repeat what was missed."],
  repairsSent: ["repairs", "records", "Repairs sent to neighbours that missed something."],
  repairsThrottled: ["repairs_throttled", "records", "Repairs put off by the ceiling of the rate."],
  slowNeighbours: [
    "slow_neighbours",
    "times",
    "Times that a neighbour missed more than its share of the rate can repair.",
  ],
  snapshotsAsked: ["snapshots_asked", "snapshots", "Whole tables asked for."],
  snapshotsSent: ["snapshots_sent", "snapshots", "Whole tables sent."],
  snapshotsDone: ["snapshots_done", "snapshots", "Whole tables that arrived."],
  digestMismatches: [
    "digest_mismatches",
    "comparisons",
    "Mirrors that differed from their source, and were read again.",
  ],
  claimsRefused: ["claims_refused", "clients", "Clients that a member claimed faster than it may."],
  ticksClamped: ["ticks_clamped", "times", "Clocks of neighbours that ran away, and were held back."],
  duplicateIds: ["duplicate_ids", "datagrams", "Datagrams of another AP with this AP's number."],
  malformedRecords: [
    "malformed_records",
    "records",
    "Authentic records that make no sense: another version, or a fault.",
  ],
};

const ROAM_ROWS: Rows<RoamCounters> = {
  arrivals: ["arrivals", "clients", "Clients that came to this AP."],
  claims: [
    "claims",
    "records",
    'Claims sent: "I serve this client", repeated until those that hold its state have answered.',
  ],
  handoversSent: ["handovers_sent", "handovers", "Clients whose state was handed to the AP that they went to."],
  handoversTaken: ["handovers_taken", "handovers", "Handovers taken of APs that clients came from."],
  adoptedCells: ["adopted_cells", "cells", "Expectations taken over with clients that came."],
  adoptedFromMirror: [
    "adopted_mirror_cells",
    "cells",
    "Those of them that came from a mirror, since the old AP was silent.",
  ],
  clonedMacs: ["cloned_macs", "clients", "Clients that went to and fro as two stations with one address do."],
  otherZone: ["other_zone", "clients", "Clients of one zone that were seen in another: nothing was handed over."],
  otherIdentity: ["other_identity", "clients", "Clients that logged in as somebody else: nothing was handed over."],
  located: ["located", "clients", "Clients that nobody near had told of, and other APs were asked for."],
  found: ["found", "clients", "Those that an AP had."],
};

const RIGHTS_ROWS: Rows<ProxyCounters> = {
  grantsRefused: [
    "grants_refused",
    "records",
    "Rights from elsewhere that were not believed, since no more revocations can be remembered.",
  ],
  filtersRefused: ["filters_refused", "filters", "Access lists of single clients that found no room."],
  unpublishedCells: [
    "unpublished_cells",
    "cells",
    "Cells that no neighbour was told of in time: each is a bug, please report.",
  ],
};

const LOCATE_ROWS: Rows<LocateCounters> = {
  asked: ["locate_asked", "questions", "Questions for a client sent."],
  passedOn: ["locate_passed_on", "questions", "Questions of others passed on."],
  answered: ["locate_answered", "answers", "Questions of others answered."],
  throttled: ["locate_throttled", "questions", "Questions put off by their ceiling."],
  gaveUp: ["locate_gave_up", "questions", "Searches that ended without an answer."],
};

function counters<T>(rows: Rows<T>, of: (datapath: DatapathStatus) => T): Metric[] {
  return Object.entries<Rows<T>[keyof T]>(rows).map(([key, [name, unit, help]]) =>
    counter(`roamwall_${name}_total`, unit, help, (figures) => {
      const datapath = datapathOf(figures);
      return datapath && (of(datapath)[key as keyof T] as number);
    }),
  );
}

const REPLICATION: readonly Metric[] = [
  ...counters(REPLICATION_ROWS, (datapath) => datapath.replication),
  family(
    "counter",
    "roamwall_dropped_datagrams_total",
    "datagrams",
    "Datagrams on the mesh port that were not taken, by reason; `forged`: the seal was wrong.",
    ["reason"],
    (f) =>
      Object.entries(datapathOf(f)?.replication.datagramsDropped ?? {}).map(([reason, n]) => [[reason], n] as const),
  ),
  gauge(
    "roamwall_unheard_senders",
    "addresses",
    "Access points that say hello and cannot be read: another key or version.",
    (f) => datapathOf(f)?.unheard.length,
  ),
  ...counters(ROAM_ROWS, (datapath) => datapath.roams),
  histogram(
    "roamwall_handover_gap_seconds",
    "seconds",
    "From a client's first frame here until all that older APs held of it is in this AP's table. Its packets pass meanwhile by the mirrors.",
    MS,
    ({ gapsMs }) => gapsMs,
  ),
  ...counters(RIGHTS_ROWS, (datapath) => datapath.rights),
  ...counters(LOCATE_ROWS, (datapath) => datapath.locate),
];

function ofNeighbours(
  name: string,
  unit: string,
  help: string,
  read: (n: NeighbourStatus) => number | boolean | null,
): Metric {
  return family("gauge", `roamwall_neighbour_${name}`, unit, help, ["neighbour"], ({ neighbours }) =>
    neighbours.flatMap((neighbour) => {
      const value = read(neighbour);
      return value === null ? [] : [[[String(neighbour.id)], value] as const];
    }),
  );
}

const NEIGHBOURS: readonly Metric[] = [
  gauge(
    "roamwall_neighbours",
    "neighbours",
    "Neighbours that are remembered, silent ones included.",
    (f) => datapathOf(f)?.neighbours,
  ),
  family(
    "gauge",
    "roamwall_neighbour_info",
    "",
    "Always 1; joins a neighbour's number with its name, address and state.",
    ["neighbour", "name", "address", "state"],
    ({ neighbours }) => neighbours.map((n) => [[String(n.id), n.name, n.address, n.state], 1] as const),
  ),
  ofNeighbours(
    "up",
    "boolean",
    "1 while its hellos come (state fresh or alive).",
    (n) => n.state === "alive" || n.state === "fresh",
  ),
  ofNeighbours(
    "compatible",
    "boolean",
    "0: something of its set-up differs, so it cannot be mirrored.",
    (n) => n.compatible,
  ),
  ofNeighbours("silent_seconds", "seconds", "Since its last hello.", (n) => n.silentMs * MS),
  ofNeighbours(
    "lag_seconds",
    "seconds",
    "Since the oldest of its changes that is missing here was missed; 0: all are known.",
    (n) => n.lagMs * MS,
  ),
  ofNeighbours("loss_here_ratio", "ratio", "Share of its datagrams that are lost on the way here.", (n) => n.lossHere),
  ofNeighbours(
    "loss_there_ratio",
    "ratio",
    "Share of our datagrams that are lost on the way there.",
    (n) => n.lossThere,
  ),
  ofNeighbours("rtt_seconds", "seconds", "Round trip, at most.", (n) => (n.rttMs === null ? null : n.rttMs * MS)),
  ofNeighbours("gaps", "change sets", "Change sets of it that are missing here.", (n) => n.gaps),
  ofNeighbours("given_up", "change sets", "Change sets of it that nobody repairs.", (n) => n.givenUp),
  ofNeighbours("mirrored", "boolean", "1 while a mirror here holds its table.", (n) => n.mirror >= 0),
  ofNeighbours("mirror_used_cells", "cells", "Live expectations of it that are mirrored here.", (n) => n.mirroredCells),
  ofNeighbours("fill_ratio", "ratio", "Used share of its own table, as it says.", (n) => n.fill),
];

const OUTSIDE: readonly Metric[] = [
  gauge("roamwall_mqtt_connected", "boolean", "1 while the broker is there.", ({ status }) => status.mqtt?.connected),
  counter(
    "roamwall_mqtt_published_total",
    "messages",
    "Messages given to the broker.",
    ({ status }) => status.mqtt?.published,
  ),
  counter(
    "roamwall_mqtt_events_lost_total",
    "events",
    "Events that no broker will hear of.",
    ({ status }) => status.mqtt?.eventsLost,
  ),
  gauge(
    "roamwall_radius_sessions",
    "sessions",
    "Sessions that RADIUS gave rights.",
    ({ status }) => status.radius?.sessions,
  ),
  family(
    "gauge",
    "roamwall_radius_server_up",
    "boolean",
    "1 while the RADIUS server answers.",
    ["listen", "server"],
    ({ status }) =>
      (status.radius?.relays ?? []).flatMap(({ listen, servers }) =>
        servers.map((s) => [[listen, s.server], s.isUp] as const),
      ),
  ),
  counter(
    "roamwall_radius_orders_total",
    "orders",
    "CoA and Disconnect requests carried out.",
    ({ status }) => status.radius?.das?.done,
  ),
  gauge(
    "roamwall_radius_clock_good",
    "boolean",
    "0: the clock is not set, so replayed CoA requests are known by memory alone.",
    ({ status }) => status.radius?.das?.isClockGood,
  ),
];

export const METRICS: readonly Metric[] = [...AGENT, ...DATAPATH, ...REPLICATION, ...NEIGHBOURS, ...OUTSIDE];

/** n / 2^(z+r): docs/sizing.md. */
export function falsePositives({ table, usedCells }: Pick<DatapathStatus, "table" | "usedCells">): number {
  const { bucketBits, remainderBits } = parseGeometry(table, "the table");
  return usedCells / 2 ** (bucketBits + remainderBits);
}
