import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { icmp, tcp, udp } from "../../../test/support/packets.ts";
import { nodePlatform } from "../../platform/node/platform.ts";
import { paperTerminal } from "../../platform/testing/paper-terminal.ts";
import { Tally } from "../report/tally.ts";
import { runCli } from "./cli.ts";

const directory = mkdtempSync(join(tmpdir(), "roamwall-forms-"));
afterAll(() => rmSync(directory, { recursive: true }));

const CLIENT = "02:00:00:00:0a:01";
const ROUTER = "02:00:00:00:00:01";
const OUT = { srcMac: CLIENT, dstMac: ROUTER, src: "10.0.0.1" };
const BACK = { srcMac: ROUTER, dstMac: CLIENT, dst: "10.0.0.1" };

async function run(words: string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { code: 0, out: "", err: "" };
  const terminal = paperTerminal(words, said, { directory: "." });
  said.code = await runCli(terminal, nodePlatform());
  return said;
}

/** Frames, a millisecond apart. */
function pcap(name: string, frames: readonly Uint8Array[]): string {
  const header = new DataView(new ArrayBuffer(24));
  header.setUint32(0, 0xa1b2c3d4, true);
  header.setUint32(20, 1, true);
  const parts: Uint8Array[] = [new Uint8Array(header.buffer)];
  for (const [i, frame] of frames.entries()) {
    const record = new DataView(new ArrayBuffer(16));
    const words = [100 + Math.floor(i / 1_000), (i % 1_000) * 1_000, frame.length, frame.length];
    for (const [at, word] of words.entries()) record.setUint32(at * 4, word, true);
    parts.push(new Uint8Array(record.buffer), frame);
  }
  const path = join(directory, name);
  writeFileSync(path, Buffer.concat(parts));
  return path;
}

function connection(dst: string, dport: number, sport: number): Uint8Array[] {
  const to = { ...OUT, dst, sport, dport };
  const from = { ...BACK, src: dst, sport: dport, dport: sport };
  return [
    tcp({ ...to, flags: "S" }),
    tcp({ ...from, flags: "SA" }),
    tcp({ ...to, flags: "A" }),
    tcp({ ...from, flags: "A" }),
    tcp({ ...to, flags: "FA" }),
    tcp({ ...from, flags: "FA" }),
    tcp({ ...to, flags: "A" }),
  ];
}

/** What people do: web, names, a ping, and somebody who logs in to the client. */
function traffic(): Uint8Array[] {
  const web = ["192.0.2.80", "192.0.2.81"].flatMap((dst, i) => connection(dst, 443, 40_000 + i));
  const ask = { ...OUT, dst: "10.0.0.53", sport: 41_000, dport: 53 };
  const tell = { ...BACK, src: "10.0.0.53", sport: 53, dport: 41_000 };
  const ping = { ...OUT, dst: "192.0.2.80", type: 8, identifier: 77 };
  const pong = { ...BACK, src: "192.0.2.80", type: 0, identifier: 77 };
  const asked = { ...BACK, src: "10.0.9.9", sport: 42_000, dport: 22 };
  const answered = { ...OUT, dst: "10.0.9.9", sport: 22, dport: 42_000 };
  const shell = [
    tcp({ ...asked, flags: "S" }),
    tcp({ ...answered, flags: "SA" }),
    tcp({ ...asked, flags: "A" }),
    tcp({ ...answered, flags: "A" }),
  ];
  return [...web, udp(ask), udp(tell), icmp(ping), icmp(pong), ...shell];
}

/** Closed ports answer with a reset, as real ones do. */
function scan(): Uint8Array[] {
  return Array.from({ length: 100 }, (_, i) => {
    const to = { ...OUT, dst: "192.0.2.80", sport: 50_000 + i, dport: 1_000 + i };
    const from = { ...BACK, src: "192.0.2.80", sport: 1_000 + i, dport: 50_000 + i };
    return [tcp({ ...to, flags: "S" }), tcp({ ...from, flags: "RA" })];
  }).flat();
}

const replayed = async (file: string, ...options: string[]) =>
  JSON.parse((await run(["replay", file, "--json", ...options])).out);

