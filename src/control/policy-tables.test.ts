import { expect, it } from "vitest";
import type { Mac } from "../base/mac.ts";
import type { ClientDump } from "../datapath/datapath.ts";
import { compilePolicy } from "../policy/compile.ts";
import { parsePolicy } from "../policy/policy.ts";
import { parseKey } from "./key.ts";
import { PolicyTables } from "./policy-tables.ts";

const { seeds } = parseKey(`mesh ${"5a".repeat(32)}\nseed ${"01".repeat(16)}\n`, "key");
const policyOf = (rule: string) =>
  compilePolicy(parsePolicy(`roles: {guest: {rules: ["out ${rule}"]}}\n`, "policy.yaml"), seeds);

/** The tables of one policy, changed to another one; `named`: filters of clients' records, `held`: of rights. Returns what was deleted. */
async function deletedByChange(named: readonly number[], held: readonly number[]): Promise<number[]> {
  const [before, after] = [policyOf("tcp/80 to any"), policyOf("tcp/443 to any")];
  const deleted: number[] = [];
  const silent = () => {};
  let due = silent;
  const datapath = {
    ...{ setFilter: silent, changeFilter: silent, setZones: silent, setServices: silent, setClient: silent },
    ...{ deleteClient: silent, deleteFilter: (id: number) => void deleted.push(id) },
  };
  const tables = new PolicyTables(
    {
      platform: {
        clock: {
          nowMs: () => 0,
          after: (_ms, run) => {
            due = run;
            return silent;
          },
        },
        log: { debug: silent, info: silent, warn: silent, error: silent },
      },
      datapath,
      modes: { flagsOf: (_mac, _role, flags) => flags },
      fallbackRole: () => undefined,
      records: async () =>
        new Map([["02:00:00:00:00:01" as Mac, { record: { filter: named } } as unknown as ClientDump]]),
      holdsFilter: (id) => held.includes(id),
    },
    before,
  );
  tables.change(after, before);
  tables.dropSoon(new Set([...before.filters.map(({ id }) => id), OWN]));
  expect(deleted).toEqual([]);
  due();
  await new Promise((resolve) => setImmediate(resolve));
  return deleted;
}

/** Of one client, beside its role's. */
const OWN = 999_999;
const ROLES = policyOf("tcp/80 to any").filters[0]!.id;

it("deletes filters of an earlier policy a moment after the change, and a client's own that nobody names", async () => {
  expect(await deletedByChange([], [])).toEqual([ROLES, OWN]);
});

it("leaves alone what a client's record names, or its rights may name again", async () => {
  expect(await deletedByChange([ROLES], [])).toEqual([OWN]);
  expect(await deletedByChange([], [OWN])).toEqual([ROLES]);
});
