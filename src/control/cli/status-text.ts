/** The state of an AP on one screen: what is well takes a line, what is not says so. */
import { REASONS } from "../../datapath/abi.ts";
import type { NeighbourStatus } from "../../replication/status.ts";
import type { MembersStatus } from "../identities.ts";
import { falsePositives } from "../metrics/table.ts";
import type { Risk } from "../risks/risk.ts";
import type { AgentStatus, DatapathStatus, MqttStatus, PortStatus } from "../status.ts";
import { fillText } from "./table.ts";
import {
  amount,
  type Cell,
  columns,
  durationText,
  facts,
  grouped,
  part,
  printable,
  type Style,
  strayText,
} from "./text.ts";

type Fact = readonly [label: string, value: Cell];

export function statusText(status: AgentStatus, neighbours: readonly NeighbourStatus[], style: Style): string {
  const { datapath } = status;
  const pairs = [
    ...agentFacts(status, style),
    ...outsideFacts(status, style),
    ...(datapath ? datapathFacts(datapath, style) : [waiting(style)]),
    ...(datapath ? neighbourFacts(neighbours, datapath, style) : []),
  ];
  return facts(pairs, style) + (datapath ? tables(datapath, style) : "") + riskText(status.risks, style);
}

function waiting(style: Style): Fact {
  return ["datapath", style.bad("waiting for roamwalld; an eBPF filter goes on by the last policy, if one was loaded")];
}

function agentFacts(status: AgentStatus, style: Style): Fact[] {
  const { name, id, uptimeMs, mode, modes, trial, policy, engine } = status;
  const source = policy.revision === undefined ? printable(policy.file) : `the network's, revision ${policy.revision}`;
  const lines: Fact[] = [
    ["ap", `${style.bold(printable(name))} (${id}), up ${durationText(uptimeMs)}`],
    ["mode", mode === "enforce" ? mode : style.warn(`${mode}: denials pass`)],
    ["policy", `${source}: ${policy.roles} roles, ${policy.clients} clients, ${policy.filters} filters`],
  ];
  for (const what of engine.cannot) lines.push(["cannot", style.warn(`${what} (${engine.name})`)]);
  const beside = modes.filter(({ scope }) => scope !== "ap");
  if (beside.length > 0) lines.push(["modes", style.warn(`${beside.length} set beside the policy (roamwall mode)`)]);
  if (trial) {
    const text = `${printable(trial.file)}, back in ${trial.leftSeconds} s (roamwall confirm, or revert)`;
    lines.push(["on trial", style.warn(text)]);
  }
  for (const { severity, finding } of status.risks.filter((risk) => risk.severity !== "low"))
    lines.push(["risk", (severity === "high" ? style.bad : style.warn)(printable(finding))]);
  if (policy.problem !== undefined) lines.push(["refused", style.bad(printable(policy.problem))]);
  return lines;
}

/** Members, broker, RADIUS and status page, where they are set. */
function outsideFacts({ members, mqtt, radius, page }: AgentStatus, style: Style): Fact[] {
  const lines: Fact[] = [];
  if (members) lines.push(["members", membersText(members, style)]);
  if (mqtt) lines.push(["broker", `${printable(mqtt.url)}: ${brokerText(mqtt, style)}`]);
  if (radius) {
    const servers = radius.relays[0]?.servers ?? [];
    const shown = servers.map(({ server, isUp }) => (isUp ? server : style.bad(`${server} silent`)));
    lines.push(["radius", `${grouped(radius.sessions)} sessions; servers: ${shown.join(", ")}`]);
    if (radius.das && !radius.das.isClockGood)
      lines.push(["clock", style.bad("not set: replayed CoA requests are known by memory alone")]);
  }
  if (page?.problem !== undefined) lines.push(["page", style.bad(`not served: ${printable(page.problem)}`)]);
  return lines;
}

function membersText({ revision, members, isListed, problem }: MembersStatus, style: Style): string {
  const list = revision === 0 ? style.bad("no list") : `revision ${revision}, ${members.length} access points`;
  const own = isListed ? "" : style.bad("; this one is not on it: nobody listens to it");
  return `${list}${own}${problem === undefined ? "" : style.bad(`; refused: ${printable(problem)}`)}`;
}

