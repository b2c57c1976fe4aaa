/** What a filter adds to the time of a forwarded packet: each round sends the same burst over every path in turn. */
import { readFileSync } from "node:fs";
import { forgetFlows, startNft } from "./baseline.ts";
import { type Lab, type Path, sleep, withLab } from "./lab.ts";
import { Roamwall } from "./roamwall.ts";
import type { Context, Group, Row } from "./row.ts";
import { type Figure, figureOf } from "./stats.ts";

const PATHS = ["none", "control", "nft", "roamwall"] as const;
const ROUNDS = 25;
const BURST_PACKETS = 10_000;
const MANY_FLOWS = 20_000;
/** A number that no burst reaches: every packet is a flow of its own. */
const ENDLESS_FLOWS = 1_000_000_000;
const OPENED_WAIT_MS = 50_000;
/** A cell, and its owner and mark. */
const BYTES_PER_CELL = 4 + 2 + 1;

interface Paths {
  readonly lab: Lab;
  readonly none: Path;
  /** A second one without a filter: what it "adds" is the error of the method. */
  readonly control: Path;
  readonly nft: Path;
  readonly roamwall: Path;
  readonly ap: Roamwall;
}

async function prepare(lab: Lab, context: Context, table: string): Promise<Paths> {
  const [none, control, nft, roamwall] = PATHS.map((name) => lab.addPath(name)) as [Path, Path, Path, Path];
  startNft(lab, nft);
  const ap = new Roamwall(lab, {
    namespace: roamwall.namespace,
    id: 1,
    table,
    clients: [roamwall.burstClient.mac, lab.clientMac(roamwall)],
    mesh: undefined,
    cpu: context.otherCpu,
  });
  await ap.startDaemon();
  await ap.startAgent();
  await lab.start(context.trafficCpu);
  return { lab, none, control, nft, roamwall, ap };
}

const all = (p: Paths): Path[] => [p.none, p.control, p.nft, p.roamwall];

/** Opens flows from the client's side and has them answered, so that conntrack calls them assured. */
async function establish(p: Paths, flows: number): Promise<void> {
  for (const path of all(p)) {
    // The first frame of an unknown client makes it known.
    await p.lab.burst(path, "up", 1, 0, 1);
  }
  await sleep(300);
  for (const path of all(p)) {
    for (const way of ["up", "down", "up"] as const) await p.lab.burst(path, way, flows, 0, flows);
  }
}

/** ns a packet by path, a list of rounds each, and what was lost on the way. */
class Rounds {
  readonly ns = new Map<Path, number[]>();
  lost = 0;
  sent = 0;

  add(path: Path, nsPerPacket: number): void {
    const list = this.ns.get(path) ?? [];
    list.push(nsPerPacket);
    this.ns.set(path, list);
  }

  of(path: Path): number[] {
    return this.ns.get(path) ?? [];
  }

  /** Differences within a round. */
  addedBy(path: Path, without: Path): Figure {
    const base = this.of(without);
    return figureOf(this.of(path).map((ns, round) => ns - (base[round] as number)));
  }

  rate(path: Path): Figure {
    return figureOf(this.of(path).map((ns) => 1e9 / ns));
  }
}

interface Load {
  readonly way: "up" | "down";
  readonly flows: number;
  readonly packets: number;
  /** Before each round, with the number of the first flow that the round may use. */
  readonly before?: () => Promise<void>;
}

/** Of two bursts the faster one counts: whatever disturbs a burst only ever adds. */
async function measureRounds(p: Paths, load: Load, firstFlow: number): Promise<Rounds> {
  const rounds = new Rounds();
  const paths = all(p);
  let first = firstFlow;
  for (let round = 0; round < ROUNDS; round++) {
    await load.before?.();
    for (let i = 0; i < paths.length; i++) {
      const path = paths[(round + i) % paths.length] as Path;
      let best = Number.POSITIVE_INFINITY;
      for (let turn = 0; turn < 2; turn++) {
        const from = load.flows === ENDLESS_FLOWS ? first + turn * load.packets : 0;
        const burst = await p.lab.burst(path, load.way, load.flows, from, load.packets);
        best = Math.min(best, burst.nsPerPacket);
        rounds.sent += burst.sent;
        // A frame of somebody else may arrive in between.
        rounds.lost += Math.max(0, burst.sent - burst.received);
      }
      rounds.add(path, best);
    }
    first += 2 * load.packets;
  }
  if (rounds.lost > 0) throw new Error(`${rounds.lost} of ${rounds.sent} packets were lost: the figure would be void`);
  return rounds;
}

