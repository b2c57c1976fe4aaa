import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ClientLine } from "../../src/control/status.ts";
import { ROAMWALL } from "../../src/radius/attributes.ts";
import { signRequest } from "../../src/radius/authenticator.ts";
import { attribute, CODE, integerAttribute, vendorAttribute } from "../../src/radius/packet.ts";

import { BUILT } from "./support/build.ts";
import { FreeRadius, hasFreeRadius, RADIUS_SECRET } from "./support/free-radius.ts";
import { Lab } from "./support/lab.ts";
import { until } from "./support/processes.ts";
import { hasFirmware, isRoot } from "./support/root.ts";
import { CLIENT, SERVER } from "./support/topology.ts";
import { PORTS } from "./support/traffic/plan.ts";
import { Program } from "./support/traffic.ts";

/*
 *   FreeRADIUS --login--> AP 1 (relay, CoA) ------ mesh ------ AP 2, where the client is by now, under a running flow
 */
const SERVER_PORT = 11_812;
const DAS = { address: "127.0.0.1", port: 3799 };
const MORE = 9_099;
const RUNS = 30;
const PATIENCE_MS = 5_000;
const isPossible = isRoot && hasFirmware && hasFreeRadius;
if (!isPossible) console.warn("CoA over real access points is skipped: it needs root, the firmware and FreeRADIUS");
const text = (words: string) => new TextEncoder().encode(words);
const STATION = `Calling-Station-Id = "${CLIENT.mac.replaceAll(":", "-")}"`;
const MORE_RULE = `out tcp/${MORE} to servers`;

