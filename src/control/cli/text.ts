/** Calm output: aligned columns, colour and bars on terminals; for scripts a tab between two cells, and nothing else. */
import type { Terminal } from "../../platform/terminal.ts";

export interface Style {
  /** A person looks at it: columns stand below each other. */
  readonly isAligned: boolean;
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  warn(text: string): string;
  bad(text: string): string;
  /** To a width, colours not counted. */
  pad(text: string, width: number): string;
  /** To at most a width, colours not counted. */
  cut(text: string, width: number): string;
}

type Paint = (text: string) => string;
const sgr =
  (code: number): Paint =>
  (text) =>
    `\x1b[${code}m${text}\x1b[0m`;
const plain: Paint = (text) => text;

export function styleFor(isAligned: boolean, hasColour = isAligned): Style {
  const colour = (code: number) => (hasColour ? sgr(code) : plain);
  return {
    isAligned,
    bold: colour(1),
    dim: colour(2),
    good: colour(32),
    warn: colour(33),
    bad: colour(31),
    pad: (text, width) => text + " ".repeat(Math.max(0, width - widthOf(text))),
    cut: (text, width) => (widthOf(text) <= width ? text : `${plainOf(text).slice(0, Math.max(0, width - 1))}~`),
  };
}

/** Of standard output. */
export function styleOf({ isTerminal, hasColour }: Pick<Terminal, "isTerminal" | "hasColour">): Style {
  return styleFor(isTerminal, isTerminal && hasColour);
}

/** Characters that a terminal shows. */
function widthOf(text: string): number {
  return plainOf(text).length;
}

function plainOf(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what is looked for
  return text.replace(/\x1b\[\d+m/g, "");
}

export type Cell = string | number;

/** Rows in columns two blanks apart, numbers to the right; for scripts with tabs. The first row is the heading. */
export function columns(rows: readonly (readonly Cell[])[], style: Style = styleFor(false)): string {
  if (!style.isAligned) return rows.map((row) => `${row.map(String).join("\t")}\n`).join("");
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => widthOf(String(row[i] ?? "")))));
  const isNumeric = widths.map((_, i) => rows.length > 1 && rows.slice(1).every((row) => typeof row[i] === "number"));
  return rows
    .map((row, r) => {
      const cells = row.map((cell, i) => {
        const text = typeof cell === "number" && Number.isInteger(cell) ? grouped(cell) : String(cell);
        return isNumeric[i] ? text.padStart(widths[i]!) : style.pad(text, widths[i]!);
      });
      const line = cells.join("  ").trimEnd();
      return `${r === 0 ? style.dim(line) : line}\n`;
    })
    .join("");
}

/** `label  value` lines, values below each other; for scripts a tab between the two. */
export function facts(pairs: readonly (readonly [label: string, value: Cell])[], style = styleFor(false)): string {
  if (!style.isAligned) return pairs.map(([label, value]) => `${label}\t${value}\n`).join("");
  const width = Math.max(...pairs.map(([label]) => label.length));
  return pairs.map(([label, value]) => `${style.dim(label.padEnd(width))}  ${value}\n`).join("");
}

/** A heading of a part of a screen; nothing for scripts. */
export function part(title: string, style: Style): string {
  return style.isAligned ? `\n${style.bold(title)}\n` : "\n";
}

/** 14:03:59, UTC; `-`: the time is not known. */
export function clockText(seconds: number | null): string {
  if (seconds === null) return "-";
  const two = (value: number) => String(Math.floor(value) % 60).padStart(2, "0");
  return `${String(Math.floor(seconds / 3600) % 24).padStart(2, "0")}:${two(seconds / 60)}:${two(seconds)}`;
}

/** 12,345 */
export function grouped(value: number | bigint): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** 1.5 MB, in powers of ten as links are measured. */
export function bytesText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** 12.3 s, 4 min, 2.5 h */
export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}

/** `[########........]  52 %` */
export function bar(share: number, width: number): string {
  const within = Math.min(1, Math.max(0, share));
  const filled = Math.round(within * width);
  return `[${"#".repeat(filled)}${".".repeat(width - filled)}] ${String(Math.floor(within * 100)).padStart(3)} %`;
}

/** Nothing that a stranger put into a name may steer the terminal. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, "?");
}

/** Bytes: with a unit for people, as they are for scripts. */
export function amount(bytes: number, style: Style): Cell {
  return style.isAligned ? bytesText(bytes) : bytes;
}

/** `1 in 3.2 million`, `0.4 %`: a chance as a person can imagine it. */
function chanceText(share: number): string {
  if (share >= 0.001) return `${(share * 100).toPrecision(2)} %`;
  return `1 in ${grouped(Number((1 / share).toPrecision(2)))}`;
}

/** How full something is, on a terminal. */
export function fillLine(used: number, cells: number): string {
  return `${bar(used / cells, 24)}  ${grouped(used)} of ${grouped(cells)} cells`;
}

/** What a full table costs in strictness. */
export function strayText(share: number): string {
  if (share === 0) return "no foreign packet finds an expectation: there is none";
  return `${chanceText(share)} of foreign packets finds an expectation`;
}
