import type { SessionLine } from "../../radius/radius.ts";
import { ask, SOCKET_OPTION } from "./ask.ts";
import { columns, durationText, printable, styleOf } from "./text.ts";
import { EXIT, JSON_OPTION, type Verb } from "./verb.ts";

export const sessionsVerb: Verb = {
  name: "sessions",
  summary: "Lists who logged in by RADIUS at this AP, and what the server said of them.",
  arguments: [],
  options: [SOCKET_OPTION, JSON_OPTION],
  async run(call) {
    const sessions = await ask<SessionLine[]>(call, "sessions");
    if (!sessions) return EXIT.ok;
    const rows = sessions.map((s) => [
      s.mac,
      printable(s.user) || "-",
      printable(s.role ?? "-"),
      s.rules,
      s.filters,
      s.byCoa ? "CoA" : "login",
      s.leftSeconds === null ? "-" : durationText(s.leftSeconds * 1000),
    ]);
    const heading = ["client", "user", "role", "rules", "filters", "by", "left"];
    const style = styleOf(call.terminal);
    call.terminal.out(rows.length ? columns([heading, ...rows], style) : "no sessions\n");
    return EXIT.ok;
  },
};
