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

  /** Gives a compatible neighbour a mirror, if there is one; takes it from one that is compatible no more. */
  assign(neighbour: Neighbour, all: readonly Neighbour[]): void {
    if (!neighbour.compatible && neighbour.mirror) {
      this.release(neighbour.mirror);
      neighbour.mirror = undefined;
    }
    if (!neighbour.compatible || neighbour.mirror) return;
    const index = this.free.shift() ?? takeFromDead(all);
    if (index !== undefined) neighbour.mirror = new Mirror(index, this.geometry, this.datapath, this.writeThrough);
  }

  /**
   * Mirrors go where clients go: the least roamed neighbour that has one gives it to the most roamed that has none. Who
   * lost and who got one, or undefined. The clients of those without come by HANDOVER.
   */
  rebalance(all: readonly Neighbour[]): readonly [lost: Neighbour, got: Neighbour] | undefined {
    const there = all.filter(({ compatible, state }) => compatible && state === "alive");
    const byRoams = there.sort((a, b) => a.roams - b.roams);
    const lost = byRoams.find(({ mirror }) => mirror);
    const got = byRoams.reverse().find(({ mirror }) => !mirror);
    if (!lost || !got || got.roams < ROAMS_FACTOR * lost.roams + ROAMS_MORE) return undefined;
    this.remove(lost);
    this.assign(got, all);
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

/** A dead neighbour's mirror goes when another needs it: the least roamed with first. */
function takeFromDead(all: readonly Neighbour[]): number | undefined {
  const dead = all.filter(({ state, mirror }) => state === "dead" && mirror);
  const victim = dead.sort((a, b) => a.roams - b.roams)[0];
  if (!victim?.mirror) return undefined;
  const { index } = victim.mirror;
  victim.mirror = undefined;
  victim.believed = false;
  return index;
}
