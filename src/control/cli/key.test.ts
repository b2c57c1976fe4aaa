import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { nodePlatform } from "../../platform/node/platform.ts";
import { paperTerminal } from "../../platform/testing/paper-terminal.ts";
import { parseKey } from "../key.ts";
import { runCli } from "./cli.ts";

describe("roamwall key", () => {
  let directory: string;
  let path: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "roamwall-key-"));
    path = join(directory, "key");
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  async function key(...rest: string[]): Promise<{ code: number; out: string; err: string }> {
    const said = { out: "", err: "" };
    const words = ["key", ...rest, "--key", path, "--socket", join(directory, "none.sock")];
    const terminal = paperTerminal(words, said);
    return { code: await runCli(terminal, nodePlatform({ write: () => {} })), ...said };
  }
  const read = () => parseKey(readFileSync(path, "utf8"), path);
  const secrets = () => readFileSync(path, "utf8").match(/[0-9a-f]{32,}/g)!;

  it("generates a file that only its owner reads, and never writes over one", async () => {
    expect((await key("generate")).code).toBe(0);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const before = readFileSync(path, "utf8");
    const { code, err } = await key("generate");
    expect([code, err]).toEqual([1, expect.stringContaining("not overwritten")]);
    expect(readFileSync(path, "utf8")).toBe(before);
  });

  it("rotates: the new key stands behind the old one, the seed stays, then the old one is dropped", async () => {
    await key("generate");
    const before = read();
    writeFileSync(path, `# of the roof\n${readFileSync(path, "utf8")}`);
    const { out } = await key("rotate");
    expect(out).toContain("Copy");
    const both = read();
    expect(both.keys.map(({ slot }) => slot)).toEqual([0, 1]);
    expect(both.keys[0]).toEqual(before.keys[0]);
    expect(both.seeds).toEqual(before.seeds);
    expect((await key("rotate")).err).toContain("two keys already");
    expect((await key("drop")).code).toBe(0);
    expect(read().keys).toEqual([both.keys[1]]);
    await key("rotate");
    expect(read().keys.map(({ slot }) => slot)).toEqual([1, 0]);
    expect(readFileSync(path, "utf8")).toContain("# of the roof");
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it("never drops the last key, nor one that is not there", async () => {
    await key("generate");
    expect((await key("drop")).err).toContain("the only key");
    expect((await key("drop", "1")).err).toContain("no key in slot 1");
    expect(read().keys).toHaveLength(1);
  });

  it.each(["show", "rotate", "drop"])("%s never prints a secret", async (action) => {
    await key("generate");
    if (action !== "rotate") await key("rotate");
    const { out, err } = await key(action);
    const json = await key(action === "drop" ? "show" : action, "--json");
    for (const secret of secrets()) expect(out + err + json.out + json.err).not.toContain(secret.slice(0, 12));
  });

  it("shows slots and fingerprints, also as JSON", async () => {
    await key("generate");
    const { out } = await key("show");
    expect(out).toMatch(/^slot\s+fingerprint\s+state\n\s*0\s+[0-9a-f]{8}\s+unknown/);
    expect(JSON.parse((await key("show", "--json")).out)).toMatchObject({ keys: [{ slot: 0, state: "unknown" }] });
  });

  it("refuses a file that others may read", async () => {
    await key("generate");
    chmodSync(path, 0o640);
    expect((await key("show")).err).toContain("mode 0640 lets others read");
  });

  it.each([
    [["eat"], "generate|show|rotate|switch|drop"],
    [["drop", "2"], "0 or 1"],
    [["show", "1"], "roamwall key show"],
  ])("answers 2 to %j", async (words, accepted) => {
    const { code, err } = await key(...words);
    expect([code, err]).toEqual([2, expect.stringContaining(accepted)]);
  });
});
