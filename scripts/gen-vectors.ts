/** Writes docs/wire-vectors.md from the codecs. */
import { writeFileSync } from "node:fs";
import { nodeX25519 } from "../src/platform/node/x25519.ts";
import { portableCrypto } from "../src/platform/portable-crypto.ts";
import { vectorsText } from "../src/replication/testing/vectors.ts";

writeFileSync("docs/wire-vectors.md", vectorsText({ crypto: portableCrypto, x25519: nodeX25519 }));
