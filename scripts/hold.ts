/**
 * What holding back costs and saves: bytes on the mesh link for a short TCP connection, and flows that a neighbour knows
 * when their access point dies, against the hold time. Whole agents over models of the kernel, on one virtual clock.
 * `node scripts/ts.mjs scripts/hold.ts [--write]`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseMac } from "../src/base/mac.ts";
import { plot } from "../src/control/report/plot.ts";
import { type Ap, Lab, lcg } from "../src/replication/testing/lab.ts";
import { filterOf } from "../test/support/firewall.ts";
import { tcp, udp } from "../test/support/packets.ts";

const HOLDS_MS = [0, 10, 50, 100, 200, 500, 1_000];
const DEATHS = 12;
const WARM_MS = 2_000;
const TRAFFIC_MS = 4_000;
const PER_SECOND = 100;
/** IP and UDP, and what a sealed datagram has beside its body and header. */
const EXTRA_BYTES = 28 + 24;
const OLD_MS = 1_000;
const DOCUMENT = "docs/numbers.md";
const FIGURE = "docs/hold.svg";
const MARKS = ["<!-- scripts/hold.ts: begin -->", "<!-- scripts/hold.ts: end -->"] as const;

const MAC = "02:00:00:00:0a:01";
const SERVER = "02:00:00:00:0b:01";
const OUT = { srcMac: MAC, dstMac: SERVER, src: "10.0.0.1", dst: "10.9.9.9" };
const IN = { srcMac: SERVER, dstMac: MAC, src: "10.9.9.9", dst: "10.0.0.1" };

interface Step {
  readonly atMs: number;
  readonly flow: Flow;
  readonly frame: Uint8Array;
  /** 0 from the client, 1 to it. */
  readonly direction: 0 | 1;
  readonly last: boolean;
}

interface Flow {
  readonly beganMs: number;
}

interface Kind {
  readonly share: number;
  readonly proto: "tcp" | "udp";
  /** Exchanges after the opening, and the pause before each beside the round trip. */
  readonly exchanges: readonly [least: number, most: number];
  readonly pauseMs: number;
}

/** What clients of an access point do; round trips are 10 to 90 ms. */
const SHORT: Kind = { share: 0.6, proto: "tcp", exchanges: [1, 6], pauseMs: 0 };
const MIX: readonly Kind[] = [
  SHORT,
  { share: 0.25, proto: "udp", exchanges: [0, 0], pauseMs: 0 },
  { share: 0.1, proto: "tcp", exchanges: [10, 30], pauseMs: 300 },
  { share: 0.05, proto: "tcp", exchanges: [100, 100], pauseMs: 1_000 },
];

function stepsOf(kind: Kind, beganMs: number, port: number, random: () => number): Step[] {
  const rttMs = 10 + 80 * random() ** 2;
  const flow = { beganMs };
  const steps: Step[] = [];
  let atMs = beganMs;
  const add = (direction: 0 | 1, flags: string, last = false) => {
    const ports = direction === 0 ? { sport: port, dport: 443 } : { sport: 443, dport: port };
    const of = { ...(direction === 0 ? OUT : IN), ...ports };
    steps.push({ atMs, flow, frame: kind.proto === "udp" ? udp(of) : tcp({ ...of, flags }), direction, last });
  };
  add(0, "S");
  atMs += rttMs;
  add(1, "SA", kind.proto === "udp");
  if (kind.proto === "udp") return steps;
  add(0, "A");
  const [least, most] = kind.exchanges;
  for (let left = least + Math.floor(random() * (most - least + 1)); left > 0; left--) {
    atMs += kind.pauseMs * 2 * random();
    add(0, "PA");
    atMs += rttMs;
    add(1, "PA");
  }
  add(0, "FA");
  atMs += rttMs;
  add(1, "FA");
  add(0, "A", true);
  return steps;
}

function kindAt(mix: readonly Kind[], share: number): Kind {
  let upTo = 0;
  for (const kind of mix) {
    upTo += kind.share;
    if (share < upTo) return kind;
  }
  return SHORT;
}

function scheduleOf(mix: readonly Kind[], fromMs: number, random: () => number): Step[] {
  const total = mix.reduce((sum, { share }) => sum + share, 0);
  const steps: Step[] = [];
  for (let i = 0; i < (PER_SECOND * TRAFFIC_MS) / 1000; i++) {
    const kind = kindAt(mix, random() * total);
    steps.push(...stepsOf(kind, fromMs + random() * TRAFFIC_MS, 1_024 + i, random));
  }
  return steps.sort((a, b) => a.atMs - b.atMs);
}

async function meshOf(holdMs: number, seed: number): Promise<Lab> {
  const lab = new Lab(2, {
    geometry: "4x256x8/r26",
    holdMs,
    seed,
    options: { holdMs },
    prepare: ({ datapath }: Ap) =>
      datapath.setFilter(
        filterOf(0, [
          { direction: "out", proto: 6 },
          { direction: "out", proto: 17 },
        ]),
      ),
  });
  const client = parseMac(MAC, "hold");
  lab.roles.set("open", { filters: [0], limits: { openOut: 0, openIn: 0, halfOpen: 0 } });
  lab.localRoles.set(client, "open");
  await lab.start();
  for (const { replicator } of lab.aps) replicator.proxy.rights.give(client, { role: "open" });
  await lab.run(WARM_MS);
  return lab;
}

