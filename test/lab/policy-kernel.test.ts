import { existsSync } from "node:fs";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseGeometry } from "../../src/bloom/geometry.ts";
import { CONSTANTS } from "../../src/datapath/abi.ts";
import { explain } from "../../src/policy/explain.ts";
import { compilePolicy, parsePolicy } from "../../src/policy/policy.ts";
import { SEEDS } from "../support/firewall.ts";
import { type Asked, asOpening, opening, openingFrame, policyOf, rule } from "../support/policies.ts";
import { MIRRORS } from "./kernel-model.generator.ts";
import { Pair, SLOTS } from "./kernel-model.pair.ts";
import { KernelRunner, OBJECT, RUNNER } from "./kernel-runner.ts";
import { isRoot } from "./support/root.ts";

const built = existsSync(RUNNER) && existsSync(OBJECT);
const CLIENT = "02:00:00:00:0a:01";
const GEOMETRY = parseGeometry("4x1024x8/r26", "test");
const IFINDEX = 3;
const NO_FILTER = 0xffff;
/** Coarse, so that strangers pass by chance often enough to be compared. */
const RATE = "3%";

interface Answers {
  readonly ruleSays: boolean;
  readonly filterSays: boolean;
  readonly model: boolean;
  kernel: boolean | undefined;
}

/** The same policy in the kernel's maps, in the model, and as text. */
describe.skipIf(!isRoot || !built)("a policy in the kernel", () => {
  let runner: KernelRunner;
  let pair: Pair;
  let port = 1024;

  beforeAll(() => {
    runner = new KernelRunner({ geometry: GEOMETRY, seeds: SEEDS, mirrors: MIRRORS, slots: SLOTS });
    pair = new Pair(runner, GEOMETRY);
    pair.apply({ kind: "port", ifindex: IFINDEX, zone: 0, tagged: false });
  });
  afterAll(() => runner?.close());

  function load(rules: readonly string[]) {
    const policy = parsePolicy(policyOf(rules, RATE), "p");
    const compiled = compilePolicy(policy, SEEDS);
    // One role, so one filter or none; the runner has few places for them.
    for (const filter of compiled.filters) pair.apply({ kind: "filter", filter: { ...filter, id: 0 } });
    pair.apply({ kind: "zones", generation: 0, entries: compiled.zones });
    pair.apply({ kind: "services", generation: 0, entries: compiled.services });
    const filter = [compiled.filters.length > 0 ? 0 : NO_FILTER, NO_FILTER, NO_FILTER, NO_FILTER];
    const record = {
      slot: 1,
      presence: CONSTANTS.PRESENCE_HERE,
      flags: 0,
      filter,
      from: 0,
      zone: 0,
      open_out: 0,
      open_in: 0,
      half_open: 0,
      ends: 0,
      pad: 0,
    };
    pair.apply({ kind: "client", mac: CLIENT, record });
    pair.apply({ kind: "wipe" });
    return { policy, compiled };
  }

  async function ask(rules: readonly string[], questions: readonly Asked[]): Promise<Answers[]> {
    const { policy, compiled } = load(rules);
    const answers = questions.map((asked) => {
      port = port >= 60_000 ? 1024 : port + 1;
      const bytes = openingFrame(CLIENT, asked, port);
      const frame = {
        bytes,
        direction: asked.out ? 0 : 1,
        tagged: false,
        fromAp: false,
        gso: false,
        ifindex: IFINDEX,
      } as const;
      const said = explain(policy, compiled, SEEDS, "r", asOpening(asked));
      const verdict = pair.judge({ kind: "packet", frame, what: "" });
      const answer: Answers = {
        ruleSays: said.rule !== undefined,
        filterSays: said.filterAllows,
        model: verdict.pass,
        kernel: undefined,
      };
      runner.run(frame, (result) => {
        answer.kernel = result.pass;
      });
      return answer;
    });
    await runner.settle();
    return answers;
  }

  it("allows what the rule allows, and kernel, model and `explain` agree on every packet", async () => {
    let allowed = 0;
    let denied = 0;
    let byChance = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(rule, { maxLength: 10 }),
        fc.array(opening, { minLength: 10, maxLength: 60 }),
        async (rules, questions) => {
          const answers = await ask(rules, questions as Asked[]);
          for (const [i, { ruleSays, filterSays, model, kernel }] of answers.entries()) {
            const what = `${JSON.stringify(questions[i])} under ${rules.join("; ")}`;
            expect(kernel, what).toBe(model);
            expect(model, what).toBe(filterSays);
            if (ruleSays) expect(kernel, what).toBe(true);
            if (ruleSays) allowed++;
            else if (kernel) byChance++;
            else denied++;
          }
        },
      ),
      { numRuns: 400, seed: 4849, endOnFailure: true },
    );
    expect(allowed).toBeGreaterThan(1_000);
    expect(denied).toBeGreaterThan(1_000);
    // The control: a filter that says more than the rules is seen as such.
    expect(byChance).toBeGreaterThan(0);
  });
});
