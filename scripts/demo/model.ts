import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_GEOMETRY, parseGeometry } from "../../src/bloom/geometry.ts";
import { type Agent, startAgent } from "../../src/control/agent.ts";
import { readKey } from "../../src/control/key.ts";
import type { Settings } from "../../src/control/settings.ts";
import { CONSTANTS, REASONS, type Reason } from "../../src/datapath/abi.ts";
import { FakeDatapath } from "../../src/datapath/fake.ts";
import { nodePlatform } from "../../src/platform/node/platform.ts";
import { createMesh } from "../../src/replication/mesh.ts";
import type { Mesh } from "../../src/replication/mesh-api.ts";
import { writeMeshFiles } from "../../test/lab/support/access-point.ts";
import { BAD_ROWS, badFrame } from "../../test/lab/support/bad.ts";
import { pause, until } from "../../test/lab/support/processes.ts";
import { type Ap, CLIENT, SERVER } from "../../test/lab/support/topology.ts";
import { PORTS } from "../../test/lab/support/traffic/plan.ts";
import { llc, tcp, udp } from "../../test/support/packets.ts";
import type { DemoDetails, DemoResult } from "./result.ts";
import type { Screen } from "./screen.ts";

/**
 * The story without root: two whole agents in this process, which replicate over loopback UDP, each over the model of
 * the datapath instead of the kernel. The client's packets are made up here, one at a time; no network carries them.
 */
const FLOWS = 200;
const ROAMS: readonly Ap[] = [2, 1, 2];
const TURN_MS = 50;
const TURNS_BEFORE = 20;
const TURNS_AFTER_ROAM = 30;
const OFF_AIR_TURNS = 1;
const CONNECTIONS_A_TURN = 2;
const BAD_A_TURN = 3;
const FLUSH_MS = 4;
/** Of this process alone: two demonstrations may run at once. */
const PORT = 40_000 + (process.pid % 20_000);
/** Ethernet, IPv4 and UDP, which every datagram pays. */
const HEADER_BYTES = 14 + 20 + 8;
const NEIGHBOUR_PATIENCE_MS = 10_000;
const FIRST_PORT = 20_000;
const FIRST_BRIEF_PORT = 30_000;

type Origin = "client" | "server";
interface Cost {
  readonly packets: number;
  readonly bytes: number;
}

export async function tellModelStory(screen: Screen): Promise<{ result: DemoResult; details: DemoDetails }> {
  const { result, details } = await act(true, (place) => roamWithReplication(place, screen));
  screen.step("control: the same with replication off");
  const control = await act(false, (place) => roamAlone(place, screen));
  return { result: { ...result, control: { flowsLost: control } }, details: { ...details, controlFlows: FLOWS } };
}

