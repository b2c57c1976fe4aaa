/** Access points on a circle, and how well they hear each other. The table beside it says the same in words. */
import { svg } from "./dom.ts";

export interface Node {
  readonly id: number;
  readonly name: string;
  readonly state: "good" | "warn" | "bad";
}

export interface Link {
  readonly from: number;
  readonly to: number;
  readonly state: Node["state"];
  /** 0 to 1; thinner lines lose more. */
  readonly loss: number;
  readonly text: string;
}

const SIZE = 300;
const MIDDLE = SIZE / 2;
const NODE = 13;

/** `centre`: the access point that stands in the middle; undefined: all on the circle. */
export function mapOf(
  nodes: readonly Node[],
  links: readonly Link[],
  centre: number | undefined,
  label: string,
): SVGElement {
  const around = nodes.filter(({ id }) => id !== centre);
  const radius = around.length > 12 ? 118 : 100;
  // Nobody stands right below the middle, where its name is.
  const first = -Math.PI / 2 + (around.length % 2 === 0 ? Math.PI / Math.max(1, around.length) : 0);
  const places = new Map<number, { x: number; y: number; angle: number }>();
  for (const [i, { id }] of around.entries()) {
    const angle = (2 * Math.PI * i) / around.length + first;
    places.set(id, { x: MIDDLE + radius * Math.cos(angle), y: MIDDLE + radius * Math.sin(angle), angle });
  }
  if (centre !== undefined) places.set(centre, { x: MIDDLE, y: MIDDLE, angle: Math.PI / 2 });
  const map = svg("svg", { viewBox: `-40 0 ${SIZE + 80} ${SIZE}`, role: "img", "aria-label": label });
  for (const link of links) {
    const [from, to] = [places.get(link.from), places.get(link.to)];
    if (!from || !to) continue;
    const width = link.state === "bad" ? 1.5 : 1 + 3 * (1 - Math.min(1, link.loss * 4));
    map.append(
      svg("line", { class: `link ${link.state}`, x1: from.x, y1: from.y, x2: to.x, y2: to.y, "stroke-width": width }),
    );
    if (link.text)
      map.append(
        svg("text", { x: from.x + (to.x - from.x) * 0.62 + 5, y: from.y + (to.y - from.y) * 0.62 - 4 }, link.text),
      );
  }
  for (const node of nodes) {
    const { x, y, angle } = places.get(node.id)!;
    const isSelf = node.id === centre;
    const below = isSelf || Math.sin(angle) > -0.2;
    map.append(
      svg("circle", { class: `node ${isSelf ? "self" : node.state}`, cx: x, cy: y, r: isSelf ? NODE + 2 : NODE }),
      svg(
        "text",
        { class: "strong", x, y: below ? y + NODE + 16 : y - NODE - 7, "text-anchor": "middle" },
        short(node.name),
      ),
    );
  }
  return map;
}

function short(name: string): string {
  return name.length > 16 ? `${name.slice(0, 15)}\u2026` : name;
}
