import type { Figure } from "./stats.ts";

/** A figure of Roamwall, and the same of what it is compared with, from the same rounds. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly value: Figure;
  readonly baseline?: Figure;
  /** For people: what the baseline is, or what one has to know. */
  readonly note: string;
}

/** Rows that need the same network are measured together. */
export interface Group {
  readonly names: readonly string[];
  /** Called if any of `names` is wanted; what costs time by itself goes through `attempt`. */
  measure(context: Context): Promise<Row[]>;
}

export interface Context {
  /** The core that forwards, and the core that everything else runs on. */
  readonly trafficCpu: number;
  readonly otherCpu: number;
  /** Measures one of a group's rows: what goes wrong is reported under its name, and the others go on. */
  attempt(name: string, work: () => Promise<Row[]>): Promise<Row[]>;
}
