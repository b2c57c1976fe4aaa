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
  /** Measures at least those of `names` that `wanted` holds true for. */
  measure(context: Context): Promise<Row[]>;
}

export interface Context {
  readonly wanted: (name: string) => boolean;
  /** The core that forwards, and the core that everything else runs on. */
  readonly trafficCpu: number;
  readonly otherCpu: number;
  progress(text: string): void;
}
