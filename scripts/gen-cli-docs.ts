// Runs each command that docs/cli.md shows in the lab, and writes what it said: `node scripts/ts.mjs scripts/gen-cli-docs.ts`
// [--check] compares instead: headings and labels must be those of the document. Root, and a build, are needed.
import { readFileSync, writeFileSync } from "node:fs";
import { lostNames, rendered, skeleton } from "./cli-docs/scenes.ts";

const PATH = "docs/cli.md";
const before = readFileSync(PATH, "utf8");
const after = await rendered(before, (command) => process.stderr.write(`roamwall ${command}\n`));
if (!process.argv.includes("--check")) {
  writeFileSync(PATH, after);
} else {
  const [was, is] = [skeleton(before), skeleton(after)];
  const wrong = [...was.filter((line, i) => line !== is[i]), ...lostNames(before, after)];
  for (const line of wrong) console.error(`${PATH}: no longer so: ${line}`);
  if (wrong.length > 0) console.error("node scripts/ts.mjs scripts/gen-cli-docs.ts writes it anew");
  process.exitCode = wrong.length > 0 ? 1 : 0;
}
