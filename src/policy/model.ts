/** A policy as read: words of people, not yet keys. */
import type { Prefix } from "../base/ip.ts";
import type { Mac } from "../base/mac.ts";

export const PROTO = { icmp: 1, tcp: 6, udp: 17, icmp6: 58 } as const;

/** What a rule or a named service opens. Protocols: each of them, whatever the port. */
export type ServiceItem =
  | { readonly kind: "ports"; readonly proto: number; readonly first: number; readonly last: number }
  | { readonly kind: "protocols"; readonly protos: readonly number[] };

export type RuleService = ServiceItem | { readonly kind: "named"; readonly name: string };

export type RulePeer =
  | { readonly kind: "any" }
  | { readonly kind: "group" }
  | { readonly kind: "zone"; readonly name: string }
  | { readonly kind: "address"; readonly family: 4 | 6; readonly words: readonly number[] };

export interface Rule {
  readonly text: string;
  readonly place: string;
  readonly direction: number;
  readonly service: RuleService;
  readonly peer: RulePeer;
}

/** 0 = no limit. */
export interface Limits {
  /** New flows a window of 2^30 ns (1.07 s). */
  readonly openOut: number;
  readonly openIn: number;
  /** Flows that nobody has answered yet: of the client, and as many of its peers. */
  readonly halfOpen: number;
}

export const NO_LIMITS: Limits = { openOut: 0, openIn: 0, halfOpen: 0 };

export interface Role {
  readonly rules: readonly Rule[];
  readonly limits: Limits;
  /** Denials of this role are counted and reported, but pass. */
  readonly monitor: boolean;
}

export interface Policy {
  readonly zones: ReadonlyMap<string, readonly Prefix[]>;
  readonly services: ReadonlyMap<string, readonly ServiceItem[]>;
  readonly roles: ReadonlyMap<string, Role>;
  /** by client: name of its role */
  readonly clients: ReadonlyMap<Mac, string>;
  /** Denials of all are counted and reported, but pass. */
  readonly monitor: boolean;
  /** Those of `clients` of whom the same is true. */
  readonly monitored: ReadonlySet<Mac>;
  /** Those of `clients` that only the AP's own file lists, below a policy of the whole network. */
  readonly fromFile?: ReadonlyMap<Mac, string>;
  /** Role of clients that no source knows. Absent: they are denied. */
  readonly unknown?: string;
  /** What may leave a client port to group addresses. Absent: all of it. */
  readonly group?: Role;
  /** Numbers of port zones whose clients are this AP's own affair: no other AP hears of them. */
  readonly privateZones: ReadonlySet<number>;
  /** Share of foreign keys that a filter takes for its own, per key asked. */
  readonly rate: number;
}
