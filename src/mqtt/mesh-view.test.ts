import { expect, it } from "vitest";
import { MeshView } from "./mesh-view.ts";

const take = (view: MeshView, topic: string, value: unknown) => {
  view.take(`roamwall/village/ap/${topic}`, new TextEncoder().encode(JSON.stringify(value)));
};

it("puts status and counters of each access point together", () => {
  const view = new MeshView();
  take(view, "7/status", { state: "online", name: "roof", version: "1", mode: "enforce", policy: { revision: 4 } });
  take(view, "7/counters", {
    roamwall_table_cells: 100,
    roamwall_table_used_cells: 25,
    roamwall_clients_here: 3,
    'roamwall_denied_packets_total{reason="acl"}': 2,
    'roamwall_denied_packets_total{reason="state"}': 1,
    'roamwall_neighbour_up{neighbour="9"}': 1,
    'roamwall_neighbour_loss_here_ratio{neighbour="9"}': 0.5,
  });
  take(view, "3/status", { state: "offline", name: "cellar" });
  expect(view.list()).toEqual([
    {
      id: 3,
      name: "cellar",
      online: false,
      version: "",
      mode: "",
      revision: null,
      fill: null,
      clients: null,
      denied: null,
      neighbours: [],
    },
    {
      id: 7,
      name: "roof",
      online: true,
      version: "1",
      mode: "enforce",
      revision: 4,
      fill: 0.25,
      clients: 3,
      denied: 3,
      neighbours: [{ id: 9, up: true, lossHere: 0.5 }],
    },
  ]);
});

it("bounds what a broker can make it remember", () => {
  const view = new MeshView();
  for (let id = 1; id <= 1_000; id++) take(view, `${id}/status`, { state: "online", name: "x".repeat(1_000) });
  expect(view.list()).toHaveLength(256);
  expect(view.list()[0]!.name).toHaveLength(64);
  const links = Array.from({ length: 1_000 }, (_, i) => [`roamwall_neighbour_up{neighbour="${i}"}`, 1]);
  take(view, "7/counters", Object.fromEntries(links));
  expect(view.list()[6]!.neighbours).toHaveLength(64);
});

it("keeps of what is said what is shown, and a broker that says more costs nothing more", () => {
  const kept = (padding: string) => {
    const view = new MeshView();
    take(view, "1/status", { state: "online", name: "roof", padding: [padding], policy: { revision: 4, padding } });
    take(view, "1/counters", { roamwall_clients_here: 3, [padding]: 1 });
    return JSON.stringify(view, (_, value) => (value instanceof Map ? [...value] : value)).length;
  };
  expect(kept("x".repeat(100_000))).toBe(kept("x"));
});

it.each(["no json", "null", "[]", '{"name":{}}', "5"])("takes no harm from %s", (text) => {
  const view = new MeshView();
  view.take("roamwall/m/ap/1/status", new TextEncoder().encode(text));
  view.take("roamwall/m/ap/1/counters", new TextEncoder().encode(text));
  expect(view.list().length).toBeLessThanOrEqual(1);
});
