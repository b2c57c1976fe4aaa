/**
 * What sealing and opening a datagram costs, on each engine: `node scripts/ts.mjs scripts/seal-cost.ts`
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { build } from "esbuild";
import { nodeCrypto } from "../src/platform/node/crypto.ts";
import { nodeX25519 } from "../src/platform/node/x25519.ts";
import { portableCrypto } from "../src/platform/portable-crypto.ts";
import { clearSeal } from "../src/simulate/clear-seal.ts";
import { QJS_HOST } from "../test/lab/support/engine.ts";
import { HEAD, pairedCosts, sealCosts, sealOf } from "./seal-cost/measure.ts";

const BUNDLE = "build/seal-cost.js";

const watch = {
  nowUs() {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
  rounds: 12,
  each: 2_000,
};

console.log(HEAD);
for (const [name, seal] of [
  ["native", sealOf(nodeCrypto)],
  ["noble", sealOf(portableCrypto)],
  ["clear", clearSeal],
] as const) {
  for (const line of sealCosts(name, seal, watch)) console.log(line);
}
for (const line of pairedCosts("native", nodeCrypto, nodeX25519, watch)) console.log(line);
if (existsSync(QJS_HOST)) {
  const source = { entryPoints: ["scripts/seal-cost/qjs.ts"], outfile: BUNDLE };
  await build({ ...source, bundle: true, format: "cjs", target: "es2022", logLevel: "error" });
  execFileSync(QJS_HOST, ["--bundle", BUNDLE], { stdio: "inherit" });
} else console.log(`${QJS_HOST} is missing: npm run build`);
