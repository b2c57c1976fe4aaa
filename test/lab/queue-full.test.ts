import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { Namespaces } from "./support/namespaces.ts";
import { Processes, tail, until } from "./support/processes.ts";
import { isRoot } from "./support/root.ts";

const DAEMON = resolve("build/roamwalld");
const PATIENCE_MS = 10_000;
/** More than netfilter's queue keeps. */
const FLOOD = 6_000;
const QUEUED = 4_096;
const AP = "10.7.0.1";
/** Nothing lets it in. */
const PORT = 9;

const SEND = `
  const socket = require("node:dgram").createSocket("udp4");
  let left = ${FLOOD};
  const next = () => (left-- > 0 ? socket.send("x", ${PORT}, "${AP}", () => next()) : socket.close());
  next();
`;

/** Without eBPF, and with one word of its source another: the kernel lets pass what finds the queue full. */
function naiveDaemon(directory: string): string {
  const source = join(directory, "firmware");
  cpSync("firmware", source, { recursive: true, filter: (path) => !/qjs|test/.test(path.slice("firmware".length)) });
  const queue = join(source, "queue.c");
  const text = readFileSync(queue, "utf8");
  const naive = text.replace("NFQA_CFG_FLAGS, NFQA_CFG_F_GSO)", "NFQA_CFG_FLAGS, all)");
  expect(naive).not.toBe(text);
  writeFileSync(queue, naive);
  execFileSync("make", ["-C", source, "EBPF=0", "CFLAGS=-O0", `BUILD=${directory}`, join(directory, "roamwalld")]);
  return join(directory, "roamwalld");
}

/** A flood must not get past a filter by being more than it can judge in time, wherever it fails. */
describe.runIf(isRoot && existsSync(DAEMON))("netfilter's queue, full", () => {
  let namespaces: Namespaces;
  let processes: Processes;
  let directory: string;
  afterEach(async () => {
    await processes.stopAll();
    namespaces.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  /** What passes while roamwalld stands still. */
  async function passed(fail: "open" | "closed", daemonOf: () => string): Promise<number> {
    Namespaces.removeOrphans("rwfull");
    directory = mkdtempSync(join(tmpdir(), "rwfull-"));
    processes = new Processes(directory);
    namespaces = new Namespaces("rwfull");
    for (const name of ["ap", "client"]) namespaces.add(name);
    namespaces.ip("ap", `link add cl0 type veth peer name eth0 netns ${namespaces.path("client")}`);
    namespaces.ip("ap", `addr add ${AP}/24 dev cl0`, "link set cl0 up");
    namespaces.ip("client", "addr add 10.7.0.2/24 dev eth0", "link set eth0 up");
    namespaces.exec("ap", "iptables", "-t", "mangle", "-A", "INPUT", "-p", "udp", "--dport", `${PORT}`);
    const file = (name: string) => join(directory, name);
    writeFileSync(file("key"), `mesh ${"0".repeat(64)}\nseed ${"1".repeat(32)}\n`, { mode: 0o600 });
    const places = ["key", "state", "socket"].flatMap((name) => [`--${name}`, file(name)]);
    const how = ["--datapath", "nfqueue", "--rules", "iptables", "--fail", fail, "--port", "cl0"];
    const log = file("log");
    const daemon = processes.start(daemonOf(), [...how, ...places], { netns: namespaces.path("ap"), log });
    await until("roamwalld", PATIENCE_MS, () => {
      if (daemon.exitCode !== null) throw new Error(`roamwalld ended (${daemon.exitCode}):\n${tail(log)}`);
      return existsSync(file("socket")) || undefined;
    });
    process.kill(daemon.pid!, "SIGSTOP");
    namespaces.exec("client", process.execPath, "-e", SEND);
    const rule = namespaces.exec("ap", "iptables", "-t", "mangle", "-vxnL", "INPUT").split("\n").at(2)!;
    process.kill(daemon.pid!, "SIGCONT");
    return Number(rule.trim().split(/\s+/)[0]);
  }

  it.each(["open", "closed"] as const)("lets nothing pass that fails %s", async (fail) => {
    expect(await passed(fail, () => DAEMON)).toBe(0);
  });

  it("would let all pass that is more than it keeps, if the kernel were told to", async () => {
    expect(await passed("open", () => naiveDaemon(directory))).toBeGreaterThanOrEqual(FLOOD - QUEUED - 1);
  });
});
