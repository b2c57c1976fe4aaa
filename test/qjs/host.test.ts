import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { machine, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodeCrypto } from "../../src/platform/node/crypto.ts";
import { nodeEd25519 } from "../../src/platform/node/ed25519.ts";
import { nodeX25519 } from "../../src/platform/node/x25519.ts";
import { hasHost, runHost, runInHost, SANITIZED } from "./run.ts";
import { cipherLines } from "./vectors.ts";

const directory = mkdtempSync(join(tmpdir(), "roamwall-qjs-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function folder(name: string): string {
  const path = join(directory, name);
  mkdirSync(path, { recursive: true });
  return path;
}

function program(name: string, text: string): string {
  const path = join(folder("programs"), name);
  writeFileSync(path, text);
  return path;
}

describe.runIf(hasHost)("the host of QuickJS", () => {
  beforeAll(() => {
    execFileSync("make", ["-s", "-C", "firmware/qjs", "sanitized"], { stdio: ["ignore", "ignore", "inherit"] });
  });

  it("seals, hashes, signs and agrees as Node does, and refuses what Node refuses", async () => {
    const { out } = await runInHost("ciphers", folder("ciphers"), [], SANITIZED);
    expect(out.trimEnd().split("\n")).toEqual([...cipherLines(nodeCrypto, nodeEd25519, nodeX25519)]);
  });

  it("makes the key and the signature of RFC 8032, 7.1, test 2", async () => {
    const seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
    const path = program(
      "rfc8032.js",
      `const of = (text) => Uint8Array.from(text.match(/../g), (two) => parseInt(two, 16));
       const hex = (bytes) => [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
       const seed = of("${seed}");
       host.say(1, host.encode(hex(host.publicKey(seed)) + " " + hex(host.sign(seed, of("72")))));`,
    );
    const { out } = await runHost(["--bundle", path], directory);
    expect(out).toBe(
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c " +
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    );
  });

  it("keeps what the platform promises", async () => {
    const { out, err } = await runInHost("platform", folder("platform"), [], SANITIZED);
    expect(err).toBe("");
    expect(JSON.parse(out)).toEqual({
      files: [
        "grün\n",
        "600",
        null,
        "mode 0644",
        6,
        "absent: no such file",
        ".: is a directory",
        "no/such/folder: no such file",
      ],
      watch: ["two"],
      text: [
        [0x61, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80, 0xef, 0xbf, 0xbd],
        "aé€😀\ufffd",
        new TextDecoder().decode(
          Uint8Array.of(0x61, 0xff, 0xe2, 0x82, 0x62, 0xc0, 0x80, 0xed, 0xa0, 0x80, 0xf4, 0x90, 0x80, 0x80, 0xe2),
        ),
        "x",
      ],
      streams: [
        "600",
        [1, 2, 3],
        expect.stringContaining("another process"),
        "closed",
        "closed",
        "nobody: nobody listens there",
      ],
      bulk: [3_000_000, 0, true, 0],
      slow: ["closed", true, true],
      tcp: ["127.0.0.1 port N: EADDRINUSE", "192.0.2.1 port 80: EADDRNOTAVAIL"],
      udp: [["1 127.0.0.1 false", "2 127.0.0.1 true", "1 ::1 false"], "192.0.2.1 port 4755: EADDRNOTAVAIL"],
      spawn: [[["a", "", "b"], 3], [[], null], "signal"],
      timers: ["soon", "nan", "early", "second", "late"],
      resolve: [0, true],
    });
  });

  it("survives whatever it is given", async () => {
    const { code, out, err } = await runInHost("hostile", folder("hostile"), [], SANITIZED);
    expect(err).toBe("");
    expect([code, out]).toEqual([0, expect.stringMatching(/^survived \d{5} calls of \d\d functions\n$/)]);
  });

  it("would not survive it unchecked", async () => {
    const sources = folder("naive");
    cpSync("firmware/qjs", sources, { recursive: true });
    const checked = readFileSync(join(sources, "crypto.c"), "utf8");
    const unchecked = checked.replace("if (out->length == length)", "if (length <= SIZE_MAX)");
    expect(unchecked).not.toBe(checked);
    writeFileSync(join(sources, "crypto.c"), unchecked);
    const engines = resolve(`node_modules/@suchipi/quickjs/build/${machine()}-unknown-linux`);
    const words = ["-s", "-C", sources, `BUILD=${sources}`, `ENGINES=${engines}`, "sanitized"];
    execFileSync("make", words, { stdio: ["ignore", "ignore", "inherit"] });
    const host = join(sources, "roamwall-qjs-sanitized");
    const { code, err } = await runInHost("hostile", folder("hostile2"), [], host);
    expect(code).not.toBe(0);
    expect(err).toContain("AddressSanitizer");
  });

  it.each([
    ["an error that nobody catches", "null.x", /a fault of roamwall's: TypeError/],
    ["one in a timer", "host.after(0, () => { throw new Error('late') })", /Error: late/],
    ["a promise that nobody caught", "Promise.reject(new Error('lost'))", /Error: lost/],
    ["what is no JavaScript", "}{", /SyntaxError/],
    ["a file that is not beside it", "require('../x.js')", /no file of the bundle/],
    ["more memory than it may have", "const a = []; for (;;) a.push(new Uint8Array(1e6))", /out of memory/i],
  ])("ends with 1 and says why after %s", async (_phrase, text, why) => {
    const path = program("fault.js", text);
    const { code, err } = await runHost(["--memory", "16", "--bundle", path], directory);
    expect([code, err]).toEqual([1, expect.stringMatching(why)]);
  });

  it("does not end while something may happen, nor stays when nothing can", async () => {
    const handled = program("handled.js", "const p = Promise.reject(1); host.after(0, () => {}); p.catch(() => {});");
    expect((await runHost(["--bundle", handled], directory)).code).toBe(0);
    const wait = program("wait.js", "host.after(50, () => host.exit(7)); host.onSignal('SIGHUP', () => {});");
    expect((await runHost(["--bundle", wait], directory)).code).toBe(7);
  });

  it.each([
    [["--memory"], 2],
    [["--memory", "1"], 2],
    [["--memory", "x"], 2],
    [["--bundle", resolve("no/such/file")], 1],
  ])("refuses %j", async (words, code) => {
    expect((await runHost(words, directory)).code).toBe(code);
  });
});
