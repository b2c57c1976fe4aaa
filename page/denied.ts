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
  keyed(section.querySelector("tbody")!, grouped(denials), {
    key: ({ key }) => key,
    make: ({ lines: [line] }) =>
      h(
        "tr",
        {},
        h("td", { class: "when" }),
        h("td", { class: "mono" }, line!.mac),
        h("td", { class: "flow" }, h("span"), h("small")),
        h("td", { class: "flow" }, h("span"), h("small")),
      ),
    update(row, { lines }) {
      const [when, , packets, why] = [...row.children];
      const line = lines[0]!;
      setText(when!, ago(now!.atMs - line.atMs));
      setText(packets!.firstElementChild!, flowOf(line));
      setText(
        packets!.lastElementChild!,
        lines.length > 1 ? `and ${count(lines.length - 1)} more, ${spread(lines)}` : "",
      );
      setText(why!.firstElementChild!, line.reason + (line.monitored ? ", passed: monitor" : ""));
      setText(why!.lastElementChild!, remedyOf(line, reasons[line.reason] ?? ""));
    },
  });
}

interface Group {
  readonly key: string;
  /** Newest first. */
  readonly lines: DenialLine[];
}

/** What one client was denied for one reason, one way: a scan is one row, and says that it is one. */
function grouped(denials: readonly DenialLine[]): Group[] {
  const groups = new Map<string, Group>();
  for (const line of denials) {
    const key = `${line.mac} ${line.direction} ${line.reason} ${line.monitored}`;
    const group = groups.get(key) ?? { key, lines: [] };
    groups.set(key, group);
    group.lines.push(line);
  }
  return [...groups.values()];
}

function spread(lines: readonly DenialLine[]): string {
  const ends = lines.flatMap(({ peer }) => (peer === undefined ? [] : [/^(.*?)(?::(\d+))?$/.exec(peer)!]));
  const services = lines.map(
    ({ direction, client, peer }) => (direction === "from client" ? peer : client)?.match(/:\d+$/)?.[0],
  );
  const [addresses, ports] = [new Set(ends.map(([, address]) => address)).size, new Set(services).size];
  return `${addresses} ${addresses === 1 ? "peer" : "peers"}, ${ports} ${ports === 1 ? "port" : "ports"}`;
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
