/** What docs/cli.md shows: each block is a command that was run in the lab, behind a line that says which. */
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { ClientView } from "../../src/control/client-view.ts";
import type { AgentStatus, ClientLine } from "../../src/control/status.ts";
import type { DeniedPacket } from "../../src/control/verdict.ts";
import type { WhyAnswer } from "../../src/control/why.ts";
import type { NeighbourStatus } from "../../src/replication/status.ts";
import { Lab } from "../../test/lab/support/lab.ts";
import { Operator } from "../../test/lab/support/operator.ts";
import { until } from "../../test/lab/support/processes.ts";
import { CLIENT, SERVER } from "../../test/lab/support/topology.ts";
import { capture } from "./capture.ts";
import { answersByType, type Fields, namesTable, unlike } from "./names.ts";

const BUNDLE = resolve("dist/roamwall.cjs");
const SIZE = { clientFlows: 4, serverFlows: 1, idleFlows: 1, download: false, connectPeriodMs: 500 };
/** Whatever is shown comes by itself; how soon is the machine's affair. */
const PATIENCE_MS = 30_000;
const DENIALS_SHOWN = 8;

/** `<!-- run: ARGUMENTS -->`, perhaps with `| first N`, then the block that is replaced. */
const BLOCK = /<!-- run: (.+?)(?: \| first (\d+))? -->\n```text\n[\s\S]*?```/g;

const NAMES = /<!-- names -->\n([\s\S]*?)<!-- end of names -->/;

