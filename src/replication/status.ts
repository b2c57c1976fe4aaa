/** For people and the control socket. */
export interface NeighbourStatus {
  readonly id: number;
  readonly name: string;
  readonly address: string;
  readonly state: "fresh" | "alive" | "suspect" | "dead";
  /** Number of the mirror that holds its table; -1: none. */
  readonly mirror: number;
  readonly compatible: boolean;
  readonly mirroredCells: number;
  readonly orphans: number;
  /** Newest change set heard of, and up to where all are known. */
  readonly edgeVer: number;
  readonly knownVer: number;
  /** Up to where it knows ours. */
  readonly ackVer: number;
  readonly syncing: boolean;
  readonly gaps: number;
  readonly lastHelloMs: number;
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
  epochsRefused: number;
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
    epochsRefused: 0,
    duplicateIds: 0,
    malformedRecords: 0,
  };
}
