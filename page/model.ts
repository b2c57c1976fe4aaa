/** What the page knows, put together from the events. */
import type { DenialLine, First, Now, Sample, Slow } from "../src/control/page/view.ts";

const DENIALS_MAX = 100;
const SAMPLE_EVERY_MS = 5_000;
const SAMPLES_MAX = 121;

export interface Rates {
  readonly passed: number;
  readonly denied: number;
}

export class Model {
  now: Now | undefined;
  slow: Slow | undefined;
  rates: Rates | undefined;
  /** Newest first. */
  denials: DenialLine[] = [];
  samples: Sample[] = [];
  reasons: First["reasons"] = {};

  first({ samples, denials, reasons }: First): void {
    this.samples = [...samples];
    this.denials = [...denials].reverse();
    this.reasons = reasons;
    this.now = undefined;
    this.rates = undefined;
  }

  take(now: Now): void {
    const before = this.now;
    this.now = now;
    const known = new Set(this.denials.map(({ number }) => number));
    const fresh = now.denials.filter(({ number }) => !known.has(number)).reverse();
    this.denials = [...fresh, ...this.denials].slice(0, DENIALS_MAX);
    const sample = sampleOf(now);
    this.rates = before && sample && ratesOf(sampleOf(before), sample);
    const last = this.samples.at(-1);
    if (sample && (!last || sample.atMs - last.atMs >= SAMPLE_EVERY_MS)) {
      this.samples = [...this.samples, sample].slice(-SAMPLES_MAX);
    }
  }
}

function sampleOf({ atMs, status: { datapath } }: Now): Sample | undefined {
  if (!datapath) return undefined;
  const denied = Object.values(datapath.denied).reduce((sum, n) => sum + n, 0);
  return { atMs, passed: datapath.passed, denied, usedCells: datapath.usedCells };
}

/** A second; undefined over a restart, whose counters begin anew. */
export function ratesOf(before: Sample | undefined, after: Sample): Rates | undefined {
  if (!before || after.atMs <= before.atMs || after.passed < before.passed || after.denied < before.denied)
    return undefined;
  const seconds = (after.atMs - before.atMs) / 1_000;
  return { passed: (after.passed - before.passed) / seconds, denied: (after.denied - before.denied) / seconds };
}
