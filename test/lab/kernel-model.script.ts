import type { FilterBits, ServiceEntry, ZoneEntry } from "../../src/datapath/datapath.ts";
import type { ClientRecord } from "../../src/datapath/map-records.ts";
import { randomOf } from "../../src/simulate/random.ts";
import type { Frame } from "./routine-records.ts";

/** A step of a script: a packet, or something that changes what packets meet. Steps are plain data, so that they print. */
export type Step =
  | { readonly kind: "packet"; readonly frame: Frame; readonly what: string }
  | { readonly kind: "ticks"; readonly fast: number; readonly slow: number; readonly ms: number }
  | { readonly kind: "mirrorTicks"; readonly mirror: number; readonly fast: number; readonly slow: number }
  | { readonly kind: "switches"; readonly mode: number; readonly pickup: number; readonly armed: number }
  | { readonly kind: "writeThrough"; readonly mirrors: number }
  | {
      readonly kind: "load";
      readonly load: number;
      readonly share: number;
      readonly slot: number;
      readonly used: number;
    }
  | { readonly kind: "client"; readonly mac: string; readonly record: ClientRecord | undefined }
  | { readonly kind: "filter"; readonly filter: FilterBits }
  | { readonly kind: "zones"; readonly generation: number; readonly entries: readonly ZoneEntry[] }
  | { readonly kind: "services"; readonly generation: number; readonly entries: readonly ServiceEntry[] }
  | { readonly kind: "port"; readonly ifindex: number; readonly zone: number; readonly tagged: boolean }
  | { readonly kind: "local"; readonly addresses: readonly (readonly number[])[] }
  | { readonly kind: "own"; readonly macs: readonly string[] }
  | { readonly kind: "copy"; readonly mirror: number; readonly keep: number }
  | { readonly kind: "fill"; readonly cells: readonly number[] }
  | { readonly kind: "wipe" }
  | { readonly kind: "publish" }
  | { readonly kind: "sweep" };

export class Random {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = randomOf(seed);
  }

  below(limit: number): number {
    return Math.floor(this.#next() * limit);
  }

  chance(percent: number): boolean {
    return this.below(1000) < percent * 10;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }
}

/** A conversation between a client and a peer. */
export interface Flow {
  readonly family: 4 | 6;
  readonly proto: "tcp" | "udp" | "ping" | "other";
  readonly mac: string;
  readonly client: string;
  readonly peer: string;
  readonly clientPort: number;
  readonly peerPort: number;
  /** Who opens, and how far the conversation has come. */
  readonly opener: 0 | 1;
  turn: number;
}

/** A whole TCP conversation: whose turn (0: the opener's) and the flags. Repeated: the ports are used again. */
export const CONVERSATION = [
  [0, "S"],
  [1, "SA"],
  [0, "A"],
  [0, "PA"],
  [1, "A"],
  [1, "PA"],
  [0, "A"],
  [0, "FA"],
  [1, "A"],
  [1, "PA"],
  [1, "FA"],
  [0, "A"],
  [1, "FA"],
] as const;
