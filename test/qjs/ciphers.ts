/** Prints what the host's ciphers make of fixed inputs; the test computes the same in Node. */
import { hostCrypto, hostEd25519, hostX25519 } from "../../src/platform/qjs/ciphers.ts";
import { host } from "../../src/platform/qjs/host.ts";
import { cipherLines } from "./vectors.ts";

for (const line of cipherLines(hostCrypto, hostEd25519, hostX25519)) host.say(1, host.encode(`${line}\n`));
