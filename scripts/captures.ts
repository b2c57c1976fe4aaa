/**
 * Replays every capture of a directory by a policy that lets everybody open anything, and says of each denied packet why
 * nothing else would be right: `node scripts/ts.mjs scripts/captures.ts DIR [--kind WORD] [--markdown]`.
 *
 * What explains a denial is found by a tracker of its own that only remembers which packets the capture had before: it
 * shares no code with the filter.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { isRoamwallError } from "../src/base/errors.ts";
import { parseGeometry } from "../src/bloom/geometry.ts";
import { openCapture, Replay } from "../src/control/replay.ts";
import { REPLAY_SEEDS, replayPolicy } from "../src/control/replay-policy.ts";
import { toEthernet } from "../src/pcap/ethernet.ts";
import type { CapturedPacket } from "../src/pcap/reader.ts";
import { explain, Seen } from "./captures/explain.ts";

const USAGE = `usage: node scripts/ts.mjs scripts/captures.ts DIR [--kind WORD] [--markdown]
  --kind WORD  lists the denied packets whose kind has that word
  --markdown   the table as docs/captures.md has it`;

/** Group traffic is let through, too: what is looked for are denials that no rule could prevent. */
const POLICY = `roles: { anybody: { rules: [out any to any, in any from any] } }
unknown: anybody
group: { rules: [in any from any] }
`;
const GEOMETRY = parseGeometry("4x4096x8/r26", "captures");

interface Kind {
  packets: number;
  readonly files: Set<string>;
}

interface Sums {
  files: number;
  unreadable: number;
  judged: number;
  passed: number;
  skipped: number;
  readonly kinds: Map<string, Kind>;
}

function filesBelow(directory: string): string[] {
  const paths = readdirSync(directory, { recursive: true, encoding: "utf8" }).map((path) => join(directory, path));
  return paths.filter((path) => statSync(path).isFile()).sort();
}

/** Cards with several queues write packets a little out of order; a clock that jumps is left as it is. */
const OUT_OF_ORDER_NS = 1_000_000_000n;

function inOrder(packets: readonly CapturedPacket[]): { packets: readonly CapturedPacket[]; jumps: boolean } {
  let latest = packets[0]?.timeNs ?? 0n;
  let jumps = false;
  for (const { timeNs } of packets) {
    if (timeNs + OUT_OF_ORDER_NS < latest || timeNs > latest + CLOCK_JUMP_NS) jumps = true;
    if (timeNs > latest) latest = timeNs;
  }
  if (jumps) return { packets, jumps };
  return {
    packets: [...packets].sort((a, b) => (a.timeNs < b.timeNs ? -1 : a.timeNs > b.timeNs ? 1 : a.number - b.number)),
    jumps,
  };
}

/** A week. */
const CLOCK_JUMP_NS = 604_800_000_000_000n;

function readAll(bytes: Uint8Array, name: string): CapturedPacket[] {
  const capture = openCapture(bytes, name);
  const all: CapturedPacket[] = [];
  // The reader may use its buffer again.
  for (let packet = capture.next(); packet; packet = capture.next())
    all.push({ ...packet, bytes: packet.bytes.slice() });
  return all;
}

function replayFile(path: string, name: string, sums: Sums, shown: string | undefined): void {
  const { packets, jumps } = inOrder(readAll(readFileSync(path), name));
  const policy = replayPolicy(POLICY, "captures");
  const replay = new Replay({ client: "auto", geometry: GEOMETRY, policy, seeds: REPLAY_SEEDS });
  const seen = new Seen();
  sums.files++;
  for (const packet of packets) {
    const judged = replay.judge(packet);
    if (judged.skipped !== undefined) {
      sums.skipped++;
      continue;
    }
    sums.judged++;
    const frame = judged.frame();
    const text = judged.describe();
    if (judged.reason === 0) sums.passed++;
    else {
      const { frame: bytes, length } = toEthernet(packet.linkType, packet.bytes, packet.length)!;
      const why = explain({ reason: judged.reason, frame, text, timeNs: packet.timeNs, bytes, length }, seen);
      const kind = jumps && why.startsWith("state") ? "state: the capture's clock jumps" : why;
      note(sums, kind, name);
      if (shown !== undefined && kind.includes(shown)) console.log(`${name}:${packet.number}  ${kind}  ${text}`);
    }
    if (frame) seen.note(frame, text, packet.timeNs, judged.reason === 0);
  }
}

function note({ kinds }: Sums, kind: string, name: string): void {
  const entry = kinds.get(kind) ?? { packets: 0, files: new Set<string>() };
  kinds.set(kind, entry);
  entry.packets++;
  entry.files.add(name);
}

function main(words: readonly string[]): number {
  const shown = words.includes("--kind") ? words[words.indexOf("--kind") + 1] : undefined;
  const [directory] = words.filter((word) => !word.startsWith("--") && word !== shown);
  if (directory === undefined) {
    console.error(USAGE);
    return 2;
  }
  const sums: Sums = { files: 0, unreadable: 0, judged: 0, passed: 0, skipped: 0, kinds: new Map() };
  for (const path of filesBelow(directory)) {
    try {
      replayFile(path, relative(directory, path), sums, shown);
    } catch (error) {
      if (!isRoamwallError(error)) throw error;
      sums.unreadable++;
    }
  }
  report(sums, words.includes("--markdown"));
  return 0;
}

function report(sums: Sums, isMarkdown: boolean): void {
  const n = (value: number) => value.toLocaleString("en");
  const rows = [...sums.kinds].sort(([, a], [, b]) => b.packets - a.packets);
  const lines = rows.map(([kind, { packets, files }]) => {
    return isMarkdown
      ? `| ${kind} | ${n(packets)} | ${n(files.size)} |`
      : `${n(packets).padStart(10)}  ${n(files.size).padStart(6)}  ${kind}`;
  });
  const { files, unreadable, judged, passed, skipped } = sums;
  console.log(
    `${n(files)} captures (${n(unreadable)} more are none), ${n(judged)} packets judged, ${n(passed)} passed, ${n(judged - passed)} denied, ${n(skipped)} not judged\n`,
  );
  console.log(isMarkdown ? "| kind | packets | captures |\n|---|---|---|" : "   packets  captures  kind");
  console.log(lines.join("\n"));
}

process.exitCode = main(process.argv.slice(2));