/** Whose JSON is held to its type; `sessions` has its members in `test/lab/radius.test.ts`. */
const HELD: readonly (readonly string[])[] = [
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

/** What comes and goes: a denial leaves the log when others push it out. The command runs until it shows it. */
const PASSING: readonly [command: RegExp, shows: RegExp][] = [[/^why .* tcp\/80/, /^denied of late/m]];
const TRIES = 20;

/** They ask no agent. */
const ALONE = /^(size|simulate|replay)\b/;
/** A live screen is left with this key when it shows this. */
const LIVE: readonly [command: RegExp, key: string, shows: RegExp][] = [
  [/^top/, "q", /last denials[\s\S]*last denials/],
];

/** What must be so while a command runs; undone before the next one. */
const MEANWHILE: readonly [command: RegExp, begin: (lab: Lab) => unknown, end: (lab: Lab) => unknown][] = [
  [/^(monitor|trace|denied|top|learn|why .* tcp\/80)/, intrude, (lab) => lab.intruder.pause()],
  [
    /^doctor/,
    (lab) => lab.namespaces.ip("ap1", "link set back0 mtu 1280"),
    (lab) => lab.namespaces.ip("ap1", "link set back0 mtu 1500"),
  ],
];

export interface Rendered {
  readonly document: string;
  /** What commands said that is not of the type that the document lists. */
  readonly unlike: readonly string[];
}

/** The document with fresh output. */
export async function rendered(text: string, progress: (command: string) => void): Promise<Rendered> {
  const lab = await Lab.open({ prefix: "rwdocs", kind: "bridged", size: SIZE, firewall: "replicating" });
  try {
    prepareFiles(lab);
    await lab.traffic.start();
    await awaitNews(lab);
    const outputs: string[] = [];
    for (const [, command, first] of text.matchAll(BLOCK)) {
      progress(command!);
      outputs.push(await shown(lab, command!, Number(first ?? Number.POSITIVE_INFINITY)));
    }
    let next = 0;
    const answers = answersByType();
    const document = withNames(text, namesTable(answers)).replace(BLOCK, (_, command: string, first?: string) => {
      const marker = `<!-- run: ${command}${first === undefined ? "" : ` | first ${first}`} -->`;
      return `${marker}\n\`\`\`text\n$ roamwall ${command}\n${outputs[next++]}\`\`\``;
    });
    return { document, unlike: await unlikeTypes(lab, answers) };
  } finally {
    await lab.close();
  }
}

/** The document with another table of names. */
export function withNames(text: string, table: string): string {
  return text.replace(NAMES, () => `<!-- names -->\n${table}<!-- end of names -->`);
}

/** Until there is something to show in each table: a client, flows of it, and a neighbour that was measured. */
async function awaitNews(lab: Lab): Promise<void> {
  const operator = new Operator(lab);
  await until("the lab to have something to show", PATIENCE_MS, async () => {
    const { datapath } = await operator.json<AgentStatus>("status");
    const [client] = await operator.json<ClientLine[]>("clients");
    if (datapath?.readiness !== "ready" || !client?.here || client.cells === 0) return undefined;
    const { flows } = await operator.json<ClientView>("client", CLIENT.mac);
    const [neighbour] = await operator.json<NeighbourStatus[]>("neighbours");
    return (flows.length > 0 && neighbour?.mirror === 0 && neighbour.rttMs !== null) || undefined;
  });
}

/** Until enough was denied of late, a stray packet of a service that is allowed among it. */
async function intrude(lab: Lab): Promise<void> {
  const operator = new Operator(lab);
  lab.intruder.start();
  await until("denials of each kind", PATIENCE_MS, async () => {
    const { denials } = await operator.json<WhyAnswer>("why", CLIENT.mac, SERVER.v4, "80");
    const denied = await operator.json<DeniedPacket[]>("denied");
    return (denials.length > 0 && denied.length >= DENIALS_SHOWN) || undefined;
  });
}

async function unlikeTypes(lab: Lab, answers: ReadonlyMap<string, Fields>): Promise<string[]> {
  await intrude(lab);
  const operator = new Operator(lab);
  const found: string[] = [];
  for (const words of HELD) {
    const value = await operator.json<unknown>(...words);
    found.push(...unlike(value, answers.get(words[0]!)!).map((what) => `${words[0]}: ${what}`));
  }
  lab.intruder.pause();
  return found;
}

/** Policies and a capture that commands of the document name. */
function prepareFiles(lab: Lab): void {
  const policy = readFileSync(join(lab.directory, "policy.yaml"), "utf8");
  writeFileSync(
    join(lab.directory, "policy.yaml"),
    policy.replace('"rules": [', '"rules": [\n"out udp/67 to servers",'),
  );
  writeFileSync(join(lab.directory, "new.yaml"), policy.replace("out tcp/25 ", "out tcp/465 "));
  writeFileSync(join(lab.directory, "lan.pcapng"), capture());
}

async function shown(lab: Lab, command: string, first: number): Promise<string> {
  const scene = MEANWHILE.find(([pattern]) => pattern.test(command));
  await scene?.[1](lab);
  const shows = PASSING.find(([pattern]) => pattern.test(command))?.[1];
  let text = "";
  for (let left = TRIES; left > 0; left--) {
    text = normalised(await onTerminal(lab, command), lab);
    if (!shows || shows.test(text)) break;
  }
  await scene?.[2](lab);
  const lines = text.trimEnd().split("\n");
  const cut = lines.length > first ? [...lines.slice(0, first), "..."] : lines;
  return `${cut.map((line) => line.trimEnd()).join("\n")}\n`;
}

/** In the network of AP 1, on a terminal of 132 columns without colours. */
function onTerminal(lab: Lab, command: string): Promise<string> {
  const own = ALONE.test(command) ? [] : ["--socket", join(lab.directory, "ap1/agent.sock")];
  const config = command.startsWith("doctor") ? ["--config", join(lab.directory, "ap1/agent.yaml")] : [];
  const call = [process.execPath, BUNDLE, ...command.split(" "), ...config, ...own].join(" ");
  const net = `nsenter --net=${lab.namespaces.path("ap1")} --wd=${lab.directory}`;
  const line = `stty cols 132 rows 30; NO_COLOR=1 ${net} ${call}`;
  const child = spawn("script", ["-qec", line, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
  const live = LIVE.find(([pattern]) => pattern.test(command));
  let text = "";
  child.stdout.on("data", (bytes) => {
    text += bytes;
    if (live?.[2].test(text)) child.stdin.end(live[1]);
  });
  if (!live) child.stdin.end();
  const late = setTimeout(() => child.kill(), PATIENCE_MS);
  return new Promise((done) =>
    child.once("close", () => {
      clearTimeout(late);
      done(text);
    }),
  );
}

/** Places and times of the lab are nobody's business; a live screen's last frame is what stays. */
function normalised(text: string, lab: Lab): string {
  const frame = text.includes("\x1b[H") ? text.split("\x1b[H").at(-1)!.split("\x1b[J")[0]! : text;
  return (
    frame
      .replaceAll("\r\n", "\n")
      // A bar that was overwritten.
      .replace(/[^\n]*\r/g, "")
      // biome-ignore lint/suspicious/noControlCharactersInRegex: the terminal's codes are what goes
      .replace(/\x1b\[[?\d;]*[A-Za-z]/g, "")
      .replaceAll("^D\b\b", "")
      .replaceAll(lab.directory, "/etc/roamwall")
      .replaceAll("/etc/roamwall/ap1/", "/etc/roamwall/")
      .replace(/\b\d\d:\d\d:\d\d\b(?!:)/g, "14:03:07")
  );
}

/** Commands whose lines have the same labels each time; but these, which the machine brings about. */
const LABELLED = /^(status|client |table)/;
const MACHINES_OWN = ["risk", "events lost", "state"];

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
      return [heading ?? label ?? []].flat().filter((one) => !MACHINES_OWN.includes(one));
    });
    return `${command}: ${[...new Set(labels)].sort().join("; ")}`;
  });
}
