import type { AccessPoint } from "../access-point.ts";
import type { Simulation, Watch } from "../simulation.ts";

/** (I1) At rest every mirror equals what its source has published, at equal ticks; so does the kernel's copy. */
export function mirrorsEqual(sim: Simulation): Watch {
  return {
    atRest() {
      for (const at of sim.aps) {
        if (!at.isAgentUp) continue;
        for (const { id, mirror, believed } of at.replicator.list()) {
          const source = sim.ap(id);
          if (!source?.isAgentUp || sim.network.link(id, at.id)?.reach !== "radio") continue;
          if (!believed) sim.fail("I1", `${at.name} does not believe ${source.name}`, [at.name, source.name]);
          // Orphans of power cycles may hold all mirrors that there are.
          else if (!mirror) sim.excuse("I1: no mirror left");
          else compare(sim, at, source, mirror);
        }
      }
    },
  };
}

type Mirror = NonNullable<ReturnType<AccessPoint["replicator"]["list"]>[number]["mirror"]>;

function compare(sim: Simulation, at: AccessPoint, source: AccessPoint, mirror: Mirror): void {
  const { published, ticks } = source.replicator.proxy;
  if (mirror.ticks.fast !== ticks.fast || mirror.ticks.slow !== ticks.slow) {
    // A tick just now, on its way with the next datagram.
    sim.excuse("I1: ticks on their way");
    return;
  }
  const kernel = at.datapath.sfr.mirrors[mirror.index]!;
  for (let i = 0; i < published.cells.length; i++) {
    const isSame = published.cells[i] === mirror.cells[i] && published.owners[i] === mirror.owners[i];
    if (isSame && kernel.cells[i] === mirror.cells[i]) continue;
    const cells = `published ${published.cells[i]}, mirror ${mirror.cells[i]}, kernel ${kernel.cells[i]}`;
    sim.fail("I1", `${at.name}'s mirror of ${source.name} differs at ${i}: ${cells}`, [at.name, source.name]);
    return;
  }
}
