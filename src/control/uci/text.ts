/** The table of options as the commented file that the package brings, and as docs/uci.md shows it. */
import { PORT_SECTION, UCI_OPTIONS, UCI_SECTIONS, type UciOption } from "./schema.ts";

const COLUMNS = 116;
const HEAD = `# Roamwall: the settings of this access point. Every option is here, with what it does, what is accepted, and its
# default; remove the # before one to set it. Then: /etc/init.d/roamwall reload. Errors: logread -e roamwall.
`;

/** Values to begin with, where the default is no value that one could write. */
const EXAMPLES: Readonly<Record<string, string>> = {
  "agent.id": "1",
  "agent.name": "kitchen",
  "daemon.attach": "clsact",
  "daemon.object": "/usr/lib/roamwall/sfr.bpf.o",
  "port.device": "lan1",
  "replication.network": "lan",
  "replication.bind": "10.9.0.1",
  "replication.group": "239.255.77.77",
  "replication.iface": "10.9.0.1",
  "replication.peers": "10.9.0.2",
  "replication.flush": "20ms",
  "replication.memory": "8MB",
  "identities.mesh": "office",
  "identities.keys": "5a".repeat(32),
  "mqtt.url": "mqtts://broker.example:8883",
  "mqtt.mesh": "office",
  "mqtt.keys": "5a".repeat(32),
  "mqtt.user": "ap1",
  "mqtt.password_file": "/etc/roamwall/mqtt.password",
  "mqtt.ca": "/etc/roamwall/ca.pem",
  "mqtt.certificate": "/etc/roamwall/ap.pem",
  "mqtt.private_key": "/etc/roamwall/ap.key",
  "radius.servers": "192.0.2.10",
  "radius.secret_file": "/etc/roamwall/radius.secret",
  "radius.das": "10.9.0.1",
  "radius.das_clients": "192.0.2.10",
  "radius.hostapd": "127.0.0.1",
  "page.listen": "127.0.0.1",
  "page.token_file": "/etc/roamwall/page.token",
  "page.names": "ap1.example",
};

/** `/etc/config/roamwall` as it is installed: nothing set but `enabled`. */
export function uciDefaultConfig(): string {
  return HEAD + UCI_SECTIONS.map(sectionText).join("");
}

function sectionText(section: string): string {
  const isPort = section === PORT_SECTION;
  const head = isPort
    ? "\n# One of these for each wired client port.\n#config port\n"
    : `\nconfig ${section} '${section}'\n`;
  const rows = UCI_OPTIONS.filter((row) => row.section === section);
  return `${head}${rows.map((row) => optionText(row)).join("\n")}`;
}

function optionText(row: UciOption): string {
  const isSet = row.section === "agent" && row.name === "enabled";
  const effect = wrapped(withoutLinks(row.effect), COLUMNS - 10).map((line) => `\t# ${line}\n`);
  const accepted = wrapped(`${row.form}; default: ${defaultText(row)}`, COLUMNS - 10).map((line) => `\t# ${line}\n`);
  const line = `${row.isList ? "list" : "option"} ${row.name} '${uciExample(row)}'`;
  return `${effect.join("")}${accepted.join("")}\t${isSet ? "" : "#"}${line}\n`;
}

/** A value that is accepted: the default where it is one. */
export function uciExample(row: UciOption): string {
  const example = EXAMPLES[`${row.section}.${row.name}`];
  if (example !== undefined) return example;
  return row.default;
}

function defaultText({ default: text }: UciOption): string {
  return text === "-" ? "none, must be given where the section is used" : text.replaceAll("`", "");
}

function withoutLinks(text: string): string {
  return text.replace(/\[([^\]]+)\]\([^)]+\)/g, "docs/$1").replaceAll("`", "");
}

function wrapped(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    if (lines.at(-1)!.length + word.length >= width) lines.push("");
    lines.push(`${lines.pop()!} ${word}`.trim());
  }
  return lines;
}

/** The table for LuCI's form: `resources/roamwall/options.js`. */
export function luciOptions(): string {
  const rows = UCI_OPTIONS.map((row) => ({
    section: row.section,
    name: row.name,
    form: row.form,
    default: row.default.replaceAll("`", ""),
    effect: withoutLinks(row.effect),
    ...(row.isSwitch && { isSwitch: true }),
    ...(row.isList && { isList: true }),
    ...(!row.isSwitch && { choices: choicesOf(row.form), range: rangeOf(row.form) }),
  }));
  const text = JSON.stringify({ sections: UCI_SECTIONS, rows }, null, "\t");
  return `"use strict";\n"require baseclass";\n\n/* Made by scripts/gen-settings.ts from the agent's own table. */\nreturn baseclass.extend(${text});\n`;
}

/** `auto, ebpf, nfqueue` */
function choicesOf(form: string): string[] | undefined {
  return /^[a-z][\w-]*(, [a-z][\w-]*)+$/.test(form) ? form.split(", ") : undefined;
}

/** `0 to 65535` */
function rangeOf(form: string): [number, number] | undefined {
  const [, least, most] = /^(\d+) to (\d+)$/.exec(form) ?? [];
  return least === undefined ? undefined : [Number(least), Number(most)];
}

/** The tables of docs/uci.md. */
export function uciTables(): string {
  return UCI_SECTIONS.map((section) => {
    const head = section === PORT_SECTION ? "config port` (any number)" : `config ${section} '${section}'\``;
    const rows = UCI_OPTIONS.filter((row) => row.section === section).map((row) => {
      const kind = row.isList ? "list" : "option";
      return `| \`${kind} ${row.name}\` | ${row.form} | ${row.default} | ${row.effect} |`;
    });
    return ["", `## \`${head}`, "", "| | form | default | effect |", "|---|---|---|---|", ...rows, ""].join("\n");
  }).join("");
}
