/** The command line: finds the verb, runs it, says what went wrong. */
import { closest } from "../../base/closest.ts";
import { isRoamwallError } from "../../base/errors.ts";
import type { Platform } from "../../platform/platform.ts";
import type { Terminal } from "../../platform/terminal.ts";
import { VERSION } from "../version.ts";
import { agentVerb } from "./agent.ts";
import { styleFor } from "./text.ts";
import { EXIT, headline, parseCall, usage, type Verb, verbHelp } from "./verb.ts";

/** What has its cause outside of the command. */
const WANTS_DOCTOR: readonly string[] = [
  "ROAMWALL_ERR_CONNECT",
  "ROAMWALL_ERR_FILE",
  "ROAMWALL_ERR_KEY",
  "ROAMWALL_ERR_ABI",
];

/** Runs what was typed; answers the exit code. Never throws. */
export async function runCli(terminal: Terminal, platform: Platform): Promise<number> {
  const [name, ...words] = terminal.arguments;
  const style = styleFor(terminal.isErrTerminal, terminal.isErrTerminal && terminal.hasColour);
  try {
    if (name === undefined) {
      terminal.err(help(await allVerbs()));
      return EXIT.usage;
    }
    if (name === "--help" || name === "-h" || name === "help") {
      terminal.out(help(await allVerbs()));
      return EXIT.ok;
    }
    if (name === "--version") {
      terminal.out(`roamwall ${VERSION}\n`);
      return EXIT.ok;
    }
    const verb = await verbOf(name);
    if (words.includes("--help") || words.includes("-h")) {
      terminal.out(verbHelp(verb));
      return EXIT.ok;
    }
    return await verb.run({ terminal, platform, ...parseCall(verb, words) });
  } catch (error) {
    if (!isRoamwallError(error)) {
      terminal.err(`${style.bad("roamwall:")} a fault of roamwall's: ${(error as Error).stack ?? String(error)}\n`);
      return EXIT.failure;
    }
    terminal.err(`${style.bad("roamwall:")} ${error.message} ${style.dim(`(${error.code})`)}\n`);
    if (terminal.isErrTerminal && name !== "doctor" && WANTS_DOCTOR.includes(error.code))
      terminal.err(style.dim("roamwall doctor says what to do\n"));
    return error.code === "ROAMWALL_ERR_USAGE" ? EXIT.usage : EXIT.failure;
  }
}

async function verbOf(name: string): Promise<Verb> {
  // The agent runs for months where memory is short: it loads no other verb.
  if (name === agentVerb.name) return agentVerb;
  const verbs = await allVerbs();
  const verb = verbs.find((v) => v.name === name);
  if (verb) return verb;
  const names = verbs.map((v) => v.name);
  throw usage(`unknown command "${name}"`, `${names.join(", ")}; see --help`, closest(name, names));
}

async function allVerbs(): Promise<readonly Verb[]> {
  return (await import("./verbs.ts")).VERBS;
}

function help(verbs: readonly Verb[]): string {
  const calls = verbs.map((verb) => [[verb.name, ...verb.arguments].join(" "), headline(verb)] as const);
  const width = Math.max(...calls.map(([call]) => call.length));
  const lines = calls.map(([call, text]) => `  ${call.padEnd(width)}  ${text}\n`).join("");
  return `roamwall COMMAND [ARGUMENT...] [OPTION...]\n\nA firewall that roams with the client.\n\n${lines}
  roamwall COMMAND --help tells the options of a command; --json is understood by all that print.
  Exit codes: 0 done, 1 failed, 2 wrong usage.\n`;
}
