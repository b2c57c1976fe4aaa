import { describe, expect, it } from "vitest";
import type { Platform } from "../../platform/platform.ts";
import type { Terminal } from "../../platform/terminal.ts";
import { applyDelta, type CarriedFilter, parseDelta, parseFilter } from "../../radius/carried-filter.ts";
import { joinFragments } from "../../radius/fragments.ts";
import { runCli } from "./cli.ts";

const rules = (count: number) => Array.from({ length: count }, (_, i) => `out tcp/${i + 1} to any`);
const policy = (list: readonly string[]) =>
  JSON.stringify({ roles: { staff: { rules: list, limits: { "open-out": 50 } }, nobody: {} } });
const FILES: Record<string, string> = {
  "a.yaml": policy(rules(1000)),
  "b.yaml": policy([...rules(999), "in tcp/22 from 10.1.0.7"]),
};

async function run(...args: string[]): Promise<string> {
  let [out, err] = ["", ""];
  const terminal = {
    arguments: args,
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
    isTerminal: false,
    isErrTerminal: false,
  } as unknown as Terminal;
  const files = { readText: (path: string) => FILES[path]! };
  const code = await runCli(terminal, { files } as unknown as Platform);
  return code === 0 ? out : err;
}

function octetsOf(text: string): Uint8Array {
  const values = [...text.matchAll(/0x([0-9a-f]+)/g)].map(([, hex]) => {
    return Uint8Array.from(hex!.match(/../g)!, (pair) => Number.parseInt(pair, 16));
  });
  return (joinFragments(values) as Map<number, Uint8Array>).get(0)!;
}

describe("roamwall radius encode", () => {
  it("writes 1,000 rules at 0.1 % as eight attributes of a users file", async () => {
    const text = await run("radius", "encode", "a.yaml", "staff");
    const filter = parseFilter(octetsOf(text)) as CarriedFilter;
    expect(filter).toMatchObject({ bits: 14400, probes: 10 });
    const lines = text.trimEnd().split("\n");
    expect(lines).toHaveLength(9);
    expect(lines.slice(0, 8).every((line) => /^\tRoamwall-Filter \+= 0x[0-9a-f]+,$/.test(line))).toBe(true);
    expect(lines[8]).toBe("\tRoamwall-Open-Out += 50");
  });

  it("writes the rules as text, for radclient too", async () => {
    const text = await run("radius", "encode", "a.yaml", "staff", "--text", "--coa");
    expect(text.split("\n")[0]).toBe('Roamwall-Rule = "out tcp/1 to any"');
  });

  it("writes what changes one filter to another, templates included", async () => {
    const before = parseFilter(octetsOf(await run("radius", "encode", "a.yaml", "staff"))) as CarriedFilter;
    const delta = parseDelta(octetsOf(await run("radius", "encode", "b.yaml", "staff", "--from", "a.yaml")));
    if (typeof delta === "string") throw new Error(delta);
    expect(delta.set.length).toBeLessThanOrEqual(10);
    const after = applyDelta(before, delta) as CarriedFilter;
    expect(before.in).toBe(0);
    expect(after.in).not.toBe(0);
  });

  it("says what is wrong", async () => {
    expect(await run("radius", "encode", "a.yaml", "vip")).toContain('unknown role "vip"; accepted: staff, nobody');
    expect(await run("radius", "encode", "a.yaml", "nobody")).toContain("allows nothing");
    expect(await run("radius", "decode", "a.yaml", "staff")).toContain("encode FILE ROLE, adopt IFACE");
  });
});
