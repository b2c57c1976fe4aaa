import type { Mac } from "../base/mac.ts";
import type { Geometry } from "../bloom/geometry.ts";
import type { Datapath, DatapathHandlers } from "../datapath/datapath.ts";
import type { Crypto, Endpoint, Log } from "../platform/platform.ts";
import type { ClientStatus } from "../proxy/contexts.ts";
import type { ProxyCounters } from "../proxy/proxy.ts";
import type { Grant, RoleGrant } from "../proxy/rights.ts";
import type { RoamCounters } from "../proxy/roam-api.ts";
import type { RoamHistory } from "../proxy/roam-history.ts";
import type { MeshKey } from "./keyring.ts";
import type { LocateCounters } from "./locator.ts";
import type { Identities, Member } from "./members.ts";
import type { ModeName } from "./modes.ts";
import type { Ordered } from "./orders.ts";
import type { Path } from "./paths.ts";
import type { Station } from "./records/order.ts";
import type { KeyStatus } from "./rotation.ts";
import type { NeighbourStatus, ReplicationCounters } from "./status.ts";
import type { UnheardStatus } from "./unheard.ts";

/** What the agent hands to `createMesh`. Nothing in the mesh reads a clock or makes randomness by itself. */
export interface MeshParts {
  /** This AP's number in the mesh, 1..65534. */
  readonly id: number;
  readonly name: string;
  readonly datapath: Datapath;
  readonly geometry: Geometry;
  /** A hash of the mesh's seeds: APs with other seeds compute other fingerprints, so they mirror nothing. */
  readonly seedId: number;
  readonly log: Log;
  readonly crypto: Crypto;
  /** One or two, the older one first. */
  readonly keys: readonly MeshKey[];
  /** Each AP has a key of its own. Absent: who has the mesh key is believed to be who it says. */
  readonly identities?: Identities;
  readonly options?: Partial<MeshOptions>;
  nowMs(): number;
  /** Cryptographically strong. */
  random(bytes: number): Uint8Array;
  /** Whether there is a multicast group, and who is listed beside or instead; default: a group, nobody listed. */
  readonly link?: { readonly group: boolean; readonly peers: readonly Endpoint[] };
  /** `to` undefined: to the group. */
  send(bytes: Uint8Array, to: Endpoint | undefined): void;
  /** What a role means here. Undefined: this AP's policy does not know it; the client is then treated as unknown. */
  resolveRole(role: string): RoleGrant | undefined;
  /** The role that this AP's own policy gives a client that no neighbour told about; undefined: no record of its own. */
  localRole(mac: Mac): string | undefined;
  /** Flags of a client's record in the datapath, where this AP's operator said otherwise than its rights. Read again by `refreshRoles`. */
  flagsOf?(mac: Mac, role: string, flags: number): number;
  /** False: of clients on ports of that zone nothing is told to other APs. Absent: all may know of all. */
  exports?(zone: number): boolean;
  /** The flag of client records whose filters were made for the present policy. Absent: 0. */
  generation?(): number;
  /** Rights with other content than those of before count for the client, whoever gave them; `revoked`: it has none. */
  superseded?(mac: Mac, revoked: boolean): void;
  /** A client that is served here was revoked at another AP: hostapd may let it go. */
  letGo?(mac: Mac): Promise<Station>;
  /** A client came that nobody in the mesh knows, though all were asked. */
  nobodyKnows?(mac: Mac): void;
}

export type FlowPath = "symmetric" | "asymmetric";

