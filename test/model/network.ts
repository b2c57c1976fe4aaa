import type { Path } from "../../src/replication/paths.ts";
import type { Prng } from "../conformance/prng.ts";
import type { World } from "../conformance/world.ts";

/** What a network does to datagrams. Shares are per datagram and receiver. */
export interface Weather {
  /** Share lost, before what each direction of a link adds of its own. */
  readonly loss: number;
  /** Bursts: how many begin per second and direction, and how long each swallows nearly everything. */
  readonly burstsPerSecond: number;
  readonly burstMs: number;
  readonly duplication: number;
  readonly delayMs: number;
  /** Evenly spread on top of the delay: longer than the distance between two datagrams, it reorders. */
  readonly jitterMs: number;
  /** Share of which a bit is turned or the end is cut off. */
  readonly corruption: number;
}

export const CALM: Weather = {
  loss: 0,
  burstsPerSecond: 0,
  burstMs: 0,
  duplication: 0,
  delayMs: 1,
  jitterMs: 0,
  corruption: 0,
};

/**
 * How two stations hear each other. `hidden`: not at all, so that what is sent to everybody does not come; what is sent to
 * one of them the mesh routes over the others, while there is a way.
 */
export type Reach = "radio" | "hidden";

/** One direction between two stations. */
export interface Link {
  readonly from: number;
  readonly to: number;
  readonly reach: Reach;
  /** Added to the weather's: links are bad in one direction more than in the other. */
  readonly extraLoss: number;
  /** Cut by a partition. */
  cut: boolean;
  /** When it was last cut or healed. */
  changedMs: number;
  burstUntilMs: number;
  nextBurstMs: number;
}

const BURST_LOSS = 0.95;
const RECORDINGS_MAX = 400;

export interface NetworkParts {
  readonly world: World;
  readonly random: Prng;
  deliver(to: number, from: number, bytes: Uint8Array, path: Path): void;
  /** A datagram did not come, or came broken, although the link is not cut. */
  lost(link: Link): void;
}

/** A seeded network that misbehaves on purpose. Time is the world's: nothing happens but by its events. */
export class Network {
  weather: Weather = CALM;
  readonly sent = { datagrams: 0, lost: 0, duplicated: 0, corrupted: 0, replayed: 0 };
  private readonly links = new Map<number, Link>();
  private readonly recordings: Uint8Array[] = [];
  private heard = 0;

  constructor(private readonly parts: NetworkParts) {}

  connect(from: number, to: number, reach: Reach, extraLoss: number): void {
    const { nowMs } = this.parts.world;
    const link = { from, to, reach, extraLoss, cut: false, changedMs: nowMs, burstUntilMs: 0, nextBurstMs: 0 };
    this.links.set(linkKey(from, to), link);
  }

  link(from: number, to: number): Link | undefined {
    return this.links.get(linkKey(from, to));
  }

  /** `to` undefined: everybody who hears `from`. */
  send(from: number, bytes: Uint8Array, to: number | undefined): void {
    this.record(bytes);
    if (to !== undefined) {
      this.carry(this.route(from, to), bytes, "alone");
      return;
    }
    for (const link of this.links.values()) {
      if (link.from === from && link.reach === "radio") this.carry([link], bytes, "group");
    }
  }

  cut(from: number, to: number, isCut: boolean): void {
    const link = this.link(from, to);
    if (!link || link.cut === isCut) return;
    link.cut = isCut;
    link.changedMs = this.parts.world.nowMs;
  }

  healAll(): void {
    for (const { from, to } of this.links.values()) this.cut(from, to, false);
  }

  /** Whether both directions have been whole for so long. */
  isWhole(a: number, b: number, forMs: number): boolean {
    const since = this.parts.world.nowMs - forMs;
    return [this.link(a, b), this.link(b, a)].every(
      (link) => link !== undefined && link.reach === "radio" && !link.cut && link.changedMs <= since,
    );
  }

  /** The fewest hops over whole links, as a mesh routes; empty: there is no way. */
  private route(from: number, to: number): readonly Link[] {
    const ways = new Map<number, readonly Link[]>([[from, []]]);
    // A map is walked in the order of insertion, also of what is added meanwhile: nearest first.
    for (const [at, way] of ways) {
      for (const link of this.links.values()) {
        if (link.from !== at || link.reach !== "radio" || link.cut || ways.has(link.to)) continue;
        if (link.to === to) return [...way, link];
        ways.set(link.to, [...way, link]);
      }
    }
    return [];
  }

  /** Something that was once said is heard again, at any station, from wherever. */
  replay(to: number): void {
    const { random, deliver } = this.parts;
    if (this.recordings.length === 0) return;
    const bytes = random.pick(this.recordings);
    const sender = (bytes[2]! << 8) | bytes[3]!;
    this.sent.replayed++;
    deliver(to, random.chance(0.7) ? sender : 1 + random.below(8), bytes, "group");
  }

  private carry(way: readonly Link[], bytes: Uint8Array, path: Path): void {
    const { random, world, deliver, lost } = this.parts;
    const { weather, sent } = this;
    sent.datagrams++;
    const last = way.at(-1);
    if (!last || way.some(({ cut }) => cut)) return;
    const broken = way.find((link) => random.chance(this.lossOf(link)));
    if (broken) {
      sent.lost++;
      lost(broken);
      return;
    }
    const copies = random.chance(weather.duplication) ? 2 : 1;
    sent.duplicated += copies - 1;
    for (let i = 0; i < copies; i++) {
      const isBroken = random.chance(weather.corruption);
      if (isBroken) lost(last);
      const carried = isBroken ? this.corrupt(bytes) : bytes;
      const delayMs = way.length * weather.delayMs + random.unit() * weather.jitterMs;
      world.after(delayMs, () => deliver(last.to, way[0]!.from, carried, path));
    }
  }

  private lossOf(link: Link): number {
    const { random, world } = this.parts;
    const { weather } = this;
    if (weather.loss === 0 && weather.burstsPerSecond === 0) return 0;
    if (weather.burstsPerSecond > 0 && world.nowMs >= link.nextBurstMs) {
      const waitMs = (-Math.log(1 - random.unit()) * 1000) / weather.burstsPerSecond;
      // The first draw only says when the first one comes.
      if (link.nextBurstMs > 0) link.burstUntilMs = world.nowMs + weather.burstMs;
      link.nextBurstMs = world.nowMs + weather.burstMs + waitMs;
    }
    if (world.nowMs < link.burstUntilMs) return BURST_LOSS;
    return Math.min(0.3, weather.loss + link.extraLoss);
  }

  private corrupt(bytes: Uint8Array): Uint8Array {
    const { random } = this.parts;
    this.sent.corrupted++;
    if (random.chance(0.3)) return bytes.slice(0, random.below(bytes.length));
    const changed = bytes.slice();
    for (let i = 1 + random.below(3); i > 0; i--) changed[random.below(changed.length)]! ^= 1 << random.below(8);
    return changed;
  }

  /** An even sample of all that was ever said. */
  private record(bytes: Uint8Array): void {
    this.heard++;
    if (this.recordings.length < RECORDINGS_MAX) this.recordings.push(bytes);
    else {
      const at = this.parts.random.below(this.heard);
      if (at < RECORDINGS_MAX) this.recordings[at] = bytes;
    }
  }
}

function linkKey(from: number, to: number): number {
  return from * 256 + to;
}