function rowsOf(name: string, p: Paths, rounds: Rounds): Row[] {
  const error = rounds.addedBy(p.control, p.none).median;
  const base = figureOf(rounds.of(p.none)).median;
  return [
    {
      name,
      unit: "ns added",
      value: rounds.addedBy(p.roamwall, p.none),
      baseline: rounds.addedBy(p.nft, p.none),
      note: `against nft + conntrack; no filter ${base.toFixed(0)} ns a packet, error of the method ${error.toFixed(1)} ns`,
    },
    {
      name: `${name}.rate`,
      unit: "packets/s",
      value: rounds.rate(p.roamwall),
      baseline: rounds.rate(p.nft),
      note: `against nft + conntrack; no filter ${rounds.rate(p.none).median.toFixed(0)}`,
    },
  ];
}

/** Cells of flows that have been answered, once what their opening left behind has aged away. */
async function measureState(p: Paths): Promise<Row> {
  const opened = await p.ap.usedCells();
  const deadline = Date.now() + OPENED_WAIT_MS;
  let used = opened;
  while (used > MANY_FLOWS * 1.01 && Date.now() < deadline) {
    await sleep(500);
    used = await p.ap.usedCells();
  }
  const bytes = (cells: number): number => (cells / MANY_FLOWS) * BYTES_PER_CELL;
  const slab = conntrackBytes();
  return {
    name: "state.bytesPerFlow",
    unit: "bytes",
    value: { median: bytes(used), min: bytes(used), max: bytes(opened) },
    ...(slab && { baseline: { median: slab, min: slab, max: slab } }),
    note: "an answered UDP flow; max: within 30 s of its opening. Baseline: conntrack's slab object alone",
  };
}

function conntrackBytes(): number | undefined {
  const line = /^nf_conntrack +\d+ +\d+ +(\d+)/m.exec(readFileSync("/proc/slabinfo", "utf8"));
  return line ? Number(line[1]) : undefined;
}

function withPaths(context: Context, table: string, work: (p: Paths) => Promise<Row[]>): Promise<Row[]> {
  return withLab(async (lab) => work(await prepare(lab, context, table)));
}

export const established: Group = {
  names: [
    "forward.established.1flow",
    "forward.established.20kflows",
    "forward.established.20kflows.down",
    "state.bytesPerFlow",
  ],
  measure: (context) =>
    // 20,000 flows with their openings are 40,000 cells for half a minute: more than the default table holds.
    withPaths(context, "4x2048x8/r26", async (p) => {
      const rows: Row[] = [];
      await establish(p, MANY_FLOWS);
      for (const [name, way, flows] of [
        ["forward.established.1flow", "up", 1],
        ["forward.established.20kflows", "up", MANY_FLOWS],
        ["forward.established.20kflows.down", "down", MANY_FLOWS],
      ] as const) {
        const packets = flows === 1 ? BURST_PACKETS : MANY_FLOWS;
        const measure = async () => rowsOf(name, p, await measureRounds(p, { way, flows, packets }, 0));
        rows.push(...(await context.attempt(name, measure)));
      }
      rows.push(...(await context.attempt("state.bytesPerFlow", async () => [await measureState(p)])));
      return rows;
    }),
};

export const newFlow: Group = {
  names: ["forward.newflow.udp"],
  measure: (context) =>
    withPaths(context, "4x1024x8/r26", async (p) => {
      await establish(p, 1);
      const before = async (): Promise<void> => {
        forgetFlows(p.lab, p.nft);
        await p.ap.wipe();
      };
      const load = { way: "up", flows: ENDLESS_FLOWS, packets: BURST_PACKETS, before } as const;
      const name = "forward.newflow.udp";
      return context.attempt(name, async () => rowsOf(name, p, await measureRounds(p, load, 100_000)));
    }),
};
