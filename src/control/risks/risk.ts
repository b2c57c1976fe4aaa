/** Something of this machine that lets packets pass beside the filter, or keeps the agent from seeing what it must. */
export interface Risk {
  /** Stable, for programs: as `wed` or `port-unfiltered`. */
  readonly id: string;
  /**
   * `high`: packets of clients pass without the filter. `medium`: some may, or a right that was given has no effect. `low`: worth
   * knowing.
   */
  readonly severity: Severity;
  /** What was found, and where. */
  readonly finding: string;
  /** What to do about it. */
  readonly remedy: string;
}

export const SEVERITIES = ["high", "medium", "low"] as const;
export type Severity = (typeof SEVERITIES)[number];
