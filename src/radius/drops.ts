import type { Log } from "../platform/platform.ts";

/** What was dropped without an answer, by reason. Reasons are our own words: strangers cannot make them many. */
export class Drops {
  readonly counts: Record<string, number> = {};

  constructor(
    private readonly log: Log,
    private readonly what: string,
  ) {}

  /** `detail` may hold what strangers wrote. */
  count(reason: string, detail = ""): void {
    const times = (this.counts[reason] ?? 0) + 1;
    this.counts[reason] = times;
    // Powers of two: a flood fills no log.
    if ((times & (times - 1)) === 0) this.log.warn("radius", `${this.what} dropped: ${reason}`, { detail, times });
  }
}
