import { CONSTANTS } from "../../../src/datapath/abi.ts";
import type { AccessPoint } from "../access-point.ts";
import type { Simulation, Watch } from "../simulation.ts";

const { OWNER_SLOT_MASK, OWNER_MARK_SHIFT, MARK_CLEAN } = CONSTANTS;
/** A change is reported within a flush, published within another; a held one waits half a hold longer at most. */
const SLACK_MS = 1_000;

interface Waiting {
  readonly cell: number;
  readonly sinceMs: number;
}

/**
 * (I2) Published, held and throttled together are the own table: what differs from what was published waits for the hold
 * time, or concerns nobody else (marked neither when it was last changed), or is a refresh that is not worth a record.
 */
export function ownTableIsTold(sim: Simulation): Watch {
  const waiting = new Map<AccessPoint, Map<number, Waiting>>();
  return {
    second() {
      for (const ap of sim.aps) {
        if (ap.isAgentUp && ap.replicator.proxy.counters.unpublishedCells > 0)
          sim.fail("I2", `${ap.name} found a cell itself that it had not published`, [ap.name]);
        const since = sim.world.nowMs - sim.holdMs * 1.5 - SLACK_MS;
        if (!ap.isAgentUp || ap.agentSinceMs > since) waiting.delete(ap);
        else waiting.set(ap, look(sim, ap, waiting.get(ap) ?? new Map(), since));
      }
    },
  };
}

function look(sim: Simulation, ap: AccessPoint, before: Map<number, Waiting>, since: number): Map<number, Waiting> {
  const { table } = ap.datapath.sfr;
  const { published } = ap.replicator.proxy;
  const after = new Map<number, Waiting>();
  for (let at = 0; at < table.cells.length; at++) {
    const cell = table.cells[at]!;
    if (cell === 0 && published.cells[at] === 0) continue;
    const owner = ap.replicator.proxy.own.ownerTold(table.owners[at]! & OWNER_SLOT_MASK);
    if (!mustBeTold(ap, cell, published.cells[at]!, owner === published.owners[at])) continue;
    if (table.owners[at]! >>> OWNER_MARK_SHIFT === MARK_CLEAN && ap.unmarked.has(at)) {
      sim.excuse("I2: concerns nobody else");
      continue;
    }
    const known = before.get(at);
    const sinceMs = known?.cell === cell ? known.sinceMs : sim.world.nowMs;
    after.set(at, { cell, sinceMs });
    if (sinceMs < since) sim.fail("I2", `${ap.name} has not published cell ${at} for too long`, [ap.name]);
  }
  return after;
}

/** Another flow, another speed, another owner, lowered, freed; or what is known is less than half of what is left. */
function mustBeTold(ap: AccessPoint, cell: number, known: number, isOwners: boolean): boolean {
  const { ticks, published } = ap.replicator.proxy;
  const { tickBits } = published.geometry;
  const [left, knownLeft] = [ticks.left(cell), known === 0 ? -1 : ticks.left(known)];
  if (left < 0 || knownLeft < 0) return left >= 0 || knownLeft >= 0;
  return !isOwners || cell >>> tickBits !== known >>> tickBits || left < knownLeft || knownLeft * 2 < left;
}
