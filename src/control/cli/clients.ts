import type { ClientLine } from "../status.ts";
import { ask, SOCKET_OPTION } from "./ask.ts";
import { bytesText, columns, printable, styleFor } from "./text.ts";
import { EXIT, JSON_OPTION, type Verb } from "./verb.ts";

export const clientsVerb: Verb = {
  name: "clients",
  summary: "Lists clients: role, where they are, what passed and what was denied.",
  arguments: [],
  options: [SOCKET_OPTION, JSON_OPTION],
  async run(call) {
    const clients = await ask<ClientLine[]>(call, "clients");
    if (!clients) return EXIT.ok;
    const style = styleFor(call.terminal.isTerminal);
    const rows = clients.map((c) => [
      nameOf(c.mac),
      printable(c.role ?? "-"),
      c.here ? "here" : c.holders.length ? `at ap ${c.holders.join(", ")}` : "-",
      c.revoked ? "revoked" : c.monitored ? "monitored" : "enforced",
      c.passed,
      c.denied,
      bytesText(c.bytes),
      c.cells,
    ]);
    const heading = ["client", "role", "where", "mode", "passed", "denied", "bytes", "cells"];
    call.terminal.out(rows.length ? columns([heading, ...rows], style) : "no clients\n");
    return EXIT.ok;
  },
};

function nameOf(mac: string): string {
  if (mac === "00:00:00:00:00:00") return "(unknown)";
  return mac === "ff:ff:ff:ff:ff:ff" ? "(to groups)" : mac;
}
