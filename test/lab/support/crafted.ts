import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { concat, tcp } from "../../support/packets.ts";
import { BUILT } from "./build.ts";
import type { Lab } from "./lab.ts";
import { pause } from "./processes.ts";
import { CLIENT, SERVER } from "./topology.ts";
import { PORTS } from "./traffic/plan.ts";

/** In a TCP option of each segment, then its number: segments without payload are recognised too. */
const MARKER = "ROAMWALL-OK!";
const EXPERIMENT = 253;
const NOP = 1;
/** Nobody has these addresses: no kernel answers. */
const ENDS = { client: "10.1.0.99", server: "10.1.1.99" } as const;
const TRY_AGAIN_MS = 10;
const FIRST_PORT = 40_000;

export type End = keyof typeof ENDS;
/** Who sends, and the flags: `client S`. A `P` carries data. */
export type Segment = `${End} ${string}`;

/** Segments of connections whose ends we are ourselves, each sent when the test says so. */
export class Crafted {
  private readonly helpers: Record<End, ChildProcess>;
  private readonly seen = new Set<number>();
  private segments = 0;
  private connections = 0;

  constructor(lab: Lab) {
    const helper = (end: End, iface: string) => {
      const child = lab.processes.start(join(BUILT, "inject"), [iface, MARKER], {
        netns: lab.namespaces.path(end),
        log: join(lab.processes.logs, `crafted-${end}.log`),
        stdin: "pipe",
        stdout: "pipe",
      });
      child.stdin!.on("error", () => {});
      child.stdout!.on("data", (bytes: Buffer) => {
        for (let at = 0; at + 8 <= bytes.length; at += 8) this.seen.add(bytes.readUInt32BE(at));
      });
      return child;
    };
    this.helpers = { client: helper("client", "wlan0"), server: helper("server", "eth0") };
  }

  connect(): Connection {
    return new Connection(this, FIRST_PORT + this.connections++);
  }

  /** Sends until it arrives; ms that it took, or undefined. */
  async deliver(from: End, build: (option: Uint8Array) => Uint8Array, withinMs: number): Promise<number | undefined> {
    const number = this.segments++;
    const frame = build(markOf(number));
    const length = Buffer.alloc(2);
    length.writeUInt16LE(frame.length);
    const bytes = Buffer.concat([length, frame]);
    const startedMs = performance.now();
    let sentMs = Number.NEGATIVE_INFINITY;
    for (;;) {
      const now = performance.now();
      if (this.seen.has(number)) return now - startedMs;
      if (now - startedMs > withinMs) return undefined;
      if (now - sentMs >= TRY_AGAIN_MS) {
        this.helpers[from].stdin!.write(bytes);
        sentMs = now;
      }
      await pause(1);
    }
  }
}

/** One connection; sequence numbers as two stacks would count them. */
export class Connection {
  private readonly next: Record<End, number> = { client: 1_000, server: 9_000 };

  constructor(
    private readonly crafted: Crafted,
    private readonly port: number,
  ) {}

  /** Ms until it arrived, or undefined. */
  async send(segment: Segment, withinMs: number): Promise<number | undefined> {
    const [from, flags] = segment.split(" ") as [End, string];
    const to: End = from === "client" ? "server" : "client";
    const payload = flags.includes("P") ? new Uint8Array(10) : new Uint8Array(0);
    const seq = this.next[from];
    const frame = {
      srcMac: from === "client" ? CLIENT.mac : SERVER.mac,
      dstMac: from === "client" ? SERVER.mac : CLIENT.mac,
      src: ENDS[from],
      dst: ENDS[to],
      sport: from === "client" ? this.port : PORTS.chat,
      dport: from === "client" ? PORTS.chat : this.port,
      flags,
      seq,
      ack: flags.includes("A") ? this.next[to] : 0,
      window: 0xffff,
      payload,
      checksums: true,
    };
    const took = await this.crafted.deliver(from, (tcpOptions) => tcp({ ...frame, tcpOptions }), withinMs);
    if (took !== undefined) this.next[from] = seq + payload.length + (/[SF]/.test(flags) ? 1 : 0);
    return took;
  }
}

function markOf(number: number): Uint8Array {
  const value = new Uint8Array(8);
  new DataView(value.buffer).setUint32(0, number);
  const option = concat([EXPERIMENT, 2 + MARKER.length + value.length], Buffer.from(MARKER), value);
  return concat(option, new Uint8Array((4 - (option.length % 4)) % 4).fill(NOP));
}
