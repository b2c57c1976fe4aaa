import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { build } from "esbuild";

const SUPPORT = "test/lab/support";
export const BUILT = resolve("build/lab");
const C_HELPERS = ["badlink", "inject", "peek", "poke", "pinger", "asker", "slowwire"];
const PROGRAMS = ["client", "server", "probe"];

/** Builds what runs inside the namespaces. Paths are from the root of the repository. */
export async function buildLab(): Promise<void> {
  mkdirSync(BUILT, { recursive: true });
  for (const name of C_HELPERS) {
    const source = join(SUPPORT, `${name}.c`);
    const target = join(BUILT, name);
    if (existsSync(target) && statSync(target).mtimeMs > statSync(source).mtimeMs) continue;
    execFileSync("cc", ["-O2", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-o", target, source]);
  }
  await build({
    entryPoints: PROGRAMS.map((name) => join(SUPPORT, "traffic", `${name}.ts`)),
    bundle: true,
    platform: "node",
    format: "cjs",
    outdir: BUILT,
    outExtension: { ".js": ".cjs" },
    logLevel: "error",
  });
}
