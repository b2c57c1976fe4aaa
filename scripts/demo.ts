// npm run demo [-- --routed] [-- --engine node|qjs|mixed] [-- --memory MIB] [-- --json]: a client roams between two APs under traffic; then the same without
// replication. Exit status 1 if a flow was lost, a valid packet denied, a bad packet passed, or the control lost none.
import { parseArgs } from "node:util";
import { DATAPATHS, type DatapathKind, datapathOf } from "../test/lab/support/datapath.ts";
import { ENGINES, type Engine, engineOf } from "../test/lab/support/engine.ts";
import type { Lab } from "../test/lab/support/lab.ts";
import { tellModelStory } from "./demo/model.ts";
import { failures } from "./demo/result.ts";
import { Screen } from "./demo/screen.ts";
import { tellStory } from "./demo/story.ts";
import { table } from "./demo/table.ts";

const INTERRUPTED = 130;

const { json, routed, model, engine, datapath, memoryBytes } = readArguments();
const screen = new Screen(json);
let lab: Lab | undefined;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    lab?.closeNow();
    process.exit(INTERRUPTED);
  });
}

try {
  const { result, details } = await tell();
  const found = failures(result, details);
  console.log(json ? JSON.stringify(result) : table(result, details));
  for (const failure of found) screen.line(`FAILED: ${failure}`);
  if (found.length === 0)
    screen.line("kept: no flow lost, no valid packet denied, no bad packet passed; the control lost its flows");
  process.exitCode = found.length === 0 ? 0 : 1;
} catch (error) {
  console.error(`demo: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}

function tell(): ReturnType<typeof tellStory> {
  if (!model && process.getuid?.() === 0) {
    return tellStory({
      kind: routed ? "routed" : "bridged",
      engine,
      datapath,
      memoryBytes,
      screen,
      opened: (opened) => {
        lab = opened;
      },
    });
  }
  if (!model)
    screen.line("not root: left out the kernel, network namespaces and real traffic; this is the model instead");
  return tellModelStory(screen);
}

interface Arguments {
  readonly json: boolean;
  readonly routed: boolean;
  readonly model: boolean;
  readonly engine: Engine;
  readonly datapath: DatapathKind;
  readonly memoryBytes: number | undefined;
}

function readArguments(): Arguments {
  const options = {
    json: { type: "boolean" },
    routed: { type: "boolean" },
    model: { type: "boolean" },
    engine: { type: "string" },
    datapath: { type: "string" },
    memory: { type: "string" },
  } as const;
  try {
    const { json = false, routed = false, model = false, engine, datapath, memory } = parseArgs({ options }).values;
    const memoryBytes = memory === undefined ? undefined : Number(memory) * 2 ** 20;
    if (memoryBytes !== undefined && !(memoryBytes > 0)) throw new Error(`--memory ${memory}: MiB of each agent`);
    return { json, routed, model, engine: engineOf(engine), datapath: datapathOf(datapath), memoryBytes };
  } catch (error) {
    console.error(
      `demo: ${(error as Error).message}\naccepted: --json, --routed, --model (what is shown without root), --engine ${ENGINES.join("|")}, --datapath ${DATAPATHS.join("|")}, --memory MIB`,
    );
    process.exit(2);
  }
}
