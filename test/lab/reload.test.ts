import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { Lab } from "./support/lab.ts";
import { Prober } from "./support/prober.ts";
import { hasFirmware, isRoot } from "./support/root.ts";
import { CLIENT, SERVER } from "./support/topology.ts";
import { PORTS } from "./support/traffic/plan.ts";

const RELOADS = 200;
/** Both allow the stream, by other classes of its address and its port. */
const POLICIES = [
  { zones: { servers: ["10.1.1.0/24"] }, services: { stream: [`udp/${PORTS.stream}`] } },
  {
    zones: { servers: ["10.1.0.0/16"], lab: [SERVER.v4] },
    services: { stream: [`udp/${PORTS.stream}`, "udp/9"], other: [`udp/${PORTS.stream}`] },
  },
].map((tables) => ({
  ...tables,
  roles: { staff: { rules: ["out stream to servers"] } },
  clients: { [CLIENT.mac]: "staff" },
}));

/** What `src/control/reload.test.ts` shows between any two commands, on the real kernel with packets that never pause. */
describe.runIf(isRoot && hasFirmware)("a policy that changes under traffic", () => {
  let lab: Lab;
  afterEach(() => lab?.close());

  it(`denies no packet of a stream that both allow, in ${RELOADS} changes`, async () => {
    lab = await Lab.open({
      prefix: "rwload",
      kind: "bridged",
      size: { clientFlows: 0, serverFlows: 0, idleFlows: 0, download: false },
      firewall: "alone",
      policy: POLICIES[0]!,
    });
    const station = new Prober(lab.namespaces, lab.processes, "client");
    await station.ready;
    const [ap] = lab.aps;
    await station.hammer(SERVER.v4, PORTS.stream);
    for (let i = 1; i <= RELOADS; i++) {
      writeFileSync(join(lab.directory, "policy.yaml"), JSON.stringify(POLICIES[i % 2]));
      await ap!.ask("reload");
    }
    const sent = await station.rest();
    console.info(`${sent} packets during ${RELOADS} changes of the policy`);
    expect(sent).toBeGreaterThan(10 * RELOADS);
    expect(Object.entries(ap!.denied()).filter(([, count]) => count > 0)).toEqual([]);
  });
});
