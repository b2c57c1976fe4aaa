import type { Now } from "../src/control/page/view.ts";
import { find, h, keyed, setAttribute, setText } from "./dom.ts";
import { duration, percent } from "./format.ts";
import { mapOf, type Node } from "./map.ts";

type Neighbour = Now["neighbours"][number];

const LOSSY = 0.1;
const LATE_MS = 2_000;

export function showNeighbours({ status, neighbours }: Now): void {
  const section = find("#neighbours");
  section.querySelector(".empty")!.classList.toggle("on", neighbours.length === 0);
  section.querySelector<HTMLElement>(".scroll")!.hidden = neighbours.length === 0;
  const good = neighbours.filter((n) => stateOf(n) === "good").length;
  const self: Node = { id: status.id, name: status.name, state: "good" };
  const nodes = [self, ...neighbours.map((n) => ({ id: n.id, name: nameOf(n), state: stateOf(n) }))];
  const links = neighbours.map((n) => ({
    from: status.id,
    to: n.id,
    state: stateOf(n),
    loss: Math.max(n.lossHere, n.lossThere),
    text: isHeard(n) ? (n.lossHere > 0.005 ? percent(n.lossHere) : "") : "silent",
  }));
  const label = `This access point and ${neighbours.length} neighbours; ${good} of them are heard well.`;
  section.querySelector(".map")!.replaceChildren(...(neighbours.length ? [mapOf(nodes, links, status.id, label)] : []));
  keyed(section.querySelector("tbody")!, neighbours, {
    key: ({ id }) => String(id),
    make: () =>
      h("tr", {}, h("th", { scope: "row" }), h("td"), h("td", { class: "number" }), h("td", { class: "number" })),
    update(row, n) {
      const [name, state, lag, loss] = [...row.children];
      setText(name!, nameOf(n));
      setAttribute(name!, "title", `access point ${n.id}, ${n.address}`);
      setText(state!, wordOf(n));
      setAttribute(state!, "class", stateOf(n));
      setText(lag!, n.lagMs === 0 ? "none" : duration(n.lagMs));
      setText(loss!, `${percent(n.lossHere)}, ${percent(n.lossThere)}`);
    },
  });
}

function nameOf({ id, name }: Neighbour): string {
  return name || `ap${id}`;
}

function isHeard({ state }: Neighbour): boolean {
  return state === "alive" || state === "fresh";
}

function stateOf(n: Neighbour): Node["state"] {
  if (!isHeard(n)) return "bad";
  return n.compatible && !isLossy(n) && n.lagMs < LATE_MS ? "good" : "warn";
}

function isLossy({ lossHere, lossThere }: Neighbour): boolean {
  return Math.max(lossHere, lossThere) >= LOSSY;
}

function wordOf(n: Neighbour): string {
  if (!isHeard(n)) return `${n.state === "dead" ? "gone, " : ""}silent for ${duration(n.silentMs)}`;
  if (!n.compatible) return `differs: ${n.differences.join("; ")}`;
  if (n.syncing) return "reading its table";
  if (n.mirror < 0) return "heard, not mirrored";
  return isLossy(n) ? "mirrored, much is lost" : "mirrored";
}
