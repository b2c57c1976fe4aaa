import type { Endpoint } from "../platform/platform.ts";
import type { Neighbour } from "./neighbour.ts";

/** How a datagram came: to the multicast group, or to this AP alone. */
export type Path = "group" | "alone";

/** Who hears our group is written to alone so often all the same: else nobody would know whether that path lives. */
export const ALONE_HELLO_MS = 5_000;
/** Silent for so long, a path counts as dead: three hellos that should have come by it. */
const SILENT_MS: Readonly<Record<Path, number>> = { group: 3_000, alone: 3 * ALONE_HELLO_MS };

/** By which paths a neighbour is heard. One may be dead while the other lives: each is judged by itself. */
export class Paths {
  private readonly heardMs: Record<Path, number> = {
    group: Number.NEGATIVE_INFINITY,
    alone: Number.NEGATIVE_INFINITY,
  };

  /** Returns whether nothing had come by that path for long. */
  heard(path: Path, nowMs: number): boolean {
    const isNews = !this.isAlive(path, nowMs);
    this.heardMs[path] = nowMs;
    return isNews;
  }

  isAlive(path: Path, nowMs: number): boolean {
    return nowMs - this.heardMs[path] <= SILENT_MS[path];
  }
}

export interface ReachParts {
  /** Whether there is a group to send to. */
  readonly group: boolean;
  /** Listed in the settings, or met when a client roamed. */
  listed(): readonly Endpoint[];
  neighbours(): readonly Neighbour[];
  /** `to` undefined: to the group. */
  send(bytes: Uint8Array, to: Endpoint | undefined): void;
}

/**
 * What is for everybody goes to the group once, and alone to those that do not hear the group, so that nobody is sent it
 * twice. A listed peer that is not there gets hellos only: nothing else could be of use to it.
 */
export class Reach {
  constructor(private readonly parts: ReachParts) {}

  /** Every listed peer is a neighbour that is there. */
  get isComplete(): boolean {
    const known = new Set(this.there().map(({ address }) => keyOf(address)));
    return this.parts.listed().every((peer) => known.has(keyOf(peer)));
  }

  toAll(bytes: Uint8Array, isHello: boolean): void {
    const { group, send } = this.parts;
    if (group) send(bytes, undefined);
    const there = this.there();
    for (const { hearsGroup, address } of there) if (!group || !hearsGroup) send(bytes, address);
    if (!isHello) return;
    const known = new Set(there.map(({ address }) => keyOf(address)));
    for (const peer of this.parts.listed()) if (!known.has(keyOf(peer))) send(bytes, peer);
  }

  private there(): Neighbour[] {
    return this.parts.neighbours().filter(({ believed, state }) => believed && state !== "dead");
  }
}

function keyOf({ address, port }: Endpoint): string {
  return `${address} ${port}`;
}
