import { resolve } from "node:path";

/** Whose agents a lab runs; `mixed`: every second AP is QuickJS's. */
export const ENGINES = ["node", "qjs", "mixed"] as const;
export type Engine = (typeof ENGINES)[number];

const NODE_BUNDLE = resolve("dist/roamwall.cjs");
const QJS_BUNDLE = resolve("dist/roamwall-qjs.js");
export const QJS_HOST = resolve("build/roamwall-qjs");

/** As ROAMWALL_ENGINE says, for labs that do not say themselves: `ROAMWALL_ENGINE=qjs npx vitest run test/lab`. */
export function engineOf(text = process.env["ROAMWALL_ENGINE"] ?? "node"): Engine {
  const engine = ENGINES.find((known) => known === text);
  if (!engine) throw new Error(`engine "${text}"; accepted: ${ENGINES.join(", ")}`);
  return engine;
}

/** Program and first arguments of `roamwall` at an AP, counted from 1. */
export function roamwallAt(ap: number, engine: Engine = engineOf()): [program: string, args: string[]] {
  const isQjs = engine === "qjs" || (engine === "mixed" && ap % 2 === 0);
  return isQjs ? [QJS_HOST, ["--bundle", QJS_BUNDLE]] : [process.execPath, [NODE_BUNDLE]];
}
