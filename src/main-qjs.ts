import "./platform/qjs/globals.ts";
import { runCli } from "./control/cli/cli.ts";
import { hostPlatform } from "./platform/qjs/platform.ts";
import { hostTerminal } from "./platform/qjs/process.ts";

const terminal = hostTerminal();
void runCli(terminal, hostPlatform()).then((code) => terminal.exit(code));
