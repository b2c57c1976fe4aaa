import { MODE_SECONDS_MAX, type ModesAnswer } from "../modes.ts";
import { ask, SOCKET_OPTION } from "./ask.ts";
import { durationMs } from "./duration.ts";
import { columns, durationText, facts, printable, styleOf } from "./text.ts";
import { EXIT, JSON_OPTION, usage, type Verb } from "./verb.ts";

export const modeVerb: Verb = {
  name: "mode",
  summary: `Lets pass what would be denied, and reports it (monitor); or ends that (enforce, policy). Of this AP, a role or a client.

  roamwall mode                           what is set beside the policy
  roamwall mode monitor ap                all that this AP filters
  roamwall mode monitor role guest --for 1h
  roamwall mode enforce client 02:00:00:00:0a:01
  roamwall mode policy role guest         what the policy says, again

It holds on this AP, over a restart of the agent, until the machine restarts. For a whole network, and for clients that roam,
\`mode: monitor\` stands in the policy.`,
  arguments: ["[MODE]", "[SCOPE]", "[NAME]"],
  options: [
    { name: "for", value: "DURATION", text: "goes back by itself, as 1h; up to 7d" },
    SOCKET_OPTION,
    JSON_OPTION,
  ],
  async run(call) {
    const [mode, scope, name] = call.arguments;
    if (mode !== undefined && scope === undefined) throw usage("no scope", "ap, role NAME or client MAC");
    const wait = call.options.get("for");
    const seconds = wait === undefined ? undefined : durationMs(wait, "--for", MODE_SECONDS_MAX) / 1000;
    const answer = await ask<ModesAnswer>(call, "mode", { mode, scope, name, seconds });
    if (answer) print(call.terminal, answer);
    return EXIT.ok;
  },
};

function print(terminal: Parameters<Verb["run"]>[0]["terminal"], { ap, lines }: ModesAnswer): void {
  const style = styleOf(terminal);
  const paint = (mode: string) => (mode === "monitor" ? style.warn("monitor: denials pass") : mode);
  terminal.out(facts([["this ap", paint(ap)]], style));
  const rows = lines.map(({ scope, name, mode, leftSeconds }) => [
    scope,
    printable(name) || "-",
    paint(mode),
    leftSeconds === null ? "taken back" : durationText(leftSeconds * 1000),
  ]);
  if (rows.length) terminal.out(`\n${columns([["scope", "name", "mode", "until"], ...rows], style)}`);
}
