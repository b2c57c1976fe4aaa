import { createSocket, type Socket } from "node:dgram";
import { STREAM_PERIOD_MS, type StreamReport } from "./plan.ts";

/** One end of a UDP stream with sequence numbers, 100 datagrams a second each way; it counts what arrives. */
export class Stream {
  private readonly socket: Socket;
  private peer: { address: string; port: number } | undefined;
  private sent = 0;
  private received = 0;
  private lastMs = performance.now();
  private readonly payload = Buffer.alloc(160);

  private constructor() {
    this.socket = createSocket("udp4");
    this.socket.on("message", (_, from) => {
      this.received++;
      this.lastMs = performance.now();
      this.peer ??= { address: from.address, port: from.port };
    });
    this.socket.on("error", () => {});
    setInterval(() => this.send(), STREAM_PERIOD_MS);
  }

  static to(address: string, port: number): Stream {
    const stream = new Stream();
    stream.peer = { address, port };
    return stream;
  }

  /** Answers whoever speaks first. */
  static at(port: number): Stream {
    const stream = new Stream();
    stream.socket.bind(port);
    return stream;
  }

  report(): StreamReport {
    return { sent: this.sent, received: this.received, silentMs: performance.now() - this.lastMs };
  }

  private send(): void {
    if (this.peer === undefined) return;
    this.payload.writeUInt32BE(this.sent++, 0);
    this.socket.send(this.payload, this.peer.port, this.peer.address, () => {});
  }
}
