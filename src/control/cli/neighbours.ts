import type { NeighbourStatus } from "../../replication/status.ts";
import { ask, SOCKET_OPTION } from "./ask.ts";
import { columns, printable, styleFor } from "./text.ts";
import { EXIT, JSON_OPTION, type Verb } from "./verb.ts";

export const neighboursVerb: Verb = {
  name: "neighbours",
  summary: "Lists neighbour APs and how far their tables are known here.",
  arguments: [],
  options: [SOCKET_OPTION, JSON_OPTION],
  async run(call) {
    const neighbours = await ask<NeighbourStatus[]>(call, "neighbours");
    if (!neighbours) return EXIT.ok;
    const style = styleFor(call.terminal.isTerminal);
    const rows = neighbours.map((n) => [
      n.id,
      printable(n.name),
      printable(n.address),
      n.compatible ? n.state : "other table or key",
      n.mirror < 0 ? "-" : String(n.mirror),
      n.mirroredCells,
      `${n.knownVer} of ${n.edgeVer}`,
      n.syncing ? "syncing" : n.gaps ? `${n.gaps} gaps` : "complete",
    ]);
    const heading = ["ap", "name", "address", "state", "mirror", "cells", "known", "content"];
    call.terminal.out(rows.length ? columns([heading, ...rows], style) : "no neighbours\n");
    return EXIT.ok;
  },
};
