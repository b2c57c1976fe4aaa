import { type ChildProcess, execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { compileAutomata } from "../../src/automata/compile.ts";
import { parseMac } from "../../src/base/mac.ts";
import { parseGeometry } from "../../src/bloom/geometry.ts";
import { CONSTANTS, REASON } from "../../src/datapath/abi.ts";
import { connectDatapath } from "../../src/datapath/client.ts";
import type { Datapath } from "../../src/datapath/datapath.ts";
import { writeRecord } from "../../src/datapath/layout.ts";
import { COMMANDS, EVENTS, STREAM_HEADER } from "../../src/datapath/stream-records.ts";
import { nodePlatform } from "../../src/platform/node/platform.ts";
import { compilePolicy, parsePolicy } from "../../src/policy/policy.ts";
import { Namespaces } from "./support/namespaces.ts";
import { Processes, tail, until } from "./support/processes.ts";
import { isRoot } from "./support/root.ts";

/*
 *   namespace "ap"
 *   roamwalld --port cl0          cl0 --- cl1 (its other end, where clients would be)
 *      | pins in a bpffs of the test's own, so that nothing else is touched
 *      | unix socket
 *   this test, as the agent
 */
const DAEMON = resolve("build/roamwalld");
const OBJECT = process.env["ROAMWALL_OBJECT"] ?? resolve("build/sfr.bpf.o");
const built = existsSync(DAEMON) && existsSync(OBJECT);
const PATIENCE_MS = 20_000;
/** Of the fast clock at `--clock-rate 1000`. */
const TICK_MS = 10;
const PORT = "cl0";
const MAC = parseMac("02:00:00:00:0a:01", "test");
if (!isRoot || !built) {
  console.warn(`roamwalld's lab is skipped: ${isRoot ? "make -C firmware has not been run" : "it needs root"}`);
}

let directory: string;
let namespaces: Namespaces;
let processes: Processes;
let daemon: ChildProcess;
let datapath: Datapath | undefined;

const pins = () => join(directory, "bpf", "pin");
const socket = () => join(directory, "daemon.sock");
const log = () => join(directory, "log");
const logged = () => readFileSync(log(), "utf8");

interface Heard {
  cells: Map<number, { cell: number; owner: number }>;
  arrived: number[];
  refused: [number, string][];
  ports: { ifindex: number; attached: number; openMs: number }[];
  clients: { slot: number; cells: number; passed: bigint }[];
  ticks: [number, number][];
  about: string;
  closed: boolean;
}
let heard: Heard;

function writeKey(seed = "00112233445566778899aabbccddeeff"): void {
  rmSync(join(directory, "key"), { force: true });
  writeFileSync(join(directory, "key"), `# a mesh\nmesh ${"0".repeat(64)}\nseed ${seed}\n`, { mode: 0o600 });
}

const options = () => ["--key", join(directory, "key"), "--pin", pins(), "--socket", socket(), "--object", OBJECT];

async function startDaemon(...more: string[]): Promise<void> {
  rmSync(socket(), { force: true });
  daemon = processes.start(DAEMON, ["--port", PORT, ...options(), ...more], {
    netns: namespaces.path("ap"),
    log: log(),
  });
  await until("roamwalld", PATIENCE_MS, () => {
    if (daemon.exitCode !== null) throw new Error(`roamwalld ended (${daemon.exitCode}):\n${tail(log())}`);
    return existsSync(socket()) || undefined;
  });
}

/** Connects as the agent, and takes down what it is told. */
async function openAgent(): Promise<Datapath> {
  heard = { cells: new Map(), arrived: [], refused: [], ports: [], clients: [], ticks: [], about: "", closed: false };
  const opened = await until("roamwalld to notice that the agent before is gone", PATIENCE_MS, () =>
    connectDatapath(nodePlatform(), socket()).catch((error: Error) => {
      if (!error.message.includes("another agent")) throw error;
      return undefined;
    }),
  );
  opened.handlers = {
    cells: (at, cells, owners, n) => {
      for (let i = 0; i < n; i++) heard.cells.set(at[i]!, { cell: cells[i]!, owner: owners[i]! });
    },
    arrived: (_mac, slot) => heard.arrived.push(slot),
    denied: () => {},
    overflow: () => {},
    ticks: (fast, slow) => heard.ticks.push([fast, slow]),
    client: ({ record, cells, passed }) => heard.clients.push({ slot: record.slot, cells, passed }),
    port: (event) => heard.ports.push({ ifindex: event.ifindex, attached: event.attached, openMs: event.open_ms }),
    refused: (command, text) => heard.refused.push([command, text]),
    about: (text) => {
      heard.about = text;
    },
    closed: () => {
      heard.closed = true;
    },
  };
  datapath = opened;
  return opened;
}

async function dump(from: Datapath): Promise<Heard["cells"]> {
  await from.sync();
  heard.cells.clear();
  from.dump(0, 0);
  await from.sync();
  return new Map(heard.cells);
}

async function counted(from: Datapath, slot: number): Promise<Heard["clients"][0]> {
  heard.clients = [];
  from.dumpClients();
  await from.sync();
  return heard.clients.find((client) => client.slot === slot)!;
}

function addPort(): void {
  namespaces.ip("ap", `link add ${PORT} type veth peer name cl1`, `link set ${PORT} up`, "link set cl1 up");
}

function runDaemon(...args: string[]): { code: number | null; text: string } {
  const result = spawnSync("nsenter", [`--net=${namespaces.path("ap")}`, DAEMON, ...args], {
    encoding: "utf8",
    timeout: PATIENCE_MS,
  });
  return { code: result.status, text: result.stdout + result.stderr };
}

const someX = (n: number, bits = 22) => {
  const lo = Array.from({ length: n }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> (32 - bits));
  return { hi: lo.map(() => 0), lo };
};

describe.runIf(isRoot && built)("roamwalld", () => {
  beforeAll(() => {
    Namespaces.removeOrphans("rwdtest");
    directory = mkdtempSync(join(tmpdir(), "rwdtest-"));
    mkdirSync(join(directory, "bpf"));
    execFileSync("mount", ["-t", "bpf", "bpf", join(directory, "bpf")]);
    processes = new Processes(directory);
  });
  afterAll(() => {
    execFileSync("umount", [join(directory, "bpf")]);
    rmSync(directory, { recursive: true });
  });
  beforeEach(() => {
    namespaces = new Namespaces("rwdtest");
    namespaces.add("ap");
    addPort();
    writeKey();
    writeFileSync(log(), "");
  });
  afterEach(async () => {
    datapath?.close();
    datapath = undefined;
    await processes.stopAll();
    runDaemon("--remove", "--pin", pins());
    namespaces.remove();
  });

  describe("options", () => {
    it.each([
      ["no port", [], 2, "--port is missing"],
      ["no key", ["--port", "cl0"], 2, "--key is missing"],
      ["a name too long", ["--port", "a234567890123456"], 2, "names of 1 to 15"],
      ["a name with a slash", ["--port", "a/b"], 2, "letters, digits"],
      ["a name without letters", ["--port", ",zone=1"], 2, "names of 1 to 15"],
      ["a port twice", ["--port", "a", "--port", "a"], 2, "given twice"],
      ["a zone too large", ["--port", "a,zone=65536"], 2, "0 to 65535"],
      ["a word unknown to ports", ["--port", "a,tag"], 2, "zone=N and tagged"],
      ["a table that is none", ["--table", "big"], 2, "4xBUCKETSx8/rBITS"],
      ["a table with something behind", ["--table", "4x1024x8/r26x"], 2, "4xBUCKETSx8/rBITS"],
      ["three subtables", ["--table", "3x1024x8/r26"], 2, "4 subtables"],
      ["buckets of no power of two", ["--table", "4x1000x8/r26"], 2, "powers of two from 32 to 131072"],
      ["another remainder", ["--table", "4x1024x8/r20"], 2, "r26 (32-bit cells) and r12"],
      ["no mirror", ["--mirrors", "0"], 2, "1 to 8"],
      ["too many clients", ["--clients", "16383"], 2, "1 to 16382"],
      ["a negative number", ["--clients", "-1"], 2, "1 to 16382"],
      ["filter memory of nothing", ["--filter-memory", "K"], 2, "accepted are 1 to"],
      ["filter memory too small", ["--filter-memory", "8"], 2, "from 4096 on"],
      ["a way to attach", ["--attach", "xdp"], 2, "tcx and clsact"],
      ["an argument", ["start"], 2, "options only"],
      ["help", ["--help"], 0, "Exit codes"],
    ])("%s: says what is accepted", (_name, args, code, text) => {
      const result = runDaemon(...args);
      expect(result.text).toContain(text);
      expect(result.code).toBe(code);
    });

    it.each([
      ["is not there", () => rmSync(join(directory, "key")), "No such file"],
      ["others may read", () => execFileSync("chmod", ["640", join(directory, "key")]), "accepted is 600"],
      ["is another's", () => execFileSync("chown", ["4711", join(directory, "key")]), "user 4711, may read it"],
      ["has no seed", () => writeFileSync(join(directory, "key"), "mesh 00\n"), "no line `seed"],
      ["has half a seed", () => writeKey("0011"), "key:3: accepted is `seed` and 32 hex digits"],
      ["has a seed with a sign", () => writeKey(`-${"0".repeat(31)}`), "32 hex digits"],
    ])("a key that %s is refused", (_name, spoil, text) => {
      spoil();
      const result = runDaemon("--port", PORT, ...options());
      expect(result.text).toContain(text);
      expect(result.code).toBe(2);
    });

    it.each([
      ["-sys_admin,-bpf", "CAP_BPF is missing"],
      ["-all", "CAP_NET_ADMIN is missing"],
    ])("names the capability that is missing (%s)", (caps, text) => {
      const inside = ["--bounding-set", caps, "--inh-caps=-all", DAEMON, "--datapath", "ebpf", "--port", PORT];
      const result = spawnSync("setpriv", [...inside, ...options()], { encoding: "utf8" });
      expect(result.stderr).toContain(text);
      expect(result.status).toBe(3);
    });

    it("says that no bpffs is mounted", () => {
      const result = runDaemon("--datapath", "ebpf", "--port", PORT, ...options(), "--pin", join(directory, "pin"));
      expect(result.text).toContain("no bpffs is mounted");
      expect(result.code).toBe(3);
      expect(existsSync(join(directory, "pin"))).toBe(false);
    });

    it.each([
      ["nft", 'iifname "cl0" queue num 4755 bypass'],
      ["iptables", "-i cl0 -j NFQUEUE --queue-num 4755 --queue-bypass"],
    ])("prints rules for %s, which that program accepts where it can", (form, line) => {
      const result = runDaemon("--print-rules", form, "--port", PORT);
      expect(result.code).toBe(0);
      expect(result.text).toContain(line);
      if (form === "iptables")
        execFileSync("nsenter", [`--net=${namespaces.path("ap")}`, "iptables-restore", "-n", "-t"], {
          input: result.text,
        });
      expect(runDaemon("--print-rules", form, "--port", PORT, "--fail", "closed").text).not.toContain("bypass");
    });

    it("says that the object is none", () => {
      const result = runDaemon("--port", PORT, ...options(), "--object", join(directory, "key"));
      expect(result.code).toBe(5);
      expect(result.text).toContain("--object");
    });
  });

  it.each([
    ["4x32x8/r26", "tcx", 5, 26, 32],
    ["4x1024x8/r26", "clsact", 10, 26, 32],
    ["4x1024x8/r12", "tcx", 10, 12, 16],
    ["4x64x8/r12", "clsact", 6, 12, 16],
    ["4x131072x8/r26", "tcx", 17, 26, 32],
  ])("loads a table of %s, attached by %s", async (table, attach, bucketBits, remainderBits, cellBits) => {
    await startDaemon("--table", table, "--attach", attach);
    const agent = await openAgent();
    expect(agent.hello).toMatchObject({
      bucket_bits: bucketBits,
      remainder_bits: remainderBits,
      cell_bits: cellBits,
      mirrors: 8,
      clients_max: 1024,
      picked_up: 0,
    });
    await agent.sync();
    expect(heard.ports.at(-1)).toMatchObject({ attached: attach === "tcx" ? 1 : 2 });
    const { hi, lo } = someX(100, 18);
    agent.adopt(
      5,
      CONSTANTS.MARK_CLEAN,
      hi,
      lo,
      lo.map(() => 2),
    );
    const kept = await dump(agent);
    expect(kept.size).toBe(100);
    expect([...kept.values()].every(({ cell, owner }) => owner === 5 && cell < 2 ** cellBits)).toBe(true);
    // The same again changes nothing: an adoption that was lost and repeated costs no cell.
    agent.adopt(
      5,
      CONSTANTS.MARK_CLEAN,
      hi,
      lo,
      lo.map(() => 1),
    );
    expect(await dump(agent)).toEqual(kept);
    expect(heard.refused).toEqual([]);
  });

  it("keeps the table through kill -9, and through an end", async () => {
    await startDaemon();
    let agent = await openAgent();
    const { hi, lo } = someX(500);
    agent.adopt(
      3,
      CONSTANTS.MARK_CLEAN,
      hi,
      lo,
      lo.map(() => 32 + 25),
    );
    agent.setClient(MAC, { ...CLIENT, slot: 3 });
    const before = await dump(agent);
    const { table_id } = agent.hello;
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      await processes.stop(daemon, signal);
      await startDaemon();
      agent = await openAgent();
      expect(agent.hello).toMatchObject({ table_id, picked_up: 1 });
      expect(await dump(agent)).toEqual(before);
      agent.dumpClients();
      await agent.sync();
      expect(heard.clients).toEqual([{ slot: 3, cells: 500, passed: 0n }]);
      // It was filtered all the time.
      expect(heard.ports.at(-1)).toMatchObject({ attached: 1, openMs: 0 });
    }
    expect(daemon.exitCode).toBe(null);
    await processes.stop(daemon);
    expect(daemon.exitCode).toBe(0);
  });

  it.each([
    ["seeds", () => writeKey("f".repeat(32)), [], "other seeds"],
    ["geometry", () => {}, ["--table", "4x512x8/r26"], "geometry 4x1024x8/r26, here 4x512x8/r26"],
    ["cell width", () => {}, ["--table", "4x1024x8/r12"], "geometry 4x1024x8/r26, here 4x1024x8/r12"],
  ])("replaces a pinned table of other %s, and says so", async (_name, change, args, why) => {
    await startDaemon();
    let agent = await openAgent();
    agent.adopt(3, CONSTANTS.MARK_CLEAN, [0], [77], [4]);
    await agent.sync();
    const { table_id } = agent.hello;
    await processes.stop(daemon);
    change();
    await startDaemon(...args);
    agent = await openAgent();
    expect(logged()).toContain(`does not fit (${why}): the program before this one filters until`);
    expect(agent.hello.picked_up).toBe(0);
    expect(agent.hello.table_id).not.toBe(table_id);
    expect((await dump(agent)).size).toBe(0);
    expect(logged()).not.toContain("replaced, after");
    agent.ready();
    await agent.sync();
    expect(logged()).toContain("since the agent has loaded its policy");
    // What was pinned then is what the next one finds.
    await processes.stop(daemon, "SIGKILL");
    await startDaemon(...args);
    agent = await openAgent();
    expect(agent.hello.picked_up).toBe(1);
  });

  it("replaces only the map whose size changed, and keeps the table", async () => {
    await startDaemon();
    let agent = await openAgent();
    agent.adopt(3, CONSTANTS.MARK_CLEAN, [0], [77], [4]);
    await agent.sync();
    await processes.stop(daemon);
    await startDaemon("--clients", "100");
    agent = await openAgent();
    expect(logged()).toContain('pinned map "clients" has another shape');
    expect(logged()).toContain("does not fit (a map of another shape)");
    agent.ready();
    await agent.sync();
    expect(logged()).toContain("flows are kept, rights are the agent's to give again");
    expect(agent.hello).toMatchObject({ picked_up: 1, clients_max: 100 });
    expect((await dump(agent)).size).toBe(1);
  });

  it.each(["tcx", "clsact"])("filters a netdev that comes back, by %s", async (attach) => {
    await startDaemon("--attach", attach);
    const agent = await openAgent();
    await agent.sync();
    const first = heard.ports.at(-1)!;
    namespaces.ip("ap", `link del ${PORT}`);
    await until("the port to be missed", PATIENCE_MS, () => heard.ports.at(-1)!.attached === 0 || undefined);
    addPort();
    await until("the port to be filtered", PATIENCE_MS, () => heard.ports.at(-1)!.attached !== 0 || undefined);
    const last = heard.ports.at(-1)!;
    expect(last.ifindex).not.toBe(first.ifindex);
    expect(last.openMs).toBeGreaterThan(0);
    expect(last.openMs).toBeLessThan(1000);
  });

  it("filters behind netfilter's queue where eBPF cannot be used, says why, and leaves nothing behind", async () => {
    const state = join(directory, "tables");
    await startDaemon("--pin", join(directory, "no-bpffs"), "--state", state);
    expect(logged()).toContain("datapath: NFQUEUE (no eBPF: --pin");
    expect(logged()).toContain("while this process is gone packets pass unfiltered");
    const agent = await openAgent();
    await agent.sync();
    expect(heard.about).toContain("no bpffs is mounted there");
    expect(heard.ports.at(-1)).toMatchObject({ attached: 3 });
    agent.adopt(3, CONSTANTS.MARK_CLEAN, [0], [77], [4]);
    expect((await dump(agent)).size).toBe(1);
    expect(heard.refused).toEqual([]);
    const rules = () => namespaces.exec("ap", "sh", "-c", "nft list ruleset; iptables-save; ip6tables-save");
    expect(rules()).toContain("roamwall");
    await processes.stop(daemon);
    expect(rules()).not.toContain("roamwall");
    expect(runDaemon("--remove", "--pin", pins(), "--state", state).code).toBe(0);
    expect(existsSync(state)).toBe(false);
  });

  it.each([
    ["not shown to iptables, warns", 0, true],
    ["shown, is content (the control)", 1, false],
  ])("behind the queue, where a bridge's tagged frames are %s", async (_name, shown, warns) => {
    const of = (name: string) => `bridge/bridge-nf-${name}`;
    for (const name of ["call-iptables", "call-ip6tables"]) namespaces.sysctl("ap", of(name), 1);
    for (const name of ["filter-vlan-tagged", "filter-pppoe-tagged"]) namespaces.sysctl("ap", of(name), shown);
    namespaces.ip("ap", "link add br0 type bridge", `link set ${PORT} master br0`);
    await startDaemon("--datapath", "nfqueue", "--rules", "iptables", "--state", join(directory, "tables"));
    expect(logged().includes("net.bridge.bridge-nf-filter-vlan-tagged to 1")).toBe(warns);
    expect(logged().includes("net.bridge.bridge-nf-filter-pppoe-tagged to 1")).toBe(warns);
    const agent = await openAgent();
    await agent.sync();
    expect(heard.about).toMatch(/, rules in iptables$/);
  });

  it("leads IPv4 and IPv6 into the queue before other rules, again when they were flushed, and leaves no gap at a restart", async () => {
    const queue = [
      "--datapath",
      "nfqueue",
      "--rules",
      "iptables",
      "--fail",
      "closed",
      "--state",
      join(directory, "tables"),
    ];
    const both = ["iptables", "ip6tables"] as const;
    const jumps = (program: string) =>
      namespaces.exec("ap", program, "-t", "raw", "-S", "PREROUTING").trim().split("\n");
    for (const program of both) namespaces.exec("ap", program, "-t", "raw", "-A", "PREROUTING", "-j", "ACCEPT");
    const lead = ["-P PREROUTING ACCEPT", "-A PREROUTING -j roamwall", "-A PREROUTING -j ACCEPT"];
    await startDaemon(...queue, "--clock-rate", "1000");
    for (const program of both) expect(jumps(program)).toEqual(lead);
    for (const program of both) {
      namespaces.exec("ap", program, "-t", "raw", "-F", "PREROUTING");
      await until("the rules to be back", PATIENCE_MS, () => jumps(program).includes(lead[1]!) || undefined);
    }
    const again = "the filter was not there or not first: attached again";
    // The chain stands, and its jump; nothing is in it.
    const led = (program: string) => namespaces.exec("ap", program, "-t", "raw", "-S", "roamwall").includes("NFQUEUE");
    namespaces.exec("ap", "ip6tables", "-t", "raw", "-F", "roamwall");
    expect(led("ip6tables")).toBe(false);
    await until("the rules to be back", PATIENCE_MS, () => led("ip6tables") || undefined);
    // Once, when one look finds both flushed.
    await until("it to be told", PATIENCE_MS, () => logged().includes(again) || undefined);
    await processes.stop(daemon);
    for (const program of both) expect(jumps(program)).toContain(lead[1]!);
    await startDaemon(...queue);
    // Closed all the time: rules without a listener drop, and were not taken away to be made anew.
    expect(logged()).toContain(`port ${PORT}: filtered by NFQUEUE, was open for 0 ms`);
    for (const program of both) expect(jumps(program).filter((rule) => rule === lead[1])).toHaveLength(1);
    await processes.stop(daemon, "SIGKILL");
    await startDaemon("--state", join(directory, "tables"));
    for (const program of both) expect(jumps(program)).not.toContain(lead[1]!);
  });

  it("keeps the table behind netfilter's queue only for the same mesh and geometry", async () => {
    const queue = ["--datapath", "nfqueue", "--state", join(directory, "tables")];
    await startDaemon(...queue);
    let agent = await openAgent();
    agent.adopt(3, CONSTANTS.MARK_CLEAN, [0], [77], [4]);
    await agent.sync();
    await processes.stop(daemon, "SIGKILL");
    await startDaemon(...queue, "--clients", "77");
    agent = await openAgent();
    expect((await dump(agent)).size).toBe(1);
    await processes.stop(daemon);
    writeKey("ffeeddccbbaa99887766554433221100");
    await startDaemon(...queue);
    agent = await openAgent();
    expect((await dump(agent)).size).toBe(0);
    expect(logged()).toContain("does not fit (other seeds): replaced");
    await processes.stop(daemon);
    runDaemon("--remove", "--pin", pins(), "--state", join(directory, "tables"));
  });

  it("waits for a port that is not there yet, also one with a dot", async () => {
    await startDaemon("--port", "cl1.7,zone=4");
    expect(logged()).toContain("port cl1.7: not there yet");
    const agent = await openAgent();
    await agent.sync();
    namespaces.ip("ap", "link add cl1.7 type veth peer name cl2");
    await until("cl1.7", PATIENCE_MS, () => heard.ports.length === 3 || undefined);
    expect(heard.ports.at(-1)).toMatchObject({ attached: 1 });
  });

  it("takes its place again when somebody takes it away", async () => {
    await startDaemon("--attach", "clsact", "--clock-rate", "1000");
    const agent = await openAgent();
    await agent.sync();
    namespaces.exec("ap", "tc", "filter", "del", "dev", PORT, "ingress");
    const filters = () => namespaces.exec("ap", "tc", "filter", "show", "dev", PORT, "ingress");
    await until("the filter to be back", PATIENCE_MS, () => logged().includes("attached again") || undefined);
    expect(filters()).toContain("rw_from_client");
  });

  it("is first again when another program has put itself before", async () => {
    await startDaemon("--clock-rate", "1000");
    const agent = await openAgent();
    await agent.sync();
    const other = [...options()];
    other[other.indexOf("--pin") + 1] = join(directory, "bpf", "other");
    other[other.indexOf("--socket") + 1] = join(directory, "other.sock");
    const rival = processes.start(DAEMON, ["--port", PORT, ...other], {
      netns: namespaces.path("ap"),
      log: join(directory, "rival"),
    });
    await until("the filter to be first", PATIENCE_MS, () => logged().includes("attached again") || undefined);
    await processes.stop(rival);
    expect(runDaemon("--remove", "--pin", join(directory, "bpf", "other")).code).toBe(0);
  });

  it("forgets filters that a smaller memory cannot hold", async () => {
    await startDaemon("--filter-memory", "1M");
    let agent = await openAgent();
    const large = { id: 1, bits: 1 << 22, seed: 1, probes: 4, out: 1, in: 0, data: new Uint8Array(1 << 19) };
    agent.setFilter(large);
    await agent.sync();
    await processes.stop(daemon);
    await startDaemon("--filter-memory", "4K");
    agent = await openAgent();
    agent.setFilter(large);
    agent.setFilter({ ...large, bits: 4096 * 8, data: new Uint8Array(4096) });
    await agent.sync();
    expect(heard.refused.map(([, text]) => text)).toEqual([
      "filter 1: no room for 524288 bytes in 4096 (--filter-memory)",
    ]);
  });

  it("sends what is dirty at once, and what is held when the hold time is over", async () => {
    await startDaemon();
    const agent = await openAgent();
    agent.setOptions({ mode: 0, holdMs: 60_000, pickupS: 0, flushMs: 4 });
    agent.adopt(9, CONSTANTS.MARK_DIRTY, [0], [1], [4]);
    agent.adopt(9, CONSTANTS.MARK_HELD, [0], [2], [4]);
    await until("the dirty cell", PATIENCE_MS, () => heard.cells.size > 0 || undefined);
    expect(heard.cells.size).toBe(1);
    agent.flushHeld(8);
    await agent.sync();
    expect(heard.cells.size).toBe(1);
    agent.flushHeld(9);
    await agent.sync();
    expect(heard.cells.size).toBe(2);
    agent.setOptions({ mode: 0, holdMs: 40, pickupS: 0, flushMs: 4 });
    agent.adopt(9, CONSTANTS.MARK_HELD, [0], [3], [4]);
    const start = performance.now();
    await until("the third", PATIENCE_MS, () => heard.cells.size === 3 || undefined, 1);
    expect(performance.now() - start).toBeGreaterThan(15);
  });

  it("tells the next agent what the one before was not told", async () => {
    await startDaemon();
    let agent = await openAgent();
    agent.setOptions({ mode: 0, holdMs: 60_000, pickupS: 0, flushMs: 4 });
    agent.adopt(9, CONSTANTS.MARK_HELD, [0], [2], [4]);
    await agent.sync();
    agent.close();
    await processes.stop(daemon, "SIGKILL");
    await startDaemon();
    agent = await openAgent();
    agent.setOptions({ mode: 0, holdMs: 20, pickupS: 0, flushMs: 4 });
    await until("the held cell", PATIENCE_MS, () => heard.cells.size === 1 || undefined);
  });

  it("is woken by a packet, whether the client is known or has just come", async () => {
    namespaces.add("sta");
    namespaces.ip("ap", `link set cl1 netns ${namespaces.full("sta")}`, `addr add 10.66.0.1/24 dev ${PORT}`);
    namespaces.ip("sta", `link set cl1 address ${MAC}`, "link set cl1 up", "addr add 10.66.0.2/24 dev cl1");
    await startDaemon();
    const agent = await openAgent();
    const send = () => namespaces.exec("sta", "bash", "-c", "echo hello > /dev/udp/10.66.0.1/9");
    const passed = async () => (await counted(agent, 5)).passed;
    const policy = parsePolicy(JSON.stringify({ roles: { all: { rules: ["out udp/9 to any"] } } }), "test");
    const compiled = compilePolicy(policy, [0x00112233, 0x44556677, 0x8899aabb, 0xccddeeff]);
    agent.loadAutomata(compileAutomata({ geometry: parseGeometry("4x1024x8/r26", "test"), shorten: true }));
    agent.setOptions({ mode: 0, holdMs: 0, pickupS: 0, flushMs: 4 });
    for (const filter of compiled.filters) agent.setFilter(filter);
    const filter = [...compiled.roles.get("all")!.filters, 0xffff, 0xffff, 0xffff, 0xffff].slice(0, 4);
    await agent.sync();
    expect(heard.refused).toEqual([]);
    send();
    await until("the stranger to be noticed", PATIENCE_MS, () => heard.arrived.includes(0) || undefined);
    expect((await agent.counters()).denied[REASON.unknown]).toBeGreaterThan(0n);
    // The address is the AP's own: a known client may use it without a rule, and leaves no state.
    agent.setClient(MAC, { ...CLIENT, slot: 5 });
    await agent.sync();
    const before = await passed();
    const { denied } = await agent.counters();
    send();
    expect(await passed()).toBeGreaterThan(before);
    expect((await agent.counters()).denied).toEqual(denied);
    expect((await agent.counters()).used_cells).toBe(0);
    agent.setClient(MAC, { ...CLIENT, slot: 5, presence: CONSTANTS.PRESENCE_REMOTE, filter });
    for (let wanted = 1; wanted <= 3; wanted++) {
      await agent.sync();
      send();
      await until(`cell ${wanted}`, PATIENCE_MS, () => heard.cells.size === wanted || undefined, 2);
    }
    expect([...heard.cells.values()].every(({ owner }) => owner === 5)).toBe(true);
    expect(heard.arrived).toContain(5);
    expect((await agent.counters()).used_cells).toBe(3);
    expect((await counted(agent, 5)).cells).toBe(3);
  });

  it("turns the clock, and frees what has passed and nothing else", async () => {
    await startDaemon("--clock-rate", "1000");
    const agent = await openAgent();
    const { hi, lo } = someX(50);
    agent.adopt(
      1,
      CONSTANTS.MARK_CLEAN,
      hi,
      lo,
      lo.map((_, i) => (i % 2 ? 3 : 32 + 25)),
    );
    expect((await dump(agent)).size).toBe(50);
    const from = heard.ticks.at(-1)?.[0] ?? agent.hello.fast;
    await until("ten ticks", PATIENCE_MS, () => (heard.ticks.at(-1)?.[0] ?? 0) > from + 10 || undefined);
    const kept = await dump(agent);
    expect(kept.size).toBe(25);
    expect([...kept.values()].every(({ cell }) => (cell & 32) !== 0)).toBe(true);
    expect((await agent.counters()).used_cells).toBe(25);
  });

  it("catches up after its death, and loses no slow cell by it", async () => {
    await startDaemon("--clock-rate", "1000");
    let agent = await openAgent();
    agent.adopt(1, CONSTANTS.MARK_CLEAN, [0, 0], [5, 6], [20, 32 + 25]);
    await agent.sync();
    const { fast } = agent.hello;
    const since = performance.now();
    await processes.stop(daemon, "SIGKILL");
    const dead = performance.now();
    await until("a while to pass", PATIENCE_MS, () => performance.now() - dead > 500 || undefined);
    await startDaemon("--clock-rate", "1000");
    agent = await openAgent();
    // Its count is what it would be had it never died: half a second is 50 of these ticks.
    await until("the clock to be right", PATIENCE_MS, () => {
      const due = (performance.now() - since) / TICK_MS;
      return (heard.ticks.at(-1)?.[0] ?? 0) - fast > due - 5 || undefined;
    });
    expect([...(await dump(agent)).values()].map(({ cell }) => cell & 32)).toEqual([32]);
  });

  it("ages a mirror with its source's ticks, and no faster", async () => {
    await startDaemon();
    const agent = await openAgent();
    const peek = () => mirrorCells(2);
    const cell = (speed: number, expiry: number) => ((99 << 6) | (speed << 5) | ((expiry % 31) + 1)) >>> 0;
    agent.mirrorTicks(2, 1000, 40);
    const cells = [cell(0, 1005), cell(0, 1020), cell(1, 41), cell(0, 1028)];
    agent.mirrorCells(2, Uint32Array.from(cells.flatMap((value, at) => [at, value])), cells.length);
    await agent.sync();
    expect(peek()).toEqual([0, 1, 2, 3]);
    agent.mirrorTicks(2, 1005, 41);
    await agent.sync();
    expect(peek()).toEqual([0, 1, 2, 3]);
    agent.mirrorTicks(2, 1006, 41);
    await agent.sync();
    expect(peek()).toEqual([1, 2, 3]);
    agent.mirrorTicks(2, 900, 30);
    agent.mirrorTicks(2, 1021, 42);
    await agent.sync();
    expect(peek()).toEqual([3]);
    agent.clearMirror(2);
    await agent.sync();
    expect(peek()).toEqual([]);
  });

  it("shortens only the cells of that client", async () => {
    await startDaemon();
    const agent = await openAgent();
    agent.adopt(1, CONSTANTS.MARK_CLEAN, [0, 0], [10, 11], [32 + 25, 2]);
    agent.adopt(2, CONSTANTS.MARK_CLEAN, [0], [12], [32 + 25]);
    const before = await dump(agent);
    agent.shortenClient(1, 20);
    const after = await dump(agent);
    const changed = [...after].filter(([at, { cell }]) => before.get(at)!.cell !== cell);
    expect(changed.length).toBe(1);
    expect(changed[0]![1]).toMatchObject({ owner: 1 });
    expect(changed[0]![1].cell & 32).toBe(0);
  });

  it("reports what it shortened, or neighbours would believe in it for hours", async () => {
    await startDaemon();
    const agent = await openAgent();
    agent.adopt(1, CONSTANTS.MARK_CLEAN, [0, 0], [10, 11], [32 + 25, 2]);
    await agent.sync();
    expect(heard.cells.size).toBe(0);
    agent.shortenClient(1, 20);
    await until("the shortened cell", PATIENCE_MS, () => heard.cells.size > 0 || undefined);
    expect([...heard.cells.values()].map(({ cell }) => cell & 32)).toEqual([0]);
  });

  it("reports what was held before it answers, however slowly the agent reads", async () => {
    await startDaemon("--table", "4x8192x8/r26");
    const agent = await openAgent();
    agent.setOptions({ mode: 0, holdMs: 60_000, pickupS: 0, flushMs: 1000 });
    const { hi, lo } = someX(150_000, 22);
    agent.adopt(
      9,
      CONSTANTS.MARK_HELD,
      hi,
      lo,
      lo.map(() => 4),
    );
    await agent.sync();
    const held = (await dump(agent)).size;
    heard.cells.clear();
    agent.flushHeld(9);
    await agent.sync();
    expect(held).toBeGreaterThan(100_000);
    expect(heard.cells.size).toBe(held);
  });

  it("adopts the good ones of a batch with bad ones in it", async () => {
    await startDaemon();
    const agent = await openAgent();
    agent.adopt(1, CONSTANTS.MARK_CLEAN, [0, 0, 1 << 30, 0], [10, 11, 12, 13], [4, 32, 4, 5]);
    expect((await dump(agent)).size).toBe(2);
    expect(heard.refused).toEqual([[COMMANDS.adopt.number, expect.stringContaining("the others are taken")]]);
  });

  it("holds filters of a bounded memory, and replaces them in place", async () => {
    await startDaemon("--filter-memory", "8K");
    const agent = await openAgent();
    const filter = (id: number, bytes: number, fill: number) => ({
      id,
      bits: bytes * 8,
      seed: 1,
      probes: 4,
      out: 1,
      in: 0,
      data: new Uint8Array(bytes).fill(fill),
    });
    for (let fill = 0; fill < 20; fill++) agent.setFilter(filter(1, 4096, fill));
    await agent.sync();
    expect(heard.refused).toEqual([]);
    agent.setFilter(filter(2, 8192, 1));
    await agent.sync();
    expect(heard.refused).toEqual([
      [COMMANDS.set_filter.number, "filter 2: no room for 8192 bytes in 8192 (--filter-memory)"],
    ]);
    agent.deleteFilter(1);
    agent.setFilter(filter(2, 8192, 1));
    await agent.sync();
    expect(heard.refused.length).toBe(1);
  });

  it("refuses a second agent, and takes the next when the first has gone", async () => {
    await startDaemon();
    const agent = await openAgent();
    await expect(connectDatapath(nodePlatform(), socket())).rejects.toThrow("another agent is connected");
    await agent.sync();
    agent.close();
    await openAgent();
  });

  it("refuses a second roamwalld on the same pins", async () => {
    await startDaemon();
    const result = runDaemon("--port", PORT, ...options());
    expect(result.code).toBe(5);
    expect(result.text).toContain("another roamwalld uses it");
    expect(runDaemon("--remove", "--pin", pins()).text).toContain("another roamwalld uses it");
    await (await openAgent()).sync();
  });

  it("refuses every bad command with its reason, and goes on", async () => {
    await startDaemon();
    const raw = new RawAgent(socket());
    for (const [name, kind, body, text] of BAD_COMMANDS) {
      const before = raw.records().length;
      raw.send(kind, body);
      raw.send(COMMANDS.sync.number, u32s(4, 0, 42));
      const answers = (await raw.until(EVENTS.synced.number, before)).slice(before);
      const refused = answers.filter((answer) => answer.kind === EVENTS.refused.number);
      const texts = refused.map((answer) => answer.body.subarray(4).toString());
      expect(texts, name).toEqual([expect.stringContaining(text)]);
    }
    raw.close();
  });

  it("outlives whatever is written to it", async () => {
    await startDaemon("--filter-memory", "4K");
    let state = 12345;
    const next = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state >>> 8;
    };
    for (let round = 0; round < 40; round++) {
      const raw = new RawAgent(socket());
      for (let i = 0; i < 60; i++) {
        const body = Uint8Array.from({ length: next() % 80 }, () => (next() % 3 ? 0 : next() & 255));
        raw.send(next() % 20, body);
      }
      raw.write(Uint8Array.from({ length: next() % 40 }, () => next() & 255));
      await raw.end();
    }
    expect(daemon.exitCode).toBe(null);
    const large = new RawAgent(socket());
    large.write(u32s(8, 0, COMMANDS.set_filter.number, 5 << 20));
    large.write(new Uint8Array((5 << 20) - 8));
    large.send(COMMANDS.sync.number, u32s(4, 0, 1));
    const answers = await large.until(EVENTS.synced.number);
    expect(answers.some((answer) => answer.kind === EVENTS.refused.number)).toBe(true);
    large.close();
  });

  it("waits for an agent that reads slowly, and loses no cell", async () => {
    await startDaemon("--table", "4x16384x8/r26");
    let agent = await openAgent();
    const n = 300_000;
    const { hi, lo } = someX(n);
    agent.adopt(
      1,
      CONSTANTS.MARK_CLEAN,
      hi,
      lo,
      lo.map(() => 20),
    );
    const all = (await dump(agent)).size;
    agent.close();
    await until("roamwalld to notice", PATIENCE_MS, () => logged().includes("agent: gone") || undefined);
    const raw = new RawAgent(socket());
    raw.pause();
    for (let i = 0; i < 4; i++) raw.send(COMMANDS.dump.number, u32s(8, 0, 0));
    raw.send(COMMANDS.sync.number, u32s(4, 0, 1));
    // Another process' turn: roamwalld stays alive and bounded while nobody reads.
    runDaemon("--help");
    const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${daemon.pid}/status`, "utf8"))![1]);
    raw.resume();
    const answers = await raw.until(EVENTS.synced.number);
    raw.close();
    const cells = answers.filter((answer) => answer.kind === EVENTS.cells.number);
    expect(cells.reduce((sum, answer) => sum + answer.body.length / 12, 0)).toBe(4 * all);
    expect(rss).toBeLessThan(64 * 1024);
    agent = await openAgent();
    expect((await agent.counters()).used_cells).toBe(all);
  });

  it("detaches and unpins everything on request", async () => {
    await startDaemon("--attach", "clsact");
    await processes.stop(daemon);
    const filters = () => namespaces.exec("ap", "tc", "filter", "show", "dev", PORT, "ingress");
    expect(filters()).toContain("rw_from_client");
    expect(runDaemon("--remove", "--pin", pins()).code).toBe(0);
    expect(filters()).toBe("");
    expect(existsSync(pins())).toBe(false);
    await startDaemon();
    expect((await openAgent()).hello.picked_up).toBe(0);
  });
});

const BAD_COMMANDS: readonly (readonly [name: string, kind: number, body: Uint8Array, text: string])[] = [
  ["an unknown command", 99, new Uint8Array(4), "accepted are 1 to 21"],
  ["command 0", 0, new Uint8Array(0), "unknown command"],
  ["automata cut short", COMMANDS.load_automata.number, new Uint8Array(100), "accepted are"],
  ["automata of nonsense", COMMANDS.load_automata.number, new Uint8Array(3144).fill(0xff), "ref"],
  ["a client of a slot too high", COMMANDS.set_client.number, u16s(36, 4, 2000), "0 to 1024"],
  ["a client of unknown presence", COMMANDS.set_client.number, bytes(36, 10, 9), "presence 9"],
  ["a filter without its bits", COMMANDS.set_filter.number, u32s(20, 1, 64), "0 bytes of bits"],
  ["a filter of a huge id", COMMANDS.set_filter.number, u32s(28, 0, 70000), "0 to 4095"],
  ["a filter of 7 bits", COMMANDS.set_filter.number, u32s(28, 1, 7), "multiples of 64"],
  ["a filter without probes", COMMANDS.set_filter.number, u32s(28, 1, 64), "1 to 16"],
  ["a change of a filter that is not there", COMMANDS.change_filter.number, u32s(12, 1, 9), "filter 9"],
  ["zones cut short", COMMANDS.set_zones.number, new Uint8Array(27), "24"],
  ["a prefix of 129 bits", COMMANDS.set_zones.number, u32s(28, 5, 129), "/0 to /128"],
  ["a third generation", COMMANDS.set_zones.number, u32s(4, 0, 2), "0 and 1"],
  ["services of a third generation", COMMANDS.set_services.number, u32s(4, 0, 2), "0 and 1"],
  ["a mode unknown", COMMANDS.set_options.number, u32s(20, 0, 2), "enforce"],
  ["a flush of 2 s", COMMANDS.set_options.number, u32s(20, 3, 2000), "0 to 1000"],
  ["a third way to write", COMMANDS.set_options.number, u32s(20, 4, 2), "0 (write back) and 1"],
  ["a lowered x too large", COMMANDS.lower.number, u32s(16, 1, 16, 4), "not of this geometry"],
  ["a mirror too far", COMMANDS.clear_mirror.number, u32s(4, 0, 8), "0 to 7"],
  ["a mirror cell too far", COMMANDS.mirror_cells.number, u32s(12, 1, 32768), "32768 cells"],
  ["a mirror cell that is no cell", COMMANDS.mirror_cells.number, u32s(12, 2, 64), "not of this geometry"],
  ["an adopted x too large", COMMANDS.adopt.number, u32s(24, 3, 16), "not of this geometry"],
  ["an adopted code of no ticks", COMMANDS.adopt.number, u32s(24, 4, 32), "not of this geometry"],
  ["a dump from beyond", COMMANDS.dump.number, u32s(8, 0, 32768), "there are 32768"],
  ["a sync without a token", COMMANDS.sync.number, new Uint8Array(0), "accepted are 4"],
];

const CLIENT = {
  slot: 1,
  presence: 1,
  flags: 0,
  filter: [0xffff, 0xffff, 0xffff, 0xffff],
  from: 0,
  zone: 0,
  open_out: 0,
  open_in: 0,
  half_open: 0,
  ends: 0,
  pad: 0,
};

/** Coordinates in use of a mirror, read from its pin. */
function mirrorCells(mirror: number): number[] {
  const json = execFileSync("bpftool", ["-j", "map", "dump", "pinned", join(pins(), "mirror")], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  const rows = JSON.parse(json) as { value: string[] }[];
  const found: number[] = [];
  for (let row = 0; row < 4096; row++) {
    const { value } = rows[mirror * 4096 + row]!;
    for (let cell = 0; cell < 8; cell++) {
      if (value.slice(cell * 4, cell * 4 + 4).some((byte) => Number(byte) !== 0)) found.push(row * 8 + cell);
    }
  }
  return found;
}

function bytes(length: number, at: number, value: number): Uint8Array {
  const out = new Uint8Array(length);
  out[at] = value;
  return out;
}

function u16s(length: number, index: number, ...values: number[]): Uint8Array {
  const out = new Uint8Array(length);
  new Uint16Array(out.buffer).set(values, index);
  return out;
}

function u32s(length: number, index: number, ...values: number[]): Uint8Array {
  const out = new Uint8Array(length);
  new Uint32Array(out.buffer).set(values, index);
  return out;
}

/** An agent without manners: writes anything. (Host byte order: little endian.) */
class RawAgent {
  private readonly stream;
  private received = Buffer.alloc(0);
  private gone = false;

  constructor(path: string) {
    this.stream = connect(path);
    this.stream.on("data", (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk]);
    });
    this.stream.on("error", () => {});
    this.stream.on("close", () => {
      this.gone = true;
    });
  }

  write(data: Uint8Array): void {
    this.stream.write(data);
  }

  send(kind: number, body: Uint8Array): void {
    const header = new Uint8Array(STREAM_HEADER.bytes);
    const value = { kind, bytes: header.length + body.length };
    writeRecord(STREAM_HEADER, new DataView(header.buffer), 0, value, true);
    this.write(Buffer.concat([header, body]));
  }

  pause(): void {
    this.stream.pause();
  }

  resume(): void {
    this.stream.resume();
  }

  records(): { kind: number; body: Buffer }[] {
    const out: { kind: number; body: Buffer }[] = [];
    for (let at = 0; at + 8 <= this.received.length; ) {
      const length = this.received.readUInt32LE(at + 4);
      if (at + length > this.received.length) break;
      out.push({ kind: this.received.readUInt16LE(at), body: this.received.subarray(at + 8, at + length) });
      at += length;
    }
    return out;
  }

  /** All records so far, once one of this kind is among those after the first `from`. */
  until(kind: number, from = 0): Promise<{ kind: number; body: Buffer }[]> {
    return until(`a record of kind ${kind}`, PATIENCE_MS, () => {
      const records = this.records();
      if (records.slice(from).some((record) => record.kind === kind)) return records;
      if (this.gone) throw new Error("roamwalld closed the stream");
      return undefined;
    });
  }

  async end(): Promise<void> {
    this.stream.end();
    await until("the end", PATIENCE_MS, () => this.gone || undefined, 2);
  }

  close(): void {
    this.stream.destroy();
  }
}
