import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { metricsTable } from "./document.ts";
import { exposition, flatFigures } from "./exposition.ts";
import { METRICS } from "./table.ts";
import { figuresWithoutDatapath, someFigures } from "./testing/figures.ts";
import { parseExposition } from "./testing/parse.ts";
import { readUsage } from "./usage.ts";

const DASHBOARD = "docs/examples/grafana/roamwall.json";
const ALERTS = "docs/examples/grafana/alerts.yaml";

describe("the table of metrics", () => {
  it("names each once, with a help, as Prometheus has it", () => {
    expect(new Set(METRICS.map(({ name }) => name)).size).toBe(METRICS.length);
    for (const { name, type, unit, help } of METRICS) {
      expect(name).toMatch(/^(roamwall|process)_[a-z_]+$/);
      expect(name.endsWith("_total"), name).toBe(type === "counter");
      expect(help, name).toMatch(/\.$/);
      for (const word of ["seconds", "bytes", "ratio"]) {
        expect(name.replace(/_total$/, "").endsWith(`_${word}`), name).toBe(unit === word);
      }
    }
  });

  it("is the one in docs/metrics.md", () => {
    expect(readFileSync("docs/metrics.md", "utf8")).toContain(metricsTable());
  });
});

describe("exposition", () => {
  it("has every metric where everything is there", () => {
    const families = parseExposition(exposition(someFigures()));
    expect([...families.keys()]).toEqual(METRICS.map(({ name }) => name));
  });

  it("tells what the agent knows", () => {
    const families = parseExposition(exposition(someFigures()));
    const value = (name: string, label = "", of = "") =>
      families.get(name)!.samples.find(({ labels }) => (labels[label] ?? "") === of)!.value;
    expect(value("roamwall_table_used_cells")).toBe(16_384);
    expect(value("roamwall_denied_packets_total", "reason", "acl")).toBe(7);
    expect(value("roamwall_denied_packets_total", "reason", "full")).toBe(0);
    expect(value("roamwall_dropped_datagrams_total", "reason", "forged")).toBe(3);
    expect(value("roamwall_neighbour_lag_seconds", "neighbour", "2")).toBeCloseTo(0.04);
    expect(value("roamwall_false_positive_ratio")).toBeCloseTo(16_384 / 2 ** 36, 15);
  });

  it("counts gaps up to each bound", () => {
    const { samples } = parseExposition(exposition(someFigures())).get("roamwall_handover_gap_seconds")!;
    const bucket = (le: string) => samples.find(({ labels }) => labels["le"] === le)!.value;
    expect([bucket("0.002"), bucket("0.005"), bucket("0.1"), bucket("10"), bucket("+Inf")]).toEqual([0, 1, 2, 2, 3]);
    expect(samples.find(({ name }) => name.endsWith("_sum"))!.value).toBeCloseTo(30.094);
  });

  it("leaves out what is away, and says that it is", () => {
    const families = parseExposition(exposition(figuresWithoutDatapath()));
    expect(families.get("roamwall_datapath_up")!.samples[0]!.value).toBe(0);
    expect(families.has("roamwall_table_used_cells")).toBe(false);
  });

  it("lets no name begin another sample", () => {
    const evil = 'x"} 1\nroamwall_table_cells 0\\';
    const families = parseExposition(exposition(someFigures(evil)));
    const { labels } = families.get("roamwall_info")!.samples[0]!;
    expect(JSON.parse(`"${labels["name"]}"`)).toBe(evil);
    // The control: written as it is, it does.
    expect(() => parseExposition(exposition(someFigures(evil)).replaceAll('\\"', '"'))).toThrow();
  });

  it("gives MQTT the same series", () => {
    const flat = flatFigures(someFigures());
    expect(flat['roamwall_denied_packets_total{reason="acl"}']).toBe(7);
    const series = [...parseExposition(exposition(someFigures())).values()].flatMap(({ samples }) => samples);
    expect(Object.keys(flat)).toHaveLength(series.length);
  });
});

describe("what reads the metrics", () => {
  const known = new Set(
    METRICS.flatMap(({ name, type }) =>
      type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
  );
  const unknownIn = (text: string) =>
    [...text.matchAll(/\b(?:roamwall|process)_[a-z_]+\b/g)].map(([name]) => name).filter((name) => !known.has(name));

  it.each([DASHBOARD, ALERTS])("%s names none that is not there", (path) => {
    expect(unknownIn(readFileSync(path, "utf8").replace(/roamwall_job\b/g, ""))).toEqual([]);
  });

  it("would find one", () => {
    expect(unknownIn("rate(roamwall_denied_total[5m])")).toEqual(["roamwall_denied_total"]);
  });
});

describe("readUsage", () => {
  it("reads processor time after a name with blanks and brackets, and resident memory", () => {
    const files: Record<string, string> = {
      "/proc/self/stat": `7 (a b) c) S ${"0 ".repeat(10)}250 50 0 0 20`,
      "/proc/self/status": "Name:\tx\nVmRSS:\t   4096 kB\n",
    };
    expect(readUsage({ readText: (path) => files[path]! })).toEqual({ cpuSeconds: 3, residentBytes: 4_194_304 });
  });
});
