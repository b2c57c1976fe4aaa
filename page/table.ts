import type { Slow } from "../src/control/page/view.ts";
import { find, setText, svg } from "./dom.ts";
import { count } from "./format.ts";

const CELL = 5;
const ROW = 26;
/** From this share on a part is drawn in the next colour; the last two are where openings are refused. */
const STEPS = [1, 20, 40, 60, 80, 88];

export function showTable({ table }: Slow): void {
  const section = find("#table");
  if (!table) return;
  const columns = table.fill[0]?.length ?? 0;
  const fullest = Math.max(...table.fill.flat());
  const map = svg("svg", {
    viewBox: `0 0 ${columns * CELL} ${table.fill.length * ROW}`,
    role: "img",
    "aria-label": `Fill of the table by subtable and part: the fullest part is at ${fullest} %.`,
  });
  for (const [row, parts] of table.fill.entries()) {
    for (const [column, share] of parts.entries()) {
      const step = STEPS.filter((from) => share >= from).length;
      const title = svg("title", {}, `subtable ${row + 1}, part ${column + 1}: ${share} %`);
      map.append(
        svg(
          "rect",
          { class: `cell f${step}`, x: column * CELL, y: row * ROW, width: CELL - 0.75, height: ROW - 3 },
          title,
        ),
      );
    }
  }
  section.querySelector(".fill")!.replaceChildren(map);
  setText(
    section.querySelector(".summary")!,
    `${count(table.lasting)} of open flows at rest, ${count(table.brief)} that wait for an answer or a close. Shape ${table.geometry}; fullest part ${fullest} %.`,
  );
}