function play(ap: Ap, { frame, direction }: Step): boolean {
  return ap.datapath.judge({ frame, direction }).pass;
}

/** Bytes of AP 1 for one short connection, hellos not counted. */
async function bytesOf(holdMs: number): Promise<number> {
  const lab = await meshOf(holdMs, 1);
  const { counters } = lab.ap(1).replicator;
  const sent = () => counters.bytesSent + counters.datagramsSent * EXTRA_BYTES;
  const idleFrom = sent();
  await lab.run(TRAFFIC_MS + 2_000);
  const idle = sent() - idleFrom;
  const from = sent();
  const steps = scheduleOf([SHORT], lab.nowMs, lcg(7));
  await lab.run(TRAFFIC_MS + 2_000, (nowMs) => {
    while (steps[0] && steps[0].atMs <= nowMs) play(lab.ap(1), steps.shift() as Step);
  });
  return (sent() - from - idle) / ((PER_SECOND * TRAFFIC_MS) / 1000);
}

interface Survivors {
  alive: number;
  known: number;
  oldAlive: number;
  oldKnown: number;
}

/** AP 1 dies at a random instant; the next packet of every flow that is open goes through AP 2. */
async function die(holdMs: number, seed: number, into: Survivors): Promise<void> {
  const lab = await meshOf(holdMs, seed);
  const random = lcg(seed * 101);
  const steps = scheduleOf(MIX, lab.nowMs, random);
  const open = new Set<Flow>();
  await lab.run(TRAFFIC_MS / 2 + (random() * TRAFFIC_MS) / 2, (nowMs) => {
    while (steps[0] && steps[0].atMs <= nowMs) {
      const step = steps.shift() as Step;
      if (play(lab.ap(1), step)) open.add(step.flow);
      if (step.last) open.delete(step.flow);
    }
  });
  const next = new Map<Flow, Step>();
  for (const step of steps) if (open.has(step.flow) && !next.has(step.flow)) next.set(step.flow, step);
  for (const [flow, step] of next) {
    const isOld = lab.nowMs - flow.beganMs > OLD_MS;
    const knows = play(lab.ap(2), step);
    into.alive++;
    into.known += knows ? 1 : 0;
    into.oldAlive += isOld ? 1 : 0;
    into.oldKnown += isOld && knows ? 1 : 0;
  }
}

interface Row {
  readonly holdMs: number;
  readonly bytes: number;
  readonly known: number;
  readonly oldKnown: number;
  readonly flows: number;
}

async function measure(holdMs: number): Promise<Row> {
  const bytes = await bytesOf(holdMs);
  const seen: Survivors = { alive: 0, known: 0, oldAlive: 0, oldKnown: 0 };
  for (let seed = 1; seed <= DEATHS; seed++) await die(holdMs, seed, seen);
  const { alive, known, oldAlive, oldKnown } = seen;
  return { holdMs, bytes, known: (known / alive) * 100, oldKnown: (oldKnown / oldAlive) * 100, flows: alive };
}

function tableOf(rows: readonly Row[]): string {
  const lines = rows.map(
    (r) => `| ${r.holdMs} | ${r.bytes.toFixed(1)} | ${r.known.toFixed(1)} % | ${r.oldKnown.toFixed(1)} % |`,
  );
  const head = "| hold, ms | bytes a short connection | flows known, all | flows known, older than 1 s |";
  return [head, "|---|---|---|---|", ...lines].join("\n");
}

function write(rows: readonly Row[]): void {
  const [begin, end] = MARKS;
  const text = readFileSync(DOCUMENT, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < 0) throw new Error(`${DOCUMENT}: no ${begin} and ${end}`);
  writeFileSync(DOCUMENT, `${text.slice(0, from + begin.length)}\n${tableOf(rows)}\n${text.slice(to)}`);
  // The axis is a logarithm: nothing held back stands at 1.
  const points = (y: (row: Row) => number) => rows.map((row) => ({ x: Math.max(1, row.holdMs), y: y(row) }));
  const panels = [
    {
      title: "% of flows known",
      series: [
        { name: "all", style: "a" as const, points: points((r) => r.known) },
        { name: "older than 1 s", style: "b" as const, points: points((r) => r.oldKnown) },
      ],
    },
    {
      title: "bytes a short connection",
      series: [{ name: "all", style: "a" as const, points: points((r) => r.bytes) }],
    },
  ];
  writeFileSync(FIGURE, plot(panels, "hold, ms (none: 1)"));
}

const rows: Row[] = [];
for (const holdMs of HOLDS_MS) rows.push(await measure(holdMs));
process.stdout.write(`${tableOf(rows)}\n${rows[0]?.flows} flows of ${DEATHS} deaths\n`);
if (process.argv.includes("--write")) write(rows);
