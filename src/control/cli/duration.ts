import { usage } from "./verb.ts";

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `60s`, `10min`, `2h`. Throws ROAMWALL_ERR_USAGE. */
export function durationMs(text: string, option: string, mostSeconds: number): number {
  const match = /^(\d{1,9})\s*(ms|s|m|min|h|d)$/.exec(text);
  const ms = match ? Number(match[1]) * UNIT_MS[match[2]!]! : Number.NaN;
  if (ms >= 1_000 && ms <= mostSeconds * 1_000) return ms;
  throw usage(`${option} "${text}"`, `a duration of 1s to ${mostSeconds}s, as 60s, 10min or 1h`);
}
