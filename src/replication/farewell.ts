/** A goodbye may be lost. */
const SAID_AFTER_MS = [0, 40, 100];
const WITHIN_MS = 200;

/** Says goodbye until one neighbour says that it knows everything, or nobody can be waited for any longer. */
export class Farewell {
  private readonly ended: (() => void)[] = [];
  private said = 0;

  constructor(
    private readonly startedMs: number,
    private readonly say: () => void,
    private readonly isHeard: () => boolean,
  ) {}

  end(): Promise<void> {
    return new Promise((resolve) => this.ended.push(resolve));
  }

  nextAtMs(): number {
    if (this.isHeard()) return Number.NEGATIVE_INFINITY;
    return this.startedMs + (SAID_AFTER_MS[this.said] ?? WITHIN_MS);
  }

  /** True when it is over. */
  tick(nowMs: number): boolean {
    const ageMs = nowMs - this.startedMs;
    if (this.isHeard() || ageMs >= WITHIN_MS) {
      for (const resolve of this.ended) resolve();
      return true;
    }
    if (ageMs >= (SAID_AFTER_MS[this.said] ?? Number.POSITIVE_INFINITY)) {
      this.said++;
      this.say();
    }
    return false;
  }
}