export interface MeshOptions {
  /** Least time between two publications. Longer: fewer, fuller datagrams, later mirrors. */
  readonly flushMs: number;
  /** What the datapath holds back waits so long at most. */
  readonly holdMs: number;
  /** UDP payload; never fragmented. */
  readonly datagramBytes: number;
  /** Ceiling of snapshots and repairs together; one neighbour's repairs get a quarter of it. Changes are never delayed. */
  readonly bytesPerSecond: number;
  /** `asymmetric`: the two directions of a flow may pass different APs (write through). The same on all APs. */
  readonly path: FlowPath;
  /** How what is lost on the way is made good: see `modes.ts`. */
  readonly mode: ModeName;
  /** `alarm` only: everything is sent again so often. */
  readonly resendMs: number;
  /** What an old AP leaves of a handed-over client's expectations, in seconds; 0: they age normally. */
  readonly handoverLifetimeS: number;
  /** For mirrors, here and in the kernel: as many as fit. */
  readonly memoryBytes: number;
  /** Neighbours that are remembered at all. */
  readonly neighboursMax: number;
  /** What an AP said that is silent for so long serves no client that comes now. */
  readonly rightsStaleMs: number;
}

export interface Mesh {
  /** The datapath's events that the mesh lives on: merge them into `datapath.handlers`. */
  readonly handlers: Pick<DatapathHandlers, "cells" | "arrived" | "overflow" | "ticks" | "client">;
  /** Reads the whole table, then begins to speak. */
  start(): Promise<void>;
  /** Publishes what is held back, says goodbye, waits for one answer or 200 ms; `tick` and `receive` go on till then. */
  stop(): Promise<void>;
  /** `path`: whether it came to the group, or to this AP alone. */
  receive(bytes: Uint8Array, from: Endpoint, nowMs: number, path?: Path): void;
  /** Does what is due. */
  tick(nowMs: number): void;
  /** When `tick` wants to be called; it may move closer with every `receive` and every datapath event. */
  nextAtMs(): number;
  /** Called whenever `nextAtMs` may have moved closer; `atMs`: when what moved is due, where that alone did. */
  onSooner: (atMs?: number) => void;

  /** Gives a client rights. `authority` (RADIUS, operator): outranks every right heard so far, in the whole mesh. */
  setRights(mac: Mac, grant: Grant): void;
  /** A tombstone: no AP grants again what is older. */
  revoke(mac: Mac): void;
  /** As `setRights` with authority, or `revoke`, but in force where the client is served before it resolves, within a second. */
  order(mac: Mac, change: Grant | "revoke"): Promise<Ordered>;
  /** Whether any AP of the mesh knows the client: its rights are then known here. Resolves within a second; undefined: too many are sought. */
  seek(mac: Mac): Promise<boolean | undefined>;
  /** What somebody with authority gave the client, here or elsewhere, and what of it has come; undefined: nobody did. */
  granted(mac: Mac): Grant | undefined;
  /** Whether a filter of a single client is loaded under this number. */
  holdsFilter(id: number): boolean;
  /** The meaning of roles changed: writes every client's record anew. */
  refreshRoles(): void;
  /** hostapd saw the client, and may know who logged in (`bind`, as in `Grant`); frames that the datapath saw come by `handlers.arrived`. */
  arrived(mac: Mac, zone: number, bind?: bigint): void;

  /** The key file changed: one or two keys, the older one first. No flow notices. */
  setKeys(keys: readonly MeshKey[]): void;
  /** The member list changed. Who left is forgotten, and cannot read what is said from now on; no flow of others notices. */
  setMembers(members: readonly Member[]): void;
  /** Seals with the newer key at once, whether or not all neighbours have it. */
  switchKey(): void;
  keys(): KeyStatus[];

  clients(): ClientStatus[];
  neighbours(nowMs: number): NeighbourStatus[];
  /** Senders that cannot be read, by address. */
  unheard(): UnheardStatus[];
  readonly counters: ReplicationCounters;
  readonly roamCounters: RoamCounters;
  readonly roamHistory: Pick<RoamHistory, "list" | "gapsMs">;
  /** The own table as last reported, by coordinate: not to be changed. */
  readonly table: { readonly cells: Uint32Array; readonly owners: Uint16Array };
  readonly rightsCounters: ProxyCounters;
  readonly locateCounters: LocateCounters;
  /** `restoring`: the table is new, and what neighbours kept of the one before has not come yet. It filters meanwhile. */
  readonly readiness: "restoring" | "ready";
}
