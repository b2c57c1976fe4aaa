/** Prints docs/wire-vectors.md as the codecs write it here, with the ciphers of the host, then with those in JavaScript. */
import "../../src/platform/qjs/globals.ts";
import { portableCrypto } from "../../src/platform/portable-crypto.ts";
import { hostCrypto, hostX25519 } from "../../src/platform/qjs/ciphers.ts";
import { host } from "../../src/platform/qjs/host.ts";
import { vectorsText } from "../../src/replication/testing/vectors.ts";

const both = [hostCrypto, portableCrypto].map((crypto) => vectorsText({ crypto, x25519: hostX25519 })).join("");
host.say(1, host.encode(both));
