import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { tcp } from "../../../test/support/packets.ts";
import { nodePlatform } from "../../platform/node/platform.ts";
import { paperTerminal } from "../../platform/testing/paper-terminal.ts";
import { runCli } from "./cli.ts";
import { bar, bytesText, columns, durationText, grouped, styleFor } from "./text.ts";
import { EXIT } from "./verb.ts";
import { VERBS } from "./verbs.ts";

const directory = mkdtempSync(join(tmpdir(), "roamwall-cli-"));
afterAll(() => rmSync(directory, { recursive: true }));

async function run(words: string[], isTerminal = false): Promise<{ code: number; out: string; err: string }> {
  const said = { out: "", err: "" };
  const terminal = paperTerminal(words, said, { isTerminal, hasColour: isTerminal, isErrTerminal: isTerminal });
  return { code: await runCli(terminal, nodePlatform()), ...said };
}

/** A pcap of two conversations: one from its start, one whose start is missing. */
function capture(name: string, cutBytes = 0): string {
  const link = { srcMac: "02:00:00:00:0a:01", dstMac: "02:00:00:00:00:01" };
  const ends = { ...link, src: "10.0.0.1", dst: "192.0.2.1", sport: 1024, dport: 443 };
  const back = { srcMac: link.dstMac, dstMac: link.srcMac, src: ends.dst, dst: ends.src, sport: 443, dport: 1024 };
  const frames = [tcp({ ...ends, flags: "S" }), tcp({ ...back, flags: "SA" }), tcp({ ...ends, flags: "A" })];
  frames.push(tcp({ ...ends, dport: 80, flags: "A" }));
  const header = new DataView(new ArrayBuffer(24));
  header.setUint32(0, 0xa1b2c3d4, true);
  header.setUint32(20, 1, true);
  const parts: Uint8Array[] = [new Uint8Array(header.buffer)];
  for (const [i, frame] of frames.entries()) {
    const record = new DataView(new ArrayBuffer(16));
    [100, i * 1000, frame.length, frame.length].forEach((word, at) => {
      record.setUint32(at * 4, word, true);
    });
    parts.push(new Uint8Array(record.buffer), frame);
  }
  const bytes = Buffer.concat(parts);
  const path = join(directory, name);
  writeFileSync(path, bytes.subarray(0, bytes.length - cutBytes));
  return path;
}

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

describe("roamwall", () => {
  it.each([
    ["nothing", []],
    ["an unknown command", ["dance"]],
    ["an unknown option", ["status", "--colour"]],
    ["an option without its value", ["replay", "x", "--policy"]],
    ["a value to a switch", ["replay", "x", "--json=yes"]],
    ["an argument too few", ["replay"]],
    ["an argument too many", ["status", "now"]],
    ["an unknown action", ["policy", "eat", "x"]],
  ])("answers 2 to %s, on standard error", async (_phrase, words) => {
    const { code, out, err } = await run(words);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toMatch(/accepted: |COMMAND/);
  });

  it("prints help from the table: every command, every option", async () => {
    const { code, out } = await run(["--help"]);
    expect(code).toBe(0);
    for (const verb of VERBS) {
      expect(out).toContain(`  ${verb.name}`);
      const help = await run([verb.name, "--help"]);
      expect(help.code).toBe(0);
      for (const option of verb.options) expect(help.out).toContain(`--${option.name}`);
    }
  });

  it("answers 1, names path and reason where nobody listens, and says how to start an agent", async () => {
    for (const verb of ["status", "clients", "sessions", "neighbours", "denied", "reload"]) {
      const { code, err } = await run([verb, "--socket", join(directory, "none.sock")]);
      expect(code).toBe(1);
      expect(err).toContain(`roamwall: ${join(directory, "none.sock")}: nobody listens there; `);
      expect(err).toContain("`roamwall agent` starts one");
      expect(err).toContain("(ROAMWALL_ERR_CONNECT)\n");
    }
  });
});

describe("roamwall replay", () => {
  it("tells denials with their reason, and the totals", async () => {
    const { code, out } = await run(["replay", capture("a.pcap")]);
    expect(code).toBe(0);
    expect(out).toMatch(/4 +0\.003000 +denied +state +from client +10\.0\.0\.1:1024 > 192\.0\.2\.1:80 tcp ACK/);
    expect(out).toMatch(/passed\t3 \(75\.00 %\)/);
    expect(out).not.toContain("\x1b");
  });

  it("prints one JSON document with --json, all verdicts with --verbose", async () => {
    const value = JSON.parse((await run(["replay", capture("b.pcap"), "--json"])).out);
    expect(value).toMatchObject({ packets: 4, passed: 3, denied: 1, reasons: { state: 1 }, problem: null });
    expect(value.denials.map((d: { number: number }) => d.number)).toEqual([4]);
    const verbose = JSON.parse((await run(["replay", capture("b.pcap"), "--json", "--verbose"])).out);
    expect(verbose.verdicts.map((v: { verdict: string }) => v.verdict)).toEqual([
      "passed",
      "passed",
      "passed",
      "denied",
    ]);
  });

  it("judges by a policy file, and by one client only", async () => {
    const policy = file("p.yaml", "roles: {a: {rules: [out tcp/80 to any]}}\nunknown: a\n");
    const value = JSON.parse((await run(["replay", capture("c.pcap"), "--policy", policy, "--json"])).out);
    expect(value.reasons).toEqual({ acl: 3, state: 1 });
    const other = JSON.parse((await run(["replay", capture("c.pcap"), "--client", "10.0.0.77", "--json"])).out);
    expect(other).toMatchObject({ judged: 0, skipped: { "other stations": 4 } });
  });

  it("tells where a capture breaks off, after all that came before", async () => {
    const { code, out, err } = await run(["replay", capture("d.pcap", 10)]);
    expect(code).toBe(0);
    expect(out).toMatch(/judged\t3 packets/);
    expect(err).toMatch(
      /d\.pcap offset \d+: a packet of 54 bytes, of which 44 are there; the rest of the file was not read/,
    );
  });

  it.each([
    ["a file that is no capture", ["replay", "package.json"], "offset 0: magic number"],
    ["a file that is not there", ["replay", "none.pcap"], "none.pcap: no such file"],
    ["a client that is none", ["replay", "package.json", "--client", "bob"], "--client"],
    ["a table that is none", ["replay", "package.json", "--table", "big"], "--table"],
  ])("answers 1 to %s", async (_phrase, words, message) => {
    const { code, err } = await run(words);
    expect(code).toBe(1);
    expect(err).toContain(message);
  });

  it("colours on a terminal only", async () => {
    expect((await run(["replay", capture("e.pcap")], true)).out).toContain("\x1b[31m");
  });
});

