import type { ClientLine } from "../status.ts";
import { ask, SOCKET_OPTION } from "./ask.ts";
import { amount, columns, printable, type Style, styleOf } from "./text.ts";
import { EXIT, JSON_OPTION, type Verb } from "./verb.ts";

export const clientsVerb: Verb = {
  name: "clients",
  summary: "Lists clients: role, where they are, what passed and what was denied.",
  arguments: [],
  options: [SOCKET_OPTION, JSON_OPTION],
  async run(call) {
    const clients = await ask<ClientLine[]>(call, "clients");
    if (clients) call.terminal.out(clientsText(clients, styleOf(call.terminal)));
    return EXIT.ok;
  },
};

const HEADING = ["client", "role", "where", "mode", "passed", "denied", "bytes", "cells"];

export function clientsText(clients: readonly ClientLine[], style: Style): string {
  const rows = clients.map((c) => [
    nameOf(c.mac),
    printable(c.role ?? "-"),
    whereText(c),
    modeText(c, style),
    c.passed,
    c.denied,
    amount(c.bytes, style),
    c.cells,
  ]);
  return rows.length ? columns([HEADING, ...rows], style) : "no clients\n";
}

export function whereText({ here, holders }: ClientLine): string {
  if (here) return "here";
  return holders.length ? `at ap ${holders.join(", ")}` : "-";
}

export function modeText({ revoked, monitored }: ClientLine, style: Style): string {
  if (revoked) return style.bad("revoked");
  return monitored ? style.warn("monitored") : "enforced";
}

export function nameOf(mac: string): string {
  if (mac === "00:00:00:00:00:00") return "(unknown)";
  return mac === "ff:ff:ff:ff:ff:ff" ? "(to groups)" : mac;
}
