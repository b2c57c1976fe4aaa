import { find, h, keyed, setText } from "./dom.ts";
import { bytes, count, duration, oneIn, percent, rate } from "./format.ts";
import type { Model } from "./model.ts";

interface Figure {
  readonly name: string;
  readonly value: string;
  readonly unit?: string;
  readonly note: string;
  /** For a bar. */
  readonly share?: number;
}

export function showFigures({ now, rates }: Model): void {
  const { status, neighbours, cpuShare, residentBytes } = now!;
  const { datapath, policy } = status;
  document.title = `${status.name}: Roamwall`;
  setText(find("#name"), status.name);
  const mode = status.mode === "enforce" ? "enforcing" : "monitoring: what would be denied passes";
  const revision = policy.revision === undefined ? `${policy.roles} roles` : `policy revision ${policy.revision}`;
  const agent = cpuShare === null ? "" : `, agent ${percent(cpuShare)} of a processor, ${bytes(residentBytes)}`;
  setText(find("#about"), `Access point ${status.id}, ${mode}, ${revision}, up ${duration(status.uptimeMs)}${agent}`);
  const alive = neighbours.filter(({ state }) => state === "alive" || state === "fresh").length;
  const list: Figure[] = datapath
    ? [
        { name: "Clients here", value: count(datapath.clientsHere), note: `${count(datapath.clientsKnown)} known` },
        {
          name: "Passed",
          value: rates ? rate(rates.passed) : "-",
          unit: "packets/s",
          note: `${bytes(datapath.bytes)} in all`,
        },
        {
          name: "Denied",
          value: rates ? rate(rates.denied) : "-",
          unit: "packets/s",
          note: `${count(deniedOf(datapath.denied))} in all`,
        },
        {
          name: "Neighbours",
          value: `${alive}`,
          unit: `of ${neighbours.length}`,
          note: lossNote(neighbours.map(({ lossHere }) => lossHere)),
        },
        {
          name: "Table",
          value: percent(datapath.usedCells / datapath.cells),
          note: `false positive ${oneIn(falsePositive(datapath))}`,
          share: datapath.usedCells / datapath.cells,
        },
      ]
    : [];
  keyed(find("#figures dl"), list, {
    key: ({ name }) => name,
    make: ({ name, share }) =>
      h(
        "div",
        {},
        h("dt", {}, name),
        h("dd", {}, h("span"), h("small")),
        ...(share === undefined ? [] : [meter()]),
        h("span", { class: "note" }),
      ),
    update(element, { value, unit = "", note, share }) {
      setText(element.querySelector("dd span")!, value);
      setText(element.querySelector("small")!, unit);
      setText(element.querySelector(".note")!, note);
      const bar = element.querySelector("meter");
      if (bar && share !== undefined) bar.value = share;
    },
  });
}

function meter(): HTMLElement {
  return h("meter", {
    min: "0",
    max: "1",
    low: "0.7",
    high: "0.88",
    optimum: "0",
    "aria-label": "used share of the table",
  });
}

function deniedOf(denied: Readonly<Record<string, number>>): number {
  return Object.values(denied).reduce((sum, n) => sum + n, 0);
}

function lossNote(losses: readonly number[]): string {
  const worst = Math.max(0, ...losses);
  return losses.length === 0 ? "none heard" : worst === 0 ? "nothing lost" : `${percent(worst)} lost at worst`;
}

/** n / 2^(z+r), as docs/sizing.md has it. */
function falsePositive({ table, usedCells }: { readonly table: string; readonly usedCells: number }): number {
  const [, buckets = 1, bits = 26] = (/^\dx(\d+)x\d+\/r(\d+)/.exec(table) ?? []).map(Number);
  return usedCells / (buckets * 2 ** bits);
}
