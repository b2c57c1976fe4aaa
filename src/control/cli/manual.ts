import { CHECKS } from "../doctor/doctor.ts";
import { VERSION } from "../version.ts";
import { EXIT, type Option, type Verb } from "./verb.ts";

/** A page for man(1), from the table of verbs: `roamwall manual > /usr/share/man/man1/roamwall.1`. */
export function manualVerb(verbs: () => readonly Verb[]): Verb {
  return {
    name: "manual",
    summary: "Prints the manual page: roamwall manual | man -l -",
    arguments: [],
    options: [],
    run: async ({ terminal }) => {
      terminal.out(manualText(verbs()));
      return EXIT.ok;
    },
  };
}

export function manualText(verbs: readonly Verb[]): string {
  return [
    `.TH ROAMWALL 1 "" "roamwall ${VERSION}" "Roamwall"`,
    ".SH NAME",
    "roamwall \\- a firewall that roams with the client, for wireless meshes",
    ".SH SYNOPSIS",
    ".B roamwall",
    ".I COMMAND",
    "[\\fIARGUMENT\\fR...] [\\fIOPTION\\fR...]",
    ".SH DESCRIPTION",
    "Each access point filters what its own clients send and receive. This program is its agent, and what one asks and tells it with.",
    "On a terminal output has columns and colours (not with NO_COLOR); for scripts cells are separated by tabs, and \\-\\-json has stable names.",
    ".SH COMMANDS",
    ...verbs.flatMap(verbLines),
    ".SH WHAT DOCTOR LOOKS FOR",
    ...CHECKS.flatMap(({ id, about }) => [".TP", `.B ${escaped(id)}`, escaped(about)]),
    ".SH EXIT STATUS",
    "0 done; 1 failed, or denied, or something is wrong; 2 wrong usage.",
    ".SH FILES",
    ".TP",
    ".I /etc/roamwall/agent.yaml",
    "settings of this access point's agent",
    ".TP",
    ".I /etc/roamwall/policy.yaml",
    "who may do what",
    ".TP",
    ".I /etc/roamwall/key",
    "the mesh's secrets, mode 0600",
    ".TP",
    ".I /run/roamwall/agent.sock",
    "the control socket: one JSON object a line",
    ".SH SEE ALSO",
    ".BR roamwalld (8)",
    "",
  ].join("\n");
}

function verbLines({ name, arguments: words, summary, options }: Verb): string[] {
  const [head, ...rest] = summary.split("\n\n");
  return [
    ".SS",
    `.B roamwall ${escaped([name, ...words].join(" "))}`,
    ".br",
    escaped(head!),
    // What is indented in the help is an example.
    ...rest.flatMap((text) => (/^\s/.test(text) ? [".nf", escaped(text), ".fi"] : [".PP", escaped(text)])),
    ...options.flatMap(optionLines),
  ];
}

function optionLines({ name, value, text }: Option): string[] {
  const form = `\\fB\\-\\-${escaped(name)}\\fR${value === undefined ? "" : ` \\fI${escaped(value)}\\fR`}`;
  return [".TP", form, escaped(text)];
}

/** A line that begins with a dot or a quote would be a command. */
function escaped(text: string): string {
  return text
    .replace(/\\/g, "\\e")
    .replace(/-/g, "\\-")
    .replace(/^([.'])/gm, "\\&$1");
}
