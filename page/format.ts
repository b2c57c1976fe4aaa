/** Figures as people read them. */

export function count(value: number): string {
  return value >= 1e6 ? `${(value / 1e6).toPrecision(3)} M` : Math.round(value).toLocaleString("en");
}

export function rate(value: number): string {
  return value < 10 && !Number.isInteger(value) ? value.toFixed(1) : count(value);
}

export function percent(share: number): string {
  const value = share * 100;
  return `${value > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} %`;
}

export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, value)) / 3));
  return `${(value / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

export function duration(ms: number): string {
  if (ms < 1) return "< 1 ms";
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} days`;
}

export function ago(ms: number): string {
  return ms < 2_000 ? "now" : `${duration(Math.max(0, ms))} ago`;
}

/** 1 in 4 million: easier to grasp than 2.4e-7. */
export function oneIn(share: number): string {
  if (share <= 0) return "none";
  const times = 1 / share;
  const units: [number, string][] = [
    [1e9, "billion"],
    [1e6, "million"],
    [1, ""],
  ];
  const [unit, name] = units.find(([size]) => times >= size) ?? [1, ""];
  return `1 in ${Number((times / unit).toPrecision(2)).toLocaleString("en")} ${name}`.trim();
}
