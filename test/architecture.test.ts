import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

/**
 * Which room may import which, as ARCHITECTURE.md says. `types`: type imports only. A room may import itself, and the leaf
 * constants and records of `LEAVES`, which import nothing but each other.
 */
const ARROWS: Record<string, { readonly rooms: readonly string[]; readonly types?: readonly string[] }> = {
  base: { rooms: [] },
  platform: { rooms: ["base"] },
  "platform/node": { rooms: ["base", "platform"] },
  "platform/qjs": { rooms: ["base", "platform"] },
  pcap: { rooms: ["base"] },
  bloom: { rooms: ["base"] },
  automata: { rooms: ["base", "bloom"] },
  sfr: { rooms: ["base", "bloom", "automata"], types: ["datapath"] },
  datapath: { rooms: ["base", "platform", "bloom", "sfr"] },
  proxy: { rooms: ["base", "platform", "bloom", "sfr", "datapath"] },
  replication: { rooms: ["base", "platform", "bloom", "sfr", "datapath", "proxy"] },
  simulate: { rooms: ["base", "platform", "bloom", "automata", "sfr", "datapath", "proxy", "replication"] },
  policy: { rooms: ["base", "sfr"], types: ["datapath", "platform"] },
  mqtt: { rooms: ["base", "policy"], types: ["platform"] },
  radius: { rooms: ["base"], types: ["platform"] },
  control: {
    rooms: [
      "base",
      "platform",
      "pcap",
      "bloom",
      "automata",
      "sfr",
      "datapath",
      "proxy",
      "replication",
      "policy",
      "radius",
      "mqtt",
      "simulate",
    ],
  },
  main: { rooms: ["control", "platform/node"] },
  "main-qjs": { rooms: ["control", "platform/qjs"] },
};

const LEAVES = ["abi", "layout", "map-records", "stream-records"].map((name) => `datapath/${name}.ts`);

/** What a room that is given clock, randomness and rims must not reach for. */
const RIMS: [what: string, pattern: RegExp][] = [
  ["reads the clock", /\bDate\.now\b|\bnew Date\b|\bperformance\.now\b|\bprocess\.hrtime\b/],
  ["draws a random number", /\bMath\.random\b|(?<!\.)\bcrypto\.\w/],
  ["sets a timer", /\bset(?:Timeout|Interval|Immediate)\b/],
  ["asks the process", /(?<![\w/])process\.\w/],
  ["uses Buffer, which QuickJS lacks", /\bBuffer\.\w/],
];

interface Source {
  /** Below src/, with slashes. */
  readonly path: string;
  readonly text: string;
}

/** Tests and their helpers may import what they like: the build never sees them. */
function sources(): Source[] {
  const paths = readdirSync("src", { recursive: true, encoding: "utf8" }).map((path) => path.replaceAll("\\", "/"));
  return paths
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts") && !path.includes("/testing/"))
    .map((path) => ({ path, text: readFileSync(join("src", path), "utf8") }));
}

function roomOf(path: string): string {
  for (const engine of ["platform/node", "platform/qjs"]) if (path.startsWith(`${engine}/`)) return engine;
  return path.includes("/") ? path.slice(0, path.indexOf("/")) : path.replace(/\.ts$/, "");
}

interface Import {
  readonly from: string;
  readonly isType: boolean;
}

function importsOf(text: string): Import[] {
  const code = withoutComments(text);
  const statements = code.matchAll(
    /^(?:import|export)\s+(type\s)?[^;]*?from\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\("([^"]+)"\)/gms,
  );
  return [...statements].map((m) => ({ from: (m[2] ?? m[3] ?? m[4])!, isType: m[1] !== undefined }));
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "$1");
}

