/** The program alone, on one frame, by BPF_PROG_TEST_RUN. */
import { type Host, type Lab, type Path, sleep, withLab } from "./lab.ts";
import { Roamwall } from "./roamwall.ts";
import type { Context, Group, Row } from "./row.ts";
import { figureOf } from "./stats.ts";

const ROUNDS = 9;
const REPEAT = 200_000;
/** Flows that are opened once each, a round. */
const OPENED = 2_000;
const PASS = -1;
const DENY = 2;
/** As the traffic tool numbers them: flow 0. */
const CLIENT_PORT = 1024;
const PEER_PORT = 20_000;
const TCP_PORT = 8_000;

const bytesOfMac = (mac: string): number[] => mac.split(":").map((byte) => Number.parseInt(byte, 16));
const bytesOfAddress = (address: string): number[] => address.split(".").map(Number);
const be16 = (value: number): number[] => [value >> 8, value & 255];

/** A frame of 60 bytes from client to server; checksums are nobody's business here. */
function frameHex(routerMac: string, from: Host, to: Host, protocol: 6 | 17, peerPort: number): string {
  const transport =
    protocol === 17
      ? [...be16(CLIENT_PORT), ...be16(peerPort), ...be16(26), 0, 0]
      : [...be16(CLIENT_PORT), ...be16(peerPort), 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0];
  const ip = [
    0x45,
    0,
    0,
    46,
    0,
    0,
    0,
    0,
    64,
    protocol,
    0,
    0,
    ...bytesOfAddress(from.address),
    ...bytesOfAddress(to.address),
  ];
  const frame = [...bytesOfMac(routerMac), ...bytesOfMac(from.mac), 8, 0, ...ip, ...transport];
  while (frame.length < 60) frame.push(0);
  return Buffer.from(frame).toString("hex");
}

async function ns(ap: Roamwall, line: string, verdict: number): Promise<number> {
  const [got, time] = (await ap.look(line)) as [number, number];
  if (got !== verdict) throw new Error(`${line.split(" ")[0]}: verdict ${got}, expected ${verdict}`);
  return time;
}

async function establish(lab: Lab, path: Path): Promise<void> {
  await lab.burst(path, "up", 1, 0, 1);
  await sleep(300);
  for (const way of ["up", "down", "up"] as const) await lab.burst(path, way, OPENED, 0, OPENED);
}

async function measure(lab: Lab, context: Context): Promise<Row[]> {
  const path = lab.addPath("roamwall");
  const clients = [path.burstClient.mac];
  const options = { namespace: path.namespace, id: 1, table: "4x1024x8/r26", clients, mesh: undefined };
  const ap = new Roamwall(lab, { ...options, cpu: context.otherCpu });
  await ap.startDaemon();
  await ap.startAgent();
  await lab.start(context.trafficCpu);
  const router = lab.macOf(path.namespace, "lan");
  const udp = frameHex(router, path.burstClient, path.burstServer, 17, PEER_PORT);
  const fresh = frameHex(router, path.burstClient, path.burstServer, 17, PEER_PORT + 1);
  const stray = frameHex(router, path.burstClient, path.burstServer, 6, TCP_PORT);
  const times = { established: [] as number[], opening: [] as number[], denied: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    await ap.wipe();
    await establish(lab, path);
    const known = await ns(ap, `run ${udp} ${REPEAT}`, PASS);
    // A single run costs the test's own entry and a cold start too; with flows that are known both are known.
    const single = await ns(ap, `ports ${udp} ${CLIENT_PORT} ${OPENED}`, PASS);
    const opening = await ns(ap, `ports ${fresh} ${CLIENT_PORT} ${OPENED}`, PASS);
    times.established.push(known);
    times.opening.push(known + opening - single);
    times.denied.push(await ns(ap, `run ${stray} ${REPEAT}`, DENY));
  }
  const row = (name: string, list: number[], note: string): Row => ({ name, unit: "ns", value: figureOf(list), note });
  return [
    row("testrun.established", times.established, "a UDP packet of an answered flow"),
    row("testrun.new", times.opening, "a UDP packet that opens a flow; single runs, the cost of running one taken off"),
    row("testrun.denied", times.denied, "a TCP ACK that the access list allows and no state awaits"),
  ];
}

export const testrun: Group = {
  names: ["testrun.established", "testrun.new", "testrun.denied"],
  measure: (context) => withLab((lab) => measure(lab, context)),
};
