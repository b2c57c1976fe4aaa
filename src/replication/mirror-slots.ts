import type { Geometry } from "../bloom/geometry.ts";
import type { Datapath } from "../datapath/datapath.ts";
import { Mirror } from "../proxy/mirror.ts";
import { PhaseClock } from "../proxy/phase.ts";
import type { Neighbour } from "./neighbour.ts";
import { RightsMap } from "./rights-map.ts";

/** In the agent: cell, owner, ver of each coordinate, and cells by slot. */
const AGENT_CELL_BYTES = 4 + 2 + 4;
const SLOTS_BYTES = 4 << 14;
/** A neighbour without a mirror gets another's when it is roamed with so much more: else they would go to and fro. */
const ROAMS_FACTOR = 2;
const ROAMS_MORE = 4;

/** So long after its AP came back with another table, it has been given back what was kept of the one before. */
const GIVEN_BACK_MS = 15_000;
/** So long the mirror of an AP that is gone is kept for its clients, and for itself: it may be the only copy. */
const KEPT_OF_DEAD_MS = 600_000;

/** What a mirror costs, its kernel's part included. */
export function mirrorBytes({ cells, remainderBits, timerBits }: Geometry): number {
  return cells * (AGENT_CELL_BYTES + (remainderBits + timerBits) / 8) + SLOTS_BYTES;
}

/** Who has which of the datapath's mirrors: neighbours whose table is like ours, and tables that are no more. */
export class MirrorSlots {
  private readonly free: number[];

  constructor(
    private readonly geometry: Geometry,
    private readonly datapath: Datapath,
    memoryBytes: number,
    private readonly changed: () => void,
    private readonly writeThrough = false,
  ) {
    const afforded = Math.floor(memoryBytes / mirrorBytes(geometry));
    this.free = Array.from({ length: Math.min(datapath.hello.mirrors, afforded) }, (_, i) => i);
  }

  /**
   * Gives a compatible neighbour a mirror, if there is one; takes it from one that is compatible no more. True when it got
   * one.
   */
  assign(neighbour: Neighbour, all: readonly Neighbour[], nowMs: number): boolean {
    if (!neighbour.compatible && neighbour.mirror) {
      this.release(neighbour.mirror);
      neighbour.mirror = undefined;
    }
    if (!neighbour.compatible || neighbour.mirror) return false;
    const index = this.free.shift() ?? takeGivenBack(all, nowMs) ?? takeFromDead(all, nowMs);
    if (index === undefined) return false;
    neighbour.mirror = new Mirror(index, this.geometry, this.datapath, this.writeThrough);
    return true;
  }

  /** Who found none left may have one as soon as another is of no use any more: they are those. */
  assignWaiting(all: readonly Neighbour[], nowMs: number): readonly Neighbour[] {
    return all.filter((neighbour) => neighbour.state === "alive" && this.assign(neighbour, all, nowMs));
  }

  /**
   * Mirrors go where clients go: the least roamed neighbour that has one gives it to the most roamed that has none. Who
   * lost and who got one, or undefined. The clients of those without come by HANDOVER.
   */
  rebalance(all: readonly Neighbour[], nowMs: number): readonly [lost: Neighbour, got: Neighbour] | undefined {
    const there = all.filter(({ compatible, state }) => compatible && state === "alive");
    const byRoams = there.sort((a, b) => a.roams - b.roams);
    const lost = byRoams.find(({ mirror }) => mirror);
    const got = byRoams.reverse().find(({ mirror }) => !mirror);
    if (!lost || !got || got.roams < ROAMS_FACTOR * lost.roams + ROAMS_MORE) return undefined;
    this.remove(lost);
    this.assign(got, all, nowMs);
    return [lost, got];
  }

  /** The table is gone, but not what its clients expect: the mirror ages to empty by our clock. */
  orphan(neighbour: Neighbour): void {
    const { mirror, rights, phases, guard } = neighbour;
    if (mirror) neighbour.orphans.push({ mirror, rights, phases, guard });
    neighbour.mirror = undefined;
    neighbour.former = rights;
    neighbour.rights = new RightsMap();
    neighbour.phases = new PhaseClock(this.geometry);
    this.releaseEmpty(neighbour);
  }

  /** The neighbour makes room for another. */
  remove(neighbour: Neighbour): void {
    if (!neighbour.mirror) return;
    this.release(neighbour.mirror);
    neighbour.mirror = undefined;
    this.changed();
  }

  /** With all that was kept of the tables that it had before. */
  expel(neighbour: Neighbour): void {
    for (const { mirror } of neighbour.orphans.splice(0)) this.release(mirror);
    if (neighbour.mirror) this.release(neighbour.mirror);
    neighbour.mirror = undefined;
    this.changed();
  }

  releaseEmpty(neighbour: Neighbour): void {
    const empty = neighbour.orphans.filter(({ mirror }) => mirror.used === 0);
    for (const orphan of empty) {
      neighbour.orphans.splice(neighbour.orphans.indexOf(orphan), 1);
      this.release(orphan.mirror);
    }
    if (empty.length > 0) this.changed();
  }

  private release({ index }: Mirror): void {
    this.datapath.clearMirror(index);
    this.free.push(index);
  }
}

/** The oldest table that its AP no longer has, and has had the time to ask for. */
function takeGivenBack(all: readonly Neighbour[], nowMs: number): number | undefined {
  const owner = all.find(
    ({ state, orphans, believedMs }) => state === "alive" && orphans.length > 0 && nowMs - believedMs > GIVEN_BACK_MS,
  );
  return owner?.orphans.shift()?.mirror.index;
}

/** A dead neighbour's mirror goes when another needs it, and nobody it any more: the least roamed with first. */
function takeFromDead(all: readonly Neighbour[], nowMs: number): number | undefined {
  const isOver = ({ mirror, helloMs }: Neighbour) => mirror?.used === 0 || nowMs - helloMs > KEPT_OF_DEAD_MS;
  const dead = all.filter((neighbour) => neighbour.state === "dead" && neighbour.mirror && isOver(neighbour));
  const victim = dead.sort((a, b) => a.roams - b.roams)[0];
  if (!victim?.mirror) return undefined;
  const { index } = victim.mirror;
  victim.mirror = undefined;
  victim.believed = false;
  return index;
}
