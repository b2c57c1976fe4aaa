import { afterEach, describe, expect, it } from "vitest";
import type { AgentStatus } from "../../src/control/status.ts";
import { Lab } from "./support/lab.ts";
import { Prober } from "./support/prober.ts";
import { pause } from "./support/processes.ts";
import { hasFirmware, isRoot } from "./support/root.ts";
import { CLIENT, CLIENT_PORT, SERVER } from "./support/topology.ts";
import { PORTS } from "./support/traffic/plan.ts";

/** A small table, so that a flood could fill it. */
const TABLE = "4x32x8/r26";
const CELLS = 1024;
const LIMIT = 40;
const OTHER = { mac: "02:00:00:00:0a:02", v4: "10.1.0.11" } as const;
/** Of the servers' network; nobody is there. */
const NOBODY = Array.from({ length: 150 }, (_, i) => `10.1.1.${100 + i}`);
const TIMES = 8;
/** roamwalld has counted by then. */
const COUNTED_MS = 400;

describe.runIf(isRoot && hasFirmware)("a client that floods with SYNs to nobody", () => {
  let lab: Lab;
  afterEach(() => lab?.close());

  /** Two clients on one AP, one of which floods; its established flow was there before. */
  async function flooded(limits: object): Promise<{ flooder: Prober; other: Prober; used: number }> {
    const rules = [`out tcp/${PORTS.probe} to servers`];
    lab = await Lab.open({
      prefix: "rwhalf",
      kind: "routed",
      size: { clientFlows: 0, serverFlows: 0, idleFlows: 0, download: false },
      firewall: "alone",
      table: TABLE,
      policy: {
        roles: { staff: { rules, limits }, plain: { rules } },
        clients: { [CLIENT.mac]: "staff", [OTHER.mac]: "plain" },
      },
    });
    addOther();
    const [flooder, other, service] = ["client", "other", "server"].map(
      (name) => new Prober(lab.namespaces, lab.processes, name),
    ) as [Prober, Prober, Prober];
    await Promise.all([flooder.ready, other.ready, service.ready]);
    await service.serve(PORTS.probe);
    expect(await opens(flooder)).toBe(true);
    await flooder.flood(NOBODY, PORTS.probe, TIMES);
    await pause(COUNTED_MS);
    const { datapath } = await lab.aps[0]!.ask<AgentStatus>("status");
    return { flooder, other, used: datapath!.usedCells };
  }

  /** On the air of the first, with a MAC of its own. */
  function addOther(): void {
    const { namespaces: ns } = lab;
    ns.add("other");
    ns.ip("client", `link add link wlan0 name own0 address ${OTHER.mac} netns ${ns.full("other")} type macvlan`);
    ns.ip("other", `address add ${OTHER.v4}/24 dev own0`, "link set own0 up", "route add default via 10.1.0.1");
    ns.ip("ap1", `route replace ${OTHER.v4} dev ${CLIENT_PORT}`);
    ns.ip("core", `route replace ${OTHER.v4} via 10.8.0.1`);
  }

  const opens = (of: Prober) => of.opens(SERVER.v4, PORTS.probe);

  it("holds no more of the table than its limit, keeps its flow, and troubles nobody else", async () => {
    const { flooder, other, used } = await flooded({ "half-open": LIMIT });
    expect(used).toBeLessThan(LIMIT + 20);
    expect(used).toBeGreaterThan(LIMIT / 2);
    expect(lab.aps[0]!.denied().budget).toBeGreaterThan(NOBODY.length);
    expect(await flooder.echoes(PORTS.probe)).toBe(true);
    for (let i = 0; i < 5; i++) expect(await opens(other)).toBe(true);
    // One that waits for answers to so many opens nothing more.
    expect(await flooder.isKeptFrom(SERVER.v4, PORTS.probe)).toBe(true);
  });

  it("fills the table as far as its share without a limit (the control)", async () => {
    const { used } = await flooded({});
    expect(used).toBeGreaterThan(0.7 * CELLS);
  });
});
