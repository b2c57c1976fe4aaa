// Builds what an AP needs: firmware/abi.h (and the table of docs/settings.md), dist/roamwall.cjs with its files beside it, and with clang the kernel program and roamwalld.
// `npm run build [-- --no-firmware]`
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

process.chdir(join(dirname(fileURLToPath(import.meta.url)), ".."));
const PROGRAM = "dist/roamwall.cjs";
const PAGE = "dist/roamwall-page.html";
const PAGE_BYTES_MAX = 60_000;
/**
 * A program of a few lines, and what it loads beside it when it is asked for: an AP's engine reads the agent's file, and
 * those that its settings name. `bytesMax`: an access point keeps it in flash and in memory.
 */
const FILES = [
  { entry: "src/main.ts", outfile: PROGRAM, bytesMax: 40_000 },
  { entry: "src/control/run-agent.ts", outfile: "dist/roamwall-agent.cjs", bytesMax: 350_000 },
  { entry: "src/control/cli/verbs.ts", outfile: "dist/roamwall-cli.cjs", bytesMax: 400_000 },
  { entry: "src/radius/radius.ts", outfile: "dist/roamwall-radius.cjs", bytesMax: 60_000 },
  // The model of the datapath: for `roamwall replay`.
  { entry: "src/control/replay.ts", outfile: "dist/roamwall-replay.cjs", bytesMax: 150_000 },
  // Help texts and names of all metrics: for who is asked for them.
  { entry: "src/control/metrics/exposition.ts", outfile: "dist/roamwall-metrics.cjs", bytesMax: 40_000 },
  { entry: "src/control/page/page.ts", outfile: "dist/roamwall-page.cjs", bytesMax: 60_000 },
  // The library, of which we call `connect`: for those who name a broker.
  { entry: "mqtt", outfile: "dist/roamwall-mqtt.cjs", bytesMax: 450_000 },
];

/**
 * What the packages carry and we never run: the hash functions and random numbers of bloom-filters (our filters place their
 * bits themselves), its other filters, decorators' metadata, and YAML's way back to text.
 */
const LEFT_OUT = [
  { package: "xxhashjs", stub: "module.exports = {};" },
  { package: "seedrandom", stub: "module.exports = () => () => { throw new Error('left out of the bundle'); };" },
  {
    package: "reflect-metadata",
    // Decorators ask back what they stored.
    stub: `
      const stored = new WeakMap();
      const of = (target) => stored.get(target) ?? stored.set(target, new Map()).get(target);
      Reflect.defineMetadata = (key, value, target) => void of(target).set(key, value);
      Reflect.hasMetadata = (key, target) => of(target).has(key);
      Reflect.getMetadata = (key, target) => of(target).get(key);`,
  },
];

const trim = {
  name: "trim",
  setup(pluginBuild) {
    // What is imported at run time only; the room's own constants may be anywhere.
    for (const { entry, outfile } of FILES) {
      pluginBuild.onResolve({ filter: new RegExp(`(^|/)${basename(entry)}$`) }, ({ kind }) => {
        return kind === "dynamic-import" ? { path: `./${basename(outfile)}`, external: true } : undefined;
      });
    }
    pluginBuild.onResolve({ filter: /^bloom-filters$/ }, () => ({ path: "bloom-filters", namespace: "slim" }));
    pluginBuild.onLoad({ filter: /.*/, namespace: "slim" }, () => ({
      contents: "exports.BloomFilter = require('bloom-filters/dist/bloom/bloom-filter.js').default;",
      resolveDir: process.cwd(),
    }));
    // Reading needs neither YAML's way back to text nor its older version's types.
    pluginBuild.onLoad({ filter: /yaml\/dist\/(stringify\/|schema\/yaml-1\.1\/|parse\/cst-).*\.js$/ }, ({ path }) => {
      return path.endsWith("merge.js") ? undefined : { contents: "module.exports = {};" };
    });
    for (const { package: name, stub } of LEFT_OUT) {
      pluginBuild.onResolve({ filter: new RegExp(`^${name}$`) }, () => ({ path: name, namespace: "left-out" }));
      pluginBuild.onLoad({ filter: new RegExp(`^${name}$`), namespace: "left-out" }, () => ({ contents: stub }));
    }
  },
};

