import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ClientLine } from "../../src/control/status.ts";
import { ROAMWALL } from "../../src/radius/attributes.ts";
import { signRequest } from "../../src/radius/authenticator.ts";
import { attribute, CODE, integerAttribute, vendorAttribute } from "../../src/radius/packet.ts";

import { FreeRadius, hasFreeRadius, RADIUS_SECRET } from "./support/free-radius.ts";
import { Lab } from "./support/lab.ts";
import { type Answered, Prober } from "./support/prober.ts";
import { until } from "./support/processes.ts";
import { hasFirmware, isRoot } from "./support/root.ts";
import { CLIENT, SERVER } from "./support/topology.ts";
import { PORTS } from "./support/traffic/plan.ts";

/*
 *   FreeRADIUS --login--> AP 1 (relay, CoA) ------ mesh ------ AP 2, where the client is by now, under a running flow
 */
const SERVER_PORT = 11_812;
const DAS = { address: "127.0.0.1", port: 3799 };
const MORE = 9_099;
const RUNS = 30;
const PATIENCE_MS = 20_000;
/** Most take some milliseconds; who waits for a timer takes longer. */
const MEDIAN_MS_MAX = 500;
/** A claim that was under way when the client left has arrived by then. */
const STAYS_LOOKS = 5;
const LOOK_EVERY_MS = 60;
const isPossible = isRoot && hasFirmware && hasFreeRadius;
if (!isPossible) console.warn("CoA over real access points is skipped: it needs root, the firmware and FreeRADIUS");
const text = (words: string) => new TextEncoder().encode(words);
const STATION = `Calling-Station-Id = "${CLIENT.mac.replaceAll(":", "-")}"`;
const MORE_RULE = `out tcp/${MORE} to servers`;

describe.runIf(isPossible)("a CoA that reaches the access point which the client has left", () => {
  let lab: Lab;
  let server: FreeRadius;
  let station: Prober;
  /** At AP 1, as a RADIUS server that sends datagrams by hand. */
  let sender: Prober;

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
    const probers = ["client", "server", "ap1"].map((name) => new Prober(lab.namespaces, lab.processes, name));
    await Promise.all(probers.map(({ ready }) => ready));
    station = probers[0]!;
    sender = probers[2]!;
    await probers[1]!.serve(PORTS.probe, MORE);
    expect((await server.login("peap.conf", 1812, CLIENT.mac)).code).toBe(0);
    expect(await opens(PORTS.probe)).toBe(true);
    await lab.roam(2);
    await awaitSettled();
  });
  afterAll(() => lab?.close());

  const opens = (port: number) => station.opens(SERVER.v4, port);
  const isKeptFrom = (port: number) => station.isKeptFrom(SERVER.v4, port);
  const echoes = (port: number) => station.echoes(port);
  /** With its first packet: one that is repeated would hide that the rule came late. */
  async function opensAtOnce(port: number): Promise<boolean> {
    const before = lab.denied().acl;
    return (await opens(port)) && lab.denied().acl === before;
  }
  const clientAt = async (ap: number) =>
    (await lab.aps[ap - 1]!.ask<ClientLine[]>("clients")).find(({ mac }) => mac === CLIENT.mac);

  /** AP 2 alone serves the client, and goes on to; its packets say where it is. */
  async function awaitSettled(): Promise<void> {
    let looks = 0;
    await until(
      "AP 2 to serve the client",
      PATIENCE_MS,
      async () => {
        expect(await echoes(PORTS.probe)).toBe(true);
        const isSettled = (await clientAt(2))?.here && !(await clientAt(1))?.here;
        looks = isSettled ? looks + 1 : 0;
        return looks >= STAYS_LOOKS || undefined;
      },
      LOOK_EVERY_MS,
    );
  }

  const order = async (kind: "coa" | "disconnect", ...lines: string[]) => {
    const now = `Event-Timestamp = ${Math.floor(Date.now() / 1000)}`;
    return (await server.order(kind, DAS.port, [now, "Message-Authenticator = 0x00", ...lines])).output;
  };

  /** One CoA, and its answer. */
  async function send(id: number, attributes: Parameters<typeof signRequest>[2]): Promise<Answered> {
    const all = [
      attribute("Calling-Station-Id", text(CLIENT.mac)),
      integerAttribute("Event-Timestamp", Math.floor(Date.now() / 1000)),
      attribute("Proxy-State", Uint8Array.of(id)),
      ...attributes,
    ];
    return sender.datagram(DAS, signRequest(CODE.coaRequest, id, all, text(RADIUS_SECRET))!);
  }

  it("is in force where the client is when it is acknowledged, and the running flow goes on", async () => {
    expect(await isKeptFrom(MORE)).toBe(true);
    expect(await order("coa", STATION, `Roamwall-Add-Rule = "${MORE_RULE}"`)).toContain("CoA-ACK");
    expect(await opensAtOnce(MORE)).toBe(true);
    expect(await echoes(PORTS.probe)).toBe(true);
    expect(await order("coa", 'User-Name = "alice"', `Roamwall-Remove-Rule = "${MORE_RULE}"`)).toContain("CoA-ACK");
    expect(await station.isSilenced(MORE)).toBe(true);
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
    expect(median).toBeLessThan(MEDIAN_MS_MAX);
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
    expect(await isKeptFrom(MORE)).toBe(true);
    await lab.aps[1]!.startAgent();
    await until("the rule to come", PATIENCE_MS, async () => !(await isKeptFrom(MORE)) || undefined);
    expect(await echoes(PORTS.probe)).toBe(true);
  });

  it("ends the running flow as a Disconnect", async () => {
    expect(await order("disconnect", STATION)).toContain("Disconnect-ACK");
    expect(await station.isSilenced(PORTS.probe)).toBe(true);
    expect((await clientAt(2))?.revoked).toBe(true);
  });
});
