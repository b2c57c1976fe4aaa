/** Bytes that may be sent now. It fills while nothing is sent, up to what a burst may be. */
export class TokenBucket {
  private tokens: number;
  private filledMs = 0;

  constructor(
    private readonly bytesPerSecond: number,
    private readonly burstBytes: number,
  ) {
    this.tokens = burstBytes;
  }

  has(bytes: number, nowMs: number): boolean {
    const gained = Math.max(0, nowMs - this.filledMs) * (this.bytesPerSecond / 1000);
    this.tokens = Math.min(this.burstBytes, this.tokens + gained);
    this.filledMs = nowMs;
    return this.tokens >= bytes;
  }

  /** Takes the bytes, or nothing. */
  take(bytes: number, nowMs: number): boolean {
    if (!this.has(bytes, nowMs)) return false;
    this.tokens -= bytes;
    return true;
  }

  /** When so many bytes may be taken; `bytes` at most the burst. */
  readyAtMs(bytes: number): number {
    return this.filledMs + (Math.max(0, bytes - this.tokens) / this.bytesPerSecond) * 1000;
  }
}
