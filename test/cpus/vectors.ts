import { type Geometry, parseGeometry } from "../../src/bloom/geometry.ts";
import type { Sfr } from "../../src/sfr/sfr.ts";
import { COST_PACKETS, sendCostRules, synOf } from "../lab/cost-packets.ts";
import { MIRRORS, ScriptGenerator } from "../lab/kernel-model.generator.ts";
import { Pair, SLOTS } from "../lab/kernel-model.pair.ts";
import type { Result } from "../lab/kernel-runner.ts";
import { COMMAND, type Frame, framed, runOf, type Sink, words } from "../lab/routine-records.ts";
import { SEEDS } from "../support/firewall.ts";

/**
 * Vectors for `firmware/test/vectors.c`: a script of packets and changes as `kernel-model.ts` plays it, with the model's
 * answer behind each packet and digests of the table and of the events in between. Little endian, whoever reads it.
 */
const ANSWER_BYTES = 16;
const PRIME = 16777619;
const CHECK_EVERY = 32;

class VectorFile implements Sink {
  readonly #parts: Uint8Array[] = [];

  constructor(geometry: Geometry) {
    const shape = [geometry.bucketBits, geometry.remainderBits, MIRRORS, SLOTS, ...SEEDS];
    this.send(COMMAND.shape, words(...shape));
  }

  send(kind: number, ...parts: readonly Uint8Array[]): void {
    this.#parts.push(...framed(kind, parts));
  }

  get bytes(): Uint8Array {
    return Buffer.concat(this.#parts);
  }
}

export interface VectorOptions {
  readonly geometry: string;
  readonly seed: number;
  readonly packets: number;
  /** Something wrong with the model, to prove that a difference is seen. */
  readonly spoil?: (model: Sfr) => void;
}

export interface Vectors {
  readonly bytes: Uint8Array;
  readonly packets: number;
  /** Packets by reason; passed ones at 0. */
  readonly reasons: ReadonlyMap<number, number>;
}

export function makeVectors({ geometry: text, seed, packets, spoil }: VectorOptions): Vectors {
  const geometry = parseGeometry(text, "geometry");
  const file = new VectorFile(geometry);
  const pair = new Pair(file, geometry);
  spoil?.(pair.model);
  const generator = new ScriptGenerator(seed, SEEDS, geometry.cells);
  for (const step of generator.beginning()) if (step.kind !== "packet") pair.apply(step);
  const reasons = new Map<number, number>();
  let events = 1;
  for (let count = 0; count < packets; ) {
    const step = generator.next();
    if (step.kind !== "packet") {
      pair.apply(step);
      continue;
    }
    // Who is behind a queue sees no frame between two stations of one port.
    const frame = { ...step.frame, fromAp: false };
    const answer = pair.judge({ ...step, frame });
    events = digestOf(Buffer.from(answer.events.replaceAll("\n", ""), "hex"), events);
    reasons.set(answer.reason, (reasons.get(answer.reason) ?? 0) + 1);
    file.send(COMMAND.run, runOf(frame), answerOf(answer), frame.bytes);
    if (++count % CHECK_EVERY !== 0 && count < packets) continue;
    file.send(COMMAND.check, words(digestOfTable(pair.model), events));
    events = 1;
  }
  return { bytes: file.bytes, packets, reasons };
}

/** What a packet costs: `established`, `new` (each another flow) and `denied`, `repeat` times. */
export const COSTS = ["established", "new", "denied"] as const;
export type Cost = (typeof COSTS)[number];

export function makeWork(cost: Cost, repeat: number): Uint8Array {
  const geometry = parseGeometry("4x1024x8/r26", "geometry");
  const file = new VectorFile(geometry);
  sendCostRules(file, geometry);
  const { syn, synAck, ack, deniedByRules } = COST_PACKETS;
  const work = (frame: Frame, times: number, vary = false) =>
    file.send(COMMAND.bench, runOf(frame, { repeat: times, vary }), frame.bytes);
  for (const each of [syn, synAck, ack]) work(each, 1);
  if (cost === "established") work(ack, repeat);
  if (cost === "new") work(synOf(2048), repeat, true);
  if (cost === "denied") work(deniedByRules, repeat);
  return file.bytes;
}

function answerOf({ pass, reason, type, monitored, slot, halfOpen }: Result): Uint8Array {
  const out = new Uint8Array(ANSWER_BYTES);
  const view = new DataView(out.buffer);
  out.set([pass ? 1 : 0, reason, type, monitored ? 1 : 0]);
  view.setUint16(4, slot, true);
  for (const [side, count] of halfOpen.split(" ").entries()) view.setUint32(8 + 4 * side, Number(count), true);
  return out;
}

function digestOf(bytes: Uint8Array, from: number): number {
  let digest = from;
  for (const byte of bytes) digest = Math.imul(digest ^ byte, PRIME) >>> 0;
  return digest;
}

function digestOfTable({ table, halfOpen }: Sfr): number {
  let digest = 1;
  for (let at = 0; at < table.cells.length; at++) {
    for (const word of [table.cells[at]!, table.owners[at]!, halfOpen.opener[at]!])
      digest = Math.imul(digest ^ word, PRIME) >>> 0;
  }
  return digest;
}
