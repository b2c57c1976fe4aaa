import { compileAutomata } from "../../src/automata/compile.ts";
import { macToBytes, parseMac } from "../../src/base/mac.ts";
import { type Geometry, parseGeometry } from "../../src/bloom/geometry.ts";
import { type Layout, writeRecord } from "../../src/datapath/layout.ts";
import { MAP_RECORDS } from "../../src/datapath/map-records.ts";
import { COMMANDS } from "../../src/datapath/stream-records.ts";
import type { Sfr } from "../../src/sfr/sfr.ts";
import { MIRRORS, ScriptGenerator } from "../lab/kernel-model.generator.ts";
import { Pair, SLOTS } from "../lab/kernel-model.pair.ts";
import { COMMAND, type Frame, type Result, type Sink, sendCtl } from "../lab/kernel-runner.ts";
import { CLIENT, filterOf, PEER, record, SEEDS } from "../support/firewall.ts";
import { tcp, udp } from "../support/packets.ts";

/**
 * Vectors for `firmware/test/vectors.c`: a script of packets and changes as `kernel-model.ts` plays it, with the model's
 * answer behind each packet and digests of the table and of the events in between. Little endian, whoever reads it.
 */
const SHAPE = 200;
const CHECK = 201;
const RUN_BYTES = 12;
const ANSWER_BYTES = 16;
const PRIME = 16777619;
const CHECK_EVERY = 32;

class VectorFile implements Sink {
  readonly #parts: Uint8Array[] = [];

  constructor(geometry: Geometry) {
    const shape = [geometry.bucketBits, geometry.remainderBits, MIRRORS, SLOTS, ...SEEDS];
    this.send(SHAPE, words(...shape));
  }

  send(kind: number, ...parts: readonly Uint8Array[]): void {
    const header = new Uint8Array(8);
    const view = new DataView(header.buffer);
    view.setUint16(0, kind, true);
    view.setUint32(
      4,
      parts.reduce((sum, part) => sum + part.length, 8),
      true,
    );
    this.#parts.push(header, ...parts);
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
    file.send(COMMAND.run, head(frame, false, 1), answerOf(answer), frame.bytes);
    if (++count % CHECK_EVERY !== 0 && count < packets) continue;
    file.send(CHECK, words(digestOfTable(pair.model), events));
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
  file.send(COMMANDS.load_automata.number, compileAutomata({ geometry, shorten: true }));
  sendCtl(file, { fast: 3, slow: 3, test_now: 5_000_000_000n });
  const filter = filterOf(0, [
    { direction: "out", proto: 6, port: 443 },
    { direction: "out", proto: 6, port: 80 },
    { direction: "out", proto: 17, peer: "10.1.0.1" },
  ]);
  file.send(COMMANDS.set_filter.number, bytesOf(COMMANDS.set_filter.body, filter), filter.data);
  const mac = Uint8Array.from([...macToBytes(parseMac(CLIENT, "client")), 0, 0]);
  file.send(COMMANDS.set_client.number, mac, bytesOf(MAP_RECORDS.client, record()));
  const out = { srcMac: CLIENT, dstMac: PEER, src: "10.0.0.1", dst: "10.1.0.1" };
  const back = { srcMac: PEER, dstMac: CLIENT, src: "10.1.0.1", dst: "10.0.0.1" };
  const payload = new Uint8Array(1000);
  const syn = tcp({ ...out, sport: 1024, dport: 443, flags: "S" });
  const ack = tcp({ ...out, sport: 1024, dport: 443, flags: "A", payload });
  const work = (bytes: Uint8Array, direction: 0 | 1, times: number, vary = false) =>
    file.send(COMMAND.bench, head({ ...PLAIN, bytes, direction }, vary, times), bytes);
  work(syn, 0, 1);
  work(tcp({ ...back, sport: 443, dport: 1024, flags: "SA" }), 1, 1);
  work(ack, 0, 1);
  if (cost === "established") work(ack, 0, repeat);
  if (cost === "new") work(tcp({ ...out, sport: 2048, dport: 443, flags: "S" }), 0, repeat, true);
  if (cost === "denied") work(udp({ ...out, sport: 1, dport: 2, dst: "10.9.9.9" }), 0, repeat);
  return file.bytes;
}

const PLAIN = { tagged: false, fromAp: false, gso: false, ifindex: 5 } as const;

function head(frame: Frame, vary: boolean, repeat: number): Uint8Array {
  const out = new Uint8Array(RUN_BYTES);
  out.set([frame.direction, frame.tagged ? 1 : 0, frame.gso ? 1 : 0, vary ? 1 : 0]);
  const view = new DataView(out.buffer);
  view.setUint32(4, frame.ifindex, true);
  view.setUint32(8, repeat, true);
  return out;
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

function bytesOf(of: Layout, value: object): Uint8Array {
  const out = new Uint8Array(of.bytes);
  writeRecord(of, new DataView(out.buffer), 0, value, true);
  return out;
}

function words(...values: readonly number[]): Uint8Array {
  const out = new Uint8Array(values.length * 4);
  for (const [i, value] of values.entries()) new DataView(out.buffer).setUint32(i * 4, value, true);
  return out;
}
