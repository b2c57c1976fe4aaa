import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BUILT } from "./support/build.ts";
import { Namespaces } from "./support/namespaces.ts";
import { toldNfTables } from "./support/nft-messages.ts";
import { isRoot } from "./support/root.ts";

const DAEMON = resolve("build/roamwalld");
const LIBRARY = join(BUILT, "overhear.so");
const PORTS = ["--port", "cl0", "--port", "wl-1,zone=2"];
const hasNft = spawnSync("nft", ["--version"]).status === 0;
if (!hasNft) console.warn("the rules for nf_tables are not tested: nft is missing");

/**
 * Rules for nf_tables, as far as a kernel without nft_queue can show them: what roamwalld says to the kernel is byte by byte
 * what `nft` makes of the rules that roamwalld prints, and all of these but `queue` is taken by this kernel. That a packet comes
 * through them is not shown here.
 */
describe.runIf(isRoot && hasNft && existsSync(DAEMON))("the rules for nf_tables", () => {
  let directory: string;
  let namespaces: Namespaces;

  beforeAll(() => {
    Namespaces.removeOrphans("rwnft");
    directory = mkdtempSync(join(tmpdir(), "rwnft-"));
    namespaces = new Namespaces("rwnft");
    namespaces.add("ap");
    namespaces.ip("ap", "link add cl0 type veth peer name cl1");
    mkdirSync(BUILT, { recursive: true });
    const source = "test/lab/support/overhear.c";
    execFileSync("cc", ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o", LIBRARY, source, "-ldl"]);
    writeFileSync(join(directory, "key"), `mesh ${"0".repeat(64)}\nseed ${"1".repeat(32)}\n`, { mode: 0o600 });
  });
  afterAll(() => {
    namespaces?.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  const inside = (...words: string[]) => ["nsenter", `--net=${namespaces.path("ap")}`, ...words] as const;
  const told = (...words: string[]) => toldNfTables(LIBRARY, directory, ...inside(...words));

  function printed(...options: string[]): string {
    const file = join(directory, "rules.nft");
    writeFileSync(file, execFileSync(DAEMON, ["--print-rules", "nft", ...PORTS, ...options], { encoding: "utf8" }));
    return file;
  }

  /** The same with a verdict that every kernel has. */
  function accepted(): string {
    const text = execFileSync(DAEMON, ["--print-rules", "nft", ...PORTS], { encoding: "utf8" });
    const file = join(directory, "accepted.nft");
    writeFileSync(file, text.replaceAll("queue num 4755 bypass", "accept"));
    return file;
  }

  function saidByDaemon(...options: string[]): string[] {
    const places = ["key", "state", "socket"].flatMap((name) => [`--${name}`, join(directory, name)]);
    // Where the kernel takes them it would run on: this is about what it says until then.
    const words = [DAEMON, "--datapath", "nfqueue", "--rules", "nft", ...PORTS, ...places, ...options];
    return told("timeout", "2", ...words);
  }

  it.each([
    ["that fail open", []],
    ["that fail closed, into another queue", ["--fail", "closed", "--queue", "7"]],
  ])("%s are those that nft makes of what is printed, in all three families", (_name, options) => {
    const expected = told("nft", "-f", printed(...options));
    expect(expected.filter((line) => line.startsWith("rule"))).toHaveLength(3 * 2 * 2);
    expect(expected.filter((line) => line.startsWith("chain bridge"))).toHaveLength(2);
    expect(saidByDaemon(...options)).toEqual(expected);
    // The control: a queue of another number is seen.
    expect(saidByDaemon(...options, "--queue", "8")).not.toEqual(expected);
  });

  it("are missed when somebody takes one, or flushes the table and leaves its chains", () => {
    const holds = join(directory, "nft-holds");
    const sources = ["test/lab/support/nft-holds.c", "firmware/nft.c", "firmware/netlink.c"];
    execFileSync("cc", ["-O2", "-Wall", "-Wextra", "-Werror", "-o", holds, ...sources]);
    const stand = (...ports: string[]) => spawnSync("nsenter", [...inside(holds, ...ports).slice(1)]).status === 0;
    const nft = (...words: string[]) => namespaces.exec("ap", "nft", ...words);
    expect(stand("cl0", "wl-1")).toBe(false);
    nft("-f", accepted());
    expect(stand("cl0", "wl-1")).toBe(true);
    // Somebody's own beside ours are not our affair; a port more than there are rules is.
    nft("add", "rule", "ip", "roamwall", "from_clients", "accept");
    expect(stand("cl0", "wl-1")).toBe(true);
    expect(stand("cl0", "wl-1", "wl-2")).toBe(false);
    nft("flush", "table", "ip6", "roamwall");
    // What was looked at before: they are all there.
    expect(nft("list", "table", "ip6", "roamwall").match(/chain \w+/g)).toEqual([
      "chain from_clients",
      "chain to_clients",
    ]);
    expect(stand("cl0", "wl-1")).toBe(false);
    for (const family of ["bridge", "ip", "ip6"]) nft("delete", "table", family, "roamwall");
  });

  it("are taken by this kernel, all but `queue` where it has no such module", () => {
    const check = spawnSync("nsenter", [...inside("nft", "-c", "-f", printed()).slice(1)], { encoding: "utf8" });
    const faults = check.stderr.split("\n").filter((line) => /^\s+\^/.test(line));
    const blamed = check.stderr.split("\n").filter((line) => line.includes("queue num 4755 bypass"));
    expect(check.status === 0 ? [] : blamed).toHaveLength(faults.length);
    // Taken whole, and listed as it was meant.
    namespaces.exec("ap", "nft", "-f", accepted());
    const rules = namespaces.exec("ap", "nft", "-n", "list", "table", "bridge", "roamwall");
    expect(rules.match(/hook \w+ priority -?\d+|[io]ifname "\S+"/g)).toEqual([
      "hook prerouting priority -450",
      'iifname "cl0"',
      'iifname "wl-1"',
      "hook postrouting priority 310",
      'oifname "cl0"',
      'oifname "wl-1"',
    ]);
  });
});
