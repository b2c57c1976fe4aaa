import { badInput } from "../../base/errors.ts";
import { parseAddress } from "../../base/ip.ts";
import { type Mac, parseMac } from "../../base/mac.ts";
import { parseGeometry } from "../../bloom/geometry.ts";
import { REASONS } from "../../datapath/abi.ts";
import type { Capture } from "../../pcap/reader.ts";
import { type Learned, Learner } from "../../policy/learn.ts";
import { compilePolicy, type Policy, parsePolicy } from "../../policy/policy.ts";
import { policySources, roleOf } from "../../policy/sources.ts";
import { policyText } from "../../policy/write.ts";
import type { Judged, Replay, ReplayClient } from "../replay.ts";
import { permissivePolicy, REPLAY_SEEDS } from "../replay-policy.ts";
import type { ReplayFacts } from "../report/replay-report.ts";
import type { Tally } from "../report/tally.ts";
import { bar, columns, durationText, facts, grouped, printable, styleOf } from "./text.ts";
import { type Call, EXIT, JSON_OPTION, usage, type Verb } from "./verb.ts";

const TABLE_DEFAULT = "4x1024x8/r26";
/** Denials shown without --verbose. */
const SHOWN_MAX = 20;
/** Below it the work is done before a bar would have been seen. */
const BAR_BYTES = 8 << 20;
const BAR_EVERY_PACKETS = 20_000;

export const replayVerb: Verb = {
  name: "replay",
  summary: "Says what the filter would do with each packet of a capture (pcap, pcapng). Touches no network.",
  arguments: ["FILE"],
  options: [
    {
      name: "client",
      value: "MAC|IP|auto",
      text: "whose packets to judge; auto (default): who speaks first in each conversation",
    },
    {
      name: "policy",
      value: "FILE",
      text: "rules to judge by; default: clients may open anything, their peers nothing",
    },
    { name: "role", value: "NAME", text: "role of clients that the policy does not list; default: its `unknown`" },
    { name: "table", value: "GEOMETRY", text: `shape of the table of expectations; default ${TABLE_DEFAULT}` },
    {
      name: "learn",
      text: "print a policy that the capture's traffic passes by: --policy's (else none) and the rules that it lacks",
    },
    { name: "unanswered", text: "with --learn: rules also for what nobody answered, as a port scan" },
    {
      name: "report",
      value: "html",
      text: "print a page: what would be denied, by client, peer and service, and plots",
    },
    { name: "verbose", text: "a line for every packet" },
    JSON_OPTION,
  ],
  async run(call) {
    const file = call.arguments[0]!;
    const form = formOf(call);
    // The model of the datapath: a file of its own, which no agent reads.
    const { openCapture, Replay, replayReport, Tally } = await import("../replay.ts");
    const replay = new Replay({
      client: parseClient(call.options.get("client") ?? "auto"),
      geometry: parseGeometry(call.options.get("table") ?? TABLE_DEFAULT, "--table"),
      policy: policyOf(call),
      seeds: REPLAY_SEEDS,
      ...(call.options.has("role") && { role: call.options.get("role")! }),
    });
    const bytes = call.platform.files.readBytes(file);
    const capture = openCapture(bytes, file);
    if (form !== "text") {
      const learner = new Learner();
      const tally = new Tally(learner);
      judgeAll(call, replay, capture, bytes.length, tally);
      if (form === "html")
        call.terminal.out(replayReport(factsOf(call, replay, file), tally, learnedOf(call, learner)));
      else printPolicy(call, learnedOf(call, learner));
      tellProblem(call, capture, file);
      return EXIT.ok;
    }
    const denials = call.options.has("json")
      ? runJson(call, replay, capture)
      : runText(call, replay, capture, bytes.length);
    report(call, replay, capture, file, denials);
    return EXIT.ok;
  },
};

function parseClient(text: string): ReplayClient {
  if (text === "auto") return "auto";
  if (/^\d+\.\d+\.\d+\.\d+$/.test(text) || text.includes("::")) return { address: parseAddress(text, "--client") };
  try {
    return { mac: parseMac(text, "--client") };
  } catch (error) {
    if (!text.includes(":")) throw badInput("--client", `"${text}"`, "a MAC address, an IP address, or auto");
    try {
      return { address: parseAddress(text, "--client") };
    } catch {
      throw error;
    }
  }
}

function policyOf(call: Call) {
  return compilePolicy(sourceOf(call), REPLAY_SEEDS);
}

/** What is learned begins at nothing, what is judged at "clients may open anything". */
function sourceOf({ platform, options }: Call): Policy {
  const file = options.get("policy");
  if (file !== undefined) return parsePolicy(platform.files.readText(file), file);
  return options.has("learn") ? parsePolicy("{}", "no policy") : permissivePolicy();
}

