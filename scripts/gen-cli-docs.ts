// Runs each command that docs/cli.md shows in the lab, and writes what it said: `node scripts/ts.mjs scripts/gen-cli-docs.ts`.
// Root, and a build, are needed; not for --names, which writes the names of JSON fields alone, from the types.
// --check compares instead: headings and labels must be those of the document.
import { readFileSync, writeFileSync } from "node:fs";
import { answersByType, namesTable } from "./cli-docs/names.ts";
import { rendered, skeleton, withNames } from "./cli-docs/scenes.ts";

const PATH = "docs/cli.md";
const before = readFileSync(PATH, "utf8");
if (process.argv.includes("--names")) {
  writeFileSync(PATH, withNames(before, namesTable(answersByType())));
} else {
  const { document, unlike } = await rendered(before, (command) => process.stderr.write(`roamwall ${command}\n`));
  const [was, is] = [skeleton(before), skeleton(document)];
  const isCheck = process.argv.includes("--check");
  if (!isCheck) writeFileSync(PATH, document);
  const wrong = [
    ...(isCheck ? was.flatMap((line, i) => (line === is[i] ? [] : [`${line}; but ${is[i]}`])) : []),
    ...unlike,
  ];
  for (const line of wrong) console.error(`${PATH}: not so: ${line}`);
  process.exitCode = wrong.length > 0 ? 1 : 0;
}
