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

  /** Takes the bytes, or nothing. */
  take(bytes: number, nowMs: number): boolean {
    const gained = Math.max(0, nowMs - this.filledMs) * (this.bytesPerSecond / 1000);
    this.tokens = Math.min(this.burstBytes, this.tokens + gained);
    this.filledMs = nowMs;
    if (this.tokens < bytes) return false;
    this.tokens -= bytes;
    return true;
  }
}
