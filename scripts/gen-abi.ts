/** Writes firmware/abi.h from src/datapath/abi.ts. `--check` only compares and exits 1 on a difference. */
import { readFileSync, writeFileSync } from "node:fs";
import {
  ABI_VERSION,
  AUTOMATA,
  CELLS_VERSION,
  COMMANDS,
  CONSTANTS,
  EVENTS,
  LISTS,
  MAP_RECORDS,
  REASONS,
  RIGHTS_VERSION,
  RING,
  RING_EVENT,
  STREAM_HEADER,
} from "../src/datapath/abi.ts";
import type { Layout } from "../src/datapath/layout.ts";

const C_TYPE = { u8: "__u8", u16: "__u16", u32: "__u32", u64: "__u64" } as const;

function struct(name: string, of: Layout): string {
  if (of.bytes === 0) return "";
  const fields = of.fields.map(([field, type, count]) => {
    return `\t${C_TYPE[type]} ${field}${count === undefined ? "" : `[${count}]`};`;
  });
  return `struct ${name} {\n${fields.join("\n")}\n};\n_Static_assert(sizeof(struct ${name}) == ${of.bytes}, "${name}");\n`;
}

function header(): string {
  const out: string[] = [
    "/* SPDX-License-Identifier: MIT */",
    "/* Generated from src/datapath/abi.ts by `npm run build`. Change it there. */",
    "#ifndef ROAMWALL_ABI_H",
    "#define ROAMWALL_ABI_H",
    "",
    "#include <linux/types.h>",
    "",
    `#define RW_ABI_VERSION ${ABI_VERSION}`,
    `#define RW_CELLS_VERSION ${CELLS_VERSION}`,
    `#define RW_RIGHTS_VERSION ${RIGHTS_VERSION}`,
  ];
  for (const [name, value] of Object.entries(CONSTANTS)) out.push(`#define RW_${name} ${value}`);
  out.push("", "enum rw_reason {");
  REASONS.forEach(([name], i) => {
    out.push(`\tRW_REASON_${name.toUpperCase()} = ${i},`);
  });
  out.push(`\tRW_REASONS = ${REASONS.length},`, "};", "");
  for (const [name, of] of Object.entries(MAP_RECORDS)) out.push(struct(`rw_${name}`, of));
  out.push(
    "struct rw_packet_type {",
    "\tstruct rw_candidate candidate[RW_CANDIDATES_MAX];",
    "\t__u8 flags;",
    "\t/* learn lists of an opening and of a pickup; 0 = none */",
    "\t__u8 open;",
    "\t__u8 pickup;",
    "\t__u8 pad;",
    "};",
    `_Static_assert(sizeof(struct rw_packet_type) == ${AUTOMATA.TYPE_BYTES}, "rw_packet_type");`,
    "",
    "struct rw_automata {",
    "\t/* packet type; 0 = no such packet */",
    "\t__u8 classify[RW_CLASSES][256];",
    "\tstruct rw_packet_type type[RW_TYPES_MAX];",
    "\tstruct rw_learn_step learn[RW_LEARN_LISTS_MAX][RW_LEARN_STEPS];",
    "\tstruct rw_learn_step head;",
    "\t__u8 pad[4];",
    "};",
    `_Static_assert(sizeof(struct rw_automata) == ${AUTOMATA.BYTES}, "rw_automata");`,
    "",
    struct("rw_ring_event", RING_EVENT),
  );
  for (const [name, number] of Object.entries(RING)) out.push(`#define RW_RING_${name.toUpperCase()} ${number}`);
  out.push("", struct("rw_stream_header", STREAM_HEADER));
  for (const [name, { number, body }] of Object.entries(EVENTS)) {
    out.push(`#define RW_EVENT_${name.toUpperCase()} ${number}`);
    if (name !== "sample") out.push(struct(`rw_event_${name}`, body));
  }
  for (const [name, { number, body }] of Object.entries(COMMANDS)) {
    out.push(`#define RW_COMMAND_${name.toUpperCase()} ${number}`, struct(`rw_command_${name}`, body));
  }
  for (const [name, of] of Object.entries(LISTS)) out.push(struct(`rw_${name}`, of));
  out.push("#endif", "");
  return out.filter((line, i) => !(line === "" && out[i - 1] === "")).join("\n");
}

const path = "firmware/abi.h";
const text = header();
if (process.argv.includes("--check")) {
  if (readFileSync(path, "utf8") !== text) {
    console.error("firmware/abi.h differs from src/datapath/abi.ts: run npm run build");
    process.exit(1);
  }
} else {
  writeFileSync(path, text);
}
