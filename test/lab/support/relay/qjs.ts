import "../../../../src/platform/qjs/globals.ts";
import { host } from "../../../../src/platform/qjs/host.ts";
import { hostPlatform } from "../../../../src/platform/qjs/platform.ts";
import { runRelay } from "./program.ts";

void runRelay(hostPlatform(), host.arguments[0]!);
