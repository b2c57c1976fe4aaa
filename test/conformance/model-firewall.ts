import { compileAutomata } from "../../src/automata/compile.ts";
import { type Mac, macFromBytes } from "../../src/base/mac.ts";
import { type Geometry, parseGeometry } from "../../src/bloom/geometry.ts";
import { CONSTANTS, REASONS } from "../../src/datapath/abi.ts";
import { Sfr } from "../../src/sfr/sfr.ts";
import { type Rights, stations } from "./network.ts";
import type { Firewall, Judgement, Side } from "./path.ts";
import type { Prng } from "./prng.ts";

const { PEER_ANY, PEER_ZONE, SERVICE_ANY } = CONSTANTS;
const SERVICES = 3;
const ANY_TO_ANY = 1 << (PEER_ANY * SERVICES + SERVICE_ANY);
const GROUPS_ONLY = 1 << (PEER_ZONE * SERVICES + SERVICE_ANY);
const NO_FILTER = 0xffff;

/** By filter id. Every bit is set, so the templates alone say what is allowed: no other zone than the groups has a number. */
const FILTERS: readonly { rights: Rights; out: number; in: number }[] = [
  { rights: "out", out: ANY_TO_ANY, in: 0 },
  { rights: "in", out: 0, in: ANY_TO_ANY },
  { rights: "group", out: GROUPS_ONLY, in: ANY_TO_ANY },
  { rights: "asker", out: GROUPS_ONLY, in: 0 },
];

/** The model, with the time of the simulation, a sweeper that is often late, and the clients' rules. */
export class ModelFirewall implements Firewall {
  readonly geometry: Geometry;
  readonly sfr: Sfr;
  readonly reasons = REASONS.map(([name]) => name);
  private sweptAt = 0;
  private sweepAt = 1;

  constructor(
    geometry: string,
    blob: (geometry: Geometry) => Uint8Array,
    private readonly random: Prng,
  ) {
    this.geometry = parseGeometry(geometry, "--geometry");
    const seeds = [random.u32(), random.u32(), random.u32(), random.u32()] as const;
    this.sfr = new Sfr({ geometry: this.geometry, seeds });
    this.sfr.loadAutomata(blob(this.geometry));
    for (const [id, filter] of FILTERS.entries()) {
      const data = new Uint8Array(8).fill(0xff);
      this.sfr.setFilter({ id, bits: 64, seed: 1, probes: 1, out: filter.out, in: filter.in, data });
    }
    for (const station of stations()) this.addClient(macFromBytes(station.mac), station.slot, station.rights);
  }

  private addClient(mac: Mac, slot: number, rights: Rights): void {
    const filter = FILTERS.findIndex((f) => f.rights === rights);
    this.sfr.setClient(mac, {
      slot,
      presence: CONSTANTS.PRESENCE_HERE,
      flags: 0,
      filter: [filter, NO_FILTER, NO_FILTER, NO_FILTER],
      from: 0,
      zone: 0,
      open_out: 0,
      open_in: 0,
      half_open: 0,
      ends: 0,
      pad: 0,
    });
  }

  get load(): number {
    return this.sfr.table.used / this.geometry.cells;
  }

  setTime(nowMs: number): void {
    const { fastTickMs, slowTickMs } = this.geometry;
    this.sfr.nowNs = Math.floor(nowMs * 1e6);
    const fast = Math.floor(nowMs / fastTickMs);
    while (this.sweepAt <= fast) {
      this.tick(this.sweepAt, Math.floor((this.sweepAt * fastTickMs) / slowTickMs));
      this.sweep();
    }
    if (fast !== this.sfr.table.fast) this.tick(fast, Math.floor(nowMs / slowTickMs));
  }

  private tick(fast: number, slow: number): void {
    this.sfr.table.fast = fast;
    this.sfr.table.slow = slow;
  }

  /** As late as it may be: a passed expiry looks live again after modulus - live ticks. */
  private sweep(): void {
    this.sfr.table.sweep();
    this.sfr.load = Math.floor(this.load * 256);
    this.sweptAt = this.sweepAt;
    this.sweepAt = this.sweptAt + 1 + this.random.below(this.geometry.modulus - this.geometry.liveMax - 1);
  }

  judge(frame: Uint8Array, side: Side): Judgement {
    return this.sfr.judge({ frame, direction: side });
  }
}

/** What is loaded by default: shortening where the cells are wide enough. */
export function properAutomata(geometry: Geometry): Uint8Array {
  return compileAutomata({ geometry, shorten: shortens(geometry) });
}

export function shortens(geometry: Geometry): boolean {
  return geometry.remainderBits >= 26;
}
