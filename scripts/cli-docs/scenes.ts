/** What docs/cli.md shows: each block is a command that was run in the lab, behind a line that says which. */
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Lab } from "../../test/lab/support/lab.ts";
import { Operator } from "../../test/lab/support/operator.ts";
import { pause } from "../../test/lab/support/processes.ts";
import { CLIENT, SERVER } from "../../test/lab/support/topology.ts";

const BUNDLE = resolve("dist/roamwall.cjs");
const SIZE = { clientFlows: 4, serverFlows: 1, idleFlows: 1, download: false, connectPeriodMs: 500 };
const SETTLE_MS = 3_000;
const LOOKS = 6;

/** `<!-- run: ARGUMENTS -->`, perhaps with `| first N`, then the block that is replaced. */
const BLOCK = /<!-- run: (.+?)(?: \| first (\d+))? -->\n```text\n[\s\S]*?```/g;

const NAMES = /<!-- names -->\n([\s\S]*?)<!-- end of names -->/;

/** Each prints one JSON value; `monitor` and `trace` one a line. */
const NAMED: readonly (readonly string[])[] = [
  ["status"],
  ["clients"],
  ["client", CLIENT.mac],
  ["why", CLIENT.mac, SERVER.v4, "443"],
  ["neighbours"],
  ["table"],
  ["denied"],
  ["mode"],
  ["doctor"],
  ["monitor", "--count", "1", "--reason", "acl"],
];
/** Their members are named by what they count. */
const COUNTED = ["denied", "datagramsDropped", "dropped", "accounting"];

/** What must be so while a command runs; undone before the next one. */
const MEANWHILE: readonly [command: RegExp, begin: (lab: Lab) => unknown, end: (lab: Lab) => unknown][] = [
  [/^(monitor|trace|denied|top|learn)/, (lab) => lab.intruder.start(), (lab) => lab.intruder.pause()],
  [
    /^doctor/,
    (lab) => lab.namespaces.ip("ap1", "link set back0 mtu 1280"),
    (lab) => lab.namespaces.ip("ap1", "link set back0 mtu 1500"),
  ],
];

/** The document with fresh output. */
export async function rendered(text: string, progress: (command: string) => void): Promise<string> {
  const lab = await Lab.open({ prefix: "rwdocs", kind: "bridged", size: SIZE, firewall: "replicating" });
  try {
    prepareFiles(lab);
    await lab.traffic.start();
    await pause(SETTLE_MS);
    const outputs: string[] = [];
    for (const [, command, first] of text.matchAll(BLOCK)) {
      progress(command!);
      outputs.push(await shown(lab, command!, Number(first ?? Number.POSITIVE_INFINITY)));
    }
    const names = await namesOf(lab);
    let next = 0;
    const withNames = text.replace(NAMES, () => `<!-- names -->\n${names}<!-- end of names -->`);
    return withNames.replace(BLOCK, (_, command: string, first?: string) => {
      const marker = `<!-- run: ${command}${first === undefined ? "" : ` | first ${first}`} -->`;
      return `${marker}\n\`\`\`text\n$ roamwall ${command}\n${outputs[next++]}\`\`\``;
    });
  } finally {
    await lab.close();
  }
}

/** A table of the names of fields, by command. */
async function namesOf(lab: Lab): Promise<string> {
  lab.intruder.start();
  const operator = new Operator(lab);
  const lines: string[] = [];
  for (const words of NAMED) {
    const names = new Set<string>();
    // What was denied last has a rule that would allow it, or has none: which is chance.
    for (let look = 0; look < LOOKS; look++) collect(await operator.json<unknown>(...words), "", names);
    lines.push(`| \`${words[0]}\` | ${[...names].join(", ")} |\n`);
  }
  lab.intruder.pause();
  return `| command | fields; \`[]\`: of each member of a list |\n|---|---|\n${lines.join("")}`;
}

function collect(value: unknown, path: string, names: Set<string>): void {
  if (Array.isArray(value)) {
    for (const member of value) collect(member, `${path}[]`, names);
    return;
  }
  if (typeof value !== "object" || value === null) {
    if (path !== "") names.add(path.replace(/^\[\]\./, ""));
    return;
  }
  for (const [name, member] of Object.entries(value)) {
    const own = path === "" ? name : `${path}.${name}`;
    if (COUNTED.includes(name) && typeof member === "object") names.add(own.replace(/^\[\]\./, ""));
    else collect(member, own, names);
  }
}

