/** What the control socket answers. Names are for programs too: append, never rename. */

import type { Mac } from "../base/mac.ts";
import type { Engine } from "../platform/platform.ts";
import type { ProxyCounters } from "../proxy/proxy.ts";
import type { RoamCounters } from "../proxy/roam-api.ts";
import type { RadiusStatus } from "../radius/radius.ts";
import type { LocateCounters } from "../replication/locator.ts";
import type { KeyStatus } from "../replication/rotation.ts";
import type { ReplicationCounters } from "../replication/status.ts";
import type { UnheardStatus } from "../replication/unheard.ts";
import type { MembersStatus } from "./identities.ts";
import type { ModeLine } from "./modes.ts";
import type { Risk } from "./risks/risk.ts";
import type { TrialStatus } from "./trial.ts";

export interface AgentStatus {
  readonly name: string;
  readonly id: number;
  readonly version: string;
  readonly mode: string;
  readonly uptimeMs: number;
  /** What the agent runs in, and what cannot be done there. */
  readonly engine: Pick<Engine, "name" | "cannot">;
  readonly policy: PolicyStatus;
  /** What the operator set beside the policy. */
  readonly modes: readonly ModeLine[];
  /** A policy that goes unless it is confirmed. */
  readonly trial?: TrialStatus;
  /** With identities. */
  readonly members?: MembersStatus;
  readonly mqtt?: MqttStatus;
  readonly radius?: RadiusStatus;
  readonly page?: PageStatus;
  /** What can bypass or blind the filter, as of the last look. */
  readonly risks: readonly Risk[];
  /** Absent while roamwalld is away. */
  readonly datapath?: DatapathStatus;
}

/** What seals the mesh: never a secret. */
export interface KeysStatus {
  readonly keys: readonly KeyStatus[];
  /** Fingerprints that each neighbour shows, by slot; 0: it has none there. */
  readonly neighbours: readonly { readonly id: number; readonly name: string; readonly keys: readonly number[] }[];
  /** Why the key file as it now is was refused; the keys before it are in force. */
  readonly problem?: string;
}

export interface PolicyStatus {
  readonly file: string;
  /** Of the network's policy, which stands for the file while it is in force. */
  readonly revision?: number;
  readonly roles: number;
  readonly clients: number;
  readonly filters: number;
  /** Why the file as it is now was refused; the policy before it is in force. */
  readonly problem?: string;
}

export interface MqttStatus {
  readonly url: string;
  readonly connected: boolean;
  /** Why not. */
  readonly problem: string;
  readonly published: number;
  readonly eventsLost: number;
  /** In force; 0: none. */
  readonly revision: number;
  readonly id: string;
}

export interface PageStatus {
  readonly address: string;
  readonly port: number;
  /** Why it is not served. */
  readonly problem?: string;
}

export interface DatapathStatus {
  readonly table: string;
  /** Who judges packets, and why not in the kernel; "" = roamwalld did not say. */
  readonly by: string;
  readonly cells: number;
  readonly usedCells: number;
  readonly pickedUp: boolean;
  readonly passed: number;
  readonly bytes: number;
  /** by reason, only those that occurred */
  readonly denied: Readonly<Record<string, number>>;
  readonly eventsLost: number;
  readonly ports: readonly PortStatus[];
  readonly replication: ReplicationCounters;
  /** What came and went since the agent started: arrivals, claims, handovers, adopted expectations, cloned MACs. */
  readonly roams: RoamCounters;
  readonly neighbours: number;
  /** Why the socket of the mesh is not open. */
  readonly linkProblem?: string;
  /** Senders on the mesh link that cannot be read, and why. */
  readonly unheard: readonly UnheardStatus[];
  /** `restoring`: what neighbours kept of a table that was lost has not come yet. Packets are filtered all the same. */
  readonly readiness: "restoring" | "ready";
  readonly rights: ProxyCounters;
  readonly locate: LocateCounters;
  readonly clientsKnown: number;
  readonly clientsHere: number;
}

export interface PortStatus {
  readonly name: string;
  readonly zone: number;
  readonly attached: boolean;
  /** The netdev is there. */
  readonly present: boolean;
  /** How long it has been there without the filter, until now. */
  readonly unfilteredMs: number;
  /** Time that it was up before it was filtered. */
  readonly openMs: number;
}

export interface ClientLine {
  readonly mac: Mac;
  readonly slot: number;
  readonly role: string | null;
  readonly here: boolean;
  readonly revoked: boolean;
  readonly monitored: boolean;
  readonly filters: readonly number[];
  readonly passed: number;
  readonly denied: number;
  readonly bytes: number;
  readonly cells: number;
  /** APs whose mirrors are asked for it. */
  readonly holders: readonly number[];
}
