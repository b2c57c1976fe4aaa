import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseAddress } from "../base/ip.ts";
import { parseMac } from "../base/mac.ts";
import { parseGeometry } from "../bloom/geometry.ts";
import { REASON, REASONS, type Reason } from "../datapath/abi.ts";
import { LINK } from "../pcap/ethernet.ts";
import { type CapturedPacket, openCapture } from "../pcap/reader.ts";
import { compilePolicy, parsePolicy } from "../policy/policy.ts";
import { Replay, type ReplayOptions } from "./replay.ts";
import { REPLAY_SEEDS, replayPolicy } from "./replay-policy.ts";

const CAPTURES = "../shared/captures";
const GEOMETRY = parseGeometry("4x1024x8/r26", "test");
/** Quick to make. */
const TINY = parseGeometry("4x32x8/r26", "test");
const SYN = 2;
const SYN_ACK = 18;
const ACK = 16;
const FIN_ACK = 17;

let number = 0;

function packet(linkType: number, bytes: number[], seconds: number): CapturedPacket {
  number++;
  const timeNs = BigInt(Math.round(seconds * 1e9));
  return { number, offset: 0, timeNs, linkType, bytes: Uint8Array.from(bytes), length: bytes.length };
}

/** A raw IPv4 TCP packet; ends are [last byte of 10.0.0.x, port]. */
function tcp(from: [number, number], to: [number, number], flags: number, seconds = 0): CapturedPacket {
  const [a, b] = [from, to];
  const ip = [0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, a[0], 10, 0, 0, b[0]];
  const header = [a[1] >> 8, a[1] & 255, b[1] >> 8, b[1] & 255, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0];
  return packet(LINK.raw, [...ip, ...header], seconds);
}

function replay(options: Partial<ReplayOptions> = {}): Replay {
  return new Replay({ client: "auto", geometry: GEOMETRY, policy: replayPolicy(), seeds: REPLAY_SEEDS, ...options });
}

function reasons(of: Replay, packets: CapturedPacket[]): (Reason | "skipped")[] {
  return packets.map((p) => {
    const judged = of.judge(p);
    return judged.skipped === undefined ? REASONS[judged.reason]![0] : "skipped";
  });
}

const C: [number, number] = [1, 5000];
const S: [number, number] = [2, 443];

describe("Replay", () => {
  it("passes a conversation from its start, and denies what nobody announced", () => {
    const whole = [
      tcp(C, S, SYN),
      tcp(S, C, SYN_ACK),
      tcp(C, S, ACK),
      tcp(S, C, ACK),
      tcp(C, S, FIN_ACK),
      tcp(S, C, FIN_ACK),
    ];
    expect(reasons(replay(), whole)).toEqual(Array(6).fill("pass"));
    expect(reasons(replay(), whole.slice(1))).toEqual(Array(5).fill("state"));
  });

  it("takes who speaks first for the client, for each conversation anew", () => {
    const other: [number, number] = [2, 6000];
    const both = [tcp(C, S, SYN), tcp(other, [1, 80], SYN), tcp(S, C, SYN_ACK), tcp([1, 80], other, SYN_ACK)];
    expect(reasons(replay(), both)).toEqual(["pass", "pass", "pass", "pass"]);
  });

  it("denies what opens towards a client that was named", () => {
    const client = { address: parseAddress("10.0.0.1", "test") };
    const both = [tcp(C, S, SYN), tcp(S, [1, 22], SYN), tcp([7, 1], [8, 1], SYN)];
    expect(reasons(replay({ client }), both)).toEqual(["pass", "state", "skipped"]);
  });

  it("drives expiry by the capture's clock", () => {
    const open = [tcp(C, S, SYN), tcp(S, C, SYN_ACK), tcp(C, S, ACK)];
    expect(reasons(replay(), [...open, tcp(S, C, ACK, 7400)])[3]).toBe("pass");
    expect(reasons(replay(), [...open, tcp(S, C, ACK, 9000)])[3]).toBe("state");
    expect(reasons(replay(), [...open, tcp(S, C, ACK, 4e9)])[3]).toBe("state");
    expect(reasons(replay(), [tcp(C, S, SYN, 500), tcp(S, C, SYN_ACK, 3)])).toEqual(["pass", "pass"]);
  });

  it("judges by a policy: rule, zone, limits of the role, and no rule at all", () => {
    const text = `zones: {near: [10.0.0.0/30]}
services: {web: [tcp/80, tcp/443]}
roles: {a: {rules: [out web to near, in tcp/22 from 10.0.0.2]}, b: {rules: []}}
unknown: a`;
    const policy = compilePolicy(parsePolicy(text, "p"), REPLAY_SEEDS);
    const client = { address: parseAddress("10.0.0.1", "test") };
    const rows: [CapturedPacket, Reason][] = [
      [tcp(C, S, SYN), "pass"],
      [tcp(S, C, SYN_ACK), "pass"],
      [tcp(C, [2, 80], SYN), "pass"],
      [tcp(C, [2, 81], SYN), "acl"],
      [tcp(C, [9, 443], SYN), "acl"],
      [tcp([2, 999], [1, 22], SYN), "pass"],
      [tcp([1, 22], [2, 999], SYN_ACK), "pass"],
      [tcp([3, 999], [1, 22], SYN), "acl"],
      [tcp(S, [1, 5001], SYN), "state"],
    ];
    expect(
      reasons(
        replay({ client, policy }),
        rows.map(([p]) => p),
      ),
    ).toEqual(rows.map(([, reason]) => reason));
    expect(reasons(replay({ client, policy, role: "b" }), [tcp(C, S, SYN)])).toEqual(["acl"]);
    expect(() => replay({ policy, role: "c" })).toThrow('--role: "c"; accepted: a, b');
  });

  it("keeps denying a role that is only watched, but says that it passed", () => {
    const policy = compilePolicy(parsePolicy("roles: {a: {mode: monitor}}\nunknown: a", "p"), REPLAY_SEEDS);
    expect(replay({ policy }).judge(tcp(C, S, SYN))).toMatchObject({ pass: true, reason: REASON.acl });
  });

  it("counts link types that it does not know, and frames of other stations", () => {
    const mac = parseMac("02:00:00:00:00:77", "test");
    const one = replay({ client: { mac } });
    expect(reasons(one, [packet(147, [1, 2], 0), packet(LINK.ethernet, Array(60).fill(2), 0)])).toEqual([
      "skipped",
      "skipped",
    ]);
    expect([...one.skipped]).toEqual([
      ["link type 147", 1],
      ["other stations", 1],
    ]);
  });
});