function resolved(from: string, target: string): string {
  const parts = from.split("/").slice(0, -1);
  for (const part of target.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/** What is wrong with a source, in words. */
function violations({ path, text }: Source): string[] {
  const room = roomOf(path);
  const arrows = ARROWS[room];
  if (!arrows) return [`${path}: room ${room} has no arrows here`];
  const wrong: string[] = [];
  for (const { from, isType } of importsOf(text)) {
    if (from.startsWith("node:") && room !== "platform/node") wrong.push(`${path} imports ${from}`);
    if (!from.startsWith(".")) continue;
    const target = resolved(path, from);
    if (!target.endsWith(".ts")) wrong.push(`${path} imports ${from} without its ending`);
    const other = roomOf(target);
    const isAllowed = other === room || arrows.rooms.includes(other) || LEAVES.includes(target);
    if (!isAllowed && !(isType && arrows.types?.includes(other))) wrong.push(`${path} imports ${target}`);
  }
  if (room === "platform/node") return wrong;
  const code = withoutComments(text);
  for (const [what, pattern] of RIMS) if (pattern.test(code)) wrong.push(`${path} ${what}`);
  if (/^export default\b/m.test(code)) wrong.push(`${path} has a default export`);
  return wrong;
}

describe("architecture", () => {
  const all = sources();

  it("has sources in every room that has arrows", () => {
    expect(new Set(all.map(({ path }) => roomOf(path)))).toEqual(new Set(Object.keys(ARROWS)));
  });

  it("imports only along the arrows, and touches rims only in platform/node", () => {
    expect(all.flatMap(violations)).toEqual([]);
  });

  it("keeps the leaves free of everything but each other", () => {
    for (const leaf of LEAVES) {
      const { text } = all.find(({ path }) => path === leaf)!;
      const targets = importsOf(text).map(({ from }) => resolved(leaf, from));
      expect(targets.filter((target) => !LEAVES.includes(target))).toEqual([]);
    }
  });

  it("lets nothing but tests import the tests' helpers", () => {
    const strays = all.flatMap(({ path, text }) => importsOf(text).map(({ from }) => resolved(path, from)));
    expect(strays.filter((target) => target.includes("/testing/"))).toEqual([]);
  });

  // The negative control: each of these must be caught, or the tests above prove nothing.
  it.each([
    ["an arrow backwards", "bloom/x.ts", 'import { Sfr } from "../sfr/sfr.ts";'],
    ["an arrow backwards over several lines", "bloom/x.ts", 'import {\n  Sfr,\n} from "../sfr/sfr.ts";'],
    ["an arrow backwards as a re-export", "base/x.ts", 'export { a } from "../bloom/dlcbf.ts";'],
    ["an arrow backwards at run time", "base/x.ts", 'const x = await import("../bloom/dlcbf.ts");'],
    ["a value where only types may come from", "sfr/x.ts", 'import { connectDatapath } from "../datapath/client.ts";'],
    ["node: outside of platform/node", "control/x.ts", 'import { readFileSync } from "node:fs";'],
    [
      "Node's platform in a room other than main",
      "control/x.ts",
      'import { nodePlatform } from "../platform/node/platform.ts";',
    ],
    ["Node's platform in QuickJS's", "platform/qjs/x.ts", 'import { nodeFiles } from "../node/files.ts";'],
    [
      "Node's platform in QuickJS's program",
      "main-qjs.ts",
      'import { nodePlatform } from "./platform/node/platform.ts";',
    ],
    ["node: in QuickJS's platform", "platform/qjs/x.ts", 'import { readFileSync } from "node:fs";'],
    ["an import without its ending", "sfr/x.ts", 'import { a } from "./packet";'],
    ["a new room that nobody thought of", "magic/x.ts", ""],
    ["the clock", "proxy/x.ts", "const now = Date.now();"],
    ["a random number", "replication/x.ts", "const n = Math.random();"],
    ["a timer", "replication/x.ts", "setTimeout(run, 4);"],
    ["a Buffer", "replication/x.ts", "const b = Buffer.from(bytes);"],
    ["a default export", "policy/x.ts", "export default 1;"],
  ])("would catch %s", (_phrase, path, text) => {
    expect(violations({ path, text })).toHaveLength(1);
  });

  it.each([
    ["the leaves from anywhere", "base/x.ts", 'import { CONSTANTS } from "../datapath/abi.ts";'],
    ["types of the datapath in the model", "sfr/x.ts", 'import type { FilterBits } from "../datapath/datapath.ts";'],
    ["what a comment says", "proxy/x.ts", '// import { a } from "node:fs"; Date.now()\n/* Math.random() */'],
  ])("lets %s pass", (_phrase, path, text) => {
    expect(violations({ path, text })).toEqual([]);
  });
});
