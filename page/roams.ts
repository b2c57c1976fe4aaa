import type { Now } from "../src/control/page/view.ts";
import { find, h, keyed, setText } from "./dom.ts";
import { ago, count, duration } from "./format.ts";

type Roam = Now["roams"][number];

export function showRoams({ atMs, roams, neighbours, status }: Now): void {
  const section = find("#roams");
  const newest = [...roams].reverse();
  section.querySelector(".empty")!.classList.toggle("on", roams.length === 0);
  section.querySelector<HTMLElement>(".scroll")!.hidden = roams.length === 0;
  setText(section.querySelector(".summary")!, summary(roams));
  const names = new Map([[status.id, status.name], ...neighbours.map((n) => [n.id, n.name || `ap${n.id}`] as const)]);
  const nameOf = (id: number) => names.get(id) ?? `ap${id}`;
  keyed(section.querySelector("tbody")!, newest, {
    key: (roam) => `${roam.atMs} ${roam.kind} ${roam.mac}`,
    make: (roam) =>
      h(
        "tr",
        {},
        h("td", { class: "when" }),
        h("td", {}, h("span", { class: "mono" }, roam.mac), h("small")),
        h("td", { class: "number" }),
      ),
    update(row, roam) {
      const [when, client, gap] = [...row.children];
      setText(when!, ago(atMs - roam.atMs));
      setText(client!.lastElementChild!, wayOf(roam, roam.aps.map(nameOf).join(", ")));
      setText(gap!, roam.kind === "left" ? "" : roam.gapMs === null ? "open" : duration(roam.gapMs));
    },
  });
}

function wayOf({ kind, cells, by }: Roam, others: string): string {
  if (kind === "left") return `to ${others}`;
  return `from ${others}, ${count(cells)} expectations${by === "mirror" ? " from its mirror" : ""}`;
}

function summary(roams: readonly Roam[]): string {
  const gaps = roams.flatMap(({ gapMs }) => (gapMs === null ? [] : [gapMs])).sort((a, b) => a - b);
  if (gaps.length === 0) return "";
  const median = gaps[Math.floor(gaps.length / 2)]!;
  return `All state was here after ${duration(median)} (median), ${duration(gaps.at(-1)!)} at most; packets pass meanwhile by the mirrors.`;
}
