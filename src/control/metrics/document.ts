import type { Metric } from "./metric.ts";
import { METRICS } from "./table.ts";

/** The table of docs/metrics.md. */
export function metricsTable(metrics: readonly Metric[] = METRICS): string {
  const rows = metrics.map(({ name, type, unit, labels, help }) => {
    const series = labels.length === 0 ? name : `${name}{${labels.join(", ")}}`;
    return `| \`${series}\` | ${type} | ${unit || "-"} | ${help} |`;
  });
  return ["| metric | type | unit | what |", "|---|---|---|---|", ...rows, ""].join("\n");
}
