import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";

/** The packages' programs for other CPUs, by Debian's emulators of single programs. */
const EMULATORS = {
  mips: ["qemu-mips-static", "-cpu", "24Kc"],
  mipsel: ["qemu-mipsel-static", "-cpu", "24Kc"],
  armv7: ["qemu-arm-static", "-cpu", "cortex-a7"],
} as const;
export type EmulatedCpu = keyof typeof EMULATORS;
export const EMULATED_CPUS = Object.keys(EMULATORS) as EmulatedCpu[];

/** Whose agents a lab runs; `mixed`: every second AP is QuickJS's; a CPU's name: that is QuickJS's for this CPU. */
export const ENGINES = ["node", "qjs", "mixed", ...EMULATED_CPUS] as const;
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
  if (engine === "node" || (engine !== "qjs" && ap % 2 === 1)) return [process.execPath, [NODE_BUNDLE]];
  if (engine === "qjs" || engine === "mixed") return [QJS_HOST, ["--bundle", QJS_BUNDLE]];
  const [emulator, ...options] = emulated(engine);
  return [emulator!, [...options, "--bundle", QJS_BUNDLE]];
}

/** Emulator, its options, and the program: whatever follows are the program's arguments. */
export function emulated(cpu: EmulatedCpu): string[] {
  return [...EMULATORS[cpu], packagedHost(cpu)];
}

export function canEmulate(cpu: EmulatedCpu): boolean {
  return existsSync(packagedHost(cpu)) && spawnSync(EMULATORS[cpu][0], ["--version"]).status === 0;
}

/** Of `npm run package`. */
function packagedHost(cpu: EmulatedCpu): string {
  return resolve("build/package", cpu, "roamwall-qjs");
}
