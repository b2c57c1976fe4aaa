/** What a replay said, by client, peer and service, and over time. Bounded: a capture may hold millions of strangers. */
import { formatAddress } from "../../base/ip.ts";
import { CONSTANTS, REASONS } from "../../datapath/abi.ts";
import { serviceText } from "../../policy/explain.ts";
import type { DeniedFrame, Learner } from "../../policy/learn.ts";
import { PROTO } from "../../policy/model.ts";
import type { Judged } from "../replay.ts";

const KEYS_MAX = 10_000;
const BUCKETS_MAX = 120;
const FIRST_BUCKET_S = 0.001;

export interface Count {
  passed: number;
  denied: number;
}

export interface Bucket extends Count {
  /** Used cells at its end. */
  usedCells: number;
}

export class Tally {
  readonly clients = new Map<string, Count>();
  readonly peers = new Map<string, Count>();
  /** As `out tcp/443`, in the direction in which the flow seems to open. */
  readonly services = new Map<string, Count>();
  readonly reasons = new Map<string, number>();
  buckets: Bucket[] = [];
  bucketS = FIRST_BUCKET_S;

  /** `learner` sees what was denied. */
  constructor(private readonly learner: Pick<Learner, "see">) {}

  /** `seconds` since the capture's first packet. */
  add(judged: Judged, seconds: number, usedCells: number): void {
    if (judged.skipped !== undefined) return;
    const isDenied = judged.reason !== 0;
    this.addToTime(isDenied, seconds, usedCells);
    if (isDenied) count(this.reasons, REASONS[judged.reason]![0]);
    const frame = judged.frame();
    if (!frame) return;
    if (isDenied) this.learner.see(frame);
    addTo(this.clients, frame.mac, isDenied);
    addTo(this.peers, peerOf(frame), isDenied);
    addTo(this.services, serviceOf(frame), isDenied);
  }

  private addToTime(isDenied: boolean, seconds: number, usedCells: number): void {
    while (seconds >= this.bucketS * BUCKETS_MAX) this.widen();
    const at = Math.max(0, Math.floor(seconds / this.bucketS));
    while (this.buckets.length <= at) {
      this.buckets.push({ passed: 0, denied: 0, usedCells: this.buckets.at(-1)?.usedCells ?? 0 });
    }
    const bucket = this.buckets[at]!;
    if (isDenied) bucket.denied++;
    else bucket.passed++;
    bucket.usedCells = usedCells;
  }

  /** The capture is longer than thought: two buckets become one. */
  private widen(): void {
    const pairs = Array.from({ length: Math.ceil(this.buckets.length / 2) }, (_, i) =>
      this.buckets.slice(2 * i, 2 * i + 2),
    );
    this.bucketS *= 2;
    this.buckets = pairs.map(([a, b]) => ({
      passed: a!.passed + (b?.passed ?? 0),
      denied: a!.denied + (b?.denied ?? 0),
      usedCells: (b ?? a)!.usedCells,
    }));
  }
}

/** Most denied first, then most passed. */
export function ranked(counts: ReadonlyMap<string, Count>): [string, Count][] {
  return [...counts].sort(([, a], [, b]) => b.denied - a.denied || b.passed - a.passed);
}

const BEYOND = "all others";

function addTo(counts: Map<string, Count>, key: string, isDenied: boolean): void {
  const known = counts.has(key) || counts.size < KEYS_MAX ? key : BEYOND;
  const entry = counts.get(known) ?? { passed: 0, denied: 0 };
  counts.set(known, entry);
  if (isDenied) entry.denied++;
  else entry.passed++;
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function peerOf({ family, peer }: DeniedFrame): string {
  return formatAddress({ family, words: Array.from({ length: family === 4 ? 1 : 4 }, (_, i) => peer[i]! >>> 0) });
}

/** Which end is the service: the lower port, as programs draw high ones. */
function serviceOf({ proto, direction, clientPort, peerPort }: DeniedFrame): string {
  if (proto !== PROTO.tcp && proto !== PROTO.udp) {
    return `${direction === CONSTANTS.SIDE_CLIENT ? "out" : "in"} ${serviceText(proto, 0)}`;
  }
  const isOut = peerPort <= clientPort;
  return `${isOut ? "out" : "in"} ${serviceText(proto, isOut ? peerPort : clientPort)}`;
}
