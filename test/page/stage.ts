/**
 * A mesh to look at: real agents on models of their datapaths, on real sockets of this machine, with clients whose
 * packets the models judge. What the page shows of it is what the agents say.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Mac, parseMac } from "../../src/base/mac.ts";
import { parseGeometry } from "../../src/bloom/geometry.ts";
import { type Agent, startAgent } from "../../src/control/agent.ts";
import { parseKey } from "../../src/control/key.ts";
import { parseSettings } from "../../src/control/settings.ts";
import { FakeDatapath } from "../../src/datapath/fake.ts";
import { nodePlatform } from "../../src/platform/node/platform.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { createMesh } from "../../src/replication/mesh.ts";
import { tcp, udp } from "../support/packets.ts";

const NAMES = ["hall-east", "library", "courtyard", "workshop", "roof"];
const SERVER = "02:00:00:00:ff:01";
const FLUSH_MS = 20;
const TRAFFIC_MS = 100;
/** Of datagrams to an AP that stands far away. */
const FAR_AP = 2;
const FAR_LOSS = 0.12;

const POLICY = `zones:
  internet: [0.0.0.0/0]
  campus: [10.20.0.0/16]
services:
  web: [tcp/80, tcp/443, udp/443]
roles:
  staff:
    rules:
      - out web to internet
      - out udp/53 to campus
      - out tcp/22 to campus
      - in tcp/5900 from campus
  student:
    rules:
      - out web to internet
      - out udp/53 to campus
  camera:
    rules:
      - out tcp/554 to campus
unknown: student
`;

export interface Flow {
  readonly mac: Mac;
  readonly client: string;
  readonly peer: string;
  readonly proto: "tcp" | "udp";
  readonly sport: number;
  readonly dport: number;
}

interface StageAp {
  readonly datapath: FakeDatapath;
  readonly agent: Agent;
}

