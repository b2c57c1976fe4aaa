import { nodePlatform } from "../../../../src/platform/node/platform.ts";
import { runRelay } from "./program.ts";

void runRelay(nodePlatform({ logLevel: "error" }), process.argv[2]!);
