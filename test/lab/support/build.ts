import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { build } from "esbuild";

const SUPPORT = "test/lab/support";
export const BUILT = resolve("build/lab");
const C_HELPERS = ["badlink", "inject", "peek", "poke", "pinger", "asker", "slowwire"];
const PROGRAMS = ["client", "server", "probe"];

let building: Promise<void> | undefined;

/** Builds what runs inside the namespaces. Paths are from the root of the repository. */
export function buildLab(): Promise<void> {
  building ??= buildAll();
  return building;
}

/** Beside its place, then moved there: another run may be using what was there. */
async function buildAll(): Promise<void> {
  const beside = join(BUILT, `${process.pid}`);
  mkdirSync(beside, { recursive: true });
  for (const name of C_HELPERS) {
    const source = join(SUPPORT, `${name}.c`);
    const target = join(BUILT, name);
    if (existsSync(target) && statSync(target).mtimeMs > statSync(source).mtimeMs) continue;
    execFileSync("cc", ["-O2", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-o", join(beside, name), source]);
  }
  await build({
    entryPoints: PROGRAMS.map((name) => join(SUPPORT, "traffic", `${name}.ts`)),
    bundle: true,
    platform: "node",
    format: "cjs",
    outdir: beside,
    outExtension: { ".js": ".cjs" },
    logLevel: "error",
  });
  for (const name of readdirSync(beside)) renameSync(join(beside, name), join(BUILT, name));
  rmSync(beside, { recursive: true });
}
