import { createSocket } from "node:dgram";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { tcp } from "../../test/support/packets.ts";
import { RoamwallError } from "../base/errors.ts";
import type { Mac } from "../base/mac.ts";
import { parseGeometry } from "../bloom/geometry.ts";
import { FakeDatapath } from "../datapath/fake.ts";
import { nodePlatform } from "../platform/node/platform.ts";
import type { Platform } from "../platform/platform.ts";
import { signDocument } from "../policy/signed.ts";
import { signRequest } from "../radius/authenticator.ts";
import { attribute, CODE } from "../radius/packet.ts";
import { createMesh } from "../replication/mesh.ts";
import { type Agent, type AgentRooms, startAgent } from "./agent.ts";
import { askAgent } from "./api.ts";
import type { MembersStatus } from "./identities.ts";
import { parseKey } from "./key.ts";
import { parseSettings, type Settings } from "./settings.ts";
import type { ClientLine, KeysStatus } from "./status.ts";

const CLIENT = "02:00:00:00:0a:01";
const STRANGER = "02:00:00:00:0a:02";
const PEER = "02:00:00:00:00:01";
const KEY = `mesh ${"5a".repeat(32)}\nseed ${"0102030405060708090a0b0c0d0e0f10"}\n`;
const POLICY = `zones: {net: [0.0.0.0/0]}
roles: {staff: {rules: [out tcp/443 to net]}, guest: {rules: [out tcp/80 to net]}}
clients: {"${CLIENT}": staff}
unknown: guest
`;
const GEOMETRY = parseGeometry("4x1024x8/r26", "test");

/** A clock that moves only when told; everything else is Node's. */
class World {
  readonly directory = mkdtempSync(join(tmpdir(), "roamwall-agent-"));
  readonly lines: string[] = [];
  settings: Settings;
  readonly platform: Platform;
  /** What the broker would bring; undefined: no broker is named. */
  bring: ((document: string, what?: string) => void) | undefined;
  readonly timers = new Set<{ atMs: number; run: () => void }>();
  datapath: FakeDatapath | undefined = newDatapath();
  connections = 0;
  nowMs = 1000;

  constructor() {
    const path = (name: string) => join(this.directory, name);
    this.write("key", KEY);
    chmodSync(path("key"), 0o600);
    this.write("policy.yaml", POLICY);
    const text = `id: 7\nkey: ${path("key")}\npolicy: ${path("policy.yaml")}\ncontrol: ${path("agent.sock")}\npickup: 0\n`;
    this.settings = parseSettings(text, "agent.yaml");
    const node = nodePlatform({ write: (line) => this.lines.push(line) });
    this.platform = {
      ...node,
      // Reloads are asked for by the tests.
      files: { ...node.files, watch: () => () => {} },
      broker: async ({ onMessage }) => {
        this.bring = (document, what = "policy") => onMessage(`roamwall/m/${what}`, new TextEncoder().encode(document));
        return { publish: () => true, subscribe() {}, close: async () => {} };
      },
      clock: {
        nowMs: () => this.nowMs,
        after: (ms, run) => {
          const timer = { atMs: this.nowMs + ms, run };
          this.timers.add(timer);
          return () => this.timers.delete(timer);
        },
      },
    };
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.directory, name), text);
  }

  start(): Promise<Agent> {
    return startAgent(this.platform, this.settings, this.rooms());
  }

  rooms(): AgentRooms {
    return {
      createMesh,
      connectDatapath: async () => {
        this.connections++;
        if (!this.datapath) throw new RoamwallError("ROAMWALL_ERR_CONNECT", "daemon.sock: nobody listens there");
        return this.datapath;
      },
    };
  }

  /** Runs what is due; answers how many timers ran. */
  pass(ms: number): number {
    this.nowMs += ms;
    const due = [...this.timers].filter((timer) => timer.atMs <= this.nowMs);
    for (const timer of due) {
      this.timers.delete(timer);
      timer.run();
    }
    return due.length;
  }
}

function newDatapath(): FakeDatapath {
  return new FakeDatapath({ geometry: GEOMETRY, seeds: parseKey(KEY, "key").seeds });
}

