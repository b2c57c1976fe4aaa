import type { Party } from "./frames.ts";
import type { Crossing, Link, Side } from "./path.ts";
import type { Prng } from "./prng.ts";
import type { World } from "./world.ts";

/** Who may open: the client (`out`), its peers (`in`), the client towards groups alone (`asker`), or that and its peers (`group`). */
export type Rights = "out" | "in" | "group" | "asker";
export const RIGHTS: readonly Rights[] = ["out", "in", "group", "asker"];
export const CLIENTS_PER_RIGHTS = 8;

export interface Station {
  readonly mac: readonly number[];
  readonly slot: number;
  readonly rights: Rights;
}

export const GATEWAY_MAC = [0x02, 0, 0, 0, 0xff, 0xfe];

export function stations(): Station[] {
  return RIGHTS.flatMap((rights, r) =>
    Array.from({ length: CLIENTS_PER_RIGHTS }, (_, i) => ({
      mac: [0x02, 0, 0, 0, 0x0a + r, i + 1],
      slot: 1 + r * CLIENTS_PER_RIGHTS + i,
      rights,
    })),
  );
}

export interface Conditions {
  readonly loss: number;
  readonly reorder: number;
  readonly duplicate: number;
  /** Share of flows that live through an outage of one half of their way. */
  readonly outages: number;
}

/** What every scenario needs: time, chance, the firewall, and addresses nobody else uses. */
export class Network {
  private flows = 0;
  private readonly stations = stations();

  constructor(
    readonly world: World,
    readonly random: Prng,
    readonly crossing: Crossing,
    readonly conditions: Conditions,
    /** The automata shorten what closes (32-bit cells). */
    readonly shortens: boolean,
  ) {}

  /** A client with these rights, a peer, and a client port of their own. */
  meet(rights: Rights): Meeting {
    const { random } = this;
    const n = this.flows++;
    const station = random.pick(this.stations.filter((s) => s.rights === rights));
    const v6 = random.chance(0.35);
    const host = [(n >> 16) & 255, (n >> 8) & 255, n & 255];
    const tail = [random.below(256), ...host];
    const client = v6 ? [0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, station.slot, 1] : [10, 0, station.slot, 1];
    const peer = v6
      ? [0x20, 1, 0xd, 0xb8, 0, 0, 0, 2, 0, 0, 0, 0, ...tail]
      : [198, 18 + ((n >> 16) & 1), ...host.slice(1)];
    return {
      parties: [
        { mac: station.mac, address: client },
        { mac: GATEWAY_MAC, address: peer },
      ],
      ports: rights === "in" ? [443, 1_024 + (n % 60_000)] : [1_024 + (n % 60_000), 443],
      opener: (rights === "out" ? 0 : 1) as Side,
      mayOpen: [rights === "out", rights === "in" || rights === "group"],
      links: [this.link(3, 8), this.link(5, 150)],
      v6,
    };
  }

  private link(delayFrom: number, delayTo: number): Link {
    const { random, conditions } = this;
    const outage = random.chance(conditions.outages / 2);
    const from = outage ? this.world.nowMs + random.spread(100, 600_000) : 0;
    return {
      delayMs: random.between(delayFrom, delayTo),
      loss: conditions.loss,
      reorder: conditions.reorder,
      duplicate: conditions.duplicate,
      outageFromMs: from,
      outageToMs: outage ? from + random.spread(1_000, 400_000) : 0,
    };
  }
}

export interface Meeting {
  /** By side. */
  readonly parties: readonly [Party, Party];
  readonly ports: readonly [number, number];
  readonly opener: Side;
  readonly mayOpen: readonly [boolean, boolean];
  readonly links: readonly [Link, Link];
  readonly v6: boolean;
}
