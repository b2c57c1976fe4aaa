import { afterEach, describe, expect, it } from "vitest";
import type { AgentStatus } from "../../src/control/status.ts";
import type { RoamCounters } from "../../src/proxy/roam-api.ts";
import { Lab } from "./support/lab.ts";
import { pause, until } from "./support/processes.ts";
import { hasFirmware, isRoot } from "./support/root.ts";
import { LOST_AFTER_MS } from "./support/traffic/plan.ts";

const SIZE = { clientFlows: 30, serverFlows: 6, idleFlows: 4, greetedFlows: 4, streams: 4, download: false } as const;
/** What was held back is published, and what was lost on the way repaired. */
const PUBLISHED_MS = 500;
const KNOWN_FOR_LOST_MS = LOST_AFTER_MS + 500;
/** A TCP that was not answered for 15 s waits for as long again before it asks. */
const BACK_OFF_MS = 30_000;

/** `play` gets flows that the neighbours know of; `spoil` sees to it that they don't, before there is any flow. */
interface Case {
  readonly name: string;
  readonly play: (lab: Lab) => Promise<void>;
  readonly spoil: (lab: Lab) => Promise<unknown>;
  /** How long TCP may wait before it tries again. */
  readonly backOffMs?: number;
}

const isolateOld = (lab: Lab) => lab.link!.isolate(1);
const isolateNew = (lab: Lab) => lab.link!.isolate(2);

const CASES: Case[] = [
  {
    name: "while its AP is cut off from the mesh",
    spoil: isolateOld,
    async play(lab) {
      await isolateOld(lab);
      await lab.roam(2);
    },
  },
  {
    name: "right after its AP died",
    spoil: (lab) => lab.aps[0]!.killAgent(),
    async play(lab) {
      const [ap] = lab.aps;
      await Promise.all([ap!.killAgent(), ap!.killDaemon(), lab.link!.isolate(1)]);
      await lab.roam(2);
    },
  },
  {
    name: "to an AP whose agent dies at that moment and is started again",
    spoil: isolateNew,
    async play(lab) {
      const roamed = lab.roam(2);
      await lab.aps[1]!.killAgent();
      await roamed;
      await lab.traffic.open(true);
      await pause(1_000);
      await lab.traffic.open(false);
      await lab.aps[1]!.startAgent();
      await pause(1_000);
    },
  },
  {
    name: "after it was heard nowhere for 15 s",
    spoil: isolateNew,
    play: (lab) => lab.roam(2, 15_000),
    backOffMs: BACK_OFF_MS,
  },
  {
    name: "to and fro every second",
    spoil: isolateNew,
    async play(lab) {
      for (let turn = 1; turn <= 21; turn++) {
        await lab.roam(turn % 2 === 0 ? 1 : 2);
        await pause(900);
      }
    },
  },
];

function open(prefix: string, aps: number): Promise<Lab> {
  return Lab.open({ prefix, kind: "bridged", aps, backhaul: "bad", size: SIZE, firewall: "replicating" });
}

/** Long-lived flows are open and published; nothing new is opened. */
async function start(lab: Lab): Promise<void> {
  await lab.traffic.start();
  await pause(1_000);
  await lab.traffic.open(false);
  await pause(PUBLISHED_MS);
}

async function expectKept({ play, backOffMs = 0 }: Case): Promise<void> {
  const lab = await open("rwhard", 3);
  try {
    await start(lab);
    await play(lab);
    await lab.link!.heal();
    await lab.traffic.open(true);
    await lab.traffic.wake();
    await pause(KNOWN_FOR_LOST_MS);
    const lost = async () => (await lab.traffic.report()).lost;
    await until("flows to come back", backOffMs, async () => (await lost()).length === 0 || undefined).catch(() => {});
    expect(await lost()).toEqual([]);
    const { client } = await lab.traffic.report();
    expect(client.connects.failed + client.lookups.failed).toBe(0);
    expect(onlyDenied(lab)).toEqual({});
  } finally {
    await lab.close();
  }
}

async function expectLost({ play, spoil }: Case): Promise<void> {
  const lab = await open("rwhardc", 2);
  try {
    await spoil(lab);
    await start(lab);
    await play(lab);
    await pause(KNOWN_FOR_LOST_MS);
    // UDP streams open anew by themselves, and who is silent has not noticed yet.
    const loud = lab.traffic.flows - SIZE.streams - SIZE.idleFlows;
    expect((await lab.traffic.report()).lost.length).toBeGreaterThan(0.9 * loud);
  } finally {
    await lab.close();
  }
}

describe.runIf(isRoot && hasFirmware)("a client that roams", () => {
  it.each(CASES.map((one) => [one.name, one] as const))(
    "%s keeps its flows, and loses them where nobody was told of them",
    async (_, one) => {
      const outcomes = await Promise.allSettled([expectKept(one), expectLost(one)]);
      for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    },
  );
});

function onlyDenied(lab: Lab) {
  return Object.fromEntries(Object.entries(lab.denied()).filter(([, count]) => count > 0));
}

describe.runIf(isRoot && hasFirmware)("a client whose frames several APs see", () => {
  let lab: Lab;
  afterEach(() => lab?.close());

  async function roams(): Promise<RoamCounters[]> {
    const each = await Promise.all(lab.aps.map((ap) => ap.ask<AgentStatus>("status")));
    return each.map(({ datapath }) => datapath!.roams as RoamCounters);
  }
  const claims = async () => (await roams()).reduce((sum, one) => sum + one.claims, 0);
  async function openAndTalk(): Promise<void> {
    lab = await open("rwtwin", 3);
    await lab.traffic.start();
    await until("the client's AP to claim it", 2_000, async () => (await claims()) > 0 || undefined);
    await pause(PUBLISHED_MS);
  }

  it("is claimed by nobody who only sends to it", async () => {
    await openAndTalk();
    const before = await claims();
    // The core has forgotten where it is, and floods what is for it.
    for (const ap of lab.topology.aps)
      lab.namespaces.exec("core", "bridge", "link", "set", "dev", `ap${ap}`, "learning", "off");
    lab.namespaces.ip("core", "link set br-mesh type bridge fdb_flush");
    await pause(KNOWN_FOR_LOST_MS);
    expect((await lab.traffic.report()).lost).toEqual([]);
    expect(await claims()).toBe(before);
  });

  it("is claimed to and fro by two who hear it, ever more rarely, and reported; its flows live", async () => {
    await openAndTalk();
    const before = await claims();
    // One radio cell, two APs in it: isolated ports hear the client, not each other.
    for (const ap of [1, 2])
      lab.namespaces.exec("radio", "bridge", "link", "set", "dev", `to-ap${ap}`, "isolated", "on", "learning", "off");
    lab.namespaces.ip("radio", "link set to-ap2 master cell1");
    lab.namespaces.exec("radio", "bridge", "link", "set", "dev", "to-ap2", "isolated", "on", "learning", "off");
    lab.namespaces.ip("radio", "link set cell1 type bridge fdb_flush");
    await pause(10_000);
    const { lost, client } = await lab.traffic.report();
    expect(lost).toEqual([]);
    expect(client.connects.failed + client.lookups.failed).toBe(0);
    const after = await roams();
    // Four a second each, and none would be rarer, if they did not draw back.
    expect(after.reduce((sum, one) => sum + one.claims, 0) - before).toBeLessThan(30);
    expect(after.reduce((sum, one) => sum + one.clonedMacs, 0)).toBeGreaterThan(0);
  });
});