async function act<T>(replication: boolean, play: (place: Place) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), "rwmodel-"));
  const place = new Place(directory, replication);
  try {
    await place.open();
    return await play(place);
  } finally {
    await place.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function roamWithReplication(
  place: Place,
  screen: Screen,
): Promise<{ result: DemoResult; details: DemoDetails }> {
  screen.step("MODEL: two agents over loopback UDP, the model in the kernel's place; packets are made up");
  const traffic = new ModelTraffic(place);
  await traffic.turns(TURNS_BEFORE);
  screen.step(`${FLOWS} TCP flows are open; new connections and bad packets come all along`);
  const roams: DemoDetails["roams"] = [];
  for (const to of ROAMS) {
    const before = place.cost();
    await traffic.roam(to);
    roams.push({ gapMs: traffic.longestGapMs, cost: difference(place.cost(), before) });
    screen.step(`roam to AP ${to}: ${FLOWS - traffic.lost} of ${FLOWS} flows live`);
  }
  const denied = place.denied();
  return {
    result: {
      roams: ROAMS.length,
      flows: FLOWS,
      flowsLost: traffic.lost,
      firewallDrops: sum(traffic.wronglyDenied),
      longestGapMs: Math.round(Math.max(...roams.map((one) => one.gapMs))),
      replication: { ...place.cost(), expectations: place.expectations() },
      control: { flowsLost: 0 },
      denied,
    },
    details: {
      title: "MODEL, no kernel and no network: a client roams between two agents of one process",
      roams,
      connects: traffic.connects,
      stream: traffic.stream,
      bad: traffic.bad,
      wronglyDenied: traffic.wronglyDenied,
      controlFlows: 0,
    },
  };
}

async function roamAlone(place: Place, screen: Screen): Promise<number> {
  const traffic = new ModelTraffic(place);
  await traffic.turns(TURNS_BEFORE);
  await traffic.roam(2);
  screen.step(`control: after one roam ${traffic.lost} of ${FLOWS} flows are dead`);
  return traffic.lost;
}

/** One AP: an agent as on a router, but with the model for a datapath. */
class ModelAp {
  readonly datapath: FakeDatapath;
  mesh: Mesh | undefined;
  agent: Agent | undefined;
  private readonly flushing: NodeJS.Timeout;

  constructor(
    readonly settings: Settings,
    seeds: readonly [number, number, number, number],
  ) {
    this.datapath = new FakeDatapath({ geometry: parseGeometry(DEFAULT_GEOMETRY, "demo"), seeds });
    this.flushing = setInterval(() => this.datapath.flush(performance.now()), FLUSH_MS);
  }

  async start(): Promise<void> {
    this.agent = await startAgent(quietPlatform, this.settings, {
      connectDatapath: async () => this.datapath,
      createMesh: (parts) => {
        this.mesh = createMesh(parts);
        return this.mesh;
      },
    });
  }

  async stop(): Promise<void> {
    clearInterval(this.flushing);
    await this.agent?.stop();
  }
}
const quietPlatform = nodePlatform({ logLevel: "error" });

class Place {
  at: Ap = 1;
  private readonly aps: Readonly<Record<Ap, ModelAp>>;

  constructor(
    directory: string,
    private readonly replication: boolean,
  ) {
    writeMeshFiles(directory);
    const { seeds } = readKey(quietPlatform.files, join(directory, "key"));
    const ap = (id: Ap) => new ModelAp(settingsOf(id, directory, replication), seeds);
    this.aps = { 1: ap(1), 2: ap(2) };
  }

  async open(): Promise<void> {
    await this.aps[1].start();
    await this.aps[2].start();
    if (!this.replication) return;
    for (const { mesh } of Object.values(this.aps)) {
      const knows = () => mesh!.neighbours(0).some((one) => one.state === "alive" && one.mirror >= 0 && !one.syncing);
      await until("the agents to know each other", NEIGHBOUR_PATIENCE_MS, () => knows() || undefined);
    }
  }

  /** Judged by the AP where the client is. */
  judge(from: Origin, frame: Uint8Array): Reason {
    const direction = from === "client" ? CONSTANTS.SIDE_CLIENT : CONSTANTS.SIDE_PEER;
    const { datapath } = this.aps[this.at];
    datapath.sfr.nowNs = Math.round(performance.now() * 1e6);
    return REASONS[datapath.judge({ frame, direction }).reason]![0];
  }

  denied(): Partial<Record<Reason, number>> {
    const count = (reason: number) =>
      Object.values(this.aps).reduce((total, { datapath }) => total + datapath.sfr.counters.denied[reason]!, 0);
    const all = REASONS.map(([name], reason) => [name, count(reason)] as const);
    return Object.fromEntries(all.filter(([name, n]) => name !== "pass" && n > 0));
  }

  cost(): Cost {
    const each = Object.values(this.aps).map(({ mesh }) => mesh!.counters);
    const packets = each.reduce((total, one) => total + one.datagramsSent, 0);
    return { packets, bytes: each.reduce((total, one) => total + one.bytesSent, 0) + packets * HEADER_BYTES };
  }

  expectations(): number {
    return Object.values(this.aps).reduce((total, { mesh }) => total + mesh!.counters.cellsPublished, 0);
  }

  async close(): Promise<void> {
    await Promise.all([this.aps[1].stop(), this.aps[2].stop()]);
  }
}

/** Flows that talk, connections that come and go, a stream, and bad frames; a turn of all of them every 50 ms. */
class ModelTraffic {
  readonly connects = { done: 0, failed: 0 };
  readonly stream = { sent: 0, lost: 0 };
  readonly bad = { sent: 0, passed: [] as string[] };
  readonly wronglyDenied: Partial<Record<Reason, number>> = {};
  longestGapMs = 0;
  private readonly lastMs: number[];
  private readonly talks: readonly { readonly client: Uint8Array; readonly server: Uint8Array }[];
  private isOpen = false;

  constructor(private readonly place: Place) {
    this.lastMs = Array(FLOWS).fill(performance.now());
    this.talks = this.lastMs.map((_, i) => ({
      client: segment("client", FIRST_PORT + i, PORTS.chat, "PA"),
      server: segment("server", FIRST_PORT + i, PORTS.chat, "PA"),
    }));
  }

  /** Flows that did not get through, in both directions, since half of the turns after the last roam. */
  get lost(): number {
    const sinceMs = performance.now() - (TURNS_AFTER_ROAM / 2) * TURN_MS;
    return this.lastMs.filter((ms) => ms < sinceMs).length;
  }

  async roam(to: Ap): Promise<void> {
    await pause(OFF_AIR_TURNS * TURN_MS);
    this.longestGapMs = 0;
    this.place.at = to;
    this.valid("client", llc({ srcMac: CLIENT.mac }));
    await this.turns(TURNS_AFTER_ROAM);
  }

  async turns(count: number): Promise<void> {
    if (!this.isOpen) for (let i = 0; i < FLOWS; i++) this.handshake(FIRST_PORT + i, PORTS.chat);
    this.isOpen = true;
    for (let i = 0; i < count; i++) {
      this.takeTurn();
      await pause(TURN_MS);
    }
  }

  private takeTurn(): void {
    this.talks.forEach(({ client, server }, i) => {
      if (!this.valid("client", client) || !this.valid("server", server)) return;
      const now = performance.now();
      this.longestGapMs = Math.max(this.longestGapMs, now - this.lastMs[i]!);
      this.lastMs[i] = now;
    });
    for (let i = 0; i < CONNECTIONS_A_TURN; i++) this.connectOnce();
    for (const from of ["client", "server"] as const) {
      this.stream.sent++;
      if (!this.valid(from, datagram(from))) this.stream.lost++;
    }
    for (let i = 0; i < BAD_A_TURN; i++) this.sendBad();
  }

  private handshake(port: number, service: number): boolean {
    return (
      this.valid("client", segment("client", port, service, "S")) &&
      this.valid("server", segment("server", port, service, "SA")) &&
      this.valid("client", segment("client", port, service, "A"))
    );
  }

  /** Open, a word each way, orderly close. */
  private connectOnce(): void {
    const port = FIRST_BRIEF_PORT + this.connects.done + this.connects.failed;
    const rest: [Origin, string][] = [
      ["client", "PA"],
      ["server", "PA"],
      ["server", "FA"],
      ["client", "FA"],
      ["server", "A"],
    ];
    const opened = this.handshake(port, PORTS.web);
    const done = opened && rest.every(([from, flags]) => this.valid(from, segment(from, port, PORTS.web, flags)));
    this.connects[done ? "done" : "failed"]++;
  }

  private valid(from: Origin, frame: Uint8Array): boolean {
    const reason = this.place.judge(from, frame);
    if (reason === "pass") return true;
    this.wronglyDenied[reason] = (this.wronglyDenied[reason] ?? 0) + 1;
    return false;
  }

  private sendBad(): void {
    const id = this.bad.sent % BAD_ROWS.length;
    const row = BAD_ROWS[id]!;
    const reason = this.place.judge(row.from, badFrame(row, SWITCHED, id, this.bad.sent++));
    if (reason === "pass") this.bad.passed.push(`${row.name} (from the ${row.from})`);
  }
}

const SWITCHED = { nextHop: (from: Origin) => (from === "client" ? SERVER.mac : CLIENT.mac) };

function segment(from: Origin, clientPort: number, service: number, flags: string): Uint8Array {
  return from === "client"
    ? tcp({ ...addresses(from), sport: clientPort, dport: service, flags })
    : tcp({ ...addresses(from), sport: service, dport: clientPort, flags });
}

function datagram(from: Origin): Uint8Array {
  const [sport, dport] = from === "client" ? [FIRST_PORT, PORTS.stream] : [PORTS.stream, FIRST_PORT];
  return udp({ ...addresses(from), sport, dport, payload: new Uint8Array(160) });
}

function addresses(from: Origin): { srcMac: string; dstMac: string; src: string; dst: string } {
  const [here, there] = from === "client" ? [CLIENT, SERVER] : [SERVER, CLIENT];
  return { srcMac: here.mac, dstMac: there.mac, src: here.v4, dst: there.v4 };
}

function settingsOf(id: Ap, directory: string, replication: boolean): Settings {
  const address = (ap: number) => `127.0.0.${ap}`;
  return {
    id,
    name: `ap${id}`,
    daemon: "",
    control: join(directory, `ap${id}.sock`),
    key: join(directory, "key"),
    mode: "enforce",
    policy: join(directory, "policy.yaml"),
    // Picking running flows up would hide what replication does.
    arrival: "first-frame",
    salt: 0,
    pickupS: 0,
    replication: {
      enabled: replication,
      bind: address(id),
      port: PORT,
      group: undefined,
      iface: undefined,
      peers: [{ address: address(3 - id), port: PORT }],
      holdMs: 200,
      flushMs: FLUSH_MS,
      bytesPerSecond: 2_000_000,
      handoverS: 600,
      path: "symmetric",
      mode: "ftfw",
      alarmMs: 15_000,
      memoryBytes: undefined,
    },
  };
}

function difference(after: Cost, before: Cost): Cost {
  return { packets: after.packets - before.packets, bytes: after.bytes - before.bytes };
}

const sum = (counts: Partial<Record<Reason, number>>): number =>
  Object.values(counts).reduce((total, one) => total + one, 0);
