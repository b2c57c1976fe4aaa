import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { MembersStatus } from "../../src/control/identities.ts";
import type { KeysStatus } from "../../src/control/status.ts";
import type { NeighbourStatus } from "../../src/replication/status.ts";
import { Lab } from "./support/lab.ts";
import { pause, until } from "./support/processes.ts";
import { hasFirmware, isRoot } from "./support/root.ts";
import { LOST_AFTER_MS } from "./support/traffic/plan.ts";

const SIZE = { clientFlows: 40, serverFlows: 8, idleFlows: 4, streams: 2, download: false } as const;
const PATIENCE_MS = 10_000;
const PUBLISHED_MS = 1_500;
const APS = [1, 2, 3] as const;

describe.runIf(isRoot && hasFirmware)("a mesh with identities", () => {
  let lab: Lab;
  let signer: string;
  beforeEach(async () => {
    const settings = (_ap: number, directory: string) => {
      if (!existsSync(file(directory, "members"))) signer = makeFiles(directory);
      const [key, members] = [file(directory, `identity${_ap}`), file(directory, "members")];
      return { identities: { mesh: "lab", keys: [signer], key, members } };
    };
    // One of them has the small engine, and computes by its own cryptography.
    const each = (ap: number) => (ap === 2 ? { engine: "qjs" as const } : {});
    const place = { prefix: "rwident", kind: "bridged", aps: 3 } as const;
    lab = await Lab.open({ ...place, size: SIZE, firewall: "replicating", settings, each });
  });
  afterEach(() => lab?.close());

  const file = (directory: string, name: string) => join(directory, name);
  const roamwall = (...words: string[]) =>
    execFileSync(process.execPath, ["dist/roamwall.cjs", ...words], { encoding: "utf8" });

  /** By the commands that are documented. Answers the public key that signs. */
  function makeFiles(directory: string): string {
    const policyKey = file(directory, "policy.key");
    const said = JSON.parse(roamwall("policy", "keygen", policyKey, "--json")) as { public: string };
    for (const ap of APS) roamwall("identity", "new", "--key", file(directory, `identity${ap}`));
    for (const ap of APS) add(directory, ap);
    return said.public;
  }

  function add(directory: string, ap: number): void {
    const shown = roamwall("identity", "show", "--key", file(directory, `identity${ap}`), "--socket", "/nowhere");
    const key = shown.split("\n")[0]!;
    const list = [file(directory, "members"), `${ap}`, key, `ap${ap}`];
    roamwall("members", "add", ...list, "--sign-key", file(directory, "policy.key"), "--mesh", "lab");
  }

  const alive = async (ap: number) => {
    const neighbours = await lab.aps[ap - 1]!.ask<NeighbourStatus[]>("neighbours");
    return neighbours.filter(({ state }) => state === "alive").map(({ id }) => id);
  };
  const revisions = async () => {
    const each = await Promise.all(lab.aps.map((ap) => ap.ask<MembersStatus>("members")));
    return each.map(({ revision, problem }) => problem ?? revision).join();
  };
  const everywhere = (revision: number) => async () =>
    (await revisions()) === [1, 2, 3].map(() => revision).join() || undefined;

  it("roams, changes its members and its mesh key, and loses nothing", async () => {
    await lab.traffic.start();
    // Until flows of now are known to the neighbours: what is held back and gathered is not.
    await pause(PUBLISHED_MS);
    await lab.roam(2);
    await pause(300);
    await lab.roam(1);
    await pause(300);
    // One is taken off the list: the others go on without it.
    roamwall("members", "remove", file(lab.directory, "members"), "3", "--sign-key", file(lab.directory, "policy.key"));
    await until("all to read the list", PATIENCE_MS, everywhere(4));
    await until("AP 1 to forget AP 3", PATIENCE_MS, async () => !(await alive(1)).includes(3) || undefined);
    await until("AP 1 to know AP 2", PATIENCE_MS, async () => (await alive(1)).includes(2) || undefined);
    await pause(500);
    await lab.roam(2);
    await pause(300);
    roamwall("key", "rotate", "--key", file(lab.directory, "key"));
    const sending = async () => {
      const { keys } = await lab.aps[0]!.ask<KeysStatus>("keys");
      return keys.some(({ slot, state }) => slot === 1 && state === "sending") || undefined;
    };
    await until("AP 1 to seal with the new key", PATIENCE_MS, sending);
    await pause(500);
    await lab.roam(1);
    await pause(300);
    // It comes back.
    add(lab.directory, 3);
    await until("all to read the list", PATIENCE_MS, everywhere(5));
    await lab.awaitNeighbours();
    await lab.roam(3);
    await pause(LOST_AFTER_MS + 500);
    const { lost, client } = await lab.traffic.report();
    expect(lost).toEqual([]);
    expect(client.connects.failed + client.lookups.failed).toBe(0);
    expect(Object.entries(lab.denied()).filter(([, count]) => count > 0)).toEqual([]);
  });
});
