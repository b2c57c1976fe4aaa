// Builds what an AP needs: firmware/abi.h (and the table of docs/settings.md), dist/roamwall.cjs (one file), and with clang the kernel program and roamwalld.
// `npm run build [-- --no-firmware]`
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

process.chdir(join(dirname(fileURLToPath(import.meta.url)), ".."));
const OUTFILE = "dist/roamwall.cjs";
const BYTES_MAX = 400_000;
/** Files beside the agent's, read by those whose settings ask for them: the library is larger than the agent. */
const MQTT_OUTFILE = "dist/roamwall-mqtt.cjs";
const BESIDE = [
  { entry: "src/radius/radius.ts", outfile: "dist/roamwall-radius.cjs" },
  // The model of the datapath: for `roamwall replay`, no agent needs it.
  { entry: "src/control/replay.ts", outfile: "dist/roamwall-replay.cjs" },
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
    pluginBuild.onResolve({ filter: /^mqtt$/ }, () => ({ path: "./roamwall-mqtt.cjs", external: true }));
    // What is imported at run time only; the room's own constants may be anywhere.
    for (const { entry, outfile } of BESIDE) {
      pluginBuild.onResolve({ filter: new RegExp(`/${basename(entry)}$`) }, ({ kind }) => {
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

/** `source`: what of esbuild's options says where it begins. */
async function bundleBeside(source, outfile) {
  await build({
    ...source,
    outfile,
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node20",
    legalComments: "none",
    minify: true,
    lineLimit: 160,
    logLevel: "warning",
  });
}

async function bundle() {
  const { metafile } = await build({
    entryPoints: ["src/main.ts"],
    outfile: OUTFILE,
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node20",
    banner: { js: "#!/usr/bin/env node" },
    legalComments: "none",
    // An access point keeps it in flash and in memory. `node --enable-source-maps` reads stack traces with the map beside it.
    minify: true,
    sourcemap: "linked",
    sourcesContent: false,
    lineLimit: 160,
    plugins: [trim],
    metafile: true,
    logLevel: "warning",
  });
  chmodSync(OUTFILE, 0o755);
  const output = metafile.outputs[OUTFILE];
  const shares = { ours: 0 };
  for (const [path, { bytesInOutput }] of Object.entries(output.inputs)) {
    const owner = /node_modules\/([^/]+)/.exec(path)?.[1] ?? "ours";
    shares[owner] = (shares[owner] ?? 0) + bytesInOutput;
  }
  const parts = Object.entries(shares).map(([owner, bytes]) => `${owner} ${Math.round(bytes / 1000)}`);
  console.log(`${OUTFILE}: ${Math.round(output.bytes / 1000)} kB of ${BYTES_MAX / 1000} (${parts.join(", ")})`);
  if (output.bytes > BYTES_MAX) throw new Error(`${OUTFILE} is larger than ${BYTES_MAX} bytes`);
}

/** What was left out must not be missed: the bundle reads a policy and makes filters of it. */
function tryBundle() {
  const call = [OUTFILE, "policy", "check", "docs/examples/policy.yaml", "--json"];
  const report = JSON.parse(execFileSync(process.execPath, call, { encoding: "utf8" }));
  if (!(report.roles[0].filterBytes > 0)) throw new Error(`${OUTFILE} makes no filters`);
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
  const mqtt = { contents: `exports.connect = require("mqtt").connect;`, resolveDir: process.cwd() };
  await bundleBeside({ stdin: mqtt }, MQTT_OUTFILE);
  for (const { entry, outfile } of BESIDE) await bundleBeside({ entryPoints: [entry] }, outfile);
  await bundle();
  tryBundle();
  firmware();
} catch (error) {
  console.error(`build: ${error.message}`);
  process.exitCode = 1;
}
