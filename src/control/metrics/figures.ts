import type { Histogram } from "../../proxy/roam-history.ts";
import type { NeighbourStatus } from "../../replication/status.ts";
import type { AgentStatus } from "../status.ts";
import type { Usage } from "./usage.ts";

/** All that metrics are read from, of one moment. */
export interface Figures {
  readonly status: AgentStatus;
  readonly neighbours: readonly NeighbourStatus[];
  /** Absent while roamwalld is away. */
  readonly gapsMs?: Histogram;
  readonly usage?: Usage;
}
