import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ADDRESSES,
  type Asked,
  asOpening,
  opening,
  openingFrame,
  PORTS,
  policyOf,
  rule,
} from "../../test/support/policies.ts";
import { compileAutomata } from "../automata/compile.ts";
import type { Mac } from "../base/mac.ts";
import { parseGeometry } from "../bloom/geometry.ts";
import { CONSTANTS, REASON } from "../datapath/abi.ts";
import { Sfr } from "../sfr/sfr.ts";
import { ruleFor } from "./explain.ts";
import type { Seeds } from "./filter.ts";
import { compilePolicy, parsePolicy } from "./policy.ts";

/**
 * Policy -> filters -> model: what a packet's verdict is, against a reading of the rules that knows no class, key or
 * filter. Rules allow no less than they say, whatever overlaps; and at this rate, no more.
 */
const SEEDS: Seeds = [1, 2, 3, 4];
const CLIENT = "02:00:00:00:0a:01" as Mac;
const GEOMETRY = parseGeometry("4x32x8/r26", "test");
const AUTOMATA = compileAutomata({ geometry: GEOMETRY, shorten: true });

function firewall(rules: readonly string[], rate: string): Sfr {
  const compiled = compilePolicy(parsePolicy(policyOf(rules, rate), "p"), SEEDS);
  const sfr = new Sfr({ geometry: GEOMETRY, seeds: SEEDS });
  sfr.loadAutomata(AUTOMATA);
  for (const filter of compiled.filters) sfr.setFilter(filter);
  sfr.setZones(compiled.zones);
  sfr.setServices(compiled.services);
  sfr.setClient(CLIENT, {
    slot: 1,
    presence: CONSTANTS.PRESENCE_HERE,
    flags: 0,
    filter: [...compiled.roles.get("r")!.filters, 0xffff, 0xffff, 0xffff, 0xffff].slice(0, 4),
    from: 0,
    zone: 0,
    open_out: 0,
    open_in: 0,
    half_open: 0,
    ends: 0,
    pad: 0,
  });
  return sfr;
}

/** Whether the first packet of a flow passes. Each asks for another port of its own side, so no flow is met twice. */
function opens(sfr: Sfr, p: Asked, own: number): boolean {
  const verdict = sfr.judge({ frame: openingFrame(CLIENT, p, own), direction: p.out ? 0 : 1 });
  if (!verdict.pass) expect([REASON.acl, REASON.state]).toContain(verdict.reason);
  return verdict.pass;
}

/** The rules as a person reads them: what `roamwall policy explain` says. */
function allowed(rules: readonly string[], p: Asked): boolean {
  const policy = parsePolicy(policyOf(rules, "0.001"), "p");
  return ruleFor(policy, policy.roles.get("r")!, asOpening(p)) !== undefined;
}

describe("policy over the model", () => {
  it("lets open what a rule says, and nothing else but false positives", () => {
    let strangers = 0;
    let asked = 0;
    fc.assert(
      fc.property(
        fc.array(rule, { maxLength: 8 }),
        fc.array(opening, { minLength: 10, maxLength: 30 }),
        (rules, packets) => {
          const sfr = firewall(rules, "0.000001");
          for (const [i, p] of packets.entries()) {
            const passed = opens(sfr, p, 20_000 + i);
            asked++;
            if (allowed(rules, p)) expect(passed, JSON.stringify(p)).toBe(true);
            else if (passed) strangers++;
          }
        },
      ),
      { numRuns: 100 },
    );
    expect(asked).toBeGreaterThan(1000);
    expect(strangers / asked).toBeLessThan(0.002);
  });

  it("never denies what a rule says, however coarse the filter (the control: a coarse one lets strangers through)", () => {
    const many = Array.from({ length: 400 }, (_, i) => `out tcp/80 to 10.9.${i >> 8}.${i & 255}`);
    const rules = ["out tcp/80 to low", "in udp/81 from 10.0.0.3", "out quic to mid", ...many];
    let strangers = 0;
    const sfr = firewall(rules, "0.1");
    let own = 20_000;
    for (const out of [true, false]) {
      for (const proto of ["tcp", "udp"] as const) {
        for (const p of ADDRESSES) {
          for (const port of [...PORTS, ...Array.from({ length: 20 }, (_, i) => 1000 + i)]) {
            const asked = { out, proto, peer: p, port };
            const passed = opens(sfr, asked, own++);
            if (allowed(rules, asked)) expect(passed, JSON.stringify(asked)).toBe(true);
            else if (passed) strangers++;
          }
        }
      }
    }
    expect(strangers).toBeGreaterThan(0);
  });
});
