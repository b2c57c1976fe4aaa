/** Meshes of growing size, and what replication costs and keeps in each. */
import type { Crypto } from "../platform/platform.ts";
import { planar, type Radio } from "./radio.ts";
import { randomOf } from "./random.ts";
import { type Point, WalkMesh } from "./walks.ts";

export interface SimulateOptions {
  /** Numbers of access points, one mesh each. */
  readonly aps: readonly number[];
  readonly clientsPerAp: number;
  readonly flows: number;
  /** Metres between two access points. */
  readonly spacing: number;
  readonly speed: number;
  readonly seconds: number;
  readonly loss: number;
  readonly table: string;
  readonly seed: number;
}

export interface Simulated {
  readonly aps: number;
  readonly clients: number;
  readonly roams: number;
  /** Share of the flows of roaming clients that went on; null: nobody roamed. */
  readonly durability: number | null;
  /** The same while no datagram arrives: what it would be without replication. */
  readonly durabilityAlone: number | null;
  readonly denied: number;
  readonly packets: number;
  /** A second, of one access point. */
  readonly bytesSent: number;
  readonly bytesHeard: number;
  readonly fill: number;
  readonly falsePositives: number;
}

const SETTLES_MS = 6_000;
const PACKET_EVERY_MS = 4_000;
const BRIEF_EVERY_MS = 5_000;
const SLOTS_LEAST = 1_024;

export async function simulate(aps: number, options: SimulateOptions, crypto: Crypto): Promise<Simulated> {
  const mesh = await live(aps, options, crypto, options.loss);
  const alone = await live(aps, options, crypto, 1);
  const { work, durability } = mesh;
  const perSecond = (value: number) => value / aps / options.seconds;
  return {
    aps,
    clients: aps * options.clientsPerAp,
    roams: durability.roams,
    durability: shareOf(durability),
    durabilityAlone: shareOf(alone.durability),
    denied: durability.denied,
    packets: durability.packets,
    bytesSent: perSecond(work.bytesSent),
    bytesHeard: perSecond(work.bytesHeard),
    fill: mesh.fill,
    falsePositives: mesh.falsePositives,
  };
}

async function live(aps: number, options: SimulateOptions, crypto: Crypto, loss: number): Promise<WalkMesh> {
  const { places, width, height } = floorPlan(aps, options.spacing);
  const clients = aps * options.clientsPerAp;
  const random = randomOf(options.seed);
  const mesh = new WalkMesh({
    radio: radioOf(places, options.spacing, random),
    geometry: options.table,
    slots: Math.max(SLOTS_LEAST, 2 * clients),
    loss,
    crypto,
    random,
    places,
    width,
    height,
    clients,
    flows: options.flows,
    packetEveryMs: PACKET_EVERY_MS,
    briefEveryMs: BRIEF_EVERY_MS,
    speed: options.speed,
  });
  await mesh.run(SETTLES_MS);
  Object.assign(mesh.work, { datagramsSent: 0, bytesSent: 0, datagramsHeard: 0, bytesHeard: 0, cellsMirrored: 0 });
  mesh.reset();
  await mesh.run(options.seconds * 1_000);
  return mesh;
}

function shareOf({ flows, kept }: { readonly flows: number; readonly kept: number }): number | null {
  return flows === 0 ? null : kept / flows;
}

/** Access points in the middle of squares, in a hall as near to a square as they allow. */
export function floorPlan(aps: number, spacing: number): { places: Point[]; width: number; height: number } {
  const columns = Math.ceil(Math.sqrt(aps));
  const places = Array.from({ length: aps }, (_, i) => ({
    x: ((i % columns) + 0.5) * spacing,
    y: (Math.floor(i / columns) + 0.5) * spacing,
  }));
  return { places, width: columns * spacing, height: Math.ceil(aps / columns) * spacing };
}

/** Neighbours hear each other one square away, across corners too. */
const RANGE = 1.5;

function radioOf(places: readonly Point[], spacing: number, random: () => number): Radio {
  const hears = (a: Point, b: Point) => a !== b && Math.hypot(a.x - b.x, a.y - b.y) <= RANGE * spacing;
  const neighbours = places.map((a) => places.flatMap((b, i) => (hears(a, b) ? [i] : [])));
  return places.length > 1 ? { name: "plan", neighbours } : planar(1, random);
}
