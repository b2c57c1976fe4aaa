import type { DenialLine } from "../src/control/page/view.ts";
import { find, h, keyed, setText } from "./dom.ts";
import { ago, count } from "./format.ts";
import type { Model } from "./model.ts";

const PROTOCOLS: Readonly<Record<number, string>> = { 1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6" };
const REASONS_SHOWN = 5;

export function showDenied({ now, denials, reasons }: Model): void {
  const section = find("#denied");
  section.querySelector(".empty")!.classList.toggle("on", denials.length === 0);
  section.querySelector<HTMLElement>(".scroll")!.hidden = denials.length === 0;
  const counts = Object.entries(now!.status.datapath?.denied ?? {}).sort(([, a], [, b]) => b - a);
  keyed(section.querySelector(".reasons")!, counts.slice(0, REASONS_SHOWN), {
    key: ([reason]) => reason,
    make: ([reason]) => h("span", { title: reasons[reason] ?? "" }, h("b"), ` ${reason}`),
    update: (element, [, n]) => setText(element.firstElementChild!, count(n)),
  });
  keyed(section.querySelector("tbody")!, denials, {
    key: ({ number }) => String(number),
    make: (line) =>
      h(
        "tr",
        {},
        h("td", { class: "when" }),
        h("td", { class: "mono" }, line.mac),
        h("td", { class: "flow" }, flowOf(line)),
        h(
          "td",
          { class: "flow" },
          line.reason + (line.monitored ? ", passed: monitor" : ""),
          h("small", {}, remedyOf(line, reasons[line.reason] ?? "")),
        ),
      ),
    update: (row, { atMs }) => setText(row.firstElementChild!, ago(now!.atMs - atMs)),
  });
}

/** What would let it pass, where something should. */
function remedyOf({ rule, remedy }: DenialLine, meaning: string): string {
  if (rule !== undefined) return `would pass by: ${rule}`;
  return remedy && !remedy.startsWith("nothing") ? `${meaning}; it takes ${remedy}` : meaning;
}

function flowOf({ direction, client, peer, proto, ethertype }: DenialLine): string {
  if (client === undefined || peer === undefined) return `ethertype 0x${ethertype.toString(16).padStart(4, "0")}`;
  const protocol = PROTOCOLS[proto] ?? `protocol ${proto}`;
  return direction === "from client" ? `${client} \u2192 ${peer} ${protocol}` : `${peer} \u2192 ${client} ${protocol}`;
}
