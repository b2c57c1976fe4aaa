import type { AgentStatus } from "../../../src/control/status.ts";
import type { Reason } from "../../../src/datapath/abi.ts";
import type { ReplicationCounters } from "../../../src/replication/status.ts";
import { randomOf } from "../../../src/simulate/random.ts";
import type { LinkReport, Misbehaviour } from "./bad-link.ts";
import { Lab, type LabOptions } from "./lab.ts";
import { pause } from "./processes.ts";
import { type Death, LOST_AFTER_MS, type TrafficSize } from "./traffic/plan.ts";
import type { PingReport, TrafficReport } from "./traffic.ts";

const WARM_UP_MS = 1_500;
/** A flow that the last roam killed is known for lost, and so is a connection that was then being opened. */
const AFTER_MS = LOST_AFTER_MS + 2_500;
const SETTLED_MS: readonly [number, number] = [1_000, 2_000];
/** The state of the last roam is still under way. */
const HASTY_MS: readonly [number, number] = [60, 200];
const HASTY_SHARE = 0.2;
const PING_PONG_SHARE = 0.4;
/** Long enough that nobody waits for the AP that was left. */
const CUT_MS = 400;
/**
 * The end of a burst is missed at the first EDGE (20 ms), asked for after 5 to 45 ms and repaired at once: a flow that
 * was opened longer ago than this was known to the neighbours if each of these datagrams came.
 */
export const REPAIR_ROUND_MS = 70;

export interface MeshPlan {
  readonly prefix: string;
  readonly aps: number;
  readonly size: TrafficSize;
  readonly roams: number;
  readonly seed: number;
  readonly firewall: LabOptions["firewall"];
  readonly mode?: NonNullable<LabOptions["mode"]>;
  readonly engine?: NonNullable<LabOptions["engine"]>;
  readonly link: Misbehaviour;
  /** The AP that is left is cut off at that moment, until the client is settled: nothing but mirrors can serve it. */
  readonly cut?: boolean;
  readonly built?: LabOptions["built"];
  /** After each roam. */
  readonly progress?: (text: string) => void;
}

/** Of the gaps in what each flow hears, from one roam to the next; ms. */
export interface Gaps {
  /** Over all flows and roams. */
  readonly median: number;
  readonly p99: number;
  /** The longest of any flow in a roam: in the median roam, and in the worst. */
  readonly longestMedian: number;
  readonly longest: number;
}

export interface MeshResult {
  readonly firewall: LabOptions["firewall"];
  readonly mode: string;
  readonly cut: boolean;
  readonly link: Misbehaviour;
  readonly aps: number;
  readonly roams: number;
  readonly flows: number;
  readonly flowsLost: number;
  /** Opened and closed while the client roamed. */
  readonly connections: { readonly done: number; readonly lost: number };
  readonly lookups: { readonly done: number; readonly failed: number };
  readonly pings: PingReport;
  /** Of what was lost, in ms: how old it had become. */
  readonly agesOfLost: number[];
  /** Of these, older than one repair round. */
  readonly lostOld: number;
  /** Nothing but valid packets is sent. */
  readonly denied: Partial<Record<Reason, number>>;
  readonly deniedInAll: number;
  readonly tcp: Gaps;
  readonly udp: Gaps;
  readonly did: LinkReport;
  readonly replication: { readonly datagrams: number; readonly nacks: number; readonly repairs: number };
  /** Whatever was lost, by id or name. */
  readonly lost: (number | string)[];
}

/** A client roams through a mesh whose link misbehaves; everything that it does is valid. */
export async function runMesh(plan: MeshPlan): Promise<MeshResult> {
  const { prefix, aps, size, firewall, mode, engine, built } = plan;
  const lab = await Lab.open({
    prefix,
    kind: "bridged",
    aps,
    backhaul: "bad",
    size,
    firewall,
    ...(mode && { mode }),
    ...(engine && { engine }),
    ...(built && { built }),
  });
  try {
    await lab.link!.behave(plan.link);
    await lab.traffic.start();
    lab.traffic.startPings();
    await pause(WARM_UP_MS);
    const gaps = await roamAbout(lab, plan);
    await lab.traffic.wake();
    await lab.traffic.open(false);
    await pause(AFTER_MS);
    return await conclude(lab, plan, gaps);
  } finally {
    await lab.close();
  }
}

