import type { Clock, Stream } from "../../../platform/platform.ts";

/** A connection whose other side is the test. */
export class FakeStream implements Stream {
  text = "";
  closes = 0;
  pendingBytes = 0;
  private onData: (bytes: Uint8Array) => void = () => {};
  private onEnd: () => void = () => {};

  write(bytes: Uint8Array): void {
    this.text += new TextDecoder().decode(bytes);
  }

  onBytes(handler: (bytes: Uint8Array) => void): void {
    this.onData = handler;
  }

  onClose(handler: () => void): void {
    const before = this.onEnd;
    this.onEnd = () => {
      before();
      handler();
    };
  }

  close(): void {
    this.closes++;
  }

  hear(text: string): void {
    this.onData(new TextEncoder().encode(text));
  }

  /** The other side is gone. */
  end(): void {
    this.onEnd();
  }

  /** Handlers are asynchronous. */
  async settled(): Promise<void> {
    for (let i = 0; i < 20; i++) await Promise.resolve();
  }
}

export class FakeClock implements Clock {
  private ms = 0;
  private readonly timers = new Set<{ atMs: number; run: () => void }>();

  nowMs(): number {
    return this.ms;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { atMs: this.ms + ms, run };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  /** In the order of their time. */
  advance(ms: number): void {
    const end = this.ms + ms;
    for (;;) {
      const [next] = [...this.timers].filter(({ atMs }) => atMs <= end).sort((a, b) => a.atMs - b.atMs);
      if (!next) break;
      this.timers.delete(next);
      this.ms = next.atMs;
      next.run();
    }
    this.ms = end;
  }
}
