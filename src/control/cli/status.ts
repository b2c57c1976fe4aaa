import type { NeighbourStatus } from "../../replication/status.ts";
import type { AgentStatus } from "../status.ts";
import { askSilently, SOCKET_OPTION } from "./ask.ts";
import { statusText } from "./status-text.ts";
import { styleOf } from "./text.ts";
import { type Call, EXIT, JSON_OPTION, type Verb } from "./verb.ts";

export const statusVerb: Verb = {
  name: "status",
  summary: "Shows what the agent and its datapath do now, on one screen. Exit code 1 while roamwalld is away.",
  arguments: [],
  options: [SOCKET_OPTION, JSON_OPTION],
  async run(call) {
    const { status, neighbours } = await askStatus(call);
    if (call.options.has("json")) call.terminal.out(`${JSON.stringify(status, null, 2)}\n`);
    else call.terminal.out(statusText(status, neighbours, styleOf(call.terminal)));
    return status.datapath ? EXIT.ok : EXIT.failure;
  },
};

/** Neighbours are none while there is no datapath. */
export async function askStatus(call: Call): Promise<{ status: AgentStatus; neighbours: NeighbourStatus[] }> {
  const status = await askSilently<AgentStatus>(call, "status");
  const neighbours = status.datapath ? await askSilently<NeighbourStatus[]>(call, "neighbours") : [];
  return { status, neighbours };
}
