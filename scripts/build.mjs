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
 * those that its settings name. `bytesMax`: an access point keeps it in flash and in memory. Without `engine`: for all.
 */
const FILES = [
  { entry: "src/main.ts", outfile: PROGRAM, bytesMax: 40_000, engine: "node" },
  // The same program for firmware/qjs, which reads the same files beside it.
  { entry: "src/main-qjs.ts", outfile: "dist/roamwall-qjs.js", bytesMax: 40_000 },
  { entry: "src/control/run-agent.ts", outfile: "dist/roamwall-agent.cjs", bytesMax: 400_000 },
  { entry: "src/control/cli/verbs.ts", outfile: "dist/roamwall-cli.cjs", bytesMax: 400_000 },
  { entry: "src/radius/radius.ts", outfile: "dist/roamwall-radius.cjs", bytesMax: 60_000 },
  // Keys of pairs and the list of members: for those who have identities.
  { entry: "src/control/identities.ts", outfile: "dist/roamwall-identities.cjs", bytesMax: 30_000 },
  // The model of the datapath: for `roamwall replay`.
  { entry: "src/control/replay.ts", outfile: "dist/roamwall-replay.cjs", bytesMax: 150_000 },
  // A whole mesh: for `roamwall simulate`.
  { entry: "src/simulate/simulate.ts", outfile: "dist/roamwall-simulate.cjs", bytesMax: 300_000 },
  // Help texts and names of all metrics: for who is asked for them.
  { entry: "src/control/metrics/exposition.ts", outfile: "dist/roamwall-metrics.cjs", bytesMax: 40_000 },
  { entry: "src/control/page/page.ts", outfile: "dist/roamwall-page.cjs", bytesMax: 60_000 },
  // The library, of which we call `connect`: for those who name a broker.
  { entry: "mqtt", outfile: "dist/roamwall-mqtt.cjs", bytesMax: 450_000, engine: "node" },
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
    // Of a function that nobody calls here.
    pluginBuild.onLoad({ filter: /bloom-filters\/dist\/utils\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8").replace("Buffer.allocUnsafe(length).fill(0)", "new Uint8Array(length)"),
    }));
    // Warnings that it prints by itself; we ask for those that matter.
    pluginBuild.onResolve({ filter: /^process$/ }, ({ importer }) => {
      return /\/yaml\//.test(importer) ? { path: "process", namespace: "left-out" } : undefined;
    });
    pluginBuild.onLoad({ filter: /^process$/, namespace: "left-out" }, () => ({
      contents: "exports.env = {}; exports.emitWarning = () => {};",
    }));
    for (const { package: name, stub } of LEFT_OUT) {
      pluginBuild.onResolve({ filter: new RegExp(`^${name}$`) }, () => ({ path: name, namespace: "left-out" }));
      pluginBuild.onLoad({ filter: new RegExp(`^${name}$`), namespace: "left-out" }, () => ({ contents: stub }));
    }
  },
};

/** As other tools do it, so that the same sources give the same bytes (reproducible-builds.org); else the last commit's. */
const BUILD_SECONDS = Number(process.env.SOURCE_DATE_EPOCH ?? commitSeconds());

function commitSeconds() {
  const { status, stdout } = spawnSync("git", ["log", "-1", "--format=%ct"], { encoding: "utf8" });
  return status === 0 && stdout.trim() !== "" ? stdout.trim() : Math.floor(Date.now() / 1000);
}

function checkVersion() {
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  if (!readFileSync("src/control/version.ts", "utf8").includes(`"${version}"`)) {
    throw new Error(`src/control/version.ts and package.json (${version}) differ`);
  }
}

async function bundle({ entry, outfile, bytesMax, engine }) {
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
    // QuickJS has modules, but no loader of ours has: what is loaded beside is asked for by require().
    supported: { "dynamic-import": false },
    ...(outfile === PROGRAM && { banner: { js: "#!/usr/bin/env node" } }),
    legalComments: "none",
    minify: true,
    // `node --enable-source-maps` reads stack traces with the map beside it.
    sourcemap: "linked",
    sourcesContent: false,
    lineLimit: 160,
    define: { ROAMWALL_BUILD_SECONDS: String(BUILD_SECONDS) },
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
  if (engine === undefined) checkPortable(outfile);
}

/** What runs in QuickJS too asks for nothing but files beside it, and for no global of Node's. */
function checkPortable(outfile) {
  const text = readFileSync(outfile, "utf8");
  const asked = [...text.matchAll(/\brequire\("([^"]+)"\)/g)].map(([, name]) => name);
  const strangers = asked.filter((name) => !FILES.some((file) => name === `./${basename(file.outfile)}`));
  const globals = text.match(/(?<![\w$.])(?:Buffer\.\w+|process\.\w+|setTimeout\(|setImmediate\(|["']node:\w+)/g) ?? [];
  if (strangers.length + globals.length === 0) return;
  throw new Error(`${outfile} uses what QuickJS lacks: ${[...new Set([...strangers, ...globals])].join(", ")}`);
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
    .replace(/\n\s*/g, "\n")
    .replace("<!-- style -->", () => styled.outputFiles[0].text.trim())
    .replace("<!-- script -->", () => script);
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