function formOf({ options }: Call): "text" | "learn" | "html" {
  const forms = ["learn", "report", "json"].filter((name) => options.has(name));
  if (forms.length > 1) throw usage(forms.map((name) => `--${name}`).join(" and "), "one of them");
  if (options.has("unanswered") && !options.has("learn")) throw usage("--unanswered alone", "--learn --unanswered");
  const report = options.get("report");
  if (report !== undefined && report !== "html") throw usage(`--report ${report}`, "--report html");
  return options.has("learn") ? "learn" : report === undefined ? "text" : "html";
}

/** Without a word for each packet. */
function judgeAll({ terminal }: Call, replay: Replay, capture: Capture, bytes: number, tally: Tally): void {
  const hasBar = terminal.isErrTerminal && bytes >= BAR_BYTES;
  for (let packet = capture.next(); packet; packet = capture.next()) {
    const judged = replay.judge(packet);
    tally.add(judged, Number(packet.timeNs - (replay.firstNs ?? 0n)) / 1e9, replay.usedCells);
    if (hasBar && packet.number % BAR_EVERY_PACKETS === 0) terminal.err(`\r${bar(capture.offset / bytes, 40)}`);
  }
  if (hasBar) terminal.err("\r\x1b[K");
}

function learnedOf(call: Call, learner: Learner): Learned {
  const policy = sourceOf(call);
  const sources = policySources(compilePolicy(policy, REPLAY_SEEDS));
  const role = (mac: Mac) => call.options.get("role") ?? roleOf(sources, mac)?.role;
  return learner.learned(policy, role, { unanswered: call.options.has("unanswered") });
}

/** The policy to a file, what it means to people. */
function printPolicy({ terminal }: Call, { policy, notes, added, leftOut }: Learned): void {
  terminal.out(policyText(policy, notes));
  terminal.err(`${added.length} rules learned\n`);
  for (const { why, flows } of leftOut) terminal.err(`${grouped(flows)} flows left out: ${why}\n`);
}

function factsOf({ options }: Call, replay: Replay, file: string): ReplayFacts {
  const judged = replay.counts.reduce((sum, count) => sum + count, 0);
  const table = options.get("table") ?? TABLE_DEFAULT;
  return {
    file,
    policy: options.get("policy") ?? "a policy by which clients may open anything, their peers nothing",
    table,
    cells: parseGeometry(table, "--table").cells,
    seconds: replay.firstNs === undefined ? 0 : Number(replay.lastNs - replay.firstNs) / 1e9,
    judged,
    passed: replay.counts[0]!,
    skipped: replay.skipped,
  };
}

interface Shown {
  readonly number: number;
  readonly offset: number;
  readonly seconds: number;
  readonly direction: string;
  readonly verdict: string;
  readonly reason: string;
  readonly packet: string;
}

function shown(judged: Judged, replay: Replay): Shown {
  return {
    number: judged.packet.number,
    offset: judged.packet.offset,
    seconds: Number(judged.packet.timeNs - (replay.firstNs ?? 0n)) / 1e9,
    direction: judged.direction === 0 ? "from client" : "to client",
    verdict:
      judged.skipped !== undefined ? "skipped" : judged.reason === 0 ? "passed" : judged.pass ? "monitored" : "denied",
    reason: judged.skipped ?? REASONS[judged.reason]![0],
    packet: judged.describe(),
  };
}

function runJson(call: Call, replay: Replay, capture: Capture): Shown[] {
  const list: Shown[] = [];
  const isVerbose = call.options.has("verbose");
  for (let packet = capture.next(); packet; packet = capture.next()) {
    const judged = replay.judge(packet);
    if (isVerbose || judged.reason !== 0) list.push(shown(judged, replay));
  }
  return list;
}

/** Prints denials as they come; answers none, since they have been shown. */
function runText({ terminal, options }: Call, replay: Replay, capture: Capture, bytes: number): Shown[] {
  const style = styleOf(terminal);
  const isVerbose = options.has("verbose");
  const hasBar = terminal.isErrTerminal && bytes >= BAR_BYTES && !isVerbose;
  let denied = 0;
  for (let packet = capture.next(); packet; packet = capture.next()) {
    const judged = replay.judge(packet);
    if (hasBar && packet.number % BAR_EVERY_PACKETS === 0) terminal.err(`\r${bar(capture.offset / bytes, 40)}`);
    if (judged.reason !== 0) denied++;
    if (!isVerbose && (judged.reason === 0 || denied > SHOWN_MAX)) continue;
    const line = shown(judged, replay);
    const verdict = line.verdict.padEnd(9);
    const coloured = line.verdict === "passed" ? style.good(verdict) : style.bad(verdict);
    if (hasBar) terminal.err("\r\x1b[K");
    terminal.out(
      `${String(line.number).padStart(7)}  ${line.seconds.toFixed(6).padStart(12)}  ${coloured}  ${line.reason.padEnd(11)}  ${style.dim(line.direction.padEnd(11))}  ${line.packet}\n`,
    );
  }
  if (hasBar) terminal.err("\r\x1b[K");
  if (!isVerbose && denied > SHOWN_MAX)
    terminal.out(style.dim(`${"...".padStart(7)}  ${grouped(denied - SHOWN_MAX)} more; --verbose shows all\n`));
  if (denied > 0 || isVerbose) terminal.out("\n");
  return [];
}

