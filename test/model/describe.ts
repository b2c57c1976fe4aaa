import type { Client } from "./client.ts";
import type { Simulation } from "./simulation.ts";

/** What each AP thinks of a client, and of the others: the last page of a failure's report. */
export function describe(sim: Simulation, client: Client): string[] {
  return sim.aps.map((ap) => {
    if (!ap.isPowered) return `${ap.name} is off`;
    const record = ap.datapath.client(client.mac);
    const kernel = record ? `record: presence ${record.presence}, from ${record.from.toString(2)}` : "no record";
    if (!ap.isAgentUp) return `${ap.name} has no agent; ${kernel}`;
    const { contexts, own } = ap.replicator.proxy;
    const context = contexts.get(client.mac);
    const neighbours = ap.replicator.list().map((n) => {
      const behind = n.gaps.count > 0 || n.sync ? ` (behind${n.sync ? ", syncing" : ""})` : "";
      return `${n.id} ${n.believed ? n.state : "unbelieved"}${behind}`;
    });
    if (!context) return `${ap.name} does not know it; ${kernel}; ${neighbours.join(", ")}`;
    const { rights, here, n, ap: server, holders, slot } = context;
    const stamp = rights ? `${rights.revoked ? "revoked" : "rights"} ${rights.serial}.${rights.rev}` : "no rights";
    const claim = `${here ? "HERE" : "elsewhere"}, claim ${n} of ap${server}, holders ${[...holders].join() || "-"}`;
    return `${ap.name}: ${claim}; ${stamp}; ${own.cellsOfSlot[slot]} cells; ${kernel}; ${neighbours.join(", ")}`;
  });
}
