/** Packets of the last ten minutes: passed as a line, denied below on a scale of their own, so that few are seen beside many. */
import type { Sample } from "../src/control/page/view.ts";
import { find, svg } from "./dom.ts";
import { duration, rate } from "./format.ts";
import { ratesOf } from "./model.ts";

const WIDTH_MIN = 260;
const LEFT = 44;
const PASSED = { top: 14, height: 120 };
const DENIED = { top: 160, height: 44 };
const HEIGHT = 226;
/** The time that is shown grows with what is known. */
const WINDOW_MS = { least: 60_000, most: 600_000 };

interface Point {
  readonly ageMs: number;
  readonly passed: number;
  readonly denied: number;
}

export function showTraffic(samples: readonly Sample[], nowMs: number): void {
  const place = find("#traffic .plot");
  // Drawn at its own size: letters on a phone are as large as elsewhere.
  const width = Math.max(WIDTH_MIN, place.clientWidth);
  const points = samples.flatMap((sample, i): Point[] => {
    const rates = ratesOf(samples[i - 1], sample);
    return rates ? [{ ageMs: nowMs - sample.atMs, ...rates }] : [];
  });
  const [passed, denied] = [peak(points.map((p) => p.passed)), peak(points.map((p) => p.denied))];
  const label = `Packets a second of late: at most ${rate(passed)} passed, at most ${rate(denied)} denied.`;
  const windowMs = Math.min(WINDOW_MS.most, Math.max(WINDOW_MS.least, points[0]?.ageMs ?? 0));
  const x = (ageMs: number) => LEFT + (width - LEFT) * Math.max(0, 1 - ageMs / windowMs);
  const [topPassed, topDenied] = [roundUp(passed), roundUp(denied)];
  const y = (value: number) => PASSED.top + PASSED.height * (1 - value / topPassed);
  const line = points.map((p, i) => `${i ? "L" : "M"}${x(p.ageMs).toFixed(1)} ${y(p.passed).toFixed(1)}`).join("");
  const floor = PASSED.top + PASSED.height;
  const area =
    points.length > 1
      ? `${line}L${x(points.at(-1)!.ageMs).toFixed(1)} ${floor}L${x(points[0]!.ageMs).toFixed(1)} ${floor}Z`
      : "";
  const bars = points
    .filter((p) => p.denied > 0)
    .map((p) => {
      const height = Math.max(1.5, (DENIED.height * p.denied) / topDenied);
      return `M${x(p.ageMs).toFixed(1)} ${(DENIED.top + DENIED.height).toFixed(1)}v${-height.toFixed(1)}h-4v${height.toFixed(1)}z`;
    })
    .join("");
  const plot = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": label });
  plot.append(
    ...axis(PASSED, topPassed, "passed a second", width),
    ...axis(DENIED, topDenied, "denied a second", width),
    svg("path", { class: "passed-area", d: area }),
    svg("path", { class: "passed", d: line }),
    svg("path", { class: "denied-bar", d: bars }),
    ...[1, 0.5, 0].map((share) => {
      const anchor = share === 1 ? "start" : share === 0 ? "end" : "middle";
      const text = share === 0 ? "now" : `${duration(windowMs * share)} ago`;
      return svg("text", { x: x(windowMs * share), y: HEIGHT - 4, "text-anchor": anchor }, text);
    }),
  );
  place.replaceChildren(plot);
}

function axis(
  { top, height }: { readonly top: number; readonly height: number },
  most: number,
  name: string,
  width: number,
): SVGElement[] {
  const grid = (at: number) => svg("path", { class: "grid", d: `M${LEFT} ${at}H${width}` });
  return [
    grid(top),
    grid(top + height),
    svg("text", { x: LEFT - 8, y: top + 4, "text-anchor": "end" }, rate(most)),
    svg("text", { x: LEFT - 8, y: top + height + 4, "text-anchor": "end" }, "0"),
    svg("text", { x: LEFT + 6, y: top + 13 }, name),
  ];
}

function peak(values: readonly number[]): number {
  return Math.max(0, ...values);
}

/** The next of 1, 2, 5 times a power of ten; at least 1, so that noise looks like noise. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value)!;
}
