import type { Slow } from "../src/control/page/view.ts";
import { find, h, keyed, setAttribute, setText } from "./dom.ts";
import { count } from "./format.ts";

type Client = Slow["clients"][number];

const NAMES: Readonly<Record<string, string>> = {
  "00:00:00:00:00:00": "unknown stations",
  "ff:ff:ff:ff:ff:ff": "groups",
};
/** by MAC: whose rules are shown */
const open = new Set<string>();

type Line = { readonly client: Client; readonly rules: readonly string[] | undefined };

export function showClients({ clients, clientsAll, rules }: Omit<Slow, "table">): void {
  const section = find("#clients");
  section.querySelector(".empty")!.classList.toggle("on", clients.length === 0);
  section.querySelector<HTMLElement>(".scroll")!.hidden = clients.length === 0;
  setText(
    section.querySelector(".summary")!,
    clientsAll > clients.length ? `${count(clients.length)} of ${count(clientsAll)}: those that hold most.` : "",
  );
  const lines = clients.flatMap((client): Line[] => {
    const own = client.role === null ? [] : (rules[client.role] ?? []);
    return open.has(client.mac)
      ? [
          { client, rules: undefined },
          { client, rules: own },
        ]
      : [{ client, rules: undefined }];
  });
  keyed(section.querySelector("tbody")!, lines, {
    key: ({ client, rules }) => (rules ? `rules ${client.mac}` : client.mac),
    make: ({ client, rules }) =>
      rules ? rulesRow() : clientRow(client.mac, () => showClients({ clients, clientsAll, rules: latest })),
    update: (row, { client, rules }) => (rules ? fillRules(row, client, rules) : fillClient(row, client)),
  });
  latest = rules;
}

let latest: Slow["rules"] = {};

function clientRow(mac: string, redraw: () => void): HTMLElement {
  const button = h("button", { type: "button", class: "mono" }, NAMES[mac] ?? mac);
  button.addEventListener("click", () => {
    if (!open.delete(mac)) open.add(mac);
    redraw();
  });
  const numbers = [1, 2, 3].map(() => h("td", { class: "number" }));
  return h("tr", {}, h("th", { scope: "row" }, button), h("td"), h("td"), ...numbers);
}

function fillClient(row: HTMLElement, client: Client): void {
  const [head, role, where, cells, passed, denied] = [...row.children];
  setAttribute(head!.firstElementChild!, "aria-expanded", String(open.has(client.mac)));
  setText(role!, client.revoked ? "revoked" : (client.role ?? "none"));
  setText(where!, NAMES[client.mac] ? "" : client.here ? "here" : "elsewhere");
  setText(cells!, count(client.cells));
  setText(passed!, count(client.passed));
  setText(denied!, count(client.denied));
  setAttribute(denied!, "class", client.denied > 0 ? "number bad" : "number");
}

function rulesRow(): HTMLElement {
  return h("tr", { class: "rules" }, h("td", { colspan: "6" }, h("ul")));
}

function fillRules(row: HTMLElement, { role, filters }: Client, rules: readonly string[]): void {
  const words = rules.length
    ? [...rules]
    : [role === null ? "No role: nothing is allowed." : "The role has no rules: nothing is allowed."];
  const list = row.querySelector("ul")!;
  const text = `${words.length} rules, ${filters.length} filters`;
  if (list.dataset["text"] === text) return;
  list.dataset["text"] = text;
  list.replaceChildren(...words.map((rule) => h("li", {}, h("code", {}, rule))));
}
