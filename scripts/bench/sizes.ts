/** What is shipped, and what it holds in memory. */
import { existsSync, statSync } from "node:fs";
import { sleep, withLab } from "./lab.ts";
import { Roamwall } from "./roamwall.ts";
import type { Group, Row } from "./row.ts";
import { figure, figureOf } from "./stats.ts";

/** What the engine of an AP loads. */
const BUNDLE = ["dist/roamwall.cjs", "dist/roamwall-agent.cjs"];
const SETTLE_MS = 2_000;
const FLOWS = 10_000;

export const bundle: Group = {
  names: ["bundle"],
  measure: async () => {
    const missing = BUNDLE.find((file) => !existsSync(file));
    if (missing !== undefined) throw new Error(`${missing} is missing: npm run build`);
    const bytes = BUNDLE.reduce((sum, file) => sum + statSync(file).size, 0);
    const note = "what the agent's engine loads; 1,024 bytes each";
    return [{ name: "bundle", unit: "KB", value: figure(bytes / 1024), note }];
  },
};

export const resident: Group = {
  names: ["rss.agent", "rss.daemon"],
  measure: (context) =>
    withLab(async (lab): Promise<Row[]> => {
      const path = lab.addPath("roamwall");
      lab.addNeighbour(path);
      const ap = new Roamwall(lab, {
        namespace: path.namespace,
        id: 1,
        table: "4x1024x8/r26",
        clients: [path.burstClient.mac],
        mesh: { address: path.meshAddress, peers: [path.neighbourAddress] },
        cpu: context.otherCpu,
      });
      await ap.startDaemon();
      await ap.startAgent();
      await lab.start(context.trafficCpu);
      await lab.burst(path, "up", 1, 0, 1);
      await sleep(SETTLE_MS / 2);
      for (const way of ["up", "down"] as const) await lab.burst(path, way, FLOWS, 0, FLOWS);
      const agent: number[] = [];
      const daemon: number[] = [];
      for (let round = 0; round < 5; round++) {
        await sleep(SETTLE_MS / 4);
        agent.push(ap.residentMb("agent"));
        daemon.push(ap.residentMb("daemon"));
      }
      return [
        { name: "rss.agent", unit: "MB", value: figureOf(agent), note: `on Node, ${FLOWS} flows in the default table` },
        { name: "rss.daemon", unit: "MB", value: figureOf(daemon), note: "mapped tables included" },
      ];
    }),
};
