const SOON_MS = 15;
/** As often is said what may be new to somebody. */
const AT_LENGTH_MS = 250;

/**
 * When a greeting is said again, as long as nobody knows whether it came: soon at first, since each one lost is a sync that
 * waits, then half as often each time. A recording that asks for answers gets five in its first second, four in each later.
 */
export class Insistence {
  /** When it was said last. */
  saidMs = Number.NEGATIVE_INFINITY;
  private gapMs = SOON_MS;

  /** Something new is to be said. */
  begin(): void {
    this.gapMs = SOON_MS;
  }

  /** Whether it may be said now: then it was. */
  take(nowMs: number): boolean {
    if (nowMs - this.saidMs < this.gapMs) return false;
    this.say(nowMs);
    return true;
  }

  /** Returns when to say it again. */
  say(nowMs: number): number {
    // Before the first time nothing was waited for.
    if (this.saidMs > Number.NEGATIVE_INFINITY) this.gapMs = Math.min(AT_LENGTH_MS, 2 * this.gapMs);
    this.saidMs = nowMs;
    return nowMs + this.gapMs;
  }
}
