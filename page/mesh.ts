import type { Now } from "../src/control/page/view.ts";
import { find, h, keyed, setAttribute, setText } from "./dom.ts";
import { count, percent } from "./format.ts";
import { type Link, mapOf, type Node } from "./map.ts";

type Ap = NonNullable<Now["mesh"]>[number];

const LOSSY = 0.1;
/** More are no picture any more; the table has them all. */
const DRAWN_MAX = 40;

export function showMesh({ mesh }: Now): void {
  const section = find("#mesh");
  section.hidden = !mesh || mesh.length === 0;
  if (!mesh || section.hidden) return;
  const drawn = mesh.slice(0, DRAWN_MAX);
  const nodes = drawn.map((ap): Node => ({ id: ap.id, name: nameOf(ap), state: ap.online ? "good" : "bad" }));
  const online = mesh.filter((ap) => ap.online).length;
  const label = `${mesh.length} access points, ${online} of them connected to the broker.`;
  section.querySelector(".map")!.replaceChildren(mapOf(nodes, linksOf(drawn), undefined, label));
  keyed(section.querySelector("tbody")!, mesh, {
    key: ({ id }) => String(id),
    make: () =>
      h("tr", {}, h("th", { scope: "row" }), h("td"), h("td"), ...[1, 2, 3, 4].map(() => h("td", { class: "number" }))),
    update(row, ap) {
      const [name, state, mode, policy, clients, table, denied] = [...row.children];
      setText(name!, nameOf(ap));
      setText(state!, ap.online ? "connected" : "offline");
      setAttribute(state!, "class", ap.online ? "good" : "bad");
      setText(mode!, ap.mode);
      setText(policy!, ap.revision === null ? "file" : String(ap.revision));
      setText(clients!, ap.clients === null ? "" : count(ap.clients));
      setText(table!, ap.fill === null ? "" : percent(ap.fill));
      setText(denied!, ap.denied === null ? "" : count(ap.denied));
    },
  });
}

function nameOf({ id, name }: Ap): string {
  return name || `ap${id}`;
}

/** One line for both ways, as bad as the worse. */
function linksOf(mesh: readonly Ap[]): Link[] {
  const links = new Map<string, Link>();
  for (const ap of mesh) {
    for (const { id, up, lossHere } of ap.neighbours) {
      const [from, to] = ap.id < id ? [ap.id, id] : [id, ap.id];
      const before = links.get(`${from} ${to}`);
      const loss = Math.max(before?.loss ?? 0, lossHere);
      const state = !up || before?.state === "bad" ? "bad" : loss >= LOSSY ? "warn" : "good";
      links.set(`${from} ${to}`, { from, to, state, loss, text: "" });
    }
  }
  return [...links.values()];
}