/** Packets that follow from no conversation seen from its start, counted by hand in each capture. */
const EXPECTED_DENIALS: Record<string, Partial<Record<Reason, number>>> = {
  "tcp__missing-syn.pcap": { state: 21 },
  "tcp__http-on-irc-port-missing-syn.pcapng": { state: 13 },
  "icmp__icmp-timeexceeded.pcap": { state: 1 },
  "tcp__syn-then-stuff-then-rst.pcap": { flags: 1 },
  "http__concurrent-range-requests.pcap": {},
  "dns__long-connection.pcap": {},
  "ipv4__fragmented-2.pcap": {},
  "mobile-ipv6__ipv6-mobile-routing.pcap": {},
  "quic__interop__quic-go_quic-go__handshake.pcap": {},
  "tls__webrtc-stun.pcap": {},
};

describe.skipIf(!existsSync(CAPTURES))("Replay of shared captures (skipped where ../shared/captures is absent)", () => {
  const names = existsSync(CAPTURES) ? readdirSync(CAPTURES).filter((name) => /\.pcap(ng)?$/.test(name)) : [];

  it.each(Object.entries(EXPECTED_DENIALS))("says of %s what follows from the conversations", (name, expected) => {
    const one = replay();
    const capture = openCapture(readFileSync(join(CAPTURES, name)), name);
    for (let p = capture.next(); p; p = capture.next()) one.judge(p);
    const denied = REASONS.map(([reason], i) => [reason, one.counts[i]!] as const).slice(1);
    expect(Object.fromEntries(denied.filter(([, count]) => count > 0))).toEqual(expected);
  });

  it("never throws, and judges or skips each packet", () => {
    for (const name of names) {
      const capture = openCapture(readFileSync(join(CAPTURES, name)), name);
      const one = replay();
      let packets = 0;
      for (let p = capture.next(); p; p = capture.next(), packets++) one.judge(p).describe();
      const counted = [...one.counts, ...one.skipped.values()].reduce((sum, count) => sum + count, 0);
      expect(counted, name).toBe(packets);
    }
  });

  it("reads a file that was cut at any byte up to the cut", () => {
    const sized = names.map((name) => ({ name, bytes: readFileSync(join(CAPTURES, name)) }));
    const small = sized.sort((a, b) => a.bytes.length - b.bytes.length).slice(0, 6);
    for (const { name, bytes } of small) {
      for (let length = 24; length < Math.min(bytes.length, 1500); length++) {
        const capture = openCapture(bytes.subarray(0, length), name);
        const one = replay({ geometry: TINY });
        for (let p = capture.next(); p; p = capture.next()) one.judge(p);
        if (capture.offset !== length) expect(capture.problem?.offset, name).toBe(capture.offset);
      }
    }
  });

  it("never throws on frames that are cut at any byte", () => {
    for (const name of names.filter((_, i) => i % 4 === 0)) {
      const capture = openCapture(readFileSync(join(CAPTURES, name)), name);
      const one = replay();
      for (let p = capture.next(), i = 0; p && i < 4; p = capture.next(), i++) {
        for (let length = 0; length < Math.min(p.bytes.length, 130); length++) {
          const bytes = p.bytes.subarray(0, length);
          one.judge({ ...p, bytes, length }).describe();
          one.judge({ ...p, bytes }).describe();
        }
      }
    }
  });
});
