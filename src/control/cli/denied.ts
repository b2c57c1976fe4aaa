import type { DeniedPacket } from "../verdict.ts";
import { ask, SOCKET_OPTION } from "./ask.ts";
import { flowText } from "./flow-text.ts";
import { columns, styleOf } from "./text.ts";
import { EXIT, JSON_OPTION, type Verb } from "./verb.ts";

export const deniedVerb: Verb = {
  name: "denied",
  summary: "Shows the last denials, newest last. A sample: at most 64 a second and client are kept, 256 in all.",
  arguments: [],
  options: [SOCKET_OPTION, JSON_OPTION],
  async run(call) {
    const denied = await ask<DeniedPacket[]>(call, "denied");
    if (!denied) return EXIT.ok;
    const rows = denied.map((d) => [d.mac, d.direction, d.monitored ? `${d.reason} (passed)` : d.reason, flowText(d)]);
    const heading = ["client", "direction", "reason", "packet"];
    call.terminal.out(rows.length ? columns([heading, ...rows], styleOf(call.terminal)) : "no denials\n");
    return EXIT.ok;
  },
};
