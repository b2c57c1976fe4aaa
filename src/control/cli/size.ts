import { badInput } from "../../base/errors.ts";
import { CONSTANTS } from "../../datapath/abi.ts";
import { type Needs, type Sizing, sizeTable } from "../sizing.ts";
import { bytesText, columns, grouped, type Style, styleOf } from "./text.ts";
import { type Call, EXIT, JSON_OPTION, type Option, type Verb } from "./verb.ts";

const OPTIONS: readonly (Option & {
  readonly key: keyof Needs;
  readonly default: number;
  readonly least: number;
  readonly most: number;
})[] = [
  option("clients", "clients", "clients of one access point", 50, 1, 16_382),
  option("flows", "flows", "TCP flows that a client holds open at a time", 100, 0, 1e6),
  option("tcp-rate", "tcpRate", "TCP connections that all of them open a second", 5, 0, 1e6),
  option("udp-rate", "udpRate", "UDP exchanges that all of them open a second", 10, 0, 1e6),
  option("mirrors", "mirrors", "neighbours whose tables are mirrored", CONSTANTS.MIRRORS_MAX, 0, CONSTANTS.MIRRORS_MAX),
];

function option(name: string, key: keyof Needs, text: string, fallback: number, least: number, most: number) {
  return { name, key, value: "N", text: `${text}; default ${fallback}`, default: fallback, least, most };
}

export const sizeVerb: Verb = {
  name: "size",
  summary: "Says how large the table must be for a network, what it costs, and its false positives. Needs no agent.",
  arguments: [],
  options: [...OPTIONS, JSON_OPTION],
  async run(call) {
    const needs = Object.fromEntries(OPTIONS.map((one) => [one.key, numberOf(call, one)])) as unknown as Needs;
    const sizes = [sizeTable(needs, 26), sizeTable(needs, 12)];
    if (call.options.has("json")) call.terminal.out(`${JSON.stringify({ needs, sizes }, null, 2)}\n`);
    else call.terminal.out(text(sizes, styleOf(call.terminal)));
    return sizes.some(({ geometry }) => geometry !== undefined) ? EXIT.ok : EXIT.failure;
  },
};

function numberOf({ options }: Call, { name, default: fallback, least, most }: (typeof OPTIONS)[number]): number {
  const given = options.get(name);
  const value = given === undefined ? fallback : Number(given);
  if (given?.trim() === "" || !(value >= least && value <= most)) {
    throw badInput(`--${name}`, `"${given}"`, `a number from ${grouped(least)} to ${grouped(most)}`);
  }
  return value;
}

function text(sizes: readonly Sizing[], style: Style): string {
  const rows = sizes.map((size) => [
    `${size.cellBits}-bit cells`,
    size.geometry ?? `more than ${grouped(size.cells)} cells: split the clients`,
    size.cellsNeeded,
    `${(100 * size.load).toFixed(1)} %`,
    bytesText(size.tableBytes + size.ownerBytes),
    bytesText(size.mirrorBytes),
    size.falsePositiveRate.toExponential(1),
  ]);
  const head = ["", "table", "cells needed", "load", "memory", "mirrors", "false positives"];
  const [best] = sizes.filter(({ geometry }) => geometry !== undefined).sort((a, b) => a.tableBytes - b.tableBytes);
  const advice = best
    ? `\nroamwalld --table ${best.geometry}: from ${grouped(best.budgetAtCells)} cells on clients above their share open nothing new, from ${grouped(best.refusedAtCells)} nobody does.\n`
    : "\nNo table is large enough: fewer clients an access point.\n";
  return columns([head, ...rows], style) + advice;
}
