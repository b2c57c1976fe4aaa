import type { NeighbourStatus, ReplicationCounters } from "../../replication/status.ts";
import type { AgentStatus, DatapathStatus } from "../status.ts";
import { ask, SOCKET_OPTION } from "./ask.ts";
import { columns, durationText, printable, type Style, styleFor } from "./text.ts";
import { EXIT, JSON_OPTION, type Verb } from "./verb.ts";

const HEADING = [
  "ap",
  "name",
  "address",
  "state",
  "content",
  "behind",
  "lost",
  "round trip",
  "clock",
  "fill",
  "mirror",
  "keys",
];

/** Ticks are late by a busy machine's seconds; more is a roamwalld that was dead, or a clock that runs wrong. */
const CLOCK_GAIN_MS = 5_000;

export const neighboursVerb: Verb = {
  name: "neighbours",
  summary: "Lists neighbour APs, how far their tables are known here, and what is wrong between them and us.",
  arguments: [],
  options: [SOCKET_OPTION, JSON_OPTION],
  async run(call) {
    const neighbours = await ask<NeighbourStatus[]>(call, "neighbours");
    if (!neighbours) return EXIT.ok;
    const { isTerminal, hasColour } = call.terminal;
    const style = styleFor(isTerminal, isTerminal && hasColour);
    const { datapath } = (await ask<AgentStatus>(call, "status"))!;
    call.terminal.out(neighbours.length ? neighboursText(neighbours, style) : whyNone(datapath));
    if (datapath) call.terminal.out(unheardText(datapath, style));
    return EXIT.ok;
  },
};

/** With the sign of a clock that runs ahead. */
function secondsText(ms: number): string {
  return `${ms < 0 ? "-" : "+"}${(Math.abs(ms) / 1_000).toFixed(1)} s`;
}

/** A line each, and below a line for each trouble. */
export function neighboursText(neighbours: readonly NeighbourStatus[], style: Style): string {
  const rows = neighbours.map((n) => [
    n.id,
    printable(n.name),
    printable(n.address),
    n.state,
    contentOf(n),
    n.lagMs > 0 ? durationText(n.lagMs) : "-",
    `${percent(n.lossHere)} here, ${percent(n.lossThere)} there`,
    n.rttMs === null ? "-" : durationText(n.rttMs),
    n.clockMs === null ? "-" : secondsText(n.clockMs),
    percent(n.fill),
    n.mirror < 0 ? "-" : `${n.mirror}: ${n.mirroredCells} cells`,
    n.keys
      .filter((key) => key !== 0)
      .map((key) => key.toString(16).padStart(8, "0"))
      .join(" ") || "-",
  ]);
  return columns([HEADING, ...rows], style) + troubles(neighbours, style);
}

/** Nobody is there: what one can tell of the cause. */
function whyNone(datapath: DatapathStatus | undefined): string {
  if (datapath?.linkProblem !== undefined) return `no neighbours: ${printable(datapath.linkProblem)}\n`;
  const sent = datapath?.replication.datagramsSent ?? 0;
  return sent === 0
    ? "no neighbours: replication is off, or nothing was sent yet\n"
    : "no neighbours: nobody answers (is UDP let through, is the group or replication.peers right? roamwall doctor)\n";
}

function contentOf(n: NeighbourStatus): string {
  if (!n.compatible) return "rights only";
  if (n.syncing) return "syncing";
  if (n.gaps > 0) return `${n.edgeVer - n.knownVer} change sets behind`;
  return n.givenUp > 0 ? `${n.givenUp} change sets lost` : "complete";
}

/** Who sends and cannot be read: what one looks for when a neighbour is missing. */
export function unheardText({ unheard, replication }: DatapathStatus, style: Style): string {
  const lines = unheard.map(({ address, reason, count }) => `${address} is not understood: ${reason} (${count} times)`);
  if ((replication as ReplicationCounters).duplicateIds > 0)
    lines.push("another AP uses our number: give each its own");
  return lines.length === 0 ? "" : `\n${lines.map((line) => style.bad(printable(line))).join("\n")}\n`;
}

/** In the order of the table; what is well is not said. */
const TROUBLES: readonly ((n: NeighbourStatus) => readonly string[])[] = [
  (n) => (n.state === "fresh" ? [] : n.differences.map((text) => `not mirrored: ${text}`)),
  (n) => (n.compatible && n.mirror < 0 ? ["not mirrored: no mirror left; its clients are handed over"] : []),
  (n) => (n.state === "suspect" || n.state === "dead" ? [`silent for ${durationText(n.silentMs)}`] : []),
  (n) => (isHeard(n) && n.groupHere && !n.heardGroup ? ["multicast from it does not come, unicast does"] : []),
  (n) => (isHeard(n) && n.heardGroup && !n.heardAlone ? ["unicast from it does not come, multicast does"] : []),
  (n) => (Math.abs(n.clockMs ?? 0) > CLOCK_GAIN_MS ? [`its table's clock is off by ${secondsText(n.clockMs!)}`] : []),
  (n) => (n.slow ? ["slow: it loses more than its share of our rate repairs, and waits for a snapshot"] : []),
  (n) => (n.slowHere ? ["we lose more of it than it repairs, and wait for a snapshot"] : []),
  (n) => (n.mode === "ftfw" || n.mode === "" ? [] : [`its mode is ${n.mode}: what it loses it does not repair`]),
];

const isHeard = (n: NeighbourStatus) => n.state === "alive" || n.state === "suspect";

function troubles(neighbours: readonly NeighbourStatus[], style: Style): string {
  const lines = neighbours.flatMap((n) => TROUBLES.flatMap((find) => find(n)).map((text) => `ap ${n.id}: ${text}`));
  return lines.length === 0 ? "" : `\n${lines.map((line) => style.bad(printable(line))).join("\n")}\n`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
