import type { AccessPoint } from "./access-point.ts";
import type { Simulation } from "./simulation.ts";

/** How long links were whole and agents ran, to count as a path. */
export interface Settled {
  readonly linkMs: number;
  readonly agentMs: number;
}

export function hasRunFor(sim: Simulation, ap: AccessPoint, ms: number): boolean {
  return ap.isAgentUp && sim.world.nowMs - ap.agentSinceMs >= ms;
}

/** APs that can be told by `from`, directly or through others, itself included. */
export function reachableFrom(sim: Simulation, from: AccessPoint, { linkMs, agentMs }: Settled): Set<AccessPoint> {
  const found = new Set<AccessPoint>();
  if (!hasRunFor(sim, from, agentMs)) return found;
  found.add(from);
  // A set is walked in the order of insertion, also of what is added meanwhile.
  for (const ap of found) {
    for (const other of sim.aps) {
      if (found.has(other) || !hasRunFor(sim, other, agentMs)) continue;
      if (sim.network.isWhole(ap.id, other.id, linkMs)) found.add(other);
    }
  }
  return found;
}
