import type { ClientView } from "../client-view.ts";
import { ask, SOCKET_OPTION } from "./ask.ts";
import { modeText, nameOf, whereText } from "./clients.ts";
import { VERDICT_HEADING, verdictCells } from "./flow-text.ts";
import {
  amount,
  type Cell,
  clockText,
  columns,
  durationText,
  facts,
  grouped,
  part,
  printable,
  type Style,
  styleOf,
} from "./text.ts";
import { EXIT, JSON_OPTION, type Verb } from "./verb.ts";

export const clientVerb: Verb = {
  name: "client",
  summary: "Tells all that is known of one client: role and who gave it, rules with their source, last denials, roams.",
  arguments: ["MAC"],
  options: [SOCKET_OPTION, JSON_OPTION],
  async run(call) {
    const view = await ask<ClientView>(call, "client", { mac: call.arguments[0] });
    if (view) call.terminal.out(clientText(view, styleOf(call.terminal)));
    return EXIT.ok;
  },
};

export function clientText(view: ClientView, style: Style): string {
  return [
    facts(clientFacts(view, style), style),
    table("rules", ["source", "rule", "at"], rulesOf(view), style),
    table(
      "denied of late",
      VERDICT_HEADING,
      view.denials.map((one) => verdictCells(one, style)),
      style,
    ),
    table("opened of late (a sample)", ["time", "by", "flow", "times"], flowsOf(view), style),
    table("roams", ["ago", "what", "ap", "complete after", "expectations", "by"], roamsOf(view), style),
  ].join("");
}

function clientFacts(view: ClientView, style: Style): (readonly [string, Cell])[] {
  const { limits, user, leftSeconds } = view;
  const role = view.role === null ? style.bad("none: everything is denied") : printable(view.role);
  const limit = (count: number) => (count === 0 ? "no limit" : `${count} a second`);
  return [
    ["client", style.bold(nameOf(view.mac))],
    ...(user === null ? [] : [["user", printable(user)] as const]),
    ["role", `${role} (${SOURCE_TEXT[view.source]})`],
    ["where", whereText(view)],
    ["mode", modeText(view, style)],
    ["may open", `${limit(limits.openOut)}; its peers: ${limit(limits.openIn)}`],
    ["unanswered", limits.halfOpen === 0 ? "no limit" : `${limits.halfOpen} at once, and as many of its peers`],
    ...(leftSeconds === null ? [] : [["rights end in", durationText(leftSeconds * 1000)] as const]),
    ["passed", `${grouped(view.passed)} packets, ${amount(view.bytes, style)}${style.isAligned ? "" : " bytes"}`],
    ["denied", `${grouped(view.denied)} packets`],
    ["expectations", grouped(view.cells)],
  ];
}

const SOURCE_TEXT: Readonly<Record<ClientView["source"], string>> = {
  unknown: "as everybody unknown",
  file: "from the policy file",
  mqtt: "from the network's policy",
  mesh: "given at another AP",
  radius: "from its login by RADIUS",
  coa: "from a change by RADIUS",
  none: "nobody lists it, and there is no role for unknown ones",
};

function rulesOf({ rules, ownFilters }: ClientView): Cell[][] {
  const rows = rules.map(({ source, rule, place }) => [source, printable(rule), printable(place)]);
  if (ownFilters > 0 && !rules.some(({ source }) => source === "radius" || source === "coa"))
    rows.push(["mesh", `${ownFilters} filters, whose rules nobody told`, "-"]);
  return rows;
}

function flowsOf({ flows }: ClientView): Cell[][] {
  return flows.map(({ seconds, opener, flow, times }) => [clockText(seconds), opener, flow, times]);
}

function roamsOf({ roams }: ClientView): Cell[][] {
  return roams.map(({ agoMs, kind, aps, gapMs, cells, by }) => [
    durationText(agoMs),
    kind === "came" ? "came from" : "left to",
    aps.join(", "),
    gapMs === null ? "-" : durationText(gapMs),
    cells,
    by ?? "-",
  ]);
}

function table(title: string, heading: readonly string[], rows: readonly (readonly Cell[])[], style: Style): string {
  return rows.length === 0 ? "" : part(title, style) + columns([heading, ...rows], style);
}
