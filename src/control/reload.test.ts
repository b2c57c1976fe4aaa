import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { tcp } from "../../test/support/packets.ts";
import { parseGeometry } from "../bloom/geometry.ts";
import { CONSTANTS, REASONS } from "../datapath/abi.ts";
import { FakeDatapath } from "../datapath/fake.ts";
import { nodePlatform } from "../platform/node/platform.ts";
import { createMesh } from "../replication/mesh.ts";
import { type Agent, startAgent } from "./agent.ts";
import { parseKey } from "./key.ts";
import { parseSettings } from "./settings.ts";

const CLIENT = "02:00:00:00:0a:01";
const STRANGER = "02:00:00:00:0a:02";
const PEER = "02:00:00:00:00:01";
const KEY = `mesh ${"5a".repeat(32)}\nseed ${"0102030405060708090a0b0c0d0e0f10"}\n`;
const RELOADS = 200;
/** Both allow the flow, but by other classes: the address and the port lie in other zones and services. */
const POLICIES = [
  "zones: {servers: [10.1.1.0/24]}\nservices: {web: [tcp/443]}",
  "zones: {servers: [10.1.0.0/16], lab: [10.1.1.80]}\nservices: {web: [tcp/80, tcp/443], tls: [tcp/443]}",
].map(
  (tables) =>
    `${tables}\nroles: {staff: {rules: [out web to servers]}}\nclients: {"${CLIENT}": staff}\nunknown: staff\n`,
);
const COMMANDS = ["setFilter", "deleteFilter", "setZones", "setServices", "setClient", "deleteClient"] as const;

/** A datapath through which packets go between any two commands. */
function watched(isGenerationKnown: boolean): { datapath: FakeDatapath; denied: string[]; seen: { packets: number } } {
  const geometry = parseGeometry("4x1024x8/r26", "test");
  const datapath = new FakeDatapath({ geometry, seeds: parseKey(KEY, "key").seeds });
  const denied: string[] = [];
  const seen = { packets: 0 };
  let isJudging = false;
  const send = (mac: string, after: string) => {
    const addresses = { srcMac: mac, dstMac: PEER, src: "10.0.0.9", dst: "10.1.1.80", sport: 1024, dport: 443 };
    seen.packets++;
    const { pass, reason } = datapath.judge({ frame: tcp({ ...addresses, flags: "S" }), direction: 0 });
    if (!pass) denied.push(`${mac} after ${after}, packet ${seen.packets}: ${REASONS[reason]![0]}`);
  };
  for (const name of COMMANDS) {
    const run = (datapath[name] as (...values: unknown[]) => void).bind(datapath);
    (datapath as unknown as Record<string, unknown>)[name] = (...values: unknown[]) => {
      run(...(isGenerationKnown ? values : oneGeneration(name, values)));
      // A packet's own event may write a record: that is no time for the next packet.
      if (seen.packets < 0 || isJudging) return;
      isJudging = true;
      for (const mac of [CLIENT, STRANGER]) send(mac, name);
      isJudging = false;
    };
  }
  seen.packets = -1;
  return { datapath, denied, seen };
}

/** As if there were one table only, written in place. */
function oneGeneration(name: string, values: unknown[]): unknown[] {
  if (name === "setZones" || name === "setServices") return [0, values[1]];
  if (name !== "setClient") return values;
  const record = values[1] as { flags: number };
  return [values[0], { ...record, flags: record.flags & ~CONSTANTS.CLIENT_GENERATION }];
}

describe("a policy that is read again", () => {
  let directory = "";
  let agent: Agent | undefined;
  afterEach(async () => {
    await agent?.stop();
    rmSync(directory, { recursive: true });
  });

  async function reload(isGenerationKnown: boolean): Promise<{ denied: string[]; packets: number }> {
    directory = mkdtempSync(join(tmpdir(), "roamwall-reload-"));
    const path = (name: string) => join(directory, name);
    writeFileSync(path("key"), KEY, { mode: 0o600 });
    writeFileSync(path("policy.yaml"), POLICIES[0]!);
    const node = nodePlatform({ write() {} });
    const platform = { ...node, files: { ...node.files, watch: () => () => {} } };
    const text = `id: 7\nkey: ${path("key")}\npolicy: ${path("policy.yaml")}\ncontrol: ${path("agent.sock")}\npickup: 0\n`;
    const { datapath, denied, seen } = watched(isGenerationKnown);
    agent = await startAgent(platform, parseSettings(text, "agent.yaml"), {
      createMesh,
      connectDatapath: async () => datapath,
    });
    seen.packets = 0;
    for (let i = 1; i <= RELOADS; i++) {
      writeFileSync(path("policy.yaml"), POLICIES[i % 2]!);
      await agent.reload();
    }
    return { denied, packets: seen.packets };
  }

  it(`denies no packet of a flow that both allow, whenever it comes, in ${RELOADS} changes`, async () => {
    const { denied, packets } = await reload(true);
    expect(packets).toBeGreaterThan(10 * RELOADS);
    expect(denied).toEqual([]);
  });

  it("would deny some in each change with one table of zones and services (the control)", async () => {
    const { denied } = await reload(false);
    expect(denied.length).toBeGreaterThan(RELOADS);
  });
});
