/**
 * What a source does so that nothing it published stays unknown. A source says its mode in hello and all that hear it
 * follow: a mesh may mix them. `notrack` and `alarm` are what other replication daemons do, and are here to be compared.
 * The numbers are the wire's: APPEND ONLY.
 */
export const MODES = {
  /** Change sets are numbered, what was missed is asked for and repaired, digests find the rest. */
  ftfw: { number: 0, edges: true, repairs: true, snapshots: true, resends: false },
  /** Each change is sent once. A newcomer gets a snapshot; what is lost later stays lost until the cell changes again. */
  notrack: { number: 1, edges: false, repairs: false, snapshots: true, resends: false },
  /** Each change is sent once, and all that is published again and again: what was lost stays lost for a period. */
  alarm: { number: 2, edges: false, repairs: false, snapshots: false, resends: true },
} as const;
export type ModeName = keyof typeof MODES;

export interface Mode {
  readonly number: number;
  /** Says after a change which is the newest, for those that missed it. */
  readonly edges: boolean;
  /** Answers NACK; receivers count gaps and compare digests. */
  readonly repairs: boolean;
  /** Answers ASK; receivers ask when they believe it. */
  readonly snapshots: boolean;
  /** Sends the whole published table periodically. */
  readonly resends: boolean;
}

export const MODE_NAMES = Object.keys(MODES) as ModeName[];

/** An unknown number is a newer version's: what it needs is asked for, and answered or not. */
export function modeOf(number: number): Mode {
  return Object.values<Mode>(MODES).find((mode) => mode.number === number) ?? MODES.ftfw;
}
