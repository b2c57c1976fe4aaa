/** A figure of small panels as SVG text, readable on light and dark pages. */
export interface Series {
  readonly name: string;
  /** As a class of the style below: `a`, `b`. */
  readonly style: "a" | "b";
  readonly points: ReadonlyArray<{ readonly x: number; readonly y: number }>;
}

export interface Panel {
  readonly title: string;
  readonly series: readonly Series[];
}

const WIDTH = 300;
const HEIGHT = 220;
const LEFT = 48;
const RIGHT = 12;
const TOP = 30;
const BOTTOM = 34;
const Y_TICKS = 4;

const STYLE = `text{font:12px system-ui,sans-serif;fill:#333}.axis{stroke:#999;fill:none}.grid{stroke:#ddd}
.a{stroke:#0b6fa4;fill:none;stroke-width:2}.dot.a{fill:#0b6fa4}.b{stroke:#c2410c;fill:none;stroke-width:2;stroke-dasharray:5 3}
.dot.b{fill:#c2410c;stroke-dasharray:none}.title{font-weight:600}
@media (prefers-color-scheme:dark){text{fill:#ddd}.axis{stroke:#888}.grid{stroke:#444}.a{stroke:#58b4e6}.dot.a{fill:#58b4e6}
.b{stroke:#fb923c}.dot.b{fill:#fb923c}}`;

/** y from zero; x as its logarithm, or as it is. Titles and names are written as they are given: no strangers' words. */
export function plot(panels: readonly Panel[], xTitle: string, scale: "log" | "linear" = "log"): string {
  const all = panels.flatMap(({ series }) => series);
  const xs = [...new Set(all.flatMap(({ points }) => points.map(({ x }) => x)))].sort((a, b) => a - b);
  const drawn = panels.map(
    (panel, i) => `<g transform="translate(${i * WIDTH} 0)">${panelOf(panel, xs, xTitle, scale)}</g>`,
  );
  const width = panels.length * WIDTH;
  const legend = (panels[0]?.series ?? []).map(
    ({ name, style }, i) =>
      `<g transform="translate(${LEFT + i * 230} ${HEIGHT + 14})"><path class="${style}" d="M0 0h28"/><text x="34" y="4">${name}</text></g>`,
  );
  const size = `viewBox="0 0 ${width} ${HEIGHT + 28}" width="${width}" height="${HEIGHT + 28}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}><style>${STYLE}</style>\n${[...drawn, ...legend].join("\n")}\n</svg>\n`;
}

/** More points are a line without dots. */
const DOTS_MAX = 12;

function panelOf({ title, series }: Panel, xs: readonly number[], xTitle: string, scale: "log" | "linear"): string {
  const top = roundUp(Math.max(...series.flatMap(({ points }) => points.map(({ y }) => y))));
  const of = scale === "log" ? Math.log : (value: number) => value;
  const [low, high] = [of(xs[0] ?? 1), of(xs.at(-1) ?? 10)];
  const x = (value: number) => LEFT + ((of(value) - low) / (high - low || 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value: number) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM);
  const parts = [`<text class="title" x="${LEFT}" y="16">${title}</text>`];
  for (let i = 0; i <= Y_TICKS; i++) {
    const value = (top * i) / Y_TICKS;
    parts.push(`<path class="grid" d="M${LEFT} ${place(y(value))}H${WIDTH - RIGHT}"/>`);
    parts.push(
      `<text x="${LEFT - 6}" y="${place(y(value) + 4)}" text-anchor="end">${Number(value.toPrecision(3))}</text>`,
    );
  }
  for (const value of ticksOf(xs, scale))
    parts.push(
      `<text x="${place(x(value))}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${Number(value.toPrecision(3))}</text>`,
    );
  parts.push(`<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 4}" text-anchor="middle">${xTitle}</text>`);
  parts.push(`<path class="axis" d="M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH - RIGHT}"/>`);
  for (const { style, points } of series) {
    const line = points.map((point, i) => `${i === 0 ? "M" : "L"}${place(x(point.x))} ${place(y(point.y))}`).join("");
    parts.push(`<path class="${style}" d="${line}"/>`);
    for (const point of points.length <= DOTS_MAX ? points : [])
      parts.push(`<circle class="dot ${style}" r="3" cx="${place(x(point.x))}" cy="${place(y(point.y))}"/>`);
  }
  return parts.join("");
}

const place = (value: number): string => value.toFixed(1);

function ticksOf(xs: readonly number[], scale: "log" | "linear"): number[] {
  if (scale === "log") return xs.filter((_, i) => i === 0 || xs[i]! / xs[i - 1]! > 1.6);
  const [first = 0, last = 1] = [xs[0], xs.at(-1)];
  return [0, 0.25, 0.5, 0.75, 1].map((share) => first + (last - first) * share);
}

/** The next of 1, 2, 4, 8 (times a power of ten). */
function roundUp(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 4, 8, 10].find((step) => step * power >= value) ?? 10) * power;
}
