/**
 * Packets a second where they are judged in user space, beside a program that accepts everything it is queued: each
 * round sends the same frames over every path in turn, never more at a time than a queue holds.
 */
import { spawn } from "node:child_process";
import { type Lab, LineTool, type Path, sleep, tool, withLab } from "./lab.ts";
import { Roamwall } from "./roamwall.ts";
import type { Context, Group, Row } from "./row.ts";
import { figureOf } from "./stats.ts";

const ROUNDS = 9;
const PACKETS = 30_000;
const NEW_PACKETS = 5_000;
const FLOWS = 1_000;
const ENDLESS_FLOWS = 1_000_000_000;
const QUEUE = 5;

/** iptables' own way into a queue, at the places where ours are. */
function startAccept(lab: Lab, { namespace }: Path, cpu: number): Promise<LineTool> {
  const rules = (table: string, chain: string, dev: string) =>
    lab.inside(namespace, "iptables", [
      ...["-t", table, "-A", chain, dev, "lan", "-j", "NFQUEUE", "--queue-num", `${QUEUE}`],
    ]);
  rules("raw", "PREROUTING", "-i");
  rules("mangle", "POSTROUTING", "-o");
  const inside = [`--net=/run/netns/${namespace}`, "taskset", "-c", `${cpu}`, "nice", "-n", "-20"];
  return LineTool.start("accept", "nsenter", [...inside, tool("accept", ["-lnetfilter_queue"]), `${QUEUE}`]);
}

async function startRoamwall(lab: Lab, path: Path, cpu: number, daemonOptions: readonly string[]): Promise<void> {
  const ap = new Roamwall(lab, {
    namespace: path.namespace,
    id: path.index + 1,
    table: "4x4096x8/r26",
    clients: [path.burstClient.mac, lab.clientMac(path)],
    mesh: undefined,
    cpu,
    daemonOptions,
  });
  await ap.startDaemon();
  await ap.startAgent();
}

interface Load {
  readonly row: string;
  readonly flows: number;
  readonly packets: number;
}

const LOADS: readonly Load[] = [
  { row: "queue.established", flows: FLOWS, packets: PACKETS },
  { row: "queue.new", flows: ENDLESS_FLOWS, packets: NEW_PACKETS },
];

async function measure({ trafficCpu, otherCpu }: Context): Promise<Row[]> {
  return withLab(async (lab) => {
    const [ebpf, accept, queue] = ["ebpf", "accept", "queue"].map((name) => lab.addPath(name)) as [Path, Path, Path];
    const accepting = await startAccept(lab, accept, otherCpu);
    lab.onCleanup(() => accepting.stop());
    await startRoamwall(lab, ebpf, otherCpu, ["--datapath", "ebpf"]);
    const state = `/tmp/${queue.namespace}-tables`;
    await startRoamwall(lab, queue, otherCpu, ["--datapath", "nfqueue", "--fail", "closed", "--state", state]);
    lab.onCleanup(() => spawn("rm", ["-rf", state]));
    await lab.start(trafficCpu);
    const paths = [ebpf, accept, queue];
    for (const path of paths) await lab.burst(path, "up", 1, 0, 1);
    await sleep(300);
    for (const path of paths)
      for (const way of ["up", "down", "up"] as const) await lab.paced(path, way, FLOWS, 0, FLOWS);
    const rows: Row[] = [];
    let first = 10 * FLOWS;
    for (const { row, flows, packets } of LOADS) {
      const rates = new Map<Path, number[]>(paths.map((path) => [path, []]));
      for (let round = 0; round < ROUNDS; round++) {
        for (let i = 0; i < paths.length; i++) {
          const path = paths[(round + i) % paths.length] as Path;
          const burst = await lab.paced(path, "up", flows, flows === ENDLESS_FLOWS ? first : 0, packets);
          if (burst.received < 0.99 * packets)
            throw new Error(`${path.name}: ${burst.received} of ${packets} packets arrived`);
          rates.get(path)!.push(1e9 / burst.nsPerPacket);
        }
        first += packets;
        // New flows fill the table.
        if (flows === ENDLESS_FLOWS) first += packets;
      }
      const of = (path: Path) => figureOf(rates.get(path)!);
      rows.push({ name: row, unit: "packets/s", value: of(queue), baseline: of(accept), note: "beside accept-all" });
      rows.push({ name: `${row}.ebpf`, unit: "packets/s", value: of(ebpf), baseline: of(accept), note: "for scale" });
    }
    return rows;
  });
}

export const queue: Group = { names: LOADS.flatMap(({ row }) => [row, `${row}.ebpf`]), measure };
