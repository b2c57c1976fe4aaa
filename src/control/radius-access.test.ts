import { describe, expect, it } from "vitest";
import type { RoamwallError } from "../base/errors.ts";
import type { Mac } from "../base/mac.ts";
import type { Platform } from "../platform/platform.ts";
import { compilePolicy, compileRules, parsePolicy, parseRules } from "../policy/policy.ts";
import type { Grant } from "../proxy/rights.ts";
import type { RadiusGrant } from "../radius/radius.ts";
import { NOTHING_SAID } from "../radius/rights.ts";
import { RadiusAccess } from "./radius-access.ts";
import type { Session } from "./session.ts";
import type { RadiusSettings } from "./settings.ts";

const MAC = "02:00:00:00:0a:01" as Mac;
const NAMED = "02:00:00:00:0a:02" as Mac;
const SEEDS = [1, 2, 3, 4] as const;
const policy = compilePolicy(
  parsePolicy(
    'zones: {lan: [10.0.0.0/8]}\nroles: {staff: {rules: [out tcp/443 to any]}}\nclients: {"02:00:00:00:0a:02": staff}',
    "policy",
  ),
  SEEDS,
);
const filterOf = (...rules: string[]) => {
  const texts = rules.map((text) => ({ text, place: "test" }));
  return compileRules("test", parseRules(texts, policy.source), policy, SEEDS)!;
};
const carried = (rule: string, seedId = 7) => ({ ...filterOf(rule), seedId });

function bench() {
  const given: Partial<Grant>[] = [];
  const session = {
    setRights: async (_mac: Mac, grant: Partial<Grant>) => void given.push(grant),
    granted: () => ({ role: "staff", filters: [filterOf("out icmp to any")], openOut: 3, zone: 0 }),
  } as unknown as Session;
  const access = new RadiusAccess({
    platform: {} as Platform,
    settings: {} as RadiusSettings,
    key: { seeds: SEEDS, seedId: 7 },
    policy: () => policy,
    fallbackChanged() {},
  });
  return { given, session, access };
}

async function meaning(grant: Partial<RadiusGrant>): Promise<Partial<Grant> | string> {
  const { given, session, access } = bench();
  await access.connected(session);
  try {
    await access.grant(MAC, { ...NOTHING_SAID, ...grant });
  } catch (error) {
    expect((error as RoamwallError).code).toBe("ROAMWALL_ERR_INPUT");
    return (error as Error).message;
  }
  return given[0]!;
}

describe("a grant of RADIUS", () => {
  const rows: [phrase: string, grant: Partial<RadiusGrant>, meant: Partial<Grant>][] = [
    ["a role", { role: "staff", leftSeconds: 60 }, { role: "staff", filters: [], leftSeconds: 60 }],
    ["nothing: the policy's own word", { openIn: 5 }, { filters: [], openIn: 5 }],
    ["rules", { rules: ["out tcp/22 to lan"] }, { role: "", filters: [filterOf("out tcp/22 to lan")] }],
    ["no rules at all: nothing is allowed", { rules: [] }, { role: "", filters: [] }],
    [
      "a role, rules in the other spelling and a filter",
      {
        role: "staff",
        rules: ["permit in ip from any to 10.0.0.0/8"],
        filters: new Map([[2, carried("out udp/1 to any")]]),
      },
      { role: "staff", filters: [filterOf("out udp/1 to any"), filterOf("out any to lan")] },
    ],
  ];
  it.each(rows)("means %s", async (_phrase, grant, meant) => {
    expect(await meaning(grant)).toEqual(meant);
  });

  it.each<[phrase: string, grant: Partial<RadiusGrant>, reason: string]>([
    ["an unknown role", { role: "vip" }, 'unknown role "vip"; accepted: a role of this AP\'s policy (staff)'],
    ["a rule that cannot be kept", { rules: ["out tcp/1 to any", "out web to any"] }, "web"],
    ["a filter of another mesh", { filters: new Map([[0, carried("out tcp/1 to any", 8)]]) }, "another mesh key"],
    [
      "more filters than a client has room for",
      { role: "staff", filters: new Map([0, 1, 2, 3].map((i) => [i, carried(`out tcp/${i} to any`)])) },
      "at most 4 in all",
    ],
  ])("is refused for %s", async (_phrase, grant, reason) => {
    expect(await meaning(grant)).toContain(reason);
  });

  it("waits for the datapath, but is refused at once", async () => {
    const { given, session, access } = bench();
    const waiting = access.grant(MAC, { ...NOTHING_SAID, role: "staff" });
    await expect(access.grant(MAC, { ...NOTHING_SAID, role: "vip" })).rejects.toThrow("unknown role");
    expect(given).toEqual([]);
    await access.connected(session);
    await waiting;
    expect(given).toMatchObject([{ role: "staff" }]);
  });

  /** How often hostapd was asked to send the station away. */
  async function sentAway(
    { knows = false, isSilent = false, mac = MAC }: { knows?: boolean; isSilent?: boolean; mac?: Mac },
    atMs = [0],
  ): Promise<number> {
    const { access } = bench();
    let asked = 0;
    let nowMs = 0;
    const radius = {
      knows: () => knows,
      letGo: async () => {
        asked++;
        return "ended";
      },
    };
    const platform = { clock: { nowMs: () => nowMs }, log: { info() {} } };
    Object.assign(access, { radius, isSilent, parts: { platform, policy: () => policy } });
    for (const at of atMs) {
      nowMs = at;
      access.nobodyKnows(mac);
      await Promise.resolve();
    }
    return asked;
  }

  it("is missing for whom nobody knows: it logs in again, once an hour at most", async () => {
    expect(await sentAway({})).toBe(1);
    expect(await sentAway({}, [0, 1_000, 3_599_000])).toBe(1);
    expect(await sentAway({}, [0, 3_600_000])).toBe(2);
  });

  it("is not missing for who logged in here, whom the file names, and while no login would help", async () => {
    expect(await sentAway({ knows: true })).toBe(0);
    expect(await sentAway({ mac: NAMED })).toBe(0);
    expect(await sentAway({ isSilent: true })).toBe(0);
  });

  it("is told again of a client that roamed in, filters included", async () => {
    const { session, access } = bench();
    expect(access.current(MAC)).toBeUndefined();
    await access.connected(session);
    expect(access.current(MAC)).toEqual({
      role: "staff",
      filters: new Map([[0, carried("out icmp to any")]]),
      openOut: 3,
      changed: false,
    });
  });
});
