/** What would have been denied, as a page for those who have to decide. */
import { REASONS } from "../../datapath/abi.ts";
import type { Learned } from "../../policy/learn.ts";
import { escaped, facts, htmlPage, table } from "./html.ts";
import { plot } from "./plot.ts";
import { type Count, ranked, type Tally } from "./tally.ts";

const ROWS_MAX = 50;
const RULES_MAX = 100;

export interface ReplayFacts {
  readonly file: string;
  readonly policy: string;
  readonly table: string;
  readonly cells: number;
  readonly seconds: number;
  readonly judged: number;
  readonly passed: number;
  readonly skipped: ReadonlyMap<string, number>;
}

export function replayReport(of: ReplayFacts, tally: Tally, learned: Learned): string {
  const denied = of.judged - of.passed;
  const share = of.judged === 0 ? "" : ` (${((100 * denied) / of.judged).toFixed(denied === 0 ? 0 : 2)} %)`;
  return htmlPage(
    `Replay of ${of.file}`,
    [
      `<h1>What the filter would have done</h1><p class="muted">${escaped(of.file)}, ${of.seconds.toFixed(1)} s, judged by ${escaped(of.policy)}</p>\n`,
      facts([
        ["packets judged", of.judged.toLocaleString("en")],
        ["passed", of.passed.toLocaleString("en")],
        ["denied", `${denied.toLocaleString("en")}${share}`],
        ["clients", tally.clients.size.toLocaleString("en")],
      ]),
      timePlot(of, tally),
      reasonsOf(tally),
      rulesOf(learned),
      counted("By client", "client", tally.clients),
      counted("By peer", "peer", tally.peers),
      counted("By service", "service, seen from the client", tally.services),
      skippedOf(of),
      `<p class="muted">The whole table has ${of.cells.toLocaleString("en")} cells (${escaped(of.table)}).</p>`,
    ].join(""),
  );
}

function timePlot({ cells }: ReplayFacts, { buckets, bucketS }: Tally): string {
  const points = (value: (bucket: Tally["buckets"][number]) => number) =>
    buckets.map((bucket, i) => ({ x: (i + 1) * bucketS, y: value(bucket) }));
  const panels = [
    {
      title: "passed a second",
      series: [{ name: "passed", style: "a" as const, points: points((b) => b.passed / bucketS) }],
    },
    {
      title: "denied a second",
      series: [{ name: "denied", style: "b" as const, points: points((b) => b.denied / bucketS) }],
    },
    {
      title: "table used, per cent",
      series: [{ name: "used", style: "a" as const, points: points((b) => (100 * b.usedCells) / cells) }],
    },
  ];
  return `<h2>Over time</h2>${plot(panels, "seconds", "linear")}`;
}

function reasonsOf({ reasons }: Tally): string {
  const meaning = new Map<string, string>(REASONS);
  const rows = [...reasons].sort(([, a], [, b]) => b - a).map(([reason, n]) => [reason, n, meaning.get(reason) ?? ""]);
  return rows.length
    ? `<h2>Why</h2>${table(["reason", "packets", "meaning"], rows)}`
    : "<h2>Nothing would be denied</h2>";
}

function rulesOf({ added, leftOut }: Learned): string {
  if (added.length === 0 && leftOut.length === 0) return "";
  const rows = added
    .slice(0, RULES_MAX)
    .map(({ role, rule, flows, clients }) => [role, { html: `<code>${escaped(rule)}</code>` }, flows, clients]);
  const notes = leftOut.map(
    ({ why, flows }) => `<p class="muted">${flows.toLocaleString("en")} flows became no rule: ${escaped(why)}</p>`,
  );
  return `<h2>Rules that what was answered would take</h2>${rows.length ? table(["role", "rule", "flows", "clients"], rows) : ""}${notes.join("")}`;
}

function counted(title: string, name: string, counts: ReadonlyMap<string, Count>): string {
  const rows = ranked(counts).slice(0, ROWS_MAX);
  const more =
    counts.size > rows.length ? `<p class="muted">${(counts.size - rows.length).toLocaleString("en")} more.</p>` : "";
  return `<h2>${title}</h2>${table(
    [name, "passed", "denied"],
    rows.map(([key, { passed, denied }]) => [key, passed, denied]),
  )}${more}`;
}

function skippedOf({ skipped }: ReplayFacts): string {
  return skipped.size ? `<h2>Not judged</h2>${table(["why", "packets"], [...skipped])}` : "";
}