function brokerText({ connected, problem, eventsLost }: MqttStatus, style: Style): string {
  const lost = eventsLost ? `, ${grouped(eventsLost)} events lost` : "";
  return `${connected ? style.good("connected") : style.bad(`away: ${printable(problem) || "connecting"}`)}${lost}`;
}

function datapathFacts(datapath: DatapathStatus, style: Style): Fact[] {
  const { table, cells, usedCells, passed, bytes, clientsHere, clientsKnown, readiness, eventsLost } = datapath;
  const lines: Fact[] = [
    ["clients", `${grouped(clientsHere)} here, ${grouped(clientsKnown)} known`],
    ["passed", `${grouped(passed)} packets, ${amount(bytes, style)}${style.isAligned ? "" : " bytes"}`],
    ["table", `${fillText(usedCells, cells, style)} (${table})`],
    ["by chance", strayText(falsePositives(datapath))],
  ];
  if (datapath.by && datapath.by !== "eBPF") lines.push(["filtered by", printable(datapath.by)]);
  if (readiness === "restoring" && datapath.replication.datagramsSent > 0)
    lines.push(["state", style.warn("restoring what neighbours kept of this table")]);
  if (eventsLost) lines.push(["events lost", style.warn(grouped(eventsLost))]);
  return lines;
}

function neighbourFacts(neighbours: readonly NeighbourStatus[], datapath: DatapathStatus, style: Style): Fact[] {
  const alive = neighbours.filter(({ state }) => state === "alive");
  const mirrored = alive.filter(({ mirror, syncing }) => mirror >= 0 && !syncing);
  const unheard = datapath.unheard.length;
  const text = [
    neighbours.length === 0 ? noneText(datapath) : `${mirrored.length} of ${neighbours.length} mirrored`,
    ...(alive.length < neighbours.length ? [style.bad(`${neighbours.length - alive.length} silent`)] : []),
    ...(unheard > 0 ? [style.bad(`${unheard} not understood (roamwall neighbours)`)] : []),
  ];
  const mirrors = mirrored.map(({ name, id, fill }) => `${printable(name) || id} ${Math.round(fill * 100)} %`);
  return [["neighbours", text.join(", ")], ...(mirrors.length ? [["mirrors", mirrors.join(", ")] as const] : [])];
}

function portState({ attached, present, unfilteredMs }: PortStatus, style: Style): Cell {
  if (attached) return "filtered";
  return style.bad(present ? `NOT FILTERED for ${durationText(unfilteredMs)}` : "gone");
}

/** With the remedy: who reads it here need not ask anywhere else. */
function riskText(risks: readonly Risk[], style: Style): string {
  const lines = risks.flatMap(({ severity, finding, remedy }) => {
    const shown = severity === "high" ? style.bad(printable(finding)) : style.warn(printable(finding));
    return [`${severity}: ${shown}\n  remedy: ${printable(remedy)}\n`];
  });
  return lines.length ? part("risks", style) + lines.join("") : "";
}

function noneText({ linkProblem, replication }: DatapathStatus): string {
  if (linkProblem !== undefined) return `none: ${printable(linkProblem)}`;
  return replication.datagramsSent === 0 ? "none: replication is off, or begins" : "none";
}

function tables({ denied, ports }: DatapathStatus, style: Style): string {
  const meaning = new Map<string, string>(REASONS.map(([name, text]) => [name, text]));
  const counts = Object.entries(denied).map(([reason, count]) => [reason, count, meaning.get(reason) ?? ""]);
  const lines = ports.map((port) => [
    printable(port.name),
    portState(port, style),
    port.zone,
    durationText(port.openMs),
  ]);
  return [
    counts.length ? part("denied", style) + columns([["reason", "packets", "meaning"], ...counts], style) : "",
    lines.length ? part("ports", style) + columns([["port", "state", "zone", "was open for"], ...lines], style) : "",
  ].join("");
}