/** Lets promises that wait for nothing but each other come to their end. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

function passes(datapath: FakeDatapath, mac: string, dport: number, flags: "S" | "SA" | "A", sport = 1024): boolean {
  const out = { srcMac: mac, dstMac: PEER, src: "10.0.0.9", dst: "192.0.2.1", sport, dport };
  const back = { srcMac: PEER, dstMac: mac, src: "192.0.2.1", dst: "10.0.0.9", sport: dport, dport: sport };
  const isBack = flags === "SA";
  return datapath.judge({ frame: tcp({ ...(isBack ? back : out), flags }), direction: isBack ? 1 : 0 }).pass;
}

describe("startAgent", () => {
  let world: World;
  let agent: Agent | undefined;
  beforeEach(() => {
    world = new World();
  });
  afterEach(async () => {
    const stopping = agent?.stop();
    await settle();
    world.pass(10_000);
    await stopping;
    agent = undefined;
    rmSync(world.directory, { recursive: true });
  });

  it("loads the policy: listed clients by their role, others by the unknown one", async () => {
    agent = await world.start();
    const datapath = world.datapath!;
    expect(passes(datapath, CLIENT, 443, "S")).toBe(true);
    expect(passes(datapath, CLIENT, 80, "S")).toBe(false);
    expect(passes(datapath, STRANGER, 80, "S")).toBe(true);
    expect(passes(datapath, STRANGER, 443, "S")).toBe(false);
    expect(agent.denied().map((d) => `${d.mac} ${d.reason} ${d.client} > ${d.peer}`)).toEqual([
      `${CLIENT} acl 10.0.0.9:1024 > 192.0.2.1:80`,
      `${STRANGER} acl 10.0.0.9:1024 > 192.0.2.1:443`,
    ]);
  });

  it("takes a new mesh key while it runs, and refuses another seed", async () => {
    agent = await world.start();
    const answered = async (verb: "keys" | "reload") => {
      const asked = askAgent<KeysStatus>(world.platform, world.settings.control, verb);
      return await asked;
    };
    const states = async () => (await answered("keys")).keys.map(({ slot, state }) => `${slot} ${state}`);
    expect(await states()).toEqual(["0 sending"]);
    world.write("key", KEY.replace("seed", `mesh 1 ${"a5".repeat(32)}\nseed`));
    await agent.reload();
    expect(await states()).toEqual(["0 sending", "1 accepted"]);
    world.write("key", KEY.replace("seed 01", "seed 99"));
    await expect(answered("reload")).rejects.toThrow("another seed");
    expect(await states()).toEqual(["0 sending", "1 accepted"]);
    expect((await answered("keys")).problem).toContain("another seed");
  });

  it("takes a changed policy for established flows at once, and keeps the old one when the new one is wrong", async () => {
    agent = await world.start();
    const datapath = world.datapath!;
    expect(passes(datapath, CLIENT, 443, "S")).toBe(true);
    expect(passes(datapath, CLIENT, 443, "SA")).toBe(true);
    world.write("policy.yaml", POLICY.replace("out tcp/443", "out tcp/443-9"));
    await agent.reload();
    expect((await agent.status()).policy.problem).toContain("policy.yaml:2 roles.staff.rules[0]");
    expect(passes(datapath, CLIENT, 443, "A")).toBe(true);
    world.write("policy.yaml", POLICY.replace("out tcp/443", "out tcp/8443"));
    await agent.reload();
    expect((await agent.status()).policy.problem).toBeUndefined();
    expect(passes(datapath, CLIENT, 443, "A")).toBe(false);
    expect(passes(datapath, CLIENT, 8443, "S")).toBe(true);
  });

  it("treats a client that is no longer listed as a stranger, and as listed when it is again", async () => {
    agent = await world.start();
    const datapath = world.datapath!;
    world.write("policy.yaml", POLICY.replace(/clients.*\n/, ""));
    await agent.reload();
    expect([443, 80].map((port) => passes(datapath, CLIENT, port, "S"))).toEqual([false, true]);
    world.write("policy.yaml", POLICY.replace(/clients.*\n/, "").replace(/unknown.*\n/, ""));
    await agent.reload();
    expect([443, 80].map((port) => passes(datapath, CLIENT, port, "S"))).toEqual([false, false]);
    world.write("policy.yaml", POLICY);
    await agent.reload();
    expect([443, 80].map((port) => passes(datapath, CLIENT, port, "S"))).toEqual([true, false]);
  });

  it("puts the network's signed policy over the file, keeps it for the next start, and lets the file's clients count", async () => {
    const { ed25519 } = nodePlatform();
    const seed = new Uint8Array(32).fill(1);
    const store = join(world.directory, "policy.signed");
    const mqtt = { url: "mqtt://b", mesh: "m", keys: [ed25519.publicKey(seed)], store, everyMs: 1_000 };
    const none = {
      user: undefined,
      passwordFile: undefined,
      ca: undefined,
      certificate: undefined,
      privateKey: undefined,
    };
    world.settings = { ...world.settings, mqtt: { ...mqtt, ...none } };
    agent = await world.start();
    const datapath = world.datapath!;
    const opens = (mac: string) => [443, 80, 8443].filter((port) => passes(datapath, mac, port, "S"));
    expect([opens(CLIENT), opens(STRANGER)]).toEqual([[443], [80]]);

    // `staff` of the network opens another port; who is staff only the file says; strangers are nobody now.
    const text = "roles: {staff: {rules: [out tcp/8443 to any]}}\n";
    world.bring!(signDocument(ed25519, seed, { mesh: "m", revision: 5, text }));
    await settle();
    expect([opens(CLIENT), opens(STRANGER)]).toEqual([[8443], []]);
    expect((await agent.status()).policy.revision).toBe(5);

    // Reading the file again does not bring its roles back; a document that does not compile changes nothing.
    await agent.reload();
    world.bring!(
      signDocument(ed25519, seed, { mesh: "m", revision: 6, text: "roles: {staff: {rules: [out web to any]}}" }),
    );
    await settle();
    expect([opens(CLIENT), opens(STRANGER)]).toEqual([[8443], []]);

    const stopping = agent.stop();
    await settle();
    world.pass(10_000);
    await stopping;
    world.datapath = newDatapath();
    agent = await world.start();
    expect(passes(world.datapath, CLIENT, 8443, "S")).toBe(true);
    expect(passes(world.datapath, CLIENT, 443, "S")).toBe(false);
  });

  it("waits for roamwalld, says so once, and starts when it is there", async () => {
    const late = world.datapath;
    world.datapath = undefined;
    agent = await world.start();
    for (let i = 0; i < 20; i++) {
      world.pass(5_000);
      await settle();
    }
    expect(world.lines.filter((line) => line.startsWith("warn"))).toHaveLength(1);
    expect((await agent.status()).datapath).toBeUndefined();
    await expect(askAgent(nodePlatform(), world.settings.control, "clients")).rejects.toThrow("waits for roamwalld");
    world.datapath = late;
    world.pass(5_000);
    await settle();
    expect((await agent.status()).datapath?.table).toBe("4x1024x8/r26");
    expect(passes(late!, CLIENT, 443, "S")).toBe(true);
  });

  it("connects again when roamwalld restarts, and loads a new one with everything", async () => {
    agent = await world.start();
    const first = world.datapath!;
    world.datapath = newDatapath();
    first.handlers.closed();
    await settle();
    world.pass(1_000);
    await settle();
    world.pass(5_000);
    await settle();
    expect(world.connections).toBe(2);
    expect(passes(world.datapath, CLIENT, 443, "S")).toBe(true);
    expect(passes(world.datapath, CLIENT, 80, "S")).toBe(false);
  });

  it("is replaced without a gap: flows go on while no agent runs, and the next one keeps slots and filters", async () => {
    agent = await world.start();
    const datapath = world.datapath!;
    const before = [];
    for (const flags of ["S", "SA", "A"] as const) before.push(passes(datapath, CLIENT, 443, flags));
    const record = datapath.client(CLIENT as Mac)!;
    const stopping = agent.stop();
    await settle();
    world.pass(10_000);
    await stopping;
    expect(passes(datapath, CLIENT, 443, "A")).toBe(true);
    expect(passes(datapath, CLIENT, 80, "S", 99)).toBe(false);
    agent = await world.start();
    expect(passes(datapath, CLIENT, 443, "A")).toBe(true);
    expect(datapath.client(CLIENT as Mac)).toMatchObject({ slot: record.slot, filter: record.filter });
    expect(before).toEqual([true, true, true]);
  });

  it("filters also while the mesh link has no address, and replicates when it has one", async () => {
    const { platform } = world;
    let isUp = false;
    const sent: number[] = [];
    const udp: Platform["udp"] = async (options) => {
      if (!isUp) throw new RoamwallError("ROAMWALL_ERR_BIND", `${options.bind} port ${options.port}: EADDRNOTAVAIL`);
      return {
        local: { address: options.bind, port: options.port },
        send: (bytes) => sent.push(bytes.length),
        close() {},
      };
    };
    const replication = { ...world.settings.replication, enabled: true, bind: "10.9.0.1", group: "239.255.77.77" };
    agent = await startAgent({ ...platform, udp }, { ...world.settings, replication }, world.rooms());
    expect(passes(world.datapath!, CLIENT, 443, "S")).toBe(true);
    for (let i = 0; i < 10; i++) {
      world.pass(1_000);
      await settle();
    }
    expect(world.lines.filter((line) => line.includes("EADDRNOTAVAIL"))).toHaveLength(1);
    expect(sent).toEqual([]);
    isUp = true;
    for (let i = 0; i < 10; i++) {
      world.pass(1_000);
      await settle();
    }
    expect(sent.length).toBeGreaterThan(0);
  });

  it.each([
    ["hostapd", 1],
    // The control: without the setting, nobody is asked, and a station is here with its first frame.
    ["first-frame", 0],
  ] as const)("takes a station's login for its arrival: %s", async (arrival, arrivals) => {
    const started: string[] = [];
    let hear = (_line: string) => {};
    const spawn: Platform["spawn"] = (command, args, on) => {
      started.push(command);
      if (args[0] === "list") on.line("hostapd.phy0-ap0");
      if (args[0] === "list") queueMicrotask(() => on.exit(0));
      else if (command === "sh") hear = on.line;
      return { stop() {} };
    };
    agent = await startAgent({ ...world.platform, spawn }, { ...world.settings, arrival }, world.rooms());
    await settle();
    expect(started.includes("sh")).toBe(arrivals === 1);
    const name = [...new TextEncoder().encode("phy0-ap0"), ...new Array<number>(8).fill(0)];
    world.datapath!.handlers.port({ ifindex: 5, zone: 0, attached: 1, open_ms: 2, name });
    for (const netdev of ["phy0-ap0", "phy1-ap9"]) {
      hear(`{ "sta-authorized": {"address":"${CLIENT}","ifname":"${netdev}","auth-alg":"ft"} }`);
    }
    const { datapath, risks } = await agent.status();
    expect(datapath!.roams).toMatchObject({ arrivals });
    expect(datapath!.ports).toEqual([
      { name: "phy0-ap0", zone: 0, attached: true, present: true, openMs: 2, unfilteredMs: 0 },
    ]);
    expect(risks).toEqual([]);
  });

  it("tells a port that is gone from one that is not filtered, and for how long it is not", async () => {
    agent = await world.start();
    const name = [...new TextEncoder().encode("lan1"), ...new Array<number>(12).fill(0)];
    const tell = (ifindex: number, attached: number) =>
      world.datapath!.handlers.port({ ifindex, zone: 0, attached, open_ms: 0, name });
    tell(5, 0);
    world.pass(62_000);
    const [open] = (await agent.status()).datapath!.ports;
    expect(open).toMatchObject({ attached: false, present: true, unfilteredMs: 62_000 });
    tell(0, 0);
    expect((await agent.status()).datapath!.ports).toMatchObject([{ present: false, unfilteredMs: 0 }]);
    tell(6, 1);
    expect((await agent.status()).datapath!.ports).toMatchObject([{ attached: true, present: true, unfilteredMs: 0 }]);
  });

  it("answers the control socket, and survives strangers there", async () => {
    agent = await world.start();
    const node = nodePlatform();
    passes(world.datapath!, CLIENT, 443, "S");
    const clients = await askAgent<ClientLine[]>(node, world.settings.control, "clients");
    expect(clients.find((client) => client.mac === CLIENT)).toMatchObject({ role: "staff", passed: 1, denied: 0 });
    expect(await askAgent(node, world.settings.control, "neighbours")).toEqual([]);
    expect(await askAgent(node, world.settings.control, "reload")).toEqual({ roles: 2, clients: 1 });
    const answers = await exchange(node, world.settings.control, 'nonsense\n{"verb":"dance"}\nnull\n', 3);
    expect(answers.every((answer) => answer.includes("ROAMWALL_ERR_INPUT"))).toBe(true);
    await exchange(node, world.settings.control, "x".repeat(10_000), 1);
    expect(await askAgent(node, world.settings.control, "denied")).toEqual([]);
  });

  it("refuses a key that others may read, and a second agent", async () => {
    chmodSync(join(world.directory, "key"), 0o644);
    await expect(world.start()).rejects.toThrow("mode 0644 lets others read");
    chmodSync(join(world.directory, "key"), 0o600);
    agent = await world.start();
    await expect(world.start()).rejects.toMatchObject({ code: "ROAMWALL_ERR_BUSY" });
  });
});

/** Writes raw bytes to the socket; answers the first lines, or fewer when the agent closes. */
async function exchange(platform: Platform, path: string, text: string, count: number): Promise<string[]> {
  const stream = await platform.connect(path);
  let heard = "";
  return new Promise((resolve) => {
    const done = () => {
      stream.close();
      resolve(heard.split("\n").filter((line) => line !== ""));
    };
    stream.onBytes((bytes) => {
      heard += new TextDecoder().decode(bytes);
      if (heard.split("\n").length > count) done();
    });
    stream.onClose(done);
    stream.write(new TextEncoder().encode(text));
  });
}

