import { describe, expect, it } from "vitest";
import { CONSTANTS } from "../datapath/abi.ts";
import { nodeCrypto } from "../platform/node/crypto.ts";
import { identitiesAmong } from "./testing/identities.ts";
import { type Ap, Lab, mirrorDifferences, unpublished } from "./testing/lab.ts";

const APS = 4;

/** One of: traffic, a restart of an agent, a power cycle, a partition, its end, a replayed datagram. */
async function misfortune(lab: Lab, recorded: Uint8Array[]): Promise<void> {
  const ap = lab.ap(1 + Math.floor(lab.random() * APS));
  const dice = lab.random();
  if (dice < 0.05) await lab.restart(ap);
  else if (dice < 0.08) await lab.start([lab.add(ap.id, BigInt(Math.floor(lab.random() * 1e9)))]);
  else if (dice < 0.14) lab.cut.add(`${ap.id}>${1 + Math.floor(lab.random() * APS)}`);
  else if (dice < 0.24) lab.cut.clear();
  else if (dice < 0.34 && recorded.length > 0) {
    const bytes = recorded[Math.floor(lab.random() * recorded.length)]!;
    lab.inject({ from: ((bytes[2]! << 8) | bytes[3]!) % (APS + 1) || 1, to: ap.id, bytes, atMs: lab.nowMs + 1 });
  } else churn(lab, ap);
}

function churn(lab: Lab, ap: Ap): void {
  const { table } = ap.datapath.sfr;
  for (let i = 0; i < 30; i++) {
    const x = Math.floor(lab.random() * 1500) * 2654435;
    const code = (lab.random() < 0.5 ? 32 : 0) | (1 + Math.floor(lab.random() * 25));
    const slot = 1 + Math.floor(lab.random() * 3);
    if (lab.random() < 0.4) table.drop(0, x, CONSTANTS.MARK_DIRTY);
    else table.insert(0, x, code, CONSTANTS.OP_MAX, slot, CONSTANTS.MARK_DIRTY);
  }
}

describe("whatever happens", () => {
  it.each([
    ["one key for all", 10, {}],
    ["identities", 3, { crypto: nodeCrypto, identitiesOf: identitiesAmong(1, 2, 3, 4) }],
  ])(
    "under %s: losses, duplicates, reordering, restarts, power cycles, partitions, replay: mirrors equal, then silence",
    async (_what, count, setup) => {
      const runs = Number(process.env["ROAMWALL_CHAOS_RUNS"] ?? count);
      for (let seed = 1; seed <= runs; seed++) {
        const lab = new Lab(APS, { ...setup, seed, geometry: "4x32x8/r26" });
        const recorded: Uint8Array[] = [];
        lab.tap = ({ bytes }) => {
          if (recorded.length < 2000) recorded.push(bytes);
          return undefined;
        };
        await lab.start();
        lab.faults = { loss: lab.random() * 0.3, duplication: 0.1, delayMs: 1, jitterMs: 15 };
        for (let i = 0; i < 80; i++) {
          await misfortune(lab, recorded);
          await lab.run(1 + Math.floor(lab.random() * 120));
        }
        lab.cut.clear();
        lab.faults = { loss: 0, duplication: 0, delayMs: 1, jitterMs: 0 };
        await lab.run(8_000);
        await lab.settle();
        let asked = 0;
        for (const { replicator } of lab.aps)
          asked -= replicator.counters.nacksSent + replicator.counters.snapshotsAsked;
        await lab.run(2_500);
        await lab.settle();
        for (const { replicator } of lab.aps)
          asked += replicator.counters.nacksSent + replicator.counters.snapshotsAsked;
        expect(asked, `seed ${seed}: still asking`).toBe(0);
        for (const at of lab.aps) {
          expect(unpublished(lab, at.id), `seed ${seed}: unpublished at ${at.id}`).toBe(0);
          for (const of of lab.aps) {
            if (of === at) continue;
            // -1: orphans of power cycles hold all mirrors.
            expect(mirrorDifferences(lab, at.id, of.id), `seed ${seed}: ${of.id} at ${at.id}`).toBeLessThanOrEqual(0);
          }
        }
      }
    },
  );
});