/** Names that the document has and the commands no longer say. */
export function lostNames(before: string, after: string): string[] {
  const rows = (text: string) =>
    new Map([...NAMES.exec(text)![1]!.matchAll(/^\| `(\w+)` \| (.*) \|$/gm)].map(([, verb, names]) => [verb!, names!]));
  const now = rows(after);
  return [...rows(before)].flatMap(([verb, names]) => {
    const have = new Set((now.get(verb) ?? "").split(", "));
    return names
      .split(", ")
      .filter((name) => !have.has(name))
      .map((name) => `${verb}: ${name}`);
  });
}

/** Policies that commands of the document name. */
function prepareFiles(lab: Lab): void {
  const policy = readFileSync(join(lab.directory, "policy.yaml"), "utf8");
  writeFileSync(
    join(lab.directory, "policy.yaml"),
    policy.replace('"rules": [', '"rules": [\n"out udp/67 to servers",'),
  );
  writeFileSync(join(lab.directory, "new.yaml"), policy.replace("out tcp/25 ", "out tcp/465 "));
}

async function shown(lab: Lab, command: string, first: number): Promise<string> {
  const scene = MEANWHILE.find(([pattern]) => pattern.test(command));
  await scene?.[1](lab);
  const text = normalised(await onTerminal(lab, command), lab);
  await scene?.[2](lab);
  const lines = text.trimEnd().split("\n");
  const cut = lines.length > first ? [...lines.slice(0, first), "..."] : lines;
  return `${cut.map((line) => line.trimEnd()).join("\n")}\n`;
}

/** In the network of AP 1, on a terminal of 132 columns without colours. */
function onTerminal(lab: Lab, command: string): Promise<string> {
  const own = ["--socket", join(lab.directory, "ap1/agent.sock")];
  const config = command.startsWith("doctor") ? ["--config", join(lab.directory, "ap1/agent.yaml")] : [];
  const call = [process.execPath, BUNDLE, ...command.split(" "), ...config, ...own].join(" ");
  const net = `nsenter --net=${lab.namespaces.path("ap1")} --wd=${lab.directory}`;
  // A live screen is left with its key, after two looks.
  const keys = command.startsWith("top") ? "(sleep 3; printf q)" : ":";
  const line = `${keys} | script -qec "stty cols 132 rows 30; NO_COLOR=1 ${net} ${call}" /dev/null`;
  const child = spawn("sh", ["-c", line], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (bytes) => (text += bytes));
  return new Promise((done) => child.once("close", () => done(text)));
}

/** Places and times of the lab are nobody's business; a live screen's last frame is what stays. */
function normalised(text: string, lab: Lab): string {
  const frame = text.includes("\x1b[H") ? text.split("\x1b[H").at(-1)!.split("\x1b[J")[0]! : text;
  return (
    frame
      .replaceAll("\r", "")
      // biome-ignore lint/suspicious/noControlCharactersInRegex: the terminal's codes are what goes
      .replace(/\x1b\[[?\d;]*[A-Za-z]/g, "")
      .replaceAll("^D\b\b", "")
      .replaceAll(lab.directory, "/etc/roamwall")
      .replaceAll("/etc/roamwall/ap1/", "/etc/roamwall/")
      .replace(/\b\d\d:\d\d:\d\d\b(?!:)/g, "14:03:07")
  );
}

/** Commands whose lines have the same labels each time. */
const LABELLED = /^(status|client |table)/;

/**
 * What must not differ between two runs: headings, labels and parts of each block, numbers and rows aside. A set, since
 * which rows there are is chance.
 */
export function skeleton(text: string): string[] {
  return [...text.matchAll(BLOCK)].map(([block, command]) => {
    const lines = block!.split("\n").slice(3, -1);
    const labels = lines.flatMap((line) => {
      const heading = /^[a-z][a-z /]*( {2,}[a-z][a-z /,]*)+$/.test(line) ? line.replace(/ {2,}/g, " | ") : undefined;
      const label = LABELLED.test(command!) ? /^([a-z][a-z ]*[a-z]) {2,}\S/.exec(line)?.[1] : undefined;
      return heading ?? label ?? [];
    });
    return `${command}: ${[...new Set(labels)].sort().join("; ")}`;
  });
}
