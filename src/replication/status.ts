export type NeighbourState = "fresh" | "alive" | "suspect" | "dead";

/** For people and the control socket: append, never rename. */
export interface NeighbourStatus {
  readonly id: number;
  readonly name: string;
  readonly address: string;
  readonly state: NeighbourState;
  /** Number of the mirror that holds its table; -1: none. */
  readonly mirror: number;
  readonly compatible: boolean;
  /** Why it cannot be mirrored, a sentence for each part that differs. */
  readonly differences: readonly string[];
  /** What it does about loss. */
  readonly mode: string;
  readonly mirroredCells: number;
  readonly orphans: number;
  /** Newest change set heard of, and up to where all are known. */
  readonly edgeVer: number;
  readonly knownVer: number;
  /** Up to where it knows ours. */
  readonly ackVer: number;
  readonly syncing: boolean;
  readonly gaps: number;
  /** Change sets that nobody repairs. */
  readonly givenUp: number;
  /** Since the oldest change set that is missing was missed; 0: all are known. */
  readonly lagMs: number;
  /** Between its hellos. */
  readonly periodMs: number;
  readonly silentMs: number;
  /** Share of its datagrams lost on the way here, and of ours on the way there. */
  readonly lossHere: number;
  readonly lossThere: number;
  /** At most; null: not measured. */
  readonly rttMs: number | null;
  /** Used share of its table. */
  readonly fill: number;
  /** Whether this AP has a group at all. */
  readonly groupHere: boolean;
  /** By which paths it was heard of late. */
  readonly heardGroup: boolean;
  readonly heardAlone: boolean;
  /** Whether it hears our group: else it is sent changes alone. */
  readonly hearsGroup: boolean;
  /** It loses more than its share of our rate can repair; we lose more than its. */
  readonly slow: boolean;
  readonly slowHere: boolean;
  readonly lastHelloMs: number;
  /** Fingerprints of its mesh keys, by slot; 0: none. */
  readonly keys: readonly number[];
  /** What the clock of its table gained on ours since it was first heard; null: not known yet. */
  readonly clockMs: number | null;
  /** Since its present epoch was believed; null: it is not. */
  readonly knownForMs: number | null;
}

export interface ReplicationCounters {
  datagramsSent: number;
  bytesSent: number;
  datagramsTaken: number;
  /** by reason */
  datagramsDropped: Record<string, number>;
  changeSets: number;
  cellsPublished: number;
  cellsTaken: number;
  nacksSent: number;
  repairsSent: number;
  repairsThrottled: number;
  /** Times that a neighbour missed more than its share of the rate can repair. */
  slowNeighbours: number;
  snapshotsAsked: number;
  snapshotsSent: number;
  snapshotsDone: number;
  digestMismatches: number;
  ticksClamped: number;
  /** Clients that a member claimed faster than it may. */
  claimsRefused: number;
  duplicateIds: number;
  malformedRecords: number;
}

export function newCounters(): ReplicationCounters {
  return {
    datagramsSent: 0,
    bytesSent: 0,
    datagramsTaken: 0,
    datagramsDropped: {},
    changeSets: 0,
    cellsPublished: 0,
    cellsTaken: 0,
    nacksSent: 0,
    repairsSent: 0,
    repairsThrottled: 0,
    slowNeighbours: 0,
    snapshotsAsked: 0,
    snapshotsSent: 0,
    snapshotsDone: 0,
    digestMismatches: 0,
    ticksClamped: 0,
    claimsRefused: 0,
    duplicateIds: 0,
    malformedRecords: 0,
  };
}
