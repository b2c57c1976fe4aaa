import type { Verdict } from "../verdict.ts";
import { follow, SOCKET_OPTION } from "./ask.ts";
import { VERDICT_HEADING, verdictCells } from "./flow-text.ts";
import { type Style, styleOf } from "./text.ts";
import { type Call, EXIT, JSON_OPTION, type Option, readNumber, type Verb } from "./verb.ts";

/** Which verdicts: the agent sifts them. */
export const FILTER_OPTIONS: readonly Option[] = [
  { name: "client", value: "MAC", text: "only of this client" },
  { name: "reason", value: "REASON,...", text: "only for these reasons, as acl,state" },
  { name: "peer", value: "ADDRESS|PREFIX", text: "only to and from there" },
  { name: "port", value: "PORT", text: "only with this port at either end" },
];

export function filterOf(options: Call["options"]): Record<string, string> {
  const given = FILTER_OPTIONS.map(({ name }) => [name, options.get(name)] as const);
  return Object.fromEntries(given.filter((one): one is [string, string] => one[1] !== undefined));
}

/** Of a terminal's columns: what comes does not wait for what is wider. */
const WIDTHS = [8, 9, 10, 17, 10, 52, 0] as const;

/** Shows verdicts until the agent, the reader or `count` ends it. */
export async function showVerdicts(
  call: Call,
  verb: "monitor" | "trace",
  given: object,
  count: number,
  begun: (end: () => void) => void = () => {},
): Promise<void> {
  const { terminal, options } = call;
  const style = styleOf(terminal);
  let left = count;
  const following = await follow<Verdict>(call, verb, { ...given }, (verdict, lost) => {
    if (left-- <= 0) return;
    if (lost > 0) terminal.err(`${lost} verdicts were not read in time, and are lost\n`);
    print(call, verdict, style);
    if (left <= 0) following.close();
  });
  if (!options.has("json")) terminal.out(lineOf(VERDICT_HEADING, style, style.dim));
  begun(() => following.close());
  terminal.onSignal("SIGINT", () => following.close());
  terminal.onSignal("SIGTERM", () => following.close());
  await following.over;
}

export const monitorVerb: Verb = {
  name: "monitor",
  summary:
    "Shows denials as they happen, with what would allow each. A sample of at most 64 a second and client; ends with Ctrl-C.",
  arguments: [],
  options: [...FILTER_OPTIONS, { name: "count", value: "N", text: "end after so many" }, SOCKET_OPTION, JSON_OPTION],
  async run(call) {
    const { options } = call;
    const count = options.has("count") ? readNumber(options, "count", 1, 1e9) : Number.POSITIVE_INFINITY;
    await showVerdicts(call, "monitor", filterOf(options), count);
    return EXIT.ok;
  },
};

function print({ terminal, options }: Call, verdict: Verdict, style: Style): void {
  if (verdict.untold > 0 && !options.has("json")) terminal.out(style.dim(`... ${verdict.untold} more were not told\n`));
  if (options.has("json")) terminal.out(`${JSON.stringify(verdict)}\n`);
  else terminal.out(lineOf(verdictCells(verdict, style), style));
}

function lineOf(cells: readonly string[], style: Style, colour = (text: string) => text): string {
  if (!style.isAligned) return `${cells.join("\t")}\n`;
  return `${colour(cells.map((cell, i) => style.pad(cell, WIDTHS[i]!)).join("  "))}\n`;
}
