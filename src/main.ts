import { runCli } from "./control/cli/cli.ts";
import { nodePlatform } from "./platform/node/platform.ts";
import { nodeTerminal } from "./platform/node/process.ts";

const terminal = nodeTerminal();
void runCli(terminal, nodePlatform()).then((code) => terminal.exit(code));
