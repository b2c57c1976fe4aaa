import type { Figures } from "./figures.ts";
import type { Metric, Sample } from "./metric.ts";
import { METRICS } from "./table.ts";

export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Prometheus' text format 0.0.4. */
export function exposition(figures: Figures, metrics: readonly Metric[] = METRICS): string {
  return metrics.map((metric) => block(metric, metric.read(figures))).join("");
}

/** Every sample by its name in the text format: for MQTT. */
export function flatFigures(figures: Figures): Record<string, number> {
  const all = METRICS.flatMap((metric) =>
    metric.read(figures).map((sample) => [seriesOf(metric, sample), sample.value]),
  );
  return Object.fromEntries(all);
}

function block(metric: Metric, samples: readonly Sample[]): string {
  if (samples.length === 0) return "";
  const help = metric.help.replace(/\\/g, "\\\\").replace(/\n/g, "\\n");
  const lines = samples.map((sample) => `${seriesOf(metric, sample)} ${valueText(sample.value)}\n`);
  return `# HELP ${metric.name} ${help}\n# TYPE ${metric.name} ${metric.type}\n${lines.join("")}`;
}

function seriesOf({ name, type }: Metric, { labels }: Sample): string {
  if (!labels) return name;
  if (type === "histogram")
    return labels["le"] === undefined ? `${name}_${labels["part"]}` : `${name}_bucket{le="${labels["le"]}"}`;
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${escaped(value)}"`);
  return `${name}{${pairs.join(",")}}`;
}

/** Names are strangers' words: a quote or a line end in one must not begin another sample. */
function escaped(value: string): string {
  return value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
}

function valueText(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return Number.isFinite(value) ? String(value) : value > 0 ? "+Inf" : "-Inf";
}
