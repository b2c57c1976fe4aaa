import { hasRunFor, reachableFrom, type Settled } from "../paths.ts";
import type { Tombstone } from "../rights-ledger.ts";
import type { Simulation, Watch } from "../simulation.ts";

/** The stated bound of a revocation. */
const BOUND_MS = 60_000;
/** Who can be told has heard by then. */
const TELLING: Settled = { linkMs: 5_000, agentMs: 5_000 };
const TOLD_MS = 5_000;
/** What was lost on the way is repaired after the next hello: an agent that ends before may have told nobody. */
const REPAIR_MS = 2_000;

/**
 * (I4) No AP gives a client rights that nobody granted, and none whose revocation is older than 60 s. An AP that could
 * not be told since, by nobody who knows, is excused and counted.
 */
export function noRightsWithoutGrant(sim: Simulation): Watch {
  return {
    second() {
      for (const tombstone of sim.rights.tombstones) spread(sim, tombstone);
      for (const ap of sim.aps) {
        if (!hasRunFor(sim, ap, TELLING.agentMs)) continue;
        for (const { mac, text } of sim.clients) {
          if (!ap.datapath.client(mac)) continue;
          const { nowMs } = sim.world;
          const old = sim.rights.tombstones.filter(({ atMs }) => nowMs - atMs > BOUND_MS);
          const told = old.filter(({ informed }) => nowMs - (informed.get(ap.id) ?? nowMs) > TOLD_MS);
          const tolerated = nowMs - BOUND_MS;
          if (!sim.rights.isBacked(mac, tolerated, told))
            sim.fail("I4", `${ap.name} gives ${text} rights that are not granted, or revoked`, [text]);
          else if (!sim.rights.isBacked(mac, tolerated, old)) sim.excuse("I4: could not be told of a revocation");
        }
      }
    },
  };
}

/** Who can reach somebody who knows will know. */
function spread(sim: Simulation, { informed }: Tombstone): void {
  for (const [id, sinceMs] of [...informed]) {
    const ap = sim.ap(id)!;
    // What an agent knew ends with it; those that it told remember.
    if (!ap.isAgentUp || ap.agentSinceMs > sinceMs) {
      informed.delete(id);
      continue;
    }
    if (sim.world.nowMs - sinceMs < REPAIR_MS) continue;
    for (const other of reachableFrom(sim, ap, TELLING)) {
      if (!informed.has(other.id)) informed.set(other.id, sim.world.nowMs);
    }
  }
}
