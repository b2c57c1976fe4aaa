import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { nodeCrypto } from "../../src/platform/node/crypto.ts";
import { nodeEd25519 } from "../../src/platform/node/ed25519.ts";
import { nodeX25519 } from "../../src/platform/node/x25519.ts";
import { canEmulate, EMULATED_CPUS, emulated } from "../lab/support/engine.ts";
import { numberLines } from "./arithmetic.ts";
import { runHost, runInHost } from "./run.ts";
import { cipherLines } from "./vectors.ts";

const directory = mkdtempSync(join(tmpdir(), "roamwall-emulated-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const POLICY = resolve("openwrt/roamwall/files/policy.yaml");
const BUNDLE = resolve("dist/roamwall-qjs.js");

/** The packages' engine on CPUs that this machine is not; `npm run package -- --arch mips` builds one. */
describe.each(EMULATED_CPUS)(
  "the package's engine for %s",
  (cpu) => {
    const canRun = canEmulate(cpu) && existsSync(BUNDLE);
    if (!canRun) console.warn(`${cpu}: skipped, no emulator (scripts/setup.sh) or no npm run package -- --arch ${cpu}`);

    it.runIf(canRun)("seals, hashes and signs as Node does", async () => {
      const { out, err } = await runInHost("ciphers", directory, [], emulated(cpu));
      expect([err, out.trimEnd().split("\n")]).toEqual(["", [...cipherLines(nodeCrypto, nodeEd25519, nodeX25519)]]);
    });

    it.runIf(canRun)(
      "writes the datagrams of docs/wire-vectors.md, with the host's ciphers and with JavaScript's",
      async () => {
        const { out, err } = await runInHost("wire", directory, [], emulated(cpu));
        expect([err, out]).toEqual(["", readFileSync("docs/wire-vectors.md", "utf8").repeat(2)]);
      },
    );

    it.runIf(canRun)("computes with numbers as Node does, to the last bit", async () => {
      const { out, err } = await runInHost("numbers", directory, [], emulated(cpu));
      expect([err, out.trimEnd().split("\n")]).toEqual(["", [...numberLines()]]);
    });

    it.runIf(canRun)("compiles a policy to the same filters", async () => {
      const words = ["policy", "compile", POLICY, "--json"];
      const theirs = await runHost(words, directory, [process.execPath, resolve("dist/roamwall.cjs")]);
      expect(theirs.out.length).toBeGreaterThan(500);
      expect(await runHost(["--bundle", BUNDLE, ...words], directory, emulated(cpu))).toEqual(theirs);
    });
  },
  120_000,
);
