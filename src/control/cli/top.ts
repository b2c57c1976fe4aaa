import type { NeighbourStatus } from "../../replication/status.ts";
import type { AgentStatus, ClientLine } from "../status.ts";
import type { DeniedPacket } from "../verdict.ts";
import { askSilently, SOCKET_OPTION } from "./ask.ts";
import { modeText, nameOf, whereText } from "./clients.ts";
import { flowText } from "./flow-text.ts";
import { askStatus } from "./status.ts";
import { bytesText, columns, durationText, fillLine, grouped, part, printable, type Style, styleOf } from "./text.ts";
import { type Call, EXIT, readNumber, usage, type Verb } from "./verb.ts";

const SCREEN_ON = "\x1b[?1049h\x1b[?25l";
const SCREEN_OFF = "\x1b[?25h\x1b[?1049l";
/** To the top, and each line wiped to its end: no flicker, whatever stood there. */
const HOME = "\x1b[H";
const WIPE_LINE = "\x1b[K";
const WIPE_BELOW = "\x1b[J";
const QUIT_KEYS = ["q", "Q", "\x03", "\x1b"];
const DENIALS_SHOWN = 6;

export const topVerb: Verb = {
  name: "top",
  summary: "A live screen: rates, fill, the busiest clients, neighbours, last denials. Ends with q.",
  arguments: [],
  options: [{ name: "every", value: "SECONDS", text: "how often, 1 to 60; default 2" }, SOCKET_OPTION],
  async run(call) {
    const { terminal, options } = call;
    if (!terminal.isTerminal)
      throw usage("standard output is no terminal", "a terminal; for scripts: roamwall status --json");
    const everyMs = (options.has("every") ? readNumber(options, "every", 1, 60) : 2) * 1000;
    // Asked once before the screen changes: an agent that is away is an error like any other.
    const first = await askAll(call);
    terminal.out(SCREEN_ON);
    try {
      await showUntilQuit(call, first, everyMs);
    } finally {
      terminal.out(SCREEN_OFF);
    }
    return EXIT.ok;
  },
};

interface Seen {
  readonly atMs: number;
  readonly status: AgentStatus;
  readonly neighbours: readonly NeighbourStatus[];
  readonly clients: readonly ClientLine[];
  readonly denied: readonly DeniedPacket[];
}

async function askAll(call: Call): Promise<Seen> {
  const { status, neighbours } = await askStatus(call);
  const clients = status.datapath ? await askSilently<ClientLine[]>(call, "clients") : [];
  const denied = await askSilently<DeniedPacket[]>(call, "denied");
  return { atMs: call.platform.clock.nowMs(), status, neighbours, clients, denied };
}

/** One question at a time: a slow agent slows the screen, and is asked no more often than it answers. */
function showUntilQuit(call: Call, first: Seen, everyMs: number): Promise<void> {
  const { terminal, platform } = call;
  return new Promise((resolve, reject) => {
    let isOver = false;
    let cancel = () => {};
    const endKeys = terminal.onKey?.((key) => QUIT_KEYS.includes(key) && end());
    const end = (error?: Error) => {
      if (isOver) return;
      isOver = true;
      cancel();
      endKeys?.();
      if (error) reject(error);
      else resolve();
    };
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) terminal.onSignal(signal, () => end());
    const show = (now: Seen, before: Seen) => {
      if (isOver) return;
      terminal.out(screenOf(now, before, styleOf(terminal), terminal.columns, terminal.rows));
      cancel = platform.clock.after(everyMs, () => void askAll(call).then((next) => show(next, now), end));
    };
    show(first, first);
  });
}

export function screenOf(now: Seen, before: Seen, style: Style, width: number, height: number): string {
  const lines = [
    ...headLines(now, before, style),
    ...clientLines(now, before, style, Math.max(3, height - 18)),
    ...neighbourLines(now, style),
    ...deniedLines(now, style),
  ];
  const shown = lines.slice(0, height - 1).map((line) => style.cut(line, width));
  return `${HOME}${shown.map((line) => `${line}${WIPE_LINE}\r\n`).join("")}${WIPE_BELOW}`;
}

/** A second's worth of what grew between two looks. */
function rate(now: number, then: number, seconds: number): number {
  return seconds > 0 ? Math.max(0, Math.round((now - then) / seconds)) : 0;
}

function headLines({ status, atMs }: Seen, before: Seen, style: Style): string[] {
  const { datapath, name, id, uptimeMs, mode } = status;
  const head = `${style.bold(printable(name))} (${id})  up ${durationText(uptimeMs)}  ${mode === "enforce" ? mode : style.warn(mode)}`;
  if (!datapath) return [head, style.bad("waiting for roamwalld")];
  const then = before.status.datapath ?? datapath;
  const seconds = (atMs - before.atMs) / 1000;
  const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((all, one) => all + one, 0);
  const packets = grouped(rate(datapath.passed, then.passed, seconds));
  const bytes = bytesText(rate(datapath.bytes, then.bytes, seconds));
  const denials = grouped(rate(sum(datapath.denied), sum(then.denied), seconds));
  return [
    head,
    `table ${fillLine(datapath.usedCells, datapath.cells)}  passed ${packets} packets/s, ${bytes}/s  denied ${denials}/s`,
  ];
}

function clientLines({ clients, atMs }: Seen, before: Seen, style: Style, most: number): string[] {
  const seconds = (atMs - before.atMs) / 1000;
  const then = new Map(before.clients.map((client) => [client.mac, client]));
  const rows = clients.map((client) => {
    const old = then.get(client.mac) ?? client;
    const rates = [rate(client.passed, old.passed, seconds), rate(client.denied, old.denied, seconds)] as const;
    const bytes = rate(client.bytes, old.bytes, seconds);
    const cells = [nameOf(client.mac), printable(client.role ?? "-"), whereText(client), modeText(client, style)];
    return { bytes, cells: [...cells, ...rates, `${bytesText(bytes)}/s`, client.cells] };
  });
  rows.sort((a, b) => b.bytes - a.bytes);
  const heading = ["client", "role", "where", "mode", "passed/s", "denied/s", "bytes", "cells"];
  return section("clients", [heading, ...rows.slice(0, most).map(({ cells }) => cells)], style);
}

function neighbourLines({ neighbours }: Seen, style: Style): string[] {
  const rows = neighbours.map(({ id, name, state, lagMs, lossHere, fill }) => [
    id,
    printable(name),
    state === "alive" ? state : style.bad(state),
    lagMs > 0 ? durationText(lagMs) : "-",
    `${Math.round(lossHere * 100)} %`,
    `${Math.round(fill * 100)} %`,
  ]);
  return section("neighbours", [["ap", "name", "state", "behind", "lost", "fill"], ...rows], style);
}

function deniedLines({ denied }: Seen, style: Style): string[] {
  const rows = denied.slice(-DENIALS_SHOWN).map((one) => [one.reason, one.mac, flowText(one)]);
  return section("last denials", [["reason", "client", "packet"], ...rows], style);
}

function section(title: string, rows: (readonly (string | number)[])[], style: Style): string[] {
  if (rows.length === 1) return [];
  return (part(title, style) + columns(rows, style)).trimEnd().split("\n");
}