function report(call: Call, replay: Replay, capture: Capture, file: string, list: readonly Shown[]): void {
  const { terminal, options } = call;
  const result = resultOf(replay);
  if (options.has("json")) {
    terminal.out(`${JSON.stringify(jsonOf(call, result, capture, file, list), null, 2)}\n`);
    return;
  }
  reportText(call, result, file);
  tellProblem(call, capture, file);
}

/** What one run over a capture found: packets by reason, and those that were not judged by cause. */
type Result = ReturnType<typeof resultOf>;

function resultOf(replay: Replay) {
  const judged = replay.counts.reduce((sum, count) => sum + count, 0);
  return {
    judged,
    passed: replay.counts[0]!,
    reasons: REASONS.map(([name, text], i) => ({ name, text, count: replay.counts[i]! }))
      .slice(1)
      .filter((reason) => reason.count > 0),
    skipped: [...replay.skipped].map(([cause, count]) => ({ cause, count })),
    durationMs: replay.firstNs === undefined ? 0 : Number((replay.lastNs - replay.firstNs) / 1_000_000n),
    clients: replay.clients.size,
    usedCells: replay.usedCells,
  };
}

function jsonOf({ options }: Call, result: Result, capture: Capture, file: string, list: readonly Shown[]): object {
  const { judged, passed, reasons, skipped } = result;
  return {
    file,
    format: capture.format,
    client: options.get("client") ?? "auto",
    policy: options.get("policy") ?? "clients may open anything, their peers nothing",
    packets: judged + skipped.reduce((sum, { count }) => sum + count, 0),
    judged,
    passed,
    denied: judged - passed,
    reasons: Object.fromEntries(reasons.map(({ name, count }) => [name, count])),
    skipped: Object.fromEntries(skipped.map(({ cause, count }) => [cause, count])),
    problem: capture.problem ?? null,
    clients: result.clients,
    seconds: result.durationMs / 1000,
    usedCells: result.usedCells,
    [options.has("verbose") ? "verdicts" : "denials"]: list,
  };
}

function reportText({ terminal, options }: Call, result: Result, file: string): void {
  const { judged, passed, reasons, skipped } = result;
  const style = styleOf(terminal);
  const share = judged === 0 ? "" : ` (${((100 * passed) / judged).toFixed(passed === judged ? 0 : 2)} %)`;
  terminal.out(
    facts(
      [
        ["capture", `${printable(file)}, ${durationText(result.durationMs)}`],
        ["policy", options.get("policy") ?? "clients may open anything, their peers nothing (--policy FILE for yours)"],
        ["client", clientText(options.get("client") ?? "auto", result.clients)],
        ["judged", `${grouped(judged)} packets`],
        ["passed", `${grouped(passed)}${share}`],
        ["denied", grouped(judged - passed)],
      ],
      style,
    ),
  );
  const table = (head: string[], rows: (string | number)[][]) => {
    if (rows.length) terminal.out(`\n${columns([head, ...rows], style)}`);
  };
  table(
    ["reason", "packets", "meaning"],
    reasons.map(({ name, count, text }) => [name, count, text]),
  );
  table(
    ["skipped", "packets"],
    skipped.map(({ cause, count }) => [cause, count]),
  );
  if (reasons.some(({ name }) => name === "budget" || name === "full")) {
    const size = options.get("table") ?? TABLE_DEFAULT;
    terminal.out(
      `\nThe table (${size}) filled, or limits of the role were met; --table 4x8192x8/r26 shows what a larger one would say.\n`,
    );
  }
}

function tellProblem({ terminal }: Pick<Call, "terminal">, capture: Capture, file: string): void {
  const style = styleOf({ isTerminal: terminal.isErrTerminal, hasColour: terminal.hasColour });
  if (capture.problem) {
    const left = `the rest of the file was not read`;
    terminal.err(
      `${style.bad("roamwall:")} ${printable(file)} offset ${capture.problem.offset}: ${capture.problem.text}; ${left}\n`,
    );
  }
}

function clientText(option: string, count: number): string {
  return option === "auto" ? `who speaks first in each conversation; ${count} met` : option;
}
