import type { Reason } from "../../src/datapath/abi.ts";
import { type DatapathKind, isHidden, queueAt, showBridged } from "../../test/lab/support/datapath.ts";
import type { Engine } from "../../test/lab/support/engine.ts";
import { Lab, type LabOptions } from "../../test/lab/support/lab.ts";
import { pause } from "../../test/lab/support/processes.ts";
import type { Ap, Kind } from "../../test/lab/support/topology.ts";
import { LOST_AFTER_MS } from "../../test/lab/support/traffic/plan.ts";
import type { TrafficReport } from "../../test/lab/support/traffic.ts";
import { type DemoDetails, type DemoResult, grouped } from "./result.ts";
import type { Screen } from "./screen.ts";

const PREFIX = "rwdemo";
const SIZE = { clientFlows: 200, serverFlows: 40, idleFlows: 16 } as const;
const ROAMS: readonly Ap[] = [2, 1, 2];
const WARM_UP_MS = 3_000;
/** A flow that a roam killed has been silent long enough to be known for dead. */
const AFTER_ROAM_MS = LOST_AFTER_MS + 2_000;
/** Frames that are under way have been judged. */
const DRAIN_MS = 200;
const PROGRESS_PERIOD_MS = 250;

const WHERE: Record<DatapathKind, string> = {
  ebpf: "kernel datapath",
  queue: "behind netfilter's queue",
  mixed: "kernel datapath at AP 1, netfilter's queue at AP 2",
};

export interface Stage {
  readonly kind: Kind;
  readonly engine: Engine;
  readonly datapath: DatapathKind;
  /** What each agent may use. */
  readonly memoryBytes: number | undefined;
  readonly screen: Screen;
  /** Tells whoever cleans up after Ctrl-C what there is. */
  readonly opened: (lab: Lab | undefined) => void;
}
type Story = { result: DemoResult; details: DemoDetails };

/** The roams, then the same without replication. */
export async function tellStory(stage: Stage): Promise<Story> {
  const { result, details } = await act(stage, "replicating", roamWithReplication);
  stage.screen.step("control: the same with replication off");
  const control = await act(stage, "alone", roamAlone);
  return {
    result: { ...result, control: { flowsLost: control.lost } },
    details: { ...details, controlFlows: control.of },
  };
}

async function act<T>(
  stage: Stage,
  firewall: LabOptions["firewall"],
  play: (lab: Lab, stage: Stage) => Promise<T>,
): Promise<T> {
  const { kind, engine, datapath, memoryBytes } = stage;
  const lab = await Lab.open({
    prefix: PREFIX,
    kind,
    engine,
    size: SIZE,
    firewall,
    built: (opened) => {
      stage.opened(opened);
      if (datapath !== "ebpf") showBridged(opened.namespaces, opened.topology.aps, kind);
    },
    each: (ap) => queueAt(ap, datapath),
    ...(memoryBytes !== undefined && { memoryBytes }),
  });
  let failed = true;
  try {
    const outcome = await play(lab, stage);
    failed = false;
    return outcome;
  } finally {
    if (failed) stage.screen.line(`logs are kept in ${lab.directory}`);
    await lab.close(failed);
    stage.opened(undefined);
  }
}

async function roamWithReplication(lab: Lab, stage: Stage): Promise<Story> {
  const { screen, kind } = stage;
  screen.step(`${kind}: a client, two APs whose firewalls enforce, a server; the APs know each other`);
  const startedMs = performance.now();
  const costAtStart = lab.replicated();
  await lab.traffic.start();
  lab.intruder.start();
  screen.step(`${lab.traffic.flows} flows are open; new connections and bad packets come all along`);
  await watch(lab, screen, WARM_UP_MS);

  const roams: DemoDetails["roams"] = [];
  for (const to of ROAMS) roams.push(await roam(lab, screen, to));

  await lab.traffic.wake();
  screen.step(`${SIZE.idleFlows} flows that were silent all the time speak`);
  await lab.traffic.open(false);
  const report = await watch(lab, screen, AFTER_ROAM_MS);
  lab.intruder.pause();
  await pause(DRAIN_MS);
  tellMemory(lab, screen);
  return conclude(lab, report, {
    title: `A client roams between two APs (${kind}; ${WHERE[stage.datapath]}, real traffic)`,
    stage,
    roams,
    seconds: (performance.now() - startedMs) / 1_000,
    cost: difference(lab.replicated(), costAtStart),
  });
}

function tellMemory({ aps }: Lab, screen: Screen): void {
  const peaks = aps.map((ap) => ap.memoryPeakBytes).filter((bytes) => bytes !== undefined);
  if (peaks.length > 0)
    screen.step(`agents used ${peaks.map((bytes) => (bytes / 2 ** 20).toFixed(1)).join(" and ")} MiB at most`);
}

