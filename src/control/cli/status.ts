import { REASONS } from "../../datapath/abi.ts";
import type { AgentStatus, DatapathStatus, MqttStatus } from "../status.ts";
import { ask, SOCKET_OPTION } from "./ask.ts";
import { bar, bytesText, columns, durationText, facts, grouped, printable, type Style, styleOf } from "./text.ts";
import { type Call, EXIT, JSON_OPTION, type Verb } from "./verb.ts";

export const statusVerb: Verb = {
  name: "status",
  summary: "Shows what the agent and its datapath do now. Exit code 1 while roamwalld is away.",
  arguments: [],
  options: [SOCKET_OPTION, JSON_OPTION],
  async run(call) {
    const status = await ask<AgentStatus>(call, "status");
    if (status) print(call, status);
    return status && !status.datapath ? EXIT.failure : EXIT.ok;
  },
};

function print({ terminal }: Call, status: AgentStatus): void {
  const style = styleOf(terminal);
  const { datapath, policy, mqtt } = status;
  const pairs: [string, string][] = [
    ["ap", `${style.bold(printable(status.name))} (${status.id}), up ${durationText(status.uptimeMs)}`],
    ["mode", status.mode === "enforce" ? status.mode : style.bad(`${status.mode}: denials pass`)],
    [
      "policy",
      `${policy.revision === undefined ? printable(policy.file) : `the network's, revision ${policy.revision}`}: ${policy.roles} roles, ${policy.clients} clients, ${policy.filters} filters`,
    ],
  ];
  for (const what of status.engine.cannot) pairs.push(["cannot", `${what} (${status.engine.name})`]);
  if (mqtt) pairs.push(["broker", `${printable(mqtt.url)}: ${brokerText(mqtt, style)}`]);
  if (status.radius) pairs.push(...radiusFacts(status.radius, style));
  if (policy.problem !== undefined) pairs.push(["refused", style.bad(printable(policy.problem))]);
  if (datapath) pairs.push(...datapathFacts(datapath));
  else
    pairs.push([
      "datapath",
      style.bad("waiting for roamwalld; the kernel filters by the last policy, if one was loaded"),
    ]);
  terminal.out(facts(pairs, style));
  if (datapath) terminal.out(tables(datapath, style));
}

function brokerText({ connected, problem, eventsLost }: MqttStatus, style: Style): string {
  const lost = eventsLost ? `, ${grouped(eventsLost)} events lost` : "";
  return `${connected ? style.good("connected") : style.bad(`away: ${printable(problem) || "connecting"}`)}${lost}`;
}

function radiusFacts({ sessions, relays, das }: NonNullable<AgentStatus["radius"]>, style: Style): [string, string][] {
  const servers = relays[0]?.servers ?? [];
  const shown = servers.map(({ server, isUp }) => (isUp ? server : style.bad(`${server} silent`)));
  const facts: [string, string][] = [["radius", `${grouped(sessions)} sessions; servers: ${shown.join(", ")}`]];
  if (das && !das.isClockGood)
    facts.push(["clock", style.bad("not set: replayed CoA requests are known by memory alone")]);
  return facts;
}

function datapathFacts(datapath: DatapathStatus): [string, string][] {
  const share = datapath.usedCells / datapath.cells;
  return [
    [
      "table",
      `${datapath.table}  ${bar(share, 24)}  ${grouped(datapath.usedCells)} of ${grouped(datapath.cells)} cells`,
    ],
    ["passed", `${grouped(datapath.passed)} packets, ${bytesText(datapath.bytes)}`],
    ["neighbours", String(datapath.neighbours)],
    ...(datapath.eventsLost ? ([["events lost", grouped(datapath.eventsLost)]] as [string, string][]) : []),
  ];
}

function tables(datapath: DatapathStatus, style: Style): string {
  const meaning = new Map<string, string>(REASONS.map(([name, text]) => [name, text]));
  const denied = Object.entries(datapath.denied).map(([reason, count]) => [reason, count, meaning.get(reason) ?? ""]);
  const ports = datapath.ports.map((p) => [printable(p.name), p.attached ? "filtered" : "gone", p.zone, p.openMs]);
  return [
    denied.length ? `\n${columns([["denied", "packets", "meaning"], ...denied], style)}` : "",
    ports.length ? `\n${columns([["port", "state", "zone", "open ms"], ...ports], style)}` : "",
  ].join("");
}
