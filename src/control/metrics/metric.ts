import type { Histogram } from "../../proxy/roam-history.ts";
import type { Figures } from "./figures.ts";

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A row of the table: exposition, MQTT, docs/metrics.md and the tests come from it. */
export interface Metric {
  /** Ends in its unit, and in `_total` for a counter, as Prometheus has it. */
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly unit: string;
  /** Names of its labels, for the documentation. */
  readonly labels: readonly string[];
  read(figures: Figures): readonly Sample[];
}

/** Where its figure is away (roamwalld, a broker), the metric has no samples: a gap is seen, a false zero is not. */
export type One = (figures: Figures) => number | boolean | undefined;

const ones = (read: One) => (figures: Figures) => {
  const value = read(figures);
  return value === undefined ? [] : [{ value: Number(value) }];
};

export function gauge(name: string, unit: string, help: string, read: One): Metric {
  return { name, type: "gauge", unit, help, labels: [], read: ones(read) };
}

export function counter(name: string, unit: string, help: string, read: One): Metric {
  return { name, type: "counter", unit, help, labels: [], read: ones(read) };
}

/** One sample for each value of the labels. */
export function family(
  type: "counter" | "gauge",
  name: string,
  unit: string,
  help: string,
  labels: readonly string[],
  read: (figures: Figures) => Iterable<readonly [values: readonly string[], value: number | boolean]>,
): Metric {
  const samples = (figures: Figures) =>
    Array.from(read(figures), ([values, value]) => ({
      labels: Object.fromEntries(labels.map((label, i) => [label, values[i]!])),
      value: Number(value),
    }));
  return { name, type, unit, help, labels, read: samples };
}

/** Buckets, sum and count as samples with the suffix in `le`: the exposition knows the form. `scale`: to the unit. */
export function histogram(
  name: string,
  unit: string,
  help: string,
  scale: number,
  of: (figures: Figures) => Histogram | undefined,
): Metric {
  const read = (figures: Figures) => {
    const histogram = of(figures);
    if (!histogram) return [];
    let sum = 0;
    const buckets = histogram.counts.map((count, i) => {
      sum += count;
      const bound = histogram.bounds[i];
      return { labels: { le: bound === undefined ? "+Inf" : String(bound * scale) }, value: sum };
    });
    return [
      ...buckets,
      { labels: { part: "sum" }, value: histogram.sum * scale },
      { labels: { part: "count" }, value: sum },
    ];
  };
  return { name, type: "histogram", unit, help, labels: ["le"], read };
}
