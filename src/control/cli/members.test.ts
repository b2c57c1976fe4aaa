import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { nodePlatform } from "../../platform/node/platform.ts";
import { paperTerminal } from "../../platform/testing/paper-terminal.ts";
import { runCli } from "./cli.ts";

describe("roamwall identity and members", () => {
  let directory: string;
  const path = (name: string) => join(directory, name);
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "roamwall-members-"));
    await run("policy", "keygen", path("policy.key"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  async function run(...words: string[]): Promise<{ code: number; out: string; err: string }> {
    const said = { out: "", err: "" };
    const terminal = paperTerminal(words, said);
    return { code: await runCli(terminal, nodePlatform({ write: () => {} })), ...said };
  }

  const socket = () => ["--socket", path("none.sock")];
  const identity = (action: string, name: string) => run("identity", action, "--key", path(name), ...socket());
  const signed = () => ["--sign-key", path("policy.key")];
  const members = (action: string, ...words: string[]) =>
    run("members", action, path("members"), ...words, ...(action === "add" || action === "remove" ? signed() : []));
  const keyOf = async (name: string) => (await identity("show", name)).out.split("\n")[0]!;
  /** A list of two. */
  async function listed(): Promise<[string, string]> {
    for (const name of ["ap1", "ap2"]) await identity("new", name);
    const keys: [string, string] = [await keyOf("ap1"), await keyOf("ap2")];
    expect((await members("add", "1", keys[0], "lobby", "--mesh", "village")).code).toBe(0);
    expect((await members("add", "2", keys[1])).code).toBe(0);
    return keys;
  }

  it("makes a key that only its owner reads, never over another, and shows the public part alone", async () => {
    const { out } = await identity("new", "ap1");
    expect(statSync(path("ap1")).mode & 0o777).toBe(0o600);
    const secret = /^secret ([0-9a-f]{64})$/m.exec(readFileSync(path("ap1"), "utf8"))![1]!;
    const shown = await identity("show", "ap1");
    expect(shown.out).toMatch(/^[0-9a-f]{64}\nno agent/);
    expect(out + shown.out).not.toContain(secret);
    expect((await identity("new", "ap1")).err).toContain("not overwritten");
    chmodSync(path("ap1"), 0o640);
    expect((await identity("show", "ap1")).err).toContain("lets others speak as this access point");
  });

  it("signs a list anew with each member that comes or goes, one revision higher", async () => {
    const [one, two] = await listed();
    const { out } = await members("list");
    expect(out).toContain("revision 2 for mesh village");
    expect(out).toMatch(new RegExp(`1\\s+lobby\\s+${one}`));
    expect((await members("remove", "1")).out).toContain("member 1 is off the list; revision 3");
    const after = await run("members", "list", path("members"), "--json");
    expect(JSON.parse(after.out)).toMatchObject({
      revision: 3,
      mesh: "village",
      members: [{ id: 2, name: "", key: two }],
    });
  });

  it("checks the signature, without an agent by the key that it is told", async () => {
    await listed();
    const key = (await run("policy", "keygen", path("other.key"))).out;
    const other = /[0-9a-f]{64}/.exec(key)![0];
    const text = readFileSync(path("policy.key"), "utf8");
    const own = nodePlatform().ed25519.publicKey(Uint8Array.from(Buffer.from(/secret (\w+)/.exec(text)![1]!, "hex")));
    const check = (...words: string[]) => run("members", "check", path("members"), ...words, ...socket());
    expect((await check("--public", Buffer.from(own).toString("hex"))).out).toContain(
      "2 members, signed as it must be",
    );
    expect((await check("--public", other)).err).toContain("not signed by a key of ours");
    expect((await check()).err).toContain("accepted: --public KEY");
    const forged = readFileSync(path("members"), "utf8").replace("lobby", "attic");
    writeFileSync(path("members"), forged);
    expect((await check("--public", Buffer.from(own).toString("hex"))).err).toContain("not signed by a key of ours");
    // Nor is anything built on it.
    expect((await members("remove", "2")).err).toContain("not signed by a key of ours");
  });

  it.each([
    ["a key of another member", (keys: string[]) => ["add", "3", keys[0]!], "id or key of member 1 once more"],
    ["no key", () => ["add", "3", "abc"], "accepted: 64 hex digits"],
    ["a key that is everybody's", () => ["add", "3", "00".repeat(32)], "a key that everybody could speak for"],
    ["an id that there is not", () => ["add", "70000", "5a".repeat(32)], "accepted: 1 to 65534"],
    ["one to remove that is not there", () => ["remove", "9"], "no member 9; accepted: one of 1, 2"],
    ["too few words", () => ["add", "3"], "roamwall members add FILE ID KEY [NAME]"],
    ["another action", () => ["ad"], "roamwall members add|remove|list|check"],
  ] as const)("refuses %s, and leaves the list", async (_phrase, words, message) => {
    const keys = await listed();
    const before = readFileSync(path("members"), "utf8");
    const [action, ...rest] = words(keys) as [string, ...string[]];
    expect((await members(action, ...rest)).err).toContain(message);
    expect(readFileSync(path("members"), "utf8")).toBe(before);
  });

  it("wants the mesh's name for a new list, and the key that signs", async () => {
    await identity("new", "ap1");
    const key = await keyOf("ap1");
    expect((await members("add", "1", key)).err).toContain("--mesh NAME");
    expect((await run("members", "add", path("members"), "1", key, "--mesh", "m")).err).toContain("no --sign-key");
  });
});