interface RoamGaps {
  readonly tcp: number[];
  readonly udp: number[];
}

async function roamAbout(lab: Lab, { roams, seed, aps, cut, progress }: MeshPlan): Promise<RoamGaps[]> {
  const random = randomOf(seed);
  const gaps: RoamGaps[] = [];
  let before = lab.topology.ap;
  for (let roam = 1; roam <= roams; roam++) {
    const here = lab.topology.ap;
    const others = Array.from({ length: aps }, (_, i) => i + 1).filter((ap) => ap !== here);
    const to = before !== here && random() < PING_PONG_SHARE ? before : others[Math.floor(random() * others.length)]!;
    before = here;
    await lab.traffic.mark();
    if (cut) await lab.link!.isolate(here);
    await lab.roam(to);
    if (cut) await pause(CUT_MS).then(() => lab.link!.heal());
    const [min, max] = random() < HASTY_SHARE ? HASTY_MS : SETTLED_MS;
    await pause(min + random() * (max - min));
    const report = await lab.traffic.report();
    gaps.push(gapsOf(report));
    progress?.(
      `roam ${roam} of ${roams}, to AP ${to}: ${lab.traffic.flows - report.lost.length} of ${lab.traffic.flows} flows live`,
    );
  }
  return gaps;
}

function gapsOf({ client, server }: TrafficReport): RoamGaps {
  return {
    tcp: [...client.flows.gapsMs, ...server.flows.gapsMs],
    udp: [...client.stream.gapsMs, ...server.stream.gapsMs],
  };
}

async function conclude(lab: Lab, plan: MeshPlan, gaps: RoamGaps[]): Promise<MeshResult> {
  const { firewall, mode = "ftfw", cut = false, link, aps, roams } = plan;
  const report = await lab.traffic.report();
  const { connects, lookups } = report.client;
  const denied = lab.aps.length === 0 ? [] : Object.entries(lab.denied()).filter(([, count]) => count > 0);
  const ages = report.deaths.map(({ ageMs }) => Math.round(ageMs));
  return {
    firewall,
    mode,
    cut,
    link,
    aps,
    roams,
    flows: lab.traffic.flows,
    flowsLost: report.lost.length,
    connections: { done: connects.done, lost: connects.failed },
    lookups,
    pings: await lab.traffic.pings(),
    agesOfLost: ages,
    lostOld: oldOnes(report.deaths).length + report.lost.filter((one) => typeof one === "string").length,
    denied: Object.fromEntries(denied),
    deniedInAll: denied.reduce((sum, [, count]) => sum + count, 0),
    tcp: summarise(gaps.map(({ tcp }) => tcp)),
    udp: summarise(gaps.map(({ udp }) => udp)),
    did: await lab.link!.report(),
    replication: await replicationOf(lab),
    lost: report.lost,
  };
}

/** Each flow once: both ends may tell of it. */
function oldOnes(deaths: readonly Death[]): number[] {
  return [...new Set(deaths.filter(({ ageMs }) => ageMs > REPAIR_ROUND_MS).map(({ id }) => id))];
}

async function replicationOf(lab: Lab): Promise<MeshResult["replication"]> {
  const each = await Promise.all(lab.aps.map((ap) => ap.ask<AgentStatus>("status")));
  const counters = each.map(({ datapath }) => datapath!.replication as Partial<ReplicationCounters>);
  const sum = (name: "datagramsSent" | "nacksSent" | "repairsSent") =>
    counters.reduce((total, one) => total + (one?.[name] ?? 0), 0);
  return { datagrams: sum("datagramsSent"), nacks: sum("nacksSent"), repairs: sum("repairsSent") };
}

function summarise(roams: readonly number[][]): Gaps {
  const longest = roams.map((one) => Math.max(...one, 0));
  const all = roams.flat();
  return {
    median: quantile(all, 0.5),
    p99: quantile(all, 0.99),
    longestMedian: quantile(longest, 0.5),
    longest: quantile(longest, 1),
  };
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
}
