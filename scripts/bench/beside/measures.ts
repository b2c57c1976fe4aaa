/** What is measured of each system; a measure returns samples by row name. */
import { cpuSecondsOf, type Lab, type LineTool, sleep } from "../lab.ts";
import { type Cores, halves, loseOnMesh, pin, type System } from "./system.ts";

export const LOSSES = [0, 5, 20] as const;
const CONNECTIONS = 3_000;
const CONNECTIONS_PER_SECOND = 1_000;
const REPLY_BYTES = 4_096;
/** Longer than anything is held back or gathered. */
const DRAIN_MS = 1_500;
const STATES = 20_000;
const SYNC_TIMEOUT_MS = 60_000;
const TAKEOVER_TIMEOUT_MS = 5_000;
const ROAMING_FLOWS = 200;
const ROAM_PERIOD_MS = 50;
const RATE_CONNECTIONS = 6_000;
/** Compiled code is what runs for months: it takes some thousand waking ups. */
const WARMING_CONNECTIONS = 15_000;
const PER = 10_000;

type Five = [number, number, number, number, number];

export interface Bench {
  readonly lab: Lab;
  readonly system: System;
  readonly mesh: LineTool;
  readonly roamer: LineTool;
  readonly cores: Cores;
  /** The core of the traffic. */
  readonly trafficCpu: number;
}

/** By row; undefined: it did not come to its end. */
export type Samples = Map<string, Array<number | undefined>>;

export function sample(samples: Samples, row: string, value: number | undefined): void {
  samples.set(row, [...(samples.get(row) ?? []), value]);
}

async function openFlows({ lab, system }: Bench, count: number, first: number): Promise<void> {
  const batch = 1_000;
  for (let at = 0; at < count; at += batch) {
    const flows = Math.min(batch, count - at);
    // Opened, answered, and sent again: established in anybody's terms.
    for (const way of ["up", "down", "up"] as const) await lab.burst(system.path, way, flows, first + at, flows);
    await sleep(20);
  }
}

/** Waits until what the neighbour holds has not changed for a while. */
async function settle({ system }: Bench, atLeast: number): Promise<void> {
  let before = -1;
  for (let i = 0; i < 20; i++) {
    await sleep(DRAIN_MS / 3);
    const held = await system.held();
    if (held === before && held >= atLeast) return;
    before = held;
  }
}

export async function connections(b: Bench, samples: Samples, round: number): Promise<void> {
  const { lab, system, mesh } = b;
  const how = { perSecond: CONNECTIONS_PER_SECOND, replyBytes: REPLY_BYTES, parallel: 64 };
  if (round === 0) await lab.connect(system.path, WARMING_CONNECTIONS, how);
  await system.tidy();
  await sleep(DRAIN_MS);
  await mesh.ask("reset");
  const before = { cpu: system.cpuSeconds(), traffic: cpuSecondsOf(lab.trafficPid) };
  const done = await lab.connect(system.path, CONNECTIONS, how);
  if (done.failed > 0) throw new Error(`${done.failed} of ${CONNECTIONS} connections failed`);
  await sleep(DRAIN_MS);
  const [packets, bytes] = (await mesh.numbers("read both all")) as [number, number];
  sample(samples, "bytesPerConnection", bytes / CONNECTIONS);
  sample(samples, "packetsPerConnection", packets / CONNECTIONS);
  sample(samples, "cpuPer10k", ((system.cpuSeconds() - before.cpu) * PER) / CONNECTIONS);
  sample(samples, "pathCpuPer10k", ((cpuSecondsOf(lab.trafficPid) - before.traffic) * PER) / CONNECTIONS);
  await system.tidy();
}

/** Both at each loss: the neighbour gets 20,000 states, then the client comes to it. */
export async function syncs(b: Bench, samples: Samples, losses: readonly number[]): Promise<void> {
  for (const loss of losses) {
    await b.system.clear();
    await openFlows(b, STATES, 0);
    await settle(b, STATES);
    loseOnMesh(b.lab, b.system.path, loss);
    try {
      // Each access point has its own processor, and nobody sends meanwhile.
      b.system.placeNeighbour(b.trafficCpu);
      const done = await b.system.sync(STATES, SYNC_TIMEOUT_MS);
      b.system.placeNeighbour(b.cores.neighbour);
      sample(samples, `sync20k.${loss}`, done.ms);
      if (done.ms === undefined) sample(samples, `sync20k.${loss}.held`, done.held);
      const line = `takeover ${STATES} 0 ${TAKEOVER_TIMEOUT_MS} ${b.system.onArrival}`;
      const [ns, passed, denied, retried, again] = (await b.roamer.numbers(line)) as Five;
      sample(samples, `takeover20k.${loss}.denying`, retried / 1e6);
      sample(samples, `takeover20k.${loss}.denied`, denied);
      sample(samples, `takeover20k.${loss}`, passed < STATES ? undefined : ns / 1e6);
      if (passed < STATES) sample(samples, `takeover20k.${loss}.passed`, passed);
      else if (loss === 0) sample(samples, "takeover20k.sending", again / 1e6);
    } finally {
      loseOnMesh(b.lab, b.system.path, 0);
    }
  }
}

/** A roam of 200 flows that the server sends on, alone or with 20,000 silent ones of the same client. */
export async function roams(b: Bench, samples: Samples): Promise<void> {
  for (const others of [0, STATES]) {
    await b.system.clear();
    await openFlows(b, ROAMING_FLOWS, 0);
    if (others > 0) await openFlows(b, others, ROAMING_FLOWS);
    await settle(b, ROAMING_FLOWS + others);
    const line = `roam ${ROAMING_FLOWS} 0 ${ROAM_PERIOD_MS} 1000 2500 ${b.system.onArrival}`;
    const [kept, gapUs, , sent, passed] = (await b.roamer.numbers(line)) as Five;
    const name = others > 0 ? "roam.20kOthers" : "roam.alone";
    sample(samples, `${name}.kept`, kept);
    sample(samples, `${name}.gap`, gapUs / 1000);
    sample(samples, `${name}.denied`, sent - passed);
  }
}

/** Connections a second when access points, their processes and the traffic share one core. */
export async function rate(b: Bench, samples: Samples): Promise<void> {
  pin(b.system.pids, b.trafficCpu);
  try {
    const done = await b.lab.connect(b.system.path, RATE_CONNECTIONS);
    if (done.failed > 0) throw new Error(`${done.failed} of ${RATE_CONNECTIONS} connections failed`);
    sample(samples, "rate.oneCore", done.perSecond);
    await sleep(DRAIN_MS);
    await b.system.tidy();
  } finally {
    const [own, neighbour] = halves(b.system.pids);
    pin(own, b.cores.own);
    pin(neighbour, b.cores.neighbour);
  }
}
