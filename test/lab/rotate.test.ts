import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { KeysStatus } from "../../src/control/status.ts";
import { roamwallAt } from "./support/engine.ts";
import { Lab } from "./support/lab.ts";
import { pause, until } from "./support/processes.ts";
import { hasFirmware, isRoot } from "./support/root.ts";
import { LOST_AFTER_MS } from "./support/traffic/plan.ts";

const SIZE = { clientFlows: 40, serverFlows: 8, idleFlows: 4, streams: 2, download: false } as const;
const PATIENCE_MS = 30_000;
const RETIRED_MS = 30_000;

describe.runIf(isRoot && hasFirmware)("a mesh that gets a new key", () => {
  let lab: Lab;
  beforeEach(async () => {
    lab = await Lab.open({ prefix: "rwrotate", kind: "bridged", aps: 2, size: SIZE, firewall: "replicating" });
  });
  afterEach(() => lab?.close());

  const keyVerb = (...words: string[]) => {
    const [program, first] = roamwallAt(1);
    return execFileSync(program, [...first, "key", ...words, "--key", join(lab.directory, "key")], {
      encoding: "utf8",
    });
  };
  const states = async () => {
    const each = await Promise.all(lab.aps.map((ap) => ap.ask<KeysStatus>("keys")));
    return each.map(({ keys }) => keys.map(({ slot, state }) => `${slot} ${state}`).join());
  };
  const all = (state: string) => async () => ((await states()).every((one) => one === state) ? true : undefined);

  it("loses no flow, by the commands that are documented, and roams on", async () => {
    await lab.traffic.start();
    const secret = readFileSync(join(lab.directory, "key"), "utf8").match(/[0-9a-f]{64}/)![0];
    expect(keyVerb("rotate")).toContain("Next:");
    await until("both APs to seal with the new key", PATIENCE_MS, all("0 accepted,1 sending"));
    await lab.roam(2);
    await pause(500);
    await until("both APs to refuse the old key", RETIRED_MS, all("0 retired,1 sending"));
    keyVerb("drop", "0");
    expect(readFileSync(join(lab.directory, "key"), "utf8")).not.toContain(secret);
    await until("both APs to know one key", PATIENCE_MS, all("1 sending"));
    await lab.roam(1);
    await pause(LOST_AFTER_MS + 500);
    const { lost, client } = await lab.traffic.report();
    expect(lost).toEqual([]);
    expect(client.connects.failed + client.lookups.failed).toBe(0);
    expect(Object.entries(lab.denied()).filter(([, count]) => count > 0)).toEqual([]);
  });
});
