/** The same inside roamwall-qjs. */
import "../../src/platform/qjs/globals.ts";
import { portableCrypto } from "../../src/platform/portable-crypto.ts";
import { hostCrypto, hostX25519 } from "../../src/platform/qjs/ciphers.ts";
import { host } from "../../src/platform/qjs/host.ts";
import { pairedCosts, sealCosts, sealOf } from "./measure.ts";

const watch = { nowUs: () => host.now() * 1_000, rounds: 12, each: 100 };
for (const [name, crypto] of [
  ["qjs, host's", hostCrypto],
  ["qjs, noble", portableCrypto],
] as const) {
  for (const line of sealCosts(name, sealOf(crypto), watch)) host.say(1, host.encode(`${line}\n`));
}
for (const line of pairedCosts("qjs, host's", hostCrypto, hostX25519, watch)) host.say(1, host.encode(`${line}\n`));
host.exit(0);