describe("roamwall replay --learn", () => {
  it("writes a policy by which the same traffic passes, and a port scan does not", async () => {
    const learned = await run(["replay", pcap("mixed", [...traffic(), ...scan()]), "--learn"]);
    expect(learned.err).toContain("100 flows left out: nobody answered");
    const policy = join(directory, "learned.yaml");
    writeFileSync(policy, learned.out);
    const all = traffic().length;
    expect(await replayed(pcap("traffic", traffic()), "--policy", policy)).toMatchObject({ passed: all, denied: 0 });
    expect(await replayed(pcap("scan", scan()), "--policy", policy)).toMatchObject({ passed: 0, denied: 200 });
    // The control: before, all of it was denied; and the default lets the scan out.
    const nothing = join(directory, "nothing.yaml");
    writeFileSync(nothing, "roles: {none: {rules: []}}\nunknown: none\n");
    expect(await replayed(pcap("traffic", traffic()), "--policy", nothing)).toMatchObject({ passed: 0 });
    expect((await replayed(pcap("scan", scan()))).passed).toBeGreaterThan(100);
  });

  it("writes rules for the scan as well, if that is what is asked for", async () => {
    const { out } = await run(["replay", pcap("scan", scan()), "--learn", "--unanswered"]);
    const policy = join(directory, "naive.yaml");
    writeFileSync(policy, out);
    expect((await replayed(pcap("scan", scan()), "--policy", policy)).passed).toBeGreaterThanOrEqual(100);
  });

  it("adds to a policy what it lacks, in the client's own role", async () => {
    const base = join(directory, "base.yaml");
    writeFileSync(base, `roles: {staff: {rules: [out tcp/443 to any]}}\nclients: {"${CLIENT}": staff}\n`);
    const { out } = await run(["replay", pcap("traffic", traffic()), "--learn", "--policy", base]);
    expect(out).toContain("- out tcp/443 to any\n");
    expect(out).toContain("- out udp/53 to 10.0.0.53");
    expect(out).not.toContain("out tcp/443 to 192.0.2.80");
  });
});

describe("roamwall replay --report html", () => {
  it("tells by client, peer and service, and plots", async () => {
    const { out, code } = await run([
      "replay",
      pcap("mixed", [...traffic(), ...scan()]),
      "--report",
      "html",
      "--client",
      CLIENT,
    ]);
    expect(code).toBe(0);
    for (const part of [
      "By client",
      CLIENT,
      "By peer",
      "192.0.2.80",
      "By service",
      "out tcp/443",
      "in tcp/22",
      "<svg",
    ]) {
      expect(out).toContain(part);
    }
    expect(out).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)/);
  });

  it("lets no hostile name become markup", async () => {
    const evil = pcap(`<img src=x onerror=alert(1)>"'&.pcap`, traffic());
    const { out } = await run(["replay", evil, "--report", "html"]);
    expect(out).toContain("&#60;img src=x onerror=alert(1)&#62;&#34;&#39;&#38;");
    expect(out).not.toContain("<img");
  });
});

describe("roamwall replay", () => {
  it.each([
    [["--learn", "--json"], "--learn and --json"],
    [["--report", "pdf"], "--report html"],
    [["--unanswered"], "--learn --unanswered"],
  ])("refuses %s", async (options, found) => {
    const { code, err } = await run(["replay", "x", ...options]);
    expect(code).toBe(2);
    expect(err).toContain(found);
  });
});

describe("Tally", () => {
  it("keeps 120 buckets however long the capture is, and loses no packet", () => {
    const tally = new Tally({ see() {} });
    const judged = { reason: 0, pass: true, skipped: undefined, frame: () => undefined } as never;
    for (let i = 0; i < 5_000; i++) tally.add(judged, i * 17.3, i);
    expect(tally.buckets.length).toBeLessThanOrEqual(120);
    expect(tally.buckets.reduce((sum, { passed }) => sum + passed, 0)).toBe(5_000);
    expect(tally.buckets.at(-1)!.usedCells).toBe(4_999);
  });
});
