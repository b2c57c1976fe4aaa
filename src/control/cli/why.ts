import type { WhyAnswer } from "../why.ts";
import { ask, SOCKET_OPTION } from "./ask.ts";
import { VERDICT_HEADING, verdictCells } from "./flow-text.ts";
import { columns, facts, part, printable, type Style, styleOf } from "./text.ts";
import { EXIT, JSON_OPTION, type Verb } from "./verb.ts";

export const whyVerb: Verb = {
  name: "why",
  summary:
    "Tells in one answer whether a client may reach a peer, and why: rules, what the kernel holds, last denials. Exit code 1 when it is denied.",
  arguments: ["CLIENT", "PEER", "PORT"],
  options: [{ name: "in", text: "the peer opens, PORT is the client's" }, SOCKET_OPTION, JSON_OPTION],
  async run(call) {
    const [mac, peer, service] = call.arguments;
    const isIn = call.options.has("in");
    const answer = await ask<WhyAnswer>(call, "why", { mac, peer, service, in: isIn });
    if (answer) call.terminal.out(whyText(answer, styleOf(call.terminal)));
    return answer?.verdict === "denied" ? EXIT.failure : EXIT.ok;
  },
};

export function whyText(answer: WhyAnswer, style: Style): string {
  const { verdict, because, remedy, rule, ruleSource, place, kernel, otherRoles, denials } = answer;
  const paint = { allowed: style.good, denied: style.bad, monitored: style.warn }[verdict];
  const pairs: [string, string][] = [
    ["asked", `${answer.mac} ${answer.asked}`],
    ["because", printable(because)],
    ...(remedy ? ([["remedy", printable(remedy)]] as [string, string][]) : []),
    ["role", `${printable(answer.role ?? "none")} (${answer.source})`],
    ...(rule === null ? [] : ([["rule", `${rule}, ${ruleSource}: ${printable(place ?? "")}`]] as [string, string][])),
    ["kernel", kernelText(kernel, answer)],
    ["by chance", `${(answer.falsePositive * 100).toPrecision(2)} % of what no rule allows passes`],
    ...otherRoles.map((other): [string, string] => [`role ${other.role}`, `has ${other.rule}`]),
  ];
  const rows = denials.map((denial) => verdictCells(denial, style));
  return [
    style.isAligned ? `${paint(verdict)}\n\n` : `verdict\t${verdict}\n`,
    facts(pairs, style),
    rows.length ? part("denied of late", style) + columns([VERDICT_HEADING, ...rows], style) : "",
  ].join("");
}

function kernelText(kernel: WhyAnswer["kernel"], { filterAllows, mode }: WhyAnswer): string {
  const filter = `its filters ${filterAllows ? "let it pass" : "do not have it"}`;
  if (!kernel) return `no record of the client yet; ${filter}`;
  const where = kernel.here ? "here" : "elsewhere";
  const how = mode === "monitor" || kernel.monitored ? "monitored" : "enforced";
  return `${where}, ${how}, ${kernel.cells} expectations; ${filter}`;
}
