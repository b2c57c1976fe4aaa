/** Set by scripts/build.mjs: seconds since 1970 of what was built. */
declare const ROAMWALL_BUILD_SECONDS: number | undefined;

/** This was written then. */
const WRITTEN_SECONDS = Date.UTC(2026, 10, 1) / 1000;
/** Where it was built the clock may have been a little ahead of here. */
const SLACK_SECONDS = 86_400;

/**
 * Undefined: this machine does not know what time it is. Boxes without a battery wake up in 1970, or when their image was
 * made: a clock before the build was never set, and what hangs on it (how old a request is) cannot be judged.
 */
export function believedSeconds(nowMs: number, earliest: number = earliestSeconds()): number | undefined {
  const now = Math.floor(nowMs / 1000);
  return now < earliest ? undefined : now;
}

/** From sources the day of this file, from a build its own time. */
export function earliestSeconds(): number {
  const built = typeof ROAMWALL_BUILD_SECONDS === "number" ? ROAMWALL_BUILD_SECONDS - SLACK_SECONDS : 0;
  return Math.max(WRITTEN_SECONDS, built);
}
