import { createSocket, type Socket } from "node:dgram";
import { FIRST_ID, LOST_AFTER_MS, STREAM_PERIOD_MS, STREAM_PERIODS_MS, type StreamReport } from "./plan.ts";

/** Sequence number, id and period: the end that is spoken to answers at the same pace. */
const PAYLOAD_BYTES = 160;

/** One end of a UDP stream, which counts what arrives. */
class Stream {
  sent = 0;
  received = 0;
  readonly openedMs = performance.now();
  lastMs = this.openedMs;
  longestGapMs = 0;
  private readonly payload = Buffer.alloc(PAYLOAD_BYTES);

  constructor(
    readonly id: number,
    periodMs: number,
    private readonly socket: Socket,
    private readonly peer: { readonly address: string; readonly port: number },
  ) {
    this.payload.writeUInt32BE(id, 4);
    this.payload.writeUInt16BE(periodMs, 8);
    setInterval(() => this.send(), periodMs);
  }

  hear(): void {
    const now = performance.now();
    this.received++;
    this.longestGapMs = this.gapMs(now);
    this.lastMs = now;
  }

  gapMs(now: number): number {
    return Math.max(this.longestGapMs, now - this.lastMs);
  }

  private send(): void {
    this.payload.writeUInt32BE(this.sent++, 0);
    this.socket.send(this.payload, this.peer.port, this.peer.address, () => {});
  }
}

/** The streams of one end. */
export class StreamSet {
  private readonly streams = new Map<number, Stream>();

  /** Each from a port of its own. */
  open(count: number, address: string, port: number): void {
    for (let i = 0; i < count; i++) {
      const socket = createSocket("udp4");
      const periodMs = count === 1 ? STREAM_PERIOD_MS : STREAM_PERIODS_MS[i % STREAM_PERIODS_MS.length]!;
      const stream = new Stream(FIRST_ID.stream + i, periodMs, socket, { address, port });
      this.streams.set(stream.id, stream);
      socket.on("message", () => stream.hear());
      socket.on("error", () => {});
    }
  }

  /** Answers whoever speaks. */
  serve(port: number): void {
    const socket = createSocket("udp4");
    socket.on("message", (bytes, from) => {
      const id = bytes.length === PAYLOAD_BYTES ? bytes.readUInt32BE(4) : 0;
      if (id < FIRST_ID.stream) return;
      let stream = this.streams.get(id);
      if (stream === undefined) {
        stream = new Stream(id, bytes.readUInt16BE(8), socket, { address: from.address, port: from.port });
        this.streams.set(id, stream);
      }
      stream.hear();
    });
    socket.on("error", () => {});
    socket.bind(port);
  }

  mark(): void {
    for (const stream of this.streams.values()) stream.longestGapMs = 0;
  }

  report(): StreamReport {
    const now = performance.now();
    const all = [...this.streams.values()];
    const silent = all.filter((stream) => now - stream.lastMs > LOST_AFTER_MS);
    return {
      known: all.length,
      sent: all.reduce((sum, one) => sum + one.sent, 0),
      received: all.reduce((sum, one) => sum + one.received, 0),
      lost: silent.map((one) => ({ id: one.id, ageMs: one.lastMs - one.openedMs })),
      gapsMs: all.map((one) => one.gapMs(now)),
    };
  }
}
