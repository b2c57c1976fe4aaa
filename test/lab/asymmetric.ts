import { type Path, SplitPath } from "./support/split-path.ts";

/**
 * What write through costs beside write back, on the same path, and how long a reply by another AP must wait:
 *
 *     node scripts/ts.mjs test/lab/asymmetric.ts [--connections 500] [--races 300]
 */
const WARM_UP = 50;
const at = (name: string) => process.argv.indexOf(`--${name}`);
const option = (name: string, fallback: number) => (at(name) < 0 ? fallback : Number(process.argv[at(name) + 1]));
const connections = option("connections", 500);
const races = option("races", 300);

for (const setting of ["symmetric", "asymmetric"] as Path[]) {
  const path = await SplitPath.open("rwasymrun", setting);
  try {
    path.ask("connect", WARM_UP);
    const before = path.lab.replicated();
    const began = performance.now();
    const done = path.ask("connect", connections).filter((us) => us > 0).length;
    const seconds = (performance.now() - began) / 1000;
    const after = path.lab.replicated();
    const each = (what: "bytes" | "packets") => ((after[what] - before[what]) / done).toFixed(1);
    console.log(
      `${setting}, one path: ${done} connections, ${each("bytes")} bytes and ${each("packets")} datagrams each, ` +
        `${Math.round(done / seconds)} a second, one after the other`,
    );
    await path.split(0);
    if (setting === "asymmetric") {
      const window = path.ask("race", races);
      const sorted = window.filter((us) => us >= 0).sort((a, b) => a - b);
      const rank = (share: number) => sorted[Math.floor(sorted.length * share)];
      console.log(
        `race window: ${sorted.length} of ${races} replies got through, p50 ${rank(0.5)} us, p90 ${rank(0.9)} us, ` +
          `p99 ${rank(0.99)} us, longest ${sorted.at(-1)} us`,
      );
    }
    const tries = path.ask("connect", 5);
    console.log(`two paths, no delay: connections take ${tries.map((us) => (us / 1e6).toFixed(2)).join(" ")} s`);
    await path.split(10);
    const late = path.ask("connect", 20).filter((us) => us > 0);
    console.log(
      `two paths, 10 ms: ${late.length} of 20 connections, ${(late.reduce((a, b) => a + b, 0) / 1e3 / late.length).toFixed(0)} ms each`,
    );
  } finally {
    await path.lab.close();
  }
}