describe("RADIUS servers that are all silent", () => {
  let world: World;
  let agent: Agent | undefined;
  beforeEach(() => {
    world = new World();
    world.write("radius-secret", "secret\n");
    chmodSync(join(world.directory, "radius-secret"), 0o600);
  });
  afterEach(async () => {
    await agent?.stop();
    agent = undefined;
    rmSync(world.directory, { recursive: true });
  });

  /** The relay, and a server at a port where nobody is; told to once. */
  async function silentServer(fallback: string): Promise<void> {
    const [relay, nobody] = [await freePort(), await freePort()];
    const path = (name: string) => join(world.directory, name);
    const radius = `radius: {servers: ["127.0.0.1:${nobody}"], secret-file: ${path("radius-secret")}, listen: "127.0.0.1:${relay}", store: ${path("s.json")}, fallback: ${fallback}}`;
    const text = `id: 7\nkey: ${path("key")}\npolicy: ${path("policy.yaml")}\ncontrol: ${path("agent.sock")}\npickup: 0\n${radius}\n`;
    world.settings = parseSettings(text, "agent.yaml");
    agent = await world.start();
    const socket = createSocket("udp4");
    const asking = [attribute("EAP-Message", Uint8Array.of(1))];
    const request = signRequest(CODE.accessRequest, 1, asking, new TextEncoder().encode("secret"), new Uint8Array(16))!;
    socket.send(request, relay, "127.0.0.1");
    const asked = async () => (await agent!.status()).radius!.relays[0]!.requests > 0;
    while (!(await asked())) await new Promise((next) => setImmediate(next));
    socket.close();
  }

  it("leave the role of unknown clients to the fallback, as long as they are", async () => {
    await silentServer("staff");
    const datapath = world.datapath!;
    const may = () => [passes(datapath, STRANGER, 80, "S"), passes(datapath, STRANGER, 443, "S")];
    expect(may()).toEqual([true, false]);
    world.pass(2_100);
    await settle();
    expect(may()).toEqual([false, true]);
    // Whom the policy lists has its own role, whatever becomes of servers.
    expect(passes(datapath, CLIENT, 443, "S")).toBe(true);
    expect(passes(datapath, CLIENT, 80, "S")).toBe(false);
  });

  it("need a role that there is", async () => {
    await expect(silentServer("nobody")).rejects.toThrow('radius.fallback: unknown role "nobody"');
  });
});

