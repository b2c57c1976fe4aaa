import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import type { Geometry } from "../../src/bloom/geometry.ts";
import { RING_EVENT } from "../../src/datapath/map-records.ts";
import { STREAM_HEADER } from "../../src/datapath/stream-records.ts";
import { COMMAND, type Frame, framed, runOf, type Sink } from "./routine-records.ts";

/** The kernel's program behind `firmware/test/runner.c`: commands go in, answers come out in the same order. */
export const RUNNER = "build/runner";
export const OBJECT = process.env["ROAMWALL_OBJECT"] ?? "build/sfr.bpf.o";

const HEADER_BYTES = STREAM_HEADER.bytes;
const RESULT_BYTES = 28;
const CELL_BYTES = 12;
const TC_ACT_SHOT = 2;

export interface Result {
  readonly pass: boolean;
  readonly reason: number;
  readonly type: number;
  readonly monitored: boolean;
  readonly slot: number;
  /** Changed cells, by coordinate: `coordinate cell owner`, a line each. */
  readonly cells: string;
  /** Ring events, in hex, a line each. */
  readonly events: string;
  readonly dirty: number;
  /** Of the slot: openings of the client, and of its peers, that nobody has answered. */
  readonly halfOpen: string;
}

export interface RunnerOptions {
  readonly geometry: Geometry;
  readonly seeds: readonly number[];
  readonly mirrors: number;
  readonly slots: number;
  readonly atomics?: boolean;
}

export class KernelRunner implements Sink {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting: ((body: Buffer) => void)[] = [];
  #received: Buffer = Buffer.alloc(0);
  #pending: Uint8Array[] = [];
  #said = "";
  readonly #gone: Promise<void>;
  #onGone: () => void = () => {};

  constructor(options: RunnerOptions) {
    const { geometry, seeds, mirrors, slots, atomics = true } = options;
    const shape = [geometry.bucketBits, geometry.remainderBits, atomics ? 1 : 0, mirrors, slots];
    this.#child = spawn(RUNNER, [OBJECT, ...shape.map(String), ...seeds.map(String)]);
    this.#child.stdout.on("data", (data: Buffer) => this.#take(data));
    this.#child.stderr.on("data", (data: Buffer) => {
      this.#said += data;
    });
    this.#child.stdin.on("error", () => {});
    this.#gone = new Promise((resolve) => {
      this.#child.on("close", () => {
        this.#onGone();
        resolve();
      });
    });
  }

  send(kind: number, ...parts: readonly Uint8Array[]): void {
    this.#pending.push(...framed(kind, parts));
    if (this.#pending.length > 512) this.#flush();
  }

  /** Answers come in order, at the latest when `settle` resolves. */
  run(frame: Frame, onResult: (result: Result) => void): void {
    this.#waiting.push((body) => onResult(resultOf(body)));
    this.send(COMMAND.run, runOf(frame), frame.bytes);
  }

  /** ns a packet, over `repeat` runs. */
  async bench(frame: Frame, repeat: number): Promise<number> {
    return (await this.#ask(COMMAND.bench, runOf(frame, { repeat }), frame.bytes)).readUInt32LE(0);
  }

  /** All earlier runs have been answered; the counters: denials by reason, then passed, denied and bytes of each slot. */
  async settle(): Promise<number[]> {
    const body = await this.#ask(COMMAND.readCounters);
    return Array.from({ length: body.length / 8 }, (_, i) => Number(body.readBigUInt64LE(i * 8)));
  }

  async close(): Promise<void> {
    this.#flush();
    this.#child.stdin.end();
    await this.#gone;
  }

  #ask(kind: number, ...parts: readonly Uint8Array[]): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#onGone = () => reject(new Error(`the runner has gone: ${this.#said}`));
      this.#waiting.push(resolve);
      this.send(kind, ...parts);
      this.#flush();
    });
  }

  #flush(): void {
    this.#child.stdin.write(Buffer.concat(this.#pending));
    this.#pending = [];
  }

  #take(data: Buffer): void {
    this.#received = this.#received.length === 0 ? data : Buffer.concat([this.#received, data]);
    let at = 0;
    while (this.#received.length - at >= HEADER_BYTES) {
      const bytes = this.#received.readUInt32LE(at + 4);
      if (this.#received.length - at < bytes) break;
      this.#waiting.shift()?.(this.#received.subarray(at + HEADER_BYTES, at + bytes));
      at += bytes;
    }
    this.#received = this.#received.subarray(at);
  }
}

function resultOf(body: Buffer): Result {
  const info = body.readUInt32LE(4);
  const cells = body.readUInt32LE(8);
  const events = body.readUInt32LE(12);
  const lines: string[] = [];
  let at = RESULT_BYTES;
  for (let i = 0; i < cells; i++, at += CELL_BYTES) {
    lines.push(`${body.readUInt32LE(at)} ${body.readUInt32LE(at + 4)} ${body.readUInt16LE(at + 8)}`);
  }
  const hex: string[] = [];
  for (let i = 0; i < events; i++, at += RING_EVENT.bytes) hex.push(body.toString("hex", at, at + RING_EVENT.bytes));
  return {
    pass: body.readInt32LE(0) !== TC_ACT_SHOT,
    reason: info & 0xff,
    type: (info >>> 8) & 0x7f,
    monitored: ((info >>> 15) & 1) === 1,
    slot: info >>> 16,
    cells: lines.join("\n"),
    events: hex.join("\n"),
    dirty: body.readUInt32LE(16),
    halfOpen: `${body.readUInt32LE(20)} ${body.readUInt32LE(24)}`,
  };
}