describe("roamwall policy explain", () => {
  const explain = (...words: string[]) => run(["policy", "explain", "docs/examples/policy.yaml", ...words, "--json"]);

  it("names the rule that allows a flow, and its place", async () => {
    const { out, code } = await explain("02:00:00:00:0a:01", "10.1.0.3", "tcp/22", "--in");
    expect(code).toBe(EXIT.ok);
    expect(JSON.parse(out)).toMatchObject({ role: "staff", source: "file", rule: "in tcp/22 from servers" });
  });

  it("says what is missing, and who has it", async () => {
    const { out, code } = await explain("02:00:00:00:0a:02", "192.0.2.1", "icmp");
    expect(code).toBe(EXIT.failure);
    expect(JSON.parse(out)).toMatchObject({
      role: "guest",
      allowed: false,
      missing: "out icmp to 192.0.2.1",
      otherRoles: [{ role: "staff", rule: "out icmp to any" }],
    });
  });

  it.each([
    ["a role that is not there", ["boss", "192.0.2.1", "icmp"], "staff, guest"],
    ["a service of many ports", ["staff", "192.0.2.1", "tcp/*"], "tcp/PORT"],
    ["an address that is none", ["staff", "192.0.2", "tcp/1"], "192.0.2.1"],
  ])("refuses %s", async (_, words, accepted) => {
    const { err, code } = await explain(...words);
    expect(code).toBe(EXIT.failure);
    expect(err).toContain(accepted);
  });
});

describe("roamwall policy compile", () => {
  it("prints every filter bit that an AP would load", async () => {
    const { out } = await run(["policy", "compile", "docs/examples/policy.yaml"]);
    const load = JSON.parse(out);
    expect(load.filters.map((f: { bits: number; data: string }) => f.data.length * 4 === f.bits)).toEqual([
      true,
      true,
      true,
    ]);
    expect(load.clients).toEqual({ "02:00:00:00:0a:01": "staff" });
  });
});

describe("roamwall policy check", () => {
  it("says what a policy compiles to, and where a wrong one is wrong", async () => {
    const good = await run(["policy", "check", "docs/examples/policy.yaml", "--json"]);
    expect(good.code).toBe(0);
    expect(JSON.parse(good.out)).toMatchObject({ clients: 1, unknown: "guest", group: 2 });
    const wrong = await run(["policy", "check", file("wrong.yaml", "roles:\n  a:\n    rules: [out web to any]\n")]);
    expect(wrong.code).toBe(1);
    expect(wrong.err).toContain("wrong.yaml:3 roles.a.rules[0]");
  });
});

describe("roamwall agent --check", () => {
  it("checks settings without starting anything", async () => {
    expect((await run(["agent", "--check", "--config", "docs/examples/agent.yaml"])).code).toBe(0);
    expect((await run(["agent", "--check", "--config", file("a.yaml", "id: 99999\n")])).code).toBe(1);
  });
});

describe("text", () => {
  it("writes numbers, sizes and times for people", () => {
    expect([0, 999, 1000, 1234567].map(grouped)).toEqual(["0", "999", "1,000", "1,234,567"]);
    expect([0, 999, 1500, 2_000_000, 345e9].map(bytesText)).toEqual(["0 B", "999 B", "1.5 kB", "2.0 MB", "345 GB"]);
    expect([5, 1500, 300_000, 9e6].map(durationText)).toEqual(["5 ms", "1.5 s", "5 min", "2.5 h"]);
    expect([bar(0, 4), bar(0.5, 4), bar(1.2, 4)]).toEqual(["[....]   0 %", "[##..]  50 %", "[####] 100 %"]);
  });

  it("aligns columns, numbers to the right", () => {
    const rows = [
      ["name", "n"],
      ["a", 5],
      ["bcdef", 123],
    ];
    expect(columns(rows, styleFor(true, false))).toBe("name     n\na        5\nbcdef  123\n");
    expect(columns(rows, styleFor(false))).toBe("name\tn\na\t5\nbcdef\t123\n");
  });
});
