/** A receiver whose source says that it is slow pauses at least so long before it asks for a snapshot. */
const PAUSE_MS = 1_000;
const PAUSE_MAX_MS = 30_000;
/** Who needed no snapshot for so long begins with no pause again. */
const CALM_MS = 10_000;

/**
 * When the next snapshot may be asked for because too much was lost: the first at once, others after pauses that double
 * while they are needed. On a link that loses most of what is sent, each snapshot would be out of date when it is there.
 */
export class Breath {
  private pauseMs = 0;
  private readyMs = Number.NEGATIVE_INFINITY;
  private takenMs = Number.NEGATIVE_INFINITY;
  private slow = false;

  ready(nowMs: number): boolean {
    return nowMs >= this.readyMs;
  }

  /** When `ready` may become true; never while nothing is waited for. */
  nextAtMs(nowMs: number): number {
    return this.ready(nowMs) ? Number.POSITIVE_INFINITY : this.readyMs;
  }

  taken(nowMs: number): void {
    this.pauseMs = nowMs - this.takenMs > CALM_MS + this.pauseMs ? PAUSE_MS : Math.min(PAUSE_MAX_MS, this.pauseMs * 2);
    this.takenMs = nowMs;
    this.readyMs = nowMs + this.pauseMs;
  }

  /** What the source says of us: slow, it repairs single gaps no more. */
  hear(slow: boolean, nowMs: number): void {
    if (slow && !this.slow) this.readyMs = Math.max(this.readyMs, nowMs + PAUSE_MS);
    this.slow = slow;
  }

  get isSlow(): boolean {
    return this.slow;
  }
}