describe.runIf(isPossible)("a CoA that reaches the access point which the client has left", () => {
  let lab: Lab;
  let server: FreeRadius;
  let station: Program;
  let service: Program;
  /** At AP 1, as a RADIUS server that sends datagrams by hand. */
  let sender: Program;

  beforeAll(async () => {
    lab = await Lab.open({
      prefix: "rwcoa",
      kind: "bridged",
      size: { clientFlows: 0, serverFlows: 0, idleFlows: 0, download: false },
      firewall: "replicating",
      settings: (ap, directory) => {
        const secret = join(directory, "radius-secret");
        writeFileSync(secret, `${RADIUS_SECRET}\n`, { mode: 0o600 });
        const radius = { servers: [`127.0.0.1:${SERVER_PORT}`], "secret-file": secret, das: DAS.address };
        return { radius: { ...radius, store: join(directory, `sessions${ap}.json`) } };
      },
    });
    const netns = lab.namespaces.path("ap1");
    server = new FreeRadius(lab.processes, join(lab.directory, "server"), { port: SERVER_PORT, netns });
    await server.start();
    [station, service, sender] = (["client", "server", "ap1"] as const).map(program) as [Program, Program, Program];
    await Promise.all([station.ready, service.ready, sender.ready]);
    await service.ask("serve", [PORTS.probe, MORE]);
    expect((await server.login("peap.conf", 1812, CLIENT.mac)).code).toBe(0);
    expect(await opens(PORTS.probe)).toBe(true);
    await lab.roam(2);
    expect(await echoes(PORTS.probe)).toBe(true);
    await until("AP 2 to serve the client", PATIENCE_MS, async () => ((await clientAt(2))?.here ? true : undefined));
  }, 60_000);
  afterAll(() => lab?.close());

  function program(name: string): Program {
    const child = lab.processes.start(process.execPath, [join(BUILT, "probe.cjs")], {
      netns: lab.namespaces.path(name),
      log: join(lab.processes.logs, `probe-${name}.log`),
      ipc: true,
    });
    return new Program(name, child);
  }

  const opens = (port: number) => station.ask<boolean>("open", { address: SERVER.v4, port });
  const echoes = (port: number) => station.ask<boolean>("echo", port);
  const clientAt = async (ap: number) =>
    (await lab.aps[ap - 1]!.ask<ClientLine[]>("clients")).find(({ mac }) => mac === CLIENT.mac);
  const order = async (kind: "coa" | "disconnect", ...lines: string[]) => {
    const now = `Event-Timestamp = ${Math.floor(Date.now() / 1000)}`;
    return (await server.order(kind, DAS.port, [now, "Message-Authenticator = 0x00", ...lines])).output;
  };

  /** One CoA, and its answer. */
  async function send(id: number, attributes: Parameters<typeof signRequest>[2]): Promise<{ hex: string; ms: number }> {
    const all = [
      attribute("Calling-Station-Id", text(CLIENT.mac)),
      integerAttribute("Event-Timestamp", Math.floor(Date.now() / 1000)),
      attribute("Proxy-State", Uint8Array.of(id)),
      ...attributes,
    ];
    const hex = Buffer.from(signRequest(CODE.coaRequest, id, all, text(RADIUS_SECRET))!).toString("hex");
    return sender.ask("datagram", { ...DAS, hex });
  }

  it("is in force where the client is when it is acknowledged, and the running flow goes on", async () => {
    expect(await opens(MORE)).toBe(false);
    expect(await order("coa", STATION, `Roamwall-Add-Rule = "${MORE_RULE}"`)).toContain("CoA-ACK");
    expect(await opens(MORE)).toBe(true);
    expect(await echoes(PORTS.probe)).toBe(true);
    expect(await order("coa", 'User-Name = "alice"', `Roamwall-Remove-Rule = "${MORE_RULE}"`)).toContain("CoA-ACK");
    expect(await echoes(MORE)).toBe(false);
    expect(await echoes(PORTS.probe)).toBe(true);
  });

  it("takes some milliseconds more than at home", async () => {
    const times: number[] = [];
    for (let i = 0; i < RUNS; i++) {
      const name = i % 2 ? "Roamwall-Remove-Rule" : "Roamwall-Add-Rule";
      const { hex, ms } = await send(i, [vendorAttribute(ROAMWALL[name][0], text(MORE_RULE))]);
      expect(hex.slice(0, 2)).toBe("2c");
      times.push(ms);
    }
    times.sort((a, b) => a - b);
    const [median, worst] = [times[RUNS / 2]!, times.at(-1)!];
    console.info(
      `CoA to enforcement at another AP: median ${median.toFixed(2)} ms, worst of ${RUNS} ${worst.toFixed(2)}`,
    );
    expect(median).toBeLessThan(100);
  });

  it("changes nothing when it asks for what cannot be kept, or for nobody in the mesh", async () => {
    const before = await clientAt(2);
    expect(await order("coa", STATION, 'Filter-Id = "nobody"')).toContain("Error-Cause = Invalid-Attribute-Value");
    const stranger = 'Calling-Station-Id = "02-00-00-00-0d-99"';
    expect(await order("coa", stranger, 'Filter-Id = "staff"')).toContain("Error-Cause = Session-Context-Not-Found");
    expect(await clientAt(2)).toMatchObject({ role: before!.role, filters: before!.filters });
  });

  it("tells when the access point of the client does not answer, and comes to be when it does", async () => {
    await lab.aps[1]!.killAgent();
    expect(await order("coa", STATION, `Roamwall-Add-Rule = "${MORE_RULE}"`)).toContain("Error-Cause = Resources-");
    expect(await opens(MORE)).toBe(false);
    await lab.aps[1]!.startAgent();
    await until("the rule to come", PATIENCE_MS, async () => ((await opens(MORE)) ? true : undefined));
    expect(await echoes(PORTS.probe)).toBe(true);
  });

  it("ends the running flow as a Disconnect", async () => {
    expect(await order("disconnect", STATION)).toContain("Disconnect-ACK");
    expect(await echoes(PORTS.probe)).toBe(false);
    expect((await clientAt(2))?.revoked).toBe(true);
  });
});
