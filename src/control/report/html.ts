/** A page in one file: no script, no request. Whatever comes from a capture or a name is escaped. */

export type Cell = string | number | { readonly html: string };

const STYLE = `:root{color-scheme:light dark;--ink:#15181d;--muted:#596170;--line:#e1e4e9;--back:#fff;--bad:#b3261e;--bar:#d5ebe8}
@media(prefers-color-scheme:dark){:root{--ink:#e7eaee;--muted:#98a1ae;--line:#2a3037;--back:#111418;--bad:#ff8f85;--bar:#1d3f3c}}
body{font:15px/1.45 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:var(--ink);background:var(--back)}
h1{font-size:1.5rem;margin:0 0 .25rem}h2{font-size:1rem;margin:2rem 0 .5rem}p{margin:.25rem 0}.muted{color:var(--muted)}
table{border-collapse:collapse;width:100%}th{font-weight:400;color:var(--muted);text-align:left;font-size:.85rem}
th,td{padding:.25rem .75rem .25rem 0;border-top:1px solid var(--line);overflow-wrap:anywhere;vertical-align:top}thead th{border:0}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}.bad{color:var(--bad)}pre{white-space:pre-wrap;overflow-wrap:anywhere}
svg{max-width:100%;height:auto}dl{display:flex;flex-wrap:wrap;gap:.5rem 2.5rem;margin:1rem 0}dt{color:var(--muted);font-size:.85rem}
dd{margin:0;font-size:1.4rem;font-weight:600}`;

export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`).replace(/\p{Cc}/gu, "\u00b7");
}

/** `body` is markup already. */
export function htmlPage(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title><style>${STYLE}</style></head>
<body>
${body}
</body></html>
`;
}

export function facts(pairs: readonly (readonly [name: string, value: string])[]): string {
  return `<dl>${pairs.map(([name, value]) => `<div><dt>${escaped(name)}</dt><dd>${escaped(value)}</dd></div>`).join("")}</dl>\n`;
}

export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const classOf = (cell: Cell | undefined) => (typeof cell === "number" ? ' class="n"' : "");
  const heads = head.map((text, i) => `<th scope="col"${classOf(rows[0]?.[i])}>${escaped(text)}</th>`).join("");
  const lines = rows.map(
    (row) => `<tr>${row.map((cell) => `<td${classOf(cell)}>${markupOf(cell)}</td>`).join("")}</tr>`,
  );
  return `<table><thead><tr>${heads}</tr></thead><tbody>\n${lines.join("\n")}\n</tbody></table>\n`;
}

function markupOf(cell: Cell): string {
  if (typeof cell === "object") return cell.html;
  return typeof cell === "number" ? cell.toLocaleString("en") : escaped(cell);
}
