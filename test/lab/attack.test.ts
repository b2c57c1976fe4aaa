import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AgentStatus } from "../../src/control/status.ts";
import type { NeighbourStatus, ReplicationCounters } from "../../src/replication/status.ts";
import { Lab } from "./support/lab.ts";
import { pause } from "./support/processes.ts";
import { flipped, flood, fromStranger, isSealed, recordFrames, truncated } from "./support/recording.ts";
import { hasFirmware, isRoot } from "./support/root.ts";
import { STRANGER } from "./support/topology.ts";
import { LOST_AFTER_MS } from "./support/traffic/plan.ts";

const SIZE = { clientFlows: 30, serverFlows: 6, idleFlows: 4, streams: 2, download: false } as const;
const RECORDED = 100;
const UNSEEN = 100;
/** Each recorded datagram is sent so often, differently wrong each time. */
const TIMES = 60;
const SETTLED_MS = 1_500;
/** Hellos and refreshed timers go on meanwhile: a few a second and AP. */
const OWN_DATAGRAMS_MAX = 200;

type Bend = (frame: Uint8Array, turn: number) => Uint8Array;
const REPLAYS: [name: string, bend: Bend][] = [
  ["replayed as they were, from their own address", (frame) => frame],
  ["replayed from a stranger's address", fromStranger],
];
/** A datagram in clear text (its version says so) can be bent: that is what sealing is for. */
const BENT: [name: string, bend: Bend][] = [
  ["with one bit turned", (frame, turn) => flipped(frame, turn * 8_191 + frame.length)],
  ["with one bit turned, from a stranger's address", (frame, turn) => flipped(fromStranger(frame), turn * 7_919)],
  ["cut short", (frame, turn) => truncated(frame, 1 + ((turn * 13) % frame.length))],
];

interface Seen {
  readonly taken: number;
  readonly dropped: number;
  readonly sent: number;
  /** What no datagram of a stranger may change. */
  readonly state: object;
}

describe.runIf(isRoot && hasFirmware)("who sends to the mesh without its key", () => {
  let lab: Lab;

  beforeEach(async () => {
    lab = await openLab("rwattack");
  });
  afterEach(() => lab?.close());

  async function openLab(prefix: string): Promise<Lab> {
    return await Lab.open({ prefix, kind: "bridged", aps: 3, backhaul: "bad", size: SIZE, firewall: "replicating" });
  }

  /** Datagrams of a mesh at work; afterwards nothing is opened any more. */
  async function recordWork(from: Lab, count: number): Promise<Uint8Array[]> {
    const recording = recordFrames(from, count);
    await from.traffic.start();
    const frames = await recording;
    await from.traffic.open(false);
    await pause(SETTLED_MS);
    return frames;
  }

  async function look(): Promise<Seen> {
    const each = await Promise.all(
      lab.aps.map(async (ap) => ({
        counters: (await ap.ask<AgentStatus>("status")).datapath!.replication as ReplicationCounters,
        neighbours: await ap.ask<NeighbourStatus[]>("neighbours"),
      })),
    );
    const sum = (of: (counters: ReplicationCounters) => number) =>
      each.reduce((total, { counters }) => total + of(counters), 0);
    return {
      taken: sum((one) => one.datagramsTaken),
      dropped: sum((one) => Object.values(one.datagramsDropped).reduce((total, n) => total + n, 0)),
      sent: sum((one) => one.datagramsSent),
      state: each.map(({ counters, neighbours }) => ({
        asked: [counters.snapshotsAsked, counters.digestMismatches, counters.nacksSent],
        malformed: counters.malformedRecords,
        neighbours: neighbours.map(({ id, state, mirror, address, syncing, gaps }) =>
          JSON.stringify({ id, state, mirror, address, syncing, gaps }),
        ),
      })),
    };
  }

  async function expectUnmoved(frames: readonly Uint8Array[]): Promise<void> {
    const before = await look();
    await flood(lab, frames);
    await pause(200);
    const after = await look();
    expect(after.state).toEqual(before.state);
    expect(after.dropped - before.dropped).toBeGreaterThanOrEqual(frames.length);
    expect(after.sent - before.sent).toBeLessThan(OWN_DATAGRAMS_MAX);
    expect(after.taken - before.taken).toBeLessThan(2 * OWN_DATAGRAMS_MAX);
  }

  async function expectUnharmed(): Promise<void> {
    const { lost, client } = await lab.traffic.report();
    expect(lost).toEqual([]);
    expect(client.connects.failed + client.lookups.failed).toBe(0);
    expect(Object.entries(lab.denied()).filter(([, count]) => count > 0)).toEqual([]);
  }

  it("gets nothing in of what it recorded, and cannot bend it so that it gets in", async () => {
    const recorded = await recordWork(lab, RECORDED);
    for (const [name, bend] of isSealed(recorded[0]!) ? [...REPLAYS, ...BENT] : REPLAYS) {
      const frames = Array.from({ length: RECORDED * TIMES }, (_, i) => bend(recorded[i % RECORDED]!, i));
      await expectUnmoved(frames).catch((error: Error) => {
        error.message = `${name}: ${error.message}`;
        throw error;
      });
    }
    await lab.roam(2);
    await pause(LOST_AFTER_MS + 500);
    await expectUnharmed();
  });

  it("gets nothing in of what another mesh said", async () => {
    const other = await openLab("rwothers");
    const recorded = await recordWork(other, RECORDED).finally(() => other.close());
    await lab.traffic.start();
    await lab.traffic.open(false);
    await pause(SETTLED_MS);
    await expectUnmoved(Array.from({ length: RECORDED * TIMES }, (_, i) => recorded[i % RECORDED]!));
    await expectUnharmed();
  });

  /** What AP 3 alone has not seen. */
  async function recordUnseen(count: number): Promise<Uint8Array[]> {
    await recordWork(lab, RECORDED);
    await lab.link!.isolate(3);
    const recording = recordFrames(lab, count);
    await lab.traffic.open(true);
    const frames = await recording;
    await lab.traffic.open(false);
    await lab.link!.heal();
    return frames;
  }

  it("is no hindrance, as a network is that delivers late: what nobody has seen is taken", async () => {
    const frames = await recordUnseen(UNSEEN);
    const before = await look();
    await flood(lab, frames);
    await pause(200);
    expect((await look()).taken - before.taken).toBeGreaterThan(0.8 * frames.length);
  });

  it("cannot draw to itself what is meant for another by delivering late", async () => {
    const frames = await recordUnseen(UNSEEN);
    await pause(SETTLED_MS);
    const before = await look();
    await flood(lab, frames.map(fromStranger));
    const after = await look();
    expect(after.taken - before.taken).toBeGreaterThan(0.8 * frames.length);
    expect(JSON.stringify(after.state)).not.toContain(STRANGER.v4);
  });
});
