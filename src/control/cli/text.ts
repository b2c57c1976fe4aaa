/** Calm output: aligned columns, colour and bars on terminals only. */

export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  bad(text: string): string;
}

const sgr = (code: number) => (text: string) => `\x1b[${code}m${text}\x1b[0m`;
const plain = (text: string) => text;

export function styleFor(isTerminal: boolean): Style {
  if (!isTerminal) return { bold: plain, dim: plain, good: plain, bad: plain };
  return { bold: sgr(1), dim: sgr(2), good: sgr(32), bad: sgr(31) };
}

/** Rows in columns two blanks apart; numbers stand right. The first row is the heading. */
export function columns(rows: readonly (readonly (string | number)[])[], style: Style = styleFor(false)): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => String(row[i] ?? "").length)));
  const isNumeric = widths.map((_, i) => rows.length > 1 && rows.slice(1).every((row) => typeof row[i] === "number"));
  return rows
    .map((row, r) => {
      const cells = row.map((cell, i) => {
        const text = String(cell);
        return isNumeric[i] ? text.padStart(widths[i]!) : text.padEnd(widths[i]!);
      });
      const line = cells.join("  ").trimEnd();
      return `${r === 0 ? style.dim(line) : line}\n`;
    })
    .join("");
}

/** `label  value` lines, values aligned. */
export function facts(
  pairs: readonly (readonly [label: string, value: string | number])[],
  style: Style = styleFor(false),
): string {
  const width = Math.max(...pairs.map(([label]) => label.length));
  return pairs.map(([label, value]) => `${style.dim(label.padEnd(width))}  ${value}\n`).join("");
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
