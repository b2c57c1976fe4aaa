import type { Geometry } from "../../src/bloom/geometry.ts";
import { DATAGRAM_SCENARIOS } from "./datagram-flows.ts";
import { ModelFirewall, properAutomata, shortens } from "./model-firewall.ts";
import { type Conditions, Network } from "./network.ts";
import { Crossing, type Failure } from "./path.ts";
import { Prng } from "./prng.ts";
import { TCP_SCENARIOS, tcpIdle } from "./tcp-flows.ts";
import { World } from "./world.ts";

type Scenario = (network: Network) => void;

export interface SimulationOptions {
  readonly packets: number;
  readonly seed: number;
  readonly geometry: string;
  readonly conditions?: Partial<Conditions>;
  /** Kept by flows at rest; the stated capacity is 0.8. */
  readonly load?: number;
  /** Simulated time over which the packets are spread: long enough for silences of two hours, several times. */
  readonly seconds?: number;
  readonly scenarios?: readonly (readonly [weight: number, Scenario])[];
  /** What is loaded, and whether it shortens; the proper automata unless a control says otherwise. */
  readonly blob?: (geometry: Geometry) => Uint8Array;
  readonly shortens?: boolean;
  onProgress?(done: number, firewall: ModelFirewall): void;
}

export interface SimulationResult {
  readonly geometry: string;
  readonly seed: number;
  readonly packets: number;
  /** Denied without a stated reason: false negatives. */
  readonly denied: number;
  readonly residues: Readonly<Record<string, number>>;
  readonly residueSamples: readonly (readonly [residue: string, first: Failure])[];
  readonly byKind: Readonly<Record<string, number>>;
  readonly failuresByKind: Readonly<Record<string, number>>;
  readonly failures: readonly Failure[];
  readonly maxLoad: number;
  readonly simulatedSeconds: number;
  readonly wallSeconds: number;
  readonly firewall: ModelFirewall;
}

export const CONDITIONS: Conditions = { loss: 0.03, reorder: 0.02, duplicate: 0.01, outages: 0.02 };
export const SCENARIOS = [...TCP_SCENARIOS, ...DATAGRAM_SCENARIOS];
const LOAD = 0.74;
const SECONDS = 30_000;
/** Packets of an average flow: only a first guess of how many to start. */
const FLOW_PACKETS = 20;
/** Time in which flows at rest fill the table, how much of what is missing comes each second, and the share of all packets that this may cost. */
const FILL_SECONDS = 9_000;
const FILL_HASTE = 0.02;
const FILL_PACKETS = 0.5;
/** Traffic that found no room is not made up for beyond this. */
const BURST_SECONDS = 5;
/** The plan is a guess: a run may take this many times longer. */
const PATIENCE = 3;
/** Above the load that flows at rest keep, traffic may add this much: together they stay below the capacity. */
const TRAFFIC_ROOM = 0.04;
/** Handshake, a little data, some awakenings. */
const IDLE_PACKETS = 14;

/** Endpoints talk through the model until so many packets have crossed it. */
export function simulate(options: SimulationOptions): SimulationResult {
  const startedMs = Date.now();
  const random = new Prng(options.seed);
  const world = new World();
  const firewall = new ModelFirewall(options.geometry, options.blob ?? properAutomata, new Prng(options.seed ^ 0x5eed));
  const crossing = new Crossing(world, firewall, random);
  const conditions = { ...CONDITIONS, ...options.conditions };
  const network = new Network(world, random, crossing, conditions, options.shortens ?? shortens(firewall.geometry));
  startFlows(network, firewall, options);
  const latestMs = (options.seconds ?? SECONDS) * 1_000 * PATIENCE;
  while (crossing.packets < options.packets && world.nowMs < latestMs && world.step()) {
    if (crossing.packets % 10_000 === 0) options.onProgress?.(crossing.packets, firewall);
  }
  return {
    geometry: options.geometry,
    seed: options.seed,
    packets: crossing.packets,
    denied: crossing.denied,
    residues: sorted(crossing.residues),
    residueSamples: [...crossing.residueSamples],
    byKind: sorted(crossing.byKind),
    failuresByKind: sorted(crossing.failuresByKind),
    failures: crossing.failures,
    maxLoad: crossing.maxLoad,
    simulatedSeconds: world.nowMs / 1000,
    wallSeconds: (Date.now() - startedMs) / 1000,
    firewall,
  };
}

/** Once a second: as much traffic as the plan wants, and as many flows at rest as the load wants. */
function startFlows(network: Network, firewall: ModelFirewall, options: SimulationOptions): void {
  const { world, random } = network;
  const { load = LOAD, seconds = SECONDS, scenarios = SCENARIOS, packets } = options;
  const { cells } = firewall.geometry;
  const fillersMost = options.scenarios ? 0 : (packets * FILL_PACKETS) / IDLE_PACKETS;
  const perSecond = (packets * (options.scenarios ? 1 : 1 - FILL_PACKETS)) / (seconds * FLOW_PACKETS);
  let due = 0;
  let fillers = 0;
  const second = () => {
    due = Math.min(due + perSecond, perSecond * BURST_SECONDS + 1);
    for (; due >= 1 && firewall.load < load + TRAFFIC_ROOM; due--) draw(random, scenarios)(network);
    const room = load * Math.min(1, world.nowMs / (FILL_SECONDS * 1_000)) - firewall.load;
    for (
      let n = Math.floor(room * cells * FILL_HASTE + random.unit());
      n > 0 && fillers < fillersMost;
      n--, fillers++
    ) {
      tcpIdle(network);
    }
    world.after(1_000, second);
  };
  second();
}

function draw(random: Prng, scenarios: readonly (readonly [number, Scenario])[]): Scenario {
  let at = random.unit() * scenarios.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, scenario] of scenarios) {
    at -= weight;
    if (at < 0) return scenario;
  }
  return scenarios[0]![1];
}

function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}
