/**
 * `npm run package [-- --arch NAME ...] [--out DIR] [--build DIR]`: .ipk files for OpenWrt 24.10 and older and the trees for .apk, without
 * an SDK, the same to the byte from the same source. What cannot be made with Debian's tools is named, with the reason.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { apkSource } from "./package/apk.ts";
import { ARCHITECTURES, type Architecture, buildFor } from "./package/cross.ts";
import { ipk, type Origin } from "./package/ipk.ts";
import { RECIPES, type Recipe } from "./package/recipe.ts";
import type { Tree } from "./package/tree.ts";

const { values } = parseArgs({
  options: { arch: { type: "string", multiple: true }, out: { type: "string" }, build: { type: "string" } },
});
const out = values.out ?? "build/packages";
const build = values.build ?? "build/package";
const chosen = ARCHITECTURES.filter(({ name }) => !values.arch || values.arch.includes(name));
if (chosen.length === 0) {
  console.error(`package: --arch ${values.arch}: accepted: ${ARCHITECTURES.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}

function origin(): Origin {
  const { version, license } = JSON.parse(readFileSync("package.json", "utf8"));
  return {
    // Both managers know 1.2.3_beta1, neither 1.2.3-beta.1.
    version: `${version.replace(/-([a-z]+)\.?(\d*)$/, "_$1$2")}-r1`,
    license,
    url: "https://roamwall.example",
    maintainer: "Roamwall <roamwall@roamwall.example>",
    epoch: sourceEpoch(),
  };
}

/** Of the last commit, unless the environment says another; without either 0, never the time of the build. */
function sourceEpoch(): number {
  const given = process.env["SOURCE_DATE_EPOCH"];
  if (given !== undefined && /^\d+$/.test(given)) return Number(given);
  const { status, stdout } = spawnSync("git", ["log", "-1", "--format=%ct"], { encoding: "utf8" });
  return status === 0 ? Number(stdout.trim()) : 0;
}

const source = origin();
const hasApk = spawnSync("apk", ["mkpkg", "--help"]).status === 0;
const sums: string[] = [];

function pack(recipe: Recipe, tree: Tree, architecture: string): void {
  const { fileName, bytes } = ipk(recipe, tree, architecture, source);
  writeFileSync(join(out, fileName), bytes);
  sums.push(`${createHash("sha256").update(bytes).digest("hex")}  ${fileName}\n`);
  const apk = apkSource(recipe, tree, architecture, source);
  const directory = join(out, "apk", `${recipe.name}_${architecture}`);
  for (const { path, content, mode } of apk.files) write(join(directory, "files", path), content, mode);
  for (const [phase, content] of apk.scripts) write(join(directory, phase), Buffer.from(content), 0o755);
  const command = apk.command(directory, join(out, `${recipe.name}-${source.version}_${architecture}.apk`));
  if (hasApk) execFileSync("apk", command, { env: { ...process.env, SOURCE_DATE_EPOCH: `${source.epoch}` } });
  console.log(`  ${fileName}  ${Math.round(bytes.length / 1000)} kB`);
}

function write(path: string, content: Uint8Array, mode: number): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content, { mode });
}

function packFor(architecture: Architecture): void {
  console.log(`${architecture.name}: ${architecture.needs}`);
  const built = buildFor(architecture, build);
  if ("leftOut" in built) {
    console.log(`  left out: ${built.leftOut}`);
    return;
  }
  for (const recipe of RECIPES.filter(({ isForAll }) => !isForAll)) {
    if (recipe.name === "roamwall-qjs" && built.noEngine !== undefined) {
      console.log(`  left out: roamwall-qjs: ${built.noEngine}`);
      continue;
    }
    const tree = recipe.tree(built.binaries);
    for (const feed of architecture.feeds) pack(recipe, tree, feed);
  }
}

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
for (const architecture of chosen) packFor(architecture);
console.log("all: every architecture");
for (const recipe of RECIPES.filter(({ isForAll }) => isForAll)) pack(recipe, recipe.tree(new Map()), "all");
writeFileSync(join(out, "SHA256SUMS"), sums.sort().join(""));
if (!hasApk) console.log(`no apk program here: the trees for \`apk mkpkg\` are in ${out}/apk`);
