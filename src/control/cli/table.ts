import type { TableView } from "../table-view.ts";
import { ask, SOCKET_OPTION } from "./ask.ts";
import { nameOf } from "./clients.ts";
import {
  type Cell,
  columns,
  durationText,
  facts,
  fillLine,
  grouped,
  part,
  printable,
  type Style,
  strayText,
  styleOf,
} from "./text.ts";
import { EXIT, JSON_OPTION, type Verb } from "./verb.ts";

/** From empty to full. */
const SHADES = " .:-=+*#%@";
const MAP_WIDTH = 64;

export const tableVerb: Verb = {
  name: "table",
  summary: "Shows how full the table of expectations is: a map, lifetimes, who has most, what overflowed, the mirrors.",
  arguments: [],
  options: [SOCKET_OPTION, JSON_OPTION],
  async run(call) {
    const view = await ask<TableView>(call, "table");
    if (view) call.terminal.out(tableText(view, styleOf(call.terminal)));
    return EXIT.ok;
  },
};

export function tableText(view: TableView, style: Style): string {
  const lives = view.lifetimes.map(({ upToSeconds, cells }) => [`up to ${durationText(upToSeconds * 1000)}`, cells]);
  const owners = view.owners.map(({ client, cells }) => [nameOf(printable(client)), cells]);
  const mirrors = view.mirrors.map(({ mirror, ap, usedCells }) => [mirror, printable(ap), usedCells]);
  return [
    facts(tableFacts(view, style), style),
    style.isAligned ? `${part("map, a sign for each 128th", style)}${mapOf(view.fill)}` : "",
    section("time left", ["expectations", "cells"], lives, style),
    section("who has most", ["client", "cells"], owners, style),
    section("mirrors", ["mirror", "ap", "cells"], mirrors, style),
  ].join("");
}

function tableFacts(view: TableView, style: Style): (readonly [string, Cell])[] {
  const { cells, usedCells, falsePositive, full, budget, buckets, shared } = view;
  const fullBuckets = buckets.at(-1) ?? 0;
  return [
    ["table", view.geometry],
    ["used", fillText(usedCells, cells, style)],
    ["limits", `over-share clients open no more at ${percent(view.fairAt)}, nobody at ${percent(view.closedAt)}`],
    ["by chance", strayText(falsePositive)],
    ["shared cells", shared],
    ["full buckets", `${grouped(fullBuckets)} of ${grouped(buckets.reduce((sum, count) => sum + count, 0))}`],
    ["overflow", full === 0 ? "none" : style.bad(`${grouped(full)} packets found no room: a larger table`)],
    ["refused opens", budget],
  ];
}

export function fillText(used: number, cells: number, style: Style): string {
  return style.isAligned ? fillLine(used, cells) : `${grouped(used)} of ${grouped(cells)} cells`;
}

function mapOf(fill: readonly number[]): string {
  const signs = fill.map((share) => SHADES[Math.min(SHADES.length - 1, Math.ceil(share * (SHADES.length - 1)))]);
  const lines: string[] = [];
  for (let at = 0; at < signs.length; at += MAP_WIDTH) lines.push(`  ${signs.slice(at, at + MAP_WIDTH).join("")}`);
  return `${lines.join("\n")}\n`;
}

function section(title: string, heading: string[], rows: readonly (readonly Cell[])[], style: Style): string {
  return rows.length === 0 ? "" : part(title, style) + columns([heading, ...rows], style);
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
