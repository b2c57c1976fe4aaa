import { badInput } from "../../base/errors.ts";
import { parseGeometry } from "../../bloom/geometry.ts";
import type { Simulated, SimulateOptions } from "../../simulate/simulate.ts";
import { facts, htmlPage, table } from "../report/html.ts";
import { type Panel, plot } from "../report/plot.ts";
import { bytesText, columns, styleOf } from "./text.ts";
import { type Call, EXIT, JSON_OPTION, usage, type Verb } from "./verb.ts";

const APS_MAX = 400;
const DEFAULTS = {
  aps: "2,4,9,16",
  clients: 10,
  flows: 5,
  spacing: 20,
  speed: 1.5,
  seconds: 60,
  loss: 0.01,
  table: "4x256x8/r26",
  seed: 1,
} as const;

export const simulateVerb: Verb = {
  name: "simulate",
  summary: `Lets people with devices walk through buildings of growing size, and says what replication costs and keeps in each.

The same code as on access points, on a model of the kernel and one virtual clock: a minute of 16 access points takes some
20 s. Flow durability: of the flows that were open when their client roamed, those whose next packet passed.`,
  arguments: [],
  options: [
    { name: "aps", value: "N,N", text: `sizes, in access points; default ${DEFAULTS.aps}` },
    { name: "clients", value: "N", text: `clients of each access point; default ${DEFAULTS.clients}` },
    { name: "flows", value: "N", text: `connections that each holds open; default ${DEFAULTS.flows}` },
    { name: "spacing", value: "METRES", text: `between two access points; default ${DEFAULTS.spacing}` },
    { name: "speed", value: "M/S", text: `of walking; default ${DEFAULTS.speed}` },
    { name: "seconds", value: "N", text: `of virtual time; default ${DEFAULTS.seconds}` },
    { name: "loss", value: "SHARE", text: `of datagrams between access points; default ${DEFAULTS.loss}` },
    { name: "table", value: "GEOMETRY", text: `default ${DEFAULTS.table}` },
    { name: "seed", value: "N", text: `another building full of people; default ${DEFAULTS.seed}` },
    { name: "report", value: "html", text: "print a page with plots" },
    JSON_OPTION,
  ],
  async run(call) {
    const options = readOptions(call);
    const report = call.options.get("report");
    if (report !== undefined && report !== "html") throw usage(`--report ${report}`, "--report html");
    if (report !== undefined && call.options.has("json")) throw usage("--report and --json", "one of them");
    // A whole mesh, with the model of the datapath: a file of its own.
    const { simulate } = await import("../../simulate/simulate.ts");
    const rows: Simulated[] = [];
    for (const aps of options.aps) {
      rows.push(await simulate(aps, options, call.platform.crypto));
      if (call.terminal.isErrTerminal) call.terminal.err(`\r\x1b[K${rows.length} of ${options.aps.length} meshes`);
    }
    if (call.terminal.isErrTerminal) call.terminal.err("\r\x1b[K");
    call.terminal.out(report ? page(rows, options) : call.options.has("json") ? json(rows, options) : text(call, rows));
    return EXIT.ok;
  },
};

function readOptions(call: Call): SimulateOptions {
  const { options } = call;
  const aps = (options.get("aps") ?? DEFAULTS.aps).split(",").map((one) => within("aps", one, 1, APS_MAX));
  const number = (name: Exclude<keyof typeof DEFAULTS, "aps" | "table">, least: number, most: number) =>
    within(name, options.get(name) ?? String(DEFAULTS[name]), least, most);
  const geometry = options.get("table") ?? DEFAULTS.table;
  parseGeometry(geometry, "--table");
  return {
    aps: aps.map(Math.floor).sort((a, b) => a - b),
    clientsPerAp: Math.floor(number("clients", 1, 200)),
    flows: Math.floor(number("flows", 0, 200)),
    spacing: number("spacing", 1, 1_000),
    speed: number("speed", 0, 100),
    seconds: number("seconds", 1, 3_600),
    loss: number("loss", 0, 1),
    table: geometry,
    seed: Math.floor(number("seed", 0, 2 ** 32 - 1)),
  };
}

function within(name: string, given: string, least: number, most: number): number {
  const value = Number(given);
  if (given.trim() === "" || !(value >= least && value <= most)) {
    throw badInput(`--${name}`, `"${given}"`, `${least} to ${most}`);
  }
  return value;
}

const HEAD = [
  "APs",
  "clients",
  "roams",
  "durability",
  "without",
  "sent/s",
  "heard/s",
  "fill",
  "false positives",
  "denied",
];

function cellsOf(row: Simulated): (string | number)[] {
  const share = (value: number | null) => (value === null ? "-" : `${(100 * value).toFixed(1)} %`);
  return [
    row.aps,
    row.clients,
    row.roams,
    share(row.durability),
    share(row.durabilityAlone),
    bytesText(row.bytesSent),
    bytesText(row.bytesHeard),
    share(row.fill),
    row.falsePositives.toExponential(1),
    row.denied,
  ];
}

function text({ terminal }: Call, rows: readonly Simulated[]): string {
  return columns([HEAD, ...rows.map(cellsOf)], styleOf(terminal));
}

function json(meshes: readonly Simulated[], options: SimulateOptions): string {
  return `${JSON.stringify({ options, meshes }, null, 2)}\n`;
}

function page(rows: readonly Simulated[], options: SimulateOptions): string {
  const points = (of: (row: Simulated) => number | null) => rows.map((row) => ({ x: row.aps, y: of(row) ?? 0 }));
  const one = (title: string, of: (row: Simulated) => number | null): Panel => ({
    title,
    series: [{ name: "with replication", style: "a", points: points(of) }],
  });
  const durability: Panel = {
    title: "flows that survive a roam, per cent",
    series: [
      { name: "with replication", style: "a", points: points((row) => 100 * (row.durability ?? 0)) },
      { name: "without", style: "b", points: points((row) => 100 * (row.durabilityAlone ?? 0)) },
    ],
  };
  const first = plot([durability, one("kB heard a second, per AP", (row) => row.bytesHeard / 1_000)], "access points");
  const second = plot(
    [
      one("fill, per cent", (row) => 100 * row.fill),
      one("false positives, in a thousand million lookups", (row) => 1e9 * row.falsePositives),
    ],
    "access points",
  );
  const { clientsPerAp, flows, spacing, speed, seconds, loss, table: geometry, seed } = options;
  return htmlPage(
    "A simulated mesh",
    [
      "<h1>What replication costs and keeps</h1>",
      `<p class="muted">${seconds} s of virtual time, seed ${seed}, tables ${geometry}, ${100 * loss} % of datagrams lost</p>`,
      facts([
        ["clients an AP", String(clientsPerAp)],
        ["open flows of each", String(flows)],
        ["metres between APs", String(spacing)],
        ["metres a second", String(speed)],
      ]),
      first,
      second,
      table(HEAD, rows.map(cellsOf)),
      '<p class="muted">Sent and heard: bytes of one access point with Ethernet, IP and UDP headers. Without: the same people while no datagram arrives.</p>',
    ].join("\n"),
  );
}
