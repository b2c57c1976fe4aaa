// Runs a TypeScript file: `node scripts/ts.mjs FILE [ARGUMENT...]`, from the root of the repository.
import { mkdirSync, rmSync } from "node:fs";
import { basename, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const [file, ...rest] = process.argv.slice(2);
mkdirSync("build", { recursive: true });
const outfile = resolve("build", `${basename(file, ".ts")}.${process.pid}.mjs`);
await build({
  entryPoints: [file],
  bundle: true,
  platform: "node",
  format: "esm",
  packages: "external",
  sourcemap: "inline",
  outfile,
  logLevel: "error",
});
process.argv = [process.argv[0], file, ...rest];
process.on("exit", () => rmSync(outfile, { force: true }));
await import(pathToFileURL(outfile).href);