/** Seeded: screenshots look alike. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

export class Stage {
  readonly directory = mkdtempSync(join(tmpdir(), "roamwall-page-"));
  readonly token = randomBytes(16).toString("hex");
  private readonly aps: StageAp[] = [];
  private readonly flows: { readonly flow: Flow; at: number }[] = [];
  private readonly failed = new Set<number>();
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly random = randomOf(7);
  private readonly base: number;
  private readonly startedMs = performance.now();

  private constructor(readonly page: number) {
    // Loopback addresses of its own, so that two stages can stand side by side.
    this.base = 16 + (process.pid % 200);
  }

  /** `page`: the port of the first access point's status page. */
  static async open(page: number, count = NAMES.length, isGuarded = false): Promise<Stage> {
    const stage = new Stage(page);
    const key = `mesh ${randomBytes(32).toString("hex")}\nseed ${randomBytes(16).toString("hex")}\n`;
    writeFileSync(join(stage.directory, "key"), key, { mode: 0o600 });
    writeFileSync(join(stage.directory, "token"), `${stage.token}\n`, { mode: 0o600 });
    const clients = Object.fromEntries(
      Array.from({ length: 24 }, (_, i) => [macOf(i), i % 7 === 3 ? "camera" : i % 3 === 0 ? "staff" : "student"]),
    );
    writeFileSync(join(stage.directory, "policy.yaml"), `${POLICY}clients: ${JSON.stringify(clients)}\n`);
    for (let i = 0; i < count; i++) stage.aps.push(await stage.startAp(i, count, key, isGuarded));
    stage.timers.push(setInterval(() => stage.flush(), FLUSH_MS));
    stage.timers.push(setInterval(() => stage.speak(), TRAFFIC_MS));
    return stage;
  }

  get url(): string {
    return `http://127.0.0.1:${this.page}/`;
  }

  datapath(ap: number): FakeDatapath {
    return this.aps[ap]!.datapath;
  }

  private async startAp(i: number, count: number, key: string, isGuarded: boolean): Promise<StageAp> {
    const { directory } = this;
    const seeds = parseKey(key, "key").seeds;
    const geometry = parseGeometry("4x64x8/r26", "stage");
    const datapath = new FakeDatapath({ geometry, seeds, tableId: BigInt(i + 1) });
    const peers = Array.from({ length: count }, (_, j) => j).filter((j) => j !== i);
    const settings = {
      id: i + 1,
      name: NAMES[i] ?? `ap${i + 1}`,
      key: join(directory, "key"),
      policy: join(directory, "policy.yaml"),
      control: join(directory, `agent${i}.sock`),
      pickup: "0",
      replication: { bind: this.address(i), port: 14_755, peers: peers.map((j) => this.address(j)) },
      ...(i === 0 && {
        page: { listen: `127.0.0.1:${this.page}`, ...(isGuarded && { "token-file": join(directory, "token") }) },
      }),
    };
    const platform = this.platform(i);
    const rooms = { createMesh, connectDatapath: async () => datapath };
    const agent = await startAgent(platform, parseSettings(JSON.stringify(settings), "stage"), rooms);
    datapath.handlers.port({ ifindex: 3, zone: 1, attached: 1, name: nameBytes("phy0-ap0"), open_ms: 12 });
    return { datapath, agent };
  }

  private address(ap: number): string {
    return `127.77.${this.base}.${ap + 1}`;
  }

  private platform(ap: number): Platform {
    const loss = ap === FAR_AP ? FAR_LOSS : 0;
    const node = nodePlatform({ write: () => {} });
    return {
      ...node,
      // Of this process, in which the whole stage runs: no access point's figures.
      files: {
        ...node.files,
        readText: (path) => (path.startsWith("/proc/") ? notHere(path) : node.files.readText(path)),
      },
      beside: (name) => resolve("dist", name),
      udp: (options) =>
        node
          .udp({
            ...options,
            onDatagram: (...heard) => {
              if (!this.failed.has(ap) && this.random() >= loss) options.onDatagram(...heard);
            },
          })
          .then((socket) => ({
            ...socket,
            send: (bytes, to) => {
              if (!this.failed.has(ap)) socket.send(bytes, to);
            },
          })),
    };
  }

  /** What a day brings: 20 clients with a few flows each, most of them at the first access point. */
  populate(): void {
    for (let i = 0; i < 20; i++) {
      const at = i < 12 ? 0 : 1 + (i % (this.aps.length - 1));
      const isCamera = i % 7 === 3;
      const count = isCamera ? 1 : 3 + (i % 9);
      for (let k = 0; k < count; k++) {
        const port = isCamera ? 554 : k % 4 === 3 ? 53 : 443;
        this.begin(i, at, { proto: port === 53 ? "udp" : "tcp", dport: port, sport: 40_000 + i * 100 + k });
      }
    }
  }

  begin(client: number, at: number, { proto, dport, sport }: Pick<Flow, "proto" | "dport" | "sport">): void {
    const peer = dport === 443 ? `198.51.100.${10 + (sport % 40)}` : "10.20.0.53";
    const flow: Flow = { mac: macOf(client), client: addressOf(client), peer, proto, sport, dport };
    this.flows.push({ flow, at });
    if (proto === "udp") {
      this.exchange(flow, at);
      return;
    }
    this.send(flow, at, "S");
    this.answer(flow, at, "SA");
    this.send(flow, at, "A");
  }

  /** The client walks: its flows go on at another access point. */
  roam(client: number, to: number): void {
    const mac = macOf(client);
    for (const one of this.flows) {
      if (one.flow.mac !== mac) continue;
      one.at = to;
      this.exchange(one.flow, to);
    }
  }

  /** Somebody looks for open doors, from within and from without. */
  attack(client: number, packets: number): void {
    for (let i = 0; i < packets; i++) {
      const flow: Flow = {
        mac: macOf(client),
        client: addressOf(client),
        peer: `10.20.${3 + (i % 5)}.${1 + (i % 250)}`,
        proto: "tcp",
        sport: 50_000 + (i % 999),
        dport: [22, 23, 445, 3389, 8080, 5900][i % 6]!,
      };
      this.send(flow, 0, "S");
      if (i % 3 === 0) this.answer({ ...flow, mac: macOf(1), client: addressOf(1), dport: 12_000 + i }, 0, "A");
    }
  }

  /** Without a goodbye, as when power goes: its socket hears and says no more. */
  fail(ap: number): void {
    this.failed.add(ap);
  }

  async close(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    for (const { agent } of this.aps) await agent.stop();
    rmSync(this.directory, { recursive: true });
  }

  private speak(): void {
    for (const { flow, at } of this.flows) if (this.random() < 0.6) this.exchange(flow, at);
  }

  private exchange(flow: Flow, at: number): void {
    this.send(flow, at, "A");
    this.answer(flow, at, "A");
  }

  private send({ mac, client, peer, proto, sport, dport }: Flow, at: number, flags: string): void {
    const ends = { srcMac: mac, dstMac: SERVER, src: client, dst: peer, sport, dport };
    const frame = proto === "tcp" ? tcp({ ...ends, flags }) : udp(ends);
    this.datapath(at).judge({ frame, direction: 0, portZone: 1 });
  }

  private answer({ mac, client, peer, proto, sport, dport }: Flow, at: number, flags: string): void {
    const ends = { srcMac: SERVER, dstMac: mac, src: peer, dst: client, sport: dport, dport: sport };
    const frame = proto === "tcp" ? tcp({ ...ends, flags }) : udp(ends);
    this.datapath(at).judge({ frame, direction: 1, portZone: 1 });
  }

  private nowNs(): bigint {
    return BigInt(Math.round((performance.now() - this.startedMs) * 1e6));
  }

  private flush(): void {
    const nowMs = performance.now();
    for (const { datapath } of this.aps) {
      datapath.sfr.nowNs = this.nowNs();
      datapath.flush(nowMs);
      datapath.setTicks(Math.floor((nowMs - this.startedMs) / 10_000), Math.floor((nowMs - this.startedMs) / 300_000));
    }
  }
}

function notHere(path: string): never {
  throw new Error(`${path}: not on this stage`);
}

function macOf(client: number): Mac {
  return parseMac(`02:1a:4c:00:00:${(client + 1).toString(16).padStart(2, "0")}`, "stage");
}

function addressOf(client: number): string {
  return `10.20.1.${client + 10}`;
}

function nameBytes(name: string): number[] {
  return Array.from({ length: 16 }, (_, i) => (i < name.length ? name.charCodeAt(i) : 0));
}