async function freePort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((bound) => socket.bind(0, "127.0.0.1", bound));
  const { port } = socket.address();
  socket.close();
  return port;
}

describe("an agent with identities", () => {
  let world: World;
  const SEED = Uint8Array.from({ length: 32 }, (_, i) => i);
  const { ed25519, x25519 } = nodePlatform();
  const keyOf = (id: number) => Buffer.from(x25519.publicKey(new Uint8Array(32).fill(id))).toString("hex");
  const listOf = (revision: number, ids: readonly number[], seed = SEED) =>
    signDocument(
      ed25519,
      seed,
      { mesh: "village", revision, text: ids.map((id) => `member ${id} ${keyOf(id)} ap${id}\n`).join("") },
      "members",
    );
  const status = () => askAgent<MembersStatus>(world.platform, world.settings.control, "members");

  beforeEach(() => {
    world = new World();
    const path = (name: string) => join(world.directory, name);
    world.write("identity", `secret ${"07".repeat(32)}\n`);
    chmodSync(path("identity"), 0o600);
    world.write("members", listOf(4, [7, 8]));
    const identities = {
      mesh: "village",
      keys: [ed25519.publicKey(SEED)],
      key: path("identity"),
      members: path("members"),
    };
    world.settings = { ...world.settings, identities };
  });
  afterEach(() => rmSync(world.directory, { recursive: true }));

  it("takes a newer list that was signed, and keeps the one before when offered anything else", async () => {
    const agent = await world.start();
    expect(await status()).toMatchObject({ revision: 4, isListed: true, members: [{ id: 7 }, { id: 8 }] });
    const refused = async (document: string) => {
      world.write("members", document);
      await agent.reload();
      const { revision, problem } = await status();
      expect(revision).toBe(4);
      return problem;
    };
    expect(await refused(listOf(3, [7, 8, 9]))).toContain("revision 3; accepted: one above 4");
    expect(await refused(listOf(4, [7, 9]))).toContain("revision 4; accepted: one above 4");
    expect(await refused(listOf(5, [7, 9], new Uint8Array(32)))).toContain("not signed by a key of ours");
    expect(await refused(listOf(5, [7]).replace("village", "town"))).toContain("not signed by a key of ours");
    expect(await refused("")).toContain("no signed members");
    // Signed, and nonsense all the same.
    const nonsense = signDocument(ed25519, SEED, { mesh: "village", revision: 6, text: "member 0 xy\n" }, "members");
    expect(await refused(nonsense)).toContain("accepted: `member ID KEY [NAME]`");
    world.write("members", listOf(5, [8]));
    await agent.reload();
    expect(await status()).toMatchObject({ revision: 5, isListed: false, members: [{ id: 8 }] });
    expect((await agent.status()).members?.problem).toBeUndefined();
    await agent.stop();
  });

  it("takes a list from the broker as from the file, and keeps it for the next start", async () => {
    const mqtt = `mqtt: {url: "mqtt://b", mesh: m, keys: ["${"00".repeat(32)}"], store: ${join(world.directory, "store")}}`;
    const { mqtt: broker } = parseSettings(`id: 7\n${mqtt}\n`, "agent.yaml");
    world.settings = { ...world.settings, mqtt: broker! };
    const agent = await world.start();
    const bring = async (document: string) => {
      world.bring!(document, "members");
      await agent.reload();
      return (await status()).revision;
    };
    expect(await bring(listOf(9, [7, 8], new Uint8Array(32)))).toBe(4);
    expect(await bring(listOf(3, [7]))).toBe(4);
    expect(await bring("x".repeat(200_001))).toBe(4);
    expect(await bring(listOf(9, [7, 8, 9]))).toBe(9);
    expect(readFileSync(join(world.directory, "members"), "utf8")).toBe(listOf(9, [7, 8, 9]));
    await agent.stop();
    const again = await world.start();
    expect((await status()).revision).toBe(9);
    await again.stop();
  });

  it("filters without a list, and says so", async () => {
    rmSync(join(world.directory, "members"));
    const agent = await world.start();
    expect((await agent.status()).datapath).toBeDefined();
    expect(await status()).toMatchObject({ revision: 0, isListed: false, problem: expect.stringContaining("members") });
    await agent.stop();
  });

  it("does not start with a key that others may read, or without one", async () => {
    chmodSync(join(world.directory, "identity"), 0o640);
    await expect(world.start()).rejects.toThrow("lets others speak as this access point");
    rmSync(join(world.directory, "identity"));
    await expect(world.start()).rejects.toThrow("identity");
  });
});