function checkVersion() {
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  if (!readFileSync("src/control/version.ts", "utf8").includes(`"${version}"`)) {
    throw new Error(`src/control/version.ts and package.json (${version}) differ`);
  }
}

async function bundle({ entry, outfile, bytesMax }) {
  const source = existsSync(entry)
    ? { entryPoints: [entry] }
    : { stdin: { contents: `exports.connect = require("${entry}").connect;`, resolveDir: process.cwd() } };
  const { metafile } = await build({
    ...source,
    outfile,
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node20",
    ...(outfile === PROGRAM && { banner: { js: "#!/usr/bin/env node" } }),
    legalComments: "none",
    minify: true,
    // `node --enable-source-maps` reads stack traces with the map beside it.
    sourcemap: "linked",
    sourcesContent: false,
    lineLimit: 160,
    plugins: [trim],
    metafile: true,
    logLevel: "warning",
  });
  const { bytes, inputs } = metafile.outputs[outfile];
  const shares = { ours: 0 };
  for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
    const owner = /node_modules\/([^/]+)/.exec(path)?.[1] ?? "ours";
    shares[owner] = (shares[owner] ?? 0) + bytesInOutput;
  }
  const parts = Object.entries(shares).map(([owner, share]) => `${owner} ${Math.round(share / 1000)}`);
  console.log(`${outfile}: ${Math.round(bytes / 1000)} kB of ${bytesMax / 1000} (${parts.join(", ")})`);
  if (bytes > bytesMax) throw new Error(`${outfile} is larger than ${bytesMax} bytes`);
}

/** What browsers get: one file, read when it is asked for. */
async function page() {
  const bundled = await build({
    entryPoints: ["page/main.ts"],
    bundle: true,
    write: false,
    minify: true,
    target: "es2022",
  });
  const styled = await build({ entryPoints: ["page/page.css"], write: false, minify: true });
  // Nothing inside may end its element.
  const script = bundled.outputFiles[0].text.trim().replaceAll("</", "<\\/");
  const whole = readFileSync("page/index.html", "utf8")
    .replace("<!-- style -->", () => styled.outputFiles[0].text.trim())
    .replace("<!-- script -->", () => script)
    .replace(/\n\s*/g, "\n");
  writeFileSync(PAGE, whole);
  const bytes = Buffer.byteLength(whole);
  console.log(`${PAGE}: ${Math.round(bytes / 1000)} kB of ${PAGE_BYTES_MAX / 1000}`);
  if (bytes > PAGE_BYTES_MAX) throw new Error(`${PAGE} is larger than ${PAGE_BYTES_MAX} bytes`);
}

/** What was left out must not be missed: the bundle reads a policy and makes filters of it. */
function tryBundle() {
  const call = [PROGRAM, "policy", "check", "docs/examples/policy.yaml", "--json"];
  const report = JSON.parse(execFileSync(process.execPath, call, { encoding: "utf8" }));
  if (!(report.roles[0].filterBytes > 0)) throw new Error(`${PROGRAM} makes no filters`);
}

function firmware() {
  if (process.argv.includes("--no-firmware") || !existsSync("firmware/Makefile")) return;
  if (spawnSync("clang", ["--version"]).status !== 0) {
    console.log("no clang: the kernel program and roamwalld are not built");
    return;
  }
  execFileSync("make", ["-C", "firmware"], { stdio: "inherit" });
}

try {
  checkVersion();
  execFileSync(process.execPath, ["scripts/ts.mjs", "scripts/gen-abi.ts"], { stdio: "inherit" });
  execFileSync(process.execPath, ["scripts/ts.mjs", "scripts/gen-settings.ts"], { stdio: "inherit" });
  execFileSync(process.execPath, ["scripts/ts.mjs", "scripts/gen-metrics.ts"], { stdio: "inherit" });
  for (const file of FILES) await bundle(file);
  await page();
  chmodSync(PROGRAM, 0o755);
  tryBundle();
  firmware();
} catch (error) {
  console.error(`build: ${error.message}`);
  process.exitCode = 1;
}
