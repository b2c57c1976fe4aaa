import { TokenBucket } from "../../src/replication/bucket.ts";
import type { Replicator } from "../../src/replication/replicator.ts";
import { WINDOW_PNS } from "../../src/replication/window.ts";
import type { AttackClass } from "./classes.ts";
import { differences, stateOf } from "./state.ts";
import type { Mesh } from "./world.ts";

/** So many messages come in a millisecond: a gigabit of them. */
const PER_MS = 100;
const NOTHING_FAILED = new Uint32Array(WINDOW_PNS);
const FULL = new TokenBucket(1e9, 1e9);
const FROM = { address: "10.99.0.66", port: 4755 };

export interface Outcome {
  readonly name: string;
  readonly messages: number;
  /** Where the victim's state differs afterwards. */
  readonly changed: readonly string[];
  /** Datagrams that it sent. */
  readonly answers: number;
  /** By reason. */
  readonly refused: Readonly<Record<string, number>>;
  readonly us: Spent;
}

export interface Spent {
  readonly median: number;
  readonly p999: number;
  readonly max: number;
}

/** Sends messages to the victim, which does nothing else meanwhile, and compares all that it knows. */
export function attack(
  { lab, victim }: Mesh,
  { name, mayAnswer = false, isUnbounded = false, make }: AttackClass,
  messages: number,
): Outcome {
  const { replicator, datapath } = victim;
  const { counters } = replicator;
  const root = { replicator, datapath };
  // Who made the messages is not what costs.
  const made = Array.from({ length: messages }, (_, i) => make(i));
  const before = stateOf(root, mayAnswer);
  const refusedBefore = { ...counters.datagramsDropped };
  const sentBefore = counters.datagramsSent;
  const times = new Float64Array(messages);
  for (let i = 0; i < messages; i++) {
    if (isUnbounded) forgetFailures(replicator);
    const began = process.hrtime.bigint();
    replicator.receive(made[i]!, FROM, lab.nowMs + Math.floor(i / PER_MS));
    times[i] = Number(process.hrtime.bigint() - began) / 1_000;
  }
  const refused = Object.entries(counters.datagramsDropped).map(
    ([reason, count]) => [reason, count - (refusedBefore[reason] ?? 0)] as const,
  );
  return {
    name,
    messages,
    changed: differences(before, stateOf(root, mayAnswer)),
    answers: counters.datagramsSent - sentBefore,
    refused: Object.fromEntries(refused.filter(([, count]) => count > 0)),
    us: spent(times),
  };
}

/** What taking a datagram costs that is what it says it is. */
export function takeValid({ lab, victim, valid }: Mesh): Spent & { readonly taken: number } {
  const before = victim.replicator.counters.datagramsTaken;
  const times = Float64Array.from(valid, (bytes) => {
    const began = process.hrtime.bigint();
    victim.replicator.receive(bytes, FROM, lab.nowMs);
    return Number(process.hrtime.bigint() - began) / 1_000;
  });
  return { ...spent(times), taken: victim.replicator.counters.datagramsTaken - before };
}

function forgetFailures(replicator: Replicator): void {
  for (const { attempts } of replicator.list()) Object.assign(attempts, { failures: NOTHING_FAILED, bucket: FULL });
  NOTHING_FAILED.fill(0);
}

function spent(times: Float64Array): Spent {
  const sorted = times.slice().sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
  return { median: at(0.5), p999: at(0.999), max: at(1) };
}
