/** A machine and its network for tests: time stands still until it is moved, datagrams arrive when the world runs. */
import type { Endpoint, Platform, Udp, UdpOptions } from "../../platform/platform.ts";

/** Steps of the longest chain of promises between two datagrams. */
const QUIET_TURNS = 20;

interface Timer {
  readonly atMs: number;
  readonly run: () => void;
}

export class World {
  nowMs = 0;
  wallSeconds: number | undefined = 1_800_000_000;
  readonly logged: string[] = [];
  private readonly timers = new Set<Timer>();
  private readonly sockets = new Map<string, UdpOptions>();
  private readonly underWay: (() => void)[] = [];
  private nextPort = 40_000;
  private entropy = 0;

  /** Only what the radius room asks for. */
  readonly platform = {
    clock: {
      nowMs: () => this.nowMs,
      after: (ms: number, run: () => void) => {
        const timer = { atMs: this.nowMs + ms, run };
        this.timers.add(timer);
        return () => void this.timers.delete(timer);
      },
    },
    log: { debug() {}, info: this.logger(), warn: this.logger(), error: this.logger() },
    wallSeconds: () => this.wallSeconds,
    entropy: (bytes: number) => Uint8Array.from({ length: bytes }, () => this.entropy++ & 255),
    udp: async (options: UdpOptions) => this.bind(options),
  } as unknown as Platform;

  bind(options: UdpOptions): Udp {
    const port = options.port || this.nextPort++;
    const address = options.bind === "0.0.0.0" ? "127.0.0.1" : options.bind;
    const key = `${address} ${port}`;
    if (this.sockets.has(key)) throw new Error(`${key} is taken`);
    this.sockets.set(key, options);
    return {
      local: { address, port },
      send: (bytes, to) => this.post(Uint8Array.from(bytes), { address, port }, to),
      close: () => void this.sockets.delete(key),
    };
  }

  /** A datagram with any source, as who sits on the path can write it. */
  post(bytes: Uint8Array, from: Endpoint, to: Endpoint): void {
    this.underWay.push(() => this.sockets.get(`${to.address} ${to.port}`)?.onDatagram(bytes, from));
  }

  /** Delivers what is under way, and what that causes. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
      await Promise.resolve();
      for (const deliver of this.underWay.splice(0)) {
        deliver();
        quiet = 0;
      }
    }
  }

  async pass(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    for (;;) {
      await this.settle();
      const due = [...this.timers].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (!due) break;
      this.timers.delete(due);
      this.nowMs = Math.max(this.nowMs, due.atMs);
      due.run();
    }
    this.nowMs = endMs;
  }

  private logger() {
    return (_room: string, text: string, fields?: Record<string, unknown>) => {
      this.logged.push(`${text} ${JSON.stringify(fields ?? {})}`);
    };
  }
}