async function roam(lab: Lab, screen: Screen, to: Ap): Promise<DemoDetails["roams"][number]> {
  await lab.traffic.mark();
  const costBefore = lab.replicated();
  await lab.roam(to);
  const report = await watch(lab, screen, AFTER_ROAM_MS);
  const { flows } = lab.traffic;
  const gapMs = report.longestGapMs;
  screen.step(
    `roam to AP ${to}: ${flows - report.lost.length} of ${flows} flows live, longest gap ${gapMs.toFixed(0)} ms`,
  );
  return { gapMs, cost: difference(lab.replicated(), costBefore) };
}

async function conclude(
  lab: Lab,
  { client, server, lost }: TrafficReport,
  measured: {
    title: string;
    stage: Stage;
    roams: DemoDetails["roams"];
    seconds: number;
    cost: { packets: number; bytes: number };
  },
): Promise<Story> {
  const { title, stage, roams, seconds, cost } = measured;
  const wronglyDenied = unexplained(lab, stage);
  const denied = Object.entries(lab.denied()).filter(([, count]) => count > 0) as [Reason, number][];
  const streamSent = client.stream.sent + server.stream.sent;
  return {
    result: {
      roams: roams.length,
      flows: lab.traffic.flows,
      flowsLost: lost.length,
      firewallDrops: Object.values(wronglyDenied).reduce((sum, n) => sum + Math.max(n, 0), 0),
      longestGapMs: Math.round(Math.max(...roams.map((one) => one.gapMs))),
      replication: { ...cost, expectations: await lab.publishedExpectations() },
      control: { flowsLost: 0 },
      denied: Object.fromEntries(denied),
    },
    details: {
      title,
      roams,
      connects: client.connects,
      lookups: client.lookups,
      download: { bytes: client.download.bytes, seconds },
      stream: { sent: streamSent, lost: streamSent - client.stream.received - server.stream.received },
      bad: { sent: lab.intruder.sentInAll, passed: seenPassing(lab, stage) },
      wronglyDenied,
      controlFlows: 0,
    },
  };
}

/** Before netfilter's queue the kernel drops some bad packets by itself, and counts them nowhere. */
function unexplained(lab: Lab, { datapath }: Stage): DemoDetails["wronglyDenied"] {
  const all = Object.entries(lab.unexplainedDenials()) as [Reason, number][];
  return Object.fromEntries(all.filter(([, count]) => datapath === "ebpf" || count > 0));
}

function seenPassing({ intruder }: Lab, { datapath, kind, screen }: Stage): string[] {
  const seen = intruder.passed.filter((name) => datapath === "ebpf" || !isHidden(name, kind));
  const hidden = intruder.passed.length - seen.length;
  if (hidden > 0)
    screen.line(
      `${hidden} bad frames passed that a bridge does not show to iptables: no IP, or in a VLAN tag (docs/datapaths.md)`,
    );
  return seen;
}

async function roamAlone(lab: Lab, { screen }: Stage): Promise<{ lost: number; of: number }> {
  await lab.traffic.start();
  await watch(lab, screen, WARM_UP_MS / 2);
  await lab.roam(ROAMS[0]!);
  await lab.traffic.wake();
  const report = await watch(lab, screen, AFTER_ROAM_MS);
  const of = lab.traffic.flows;
  screen.step(`control: after one roam ${report.lost.length} of ${of} flows are dead`);
  return { lost: report.lost.length, of };
}

/** Lets the traffic run, shows how it stands, and returns how it stood at the end. */
async function watch(lab: Lab, screen: Screen, forMs: number): Promise<TrafficReport> {
  const untilMs = performance.now() + forMs;
  for (;;) {
    await pause(Math.min(PROGRESS_PERIOD_MS, Math.max(untilMs - performance.now(), 0)));
    const report = await lab.traffic.report();
    if (performance.now() >= untilMs) return report;
    screen.state(describe(lab, report));
  }
}

function describe(lab: Lab, { client, server, lost }: TrafficReport): string {
  const { flows } = lab.traffic;
  return [
    `client at AP ${lab.topology.ap}`,
    `${flows - lost.length}/${flows} flows`,
    `${grouped(client.flows.messages + server.flows.messages)} messages`,
    `${grouped(client.connects.done)} connections`,
    `${grouped(client.download.bytes / 1e6)} MB`,
    `bad: ${grouped(lab.intruder.sentInAll)} sent, ${grouped(lab.intruder.passed.length)} passed`,
  ].join(" | ");
}

function difference(after: { packets: number; bytes: number }, before: { packets: number; bytes: number }) {
  return { packets: after.packets - before.packets, bytes: after.bytes - before.bytes };
}
