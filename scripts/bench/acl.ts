/**
 * What an access list costs per packet as it grows: each rule names an address and a port. Beside it the same list as
 * iptables rules, the packet's own in the middle of them (ICC'07, section V), and as one nft set. Neither of the two keeps
 * state; Roamwall's figure has its state inspection in it.
 */
import { type Lab, type Path, sleep, withLab } from "./lab.ts";
import { policyText, Roamwall } from "./roamwall.ts";
import type { Context, Group, Row } from "./row.ts";
import { type Figure, figureOf } from "./stats.ts";

const SIZES = [1, 100, 1_000, 10_000, 100_000, 200_000] as const;
const ROUNDS = 15;
const BURST_PACKETS = 10_000;
/** A list of 200,000 takes a millisecond a packet: the burst shrinks, so that a round stays within a second. */
const LIST_RULES_PER_BURST = 50_000_000;
const BURST_PACKETS_LEAST = 100;
const PEER_PORT = 20_000;
/** Rules are read and compiled: 200,000 take some seconds. */
const LOADED_MS = 60_000;

interface Target {
  readonly address: string;
  readonly port: number;
}

/** `count` targets of which only the middle one is ever asked for. */
function targetsAround(asked: string, count: number): Target[] {
  return Array.from({ length: count }, (_, i) => {
    if (i === count >> 1) return { address: asked, port: PEER_PORT };
    return { address: `10.${70 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`, port: 1_000 + (i % 5_000) };
  });
}

function startList(lab: Lab, path: Path, targets: readonly Target[]): void {
  const rules = targets.map(
    ({ address, port }) => `-A FORWARD -d ${address}/32 -p udp -m udp --dport ${port} -j ACCEPT`,
  );
  const text = ["*filter", ":INPUT ACCEPT", ":FORWARD DROP", ":OUTPUT ACCEPT", ...rules, "COMMIT", ""].join("\n");
  lab.inside(path.namespace, "iptables-legacy-restore", [], text);
}

function startSet(lab: Lab, path: Path, targets: readonly Target[]): void {
  const elements = targets.map(({ address, port }) => `${address} . ${port}`).join(", ");
  const text = `table ip acl {
  set allowed { type ipv4_addr . inet_service; elements = { ${elements} }; }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ip daddr . udp dport @allowed accept
  }
}
`;
  lab.inside(path.namespace, "nft", ["-f", "-"], text);
}

async function startRoamwall(lab: Lab, path: Path, context: Context, targets: readonly Target[]): Promise<void> {
  const clients = [path.burstClient.mac];
  const rules = targets.map(({ address, port }) => `out udp/${port} to ${address}`);
  const ap = new Roamwall(lab, {
    namespace: path.namespace,
    id: 1,
    table: "4x1024x8/r26",
    clients,
    mesh: undefined,
    cpu: context.otherCpu,
    policy: policyText(clients, rules),
  });
  await ap.startDaemon();
  await ap.startAgent();
}

/** The agent compiles before it serves, but a burst before the client's record is there would measure denials. */
async function untilPassing(lab: Lab, path: Path): Promise<void> {
  for (const deadline = Date.now() + LOADED_MS; Date.now() < deadline; await sleep(100)) {
    const { received } = await lab.burst(path, "up", 1, 0, 10);
    if (received < 10) continue;
    // An answered flow is what most packets belong to.
    await lab.burst(path, "down", 1, 0, 10);
    return;
  }
  throw new Error(`${path.name}: nothing passes after ${LOADED_MS} ms`);
}

/** ns that each path adds to the one without a filter, within a round. */
async function addedBy(lab: Lab, none: Path, paths: readonly { path: Path; packets: number }[]): Promise<Figure[]> {
  const all = [{ path: none, packets: BURST_PACKETS }, ...paths];
  const rounds: number[][] = all.map(() => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, { path, packets }] of all.entries()) {
      let best = Number.POSITIVE_INFINITY;
      for (let turn = 0; turn < 2; turn++) {
        const burst = await lab.burst(path, "up", 1, 0, packets);
        if (burst.received < burst.sent) throw new Error(`${path.name}: ${burst.sent - burst.received} packets lost`);
        best = Math.min(best, burst.nsPerPacket);
      }
      rounds[i]!.push(best);
    }
  }
  return paths.map((_, i) => figureOf(rounds[i + 1]!.map((ns, round) => ns - rounds[0]![round]!)));
}

async function measureSize(context: Context, size: number): Promise<Row[]> {
  return withLab(async (lab) => {
    const [none, list, set, ours] = ["none", "list", "set", "roamwall"].map((name) => lab.addPath(name)) as Path[];
    startList(lab, list!, targetsAround(list!.burstServer.address, size));
    startSet(lab, set!, targetsAround(set!.burstServer.address, size));
    await startRoamwall(lab, ours!, context, targetsAround(ours!.burstServer.address, size));
    await lab.start(context.trafficCpu);
    await untilPassing(lab, ours!);
    const listPackets = Math.min(BURST_PACKETS, Math.max(BURST_PACKETS_LEAST, Math.floor(LIST_RULES_PER_BURST / size)));
    const [roamwall, iptables, nft] = await addedBy(lab, none!, [
      { path: ours!, packets: BURST_PACKETS },
      { path: list!, packets: listPackets },
      { path: set!, packets: BURST_PACKETS },
    ]);
    const row = { unit: "ns added", value: roamwall! };
    return [
      { ...row, name: nameOf(size), baseline: iptables!, note: "against that many iptables rules, stateless" },
      { ...row, name: `${nameOf(size)}.set`, baseline: nft!, note: "against an nft set of as many, stateless" },
    ];
  });
}

const nameOf = (size: number): string => `acl.${size < 1_000 ? size : `${size / 1_000}k`}`;

export const acl: Group = {
  names: SIZES.map(nameOf),
  async measure(context) {
    const rows: Row[] = [];
    for (const size of SIZES) rows.push(...(await context.attempt(nameOf(size), () => measureSize(context, size))));
    return rows;
  },
};
