/** Writes docs/wire-vectors.md from the codecs. */
import { writeFileSync } from "node:fs";
import { portableCrypto } from "../src/platform/portable-crypto.ts";
import { vectorsText } from "../src/replication/testing/vectors.ts";

writeFileSync("docs/wire-vectors.md", vectorsText(portableCrypto));
