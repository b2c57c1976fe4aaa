import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { parsePolicy } from "../policy/policy.ts";

it("has a heading in docs/errors.md for every code, and none for what is gone", () => {
  const paths = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"));
  const used = paths
    .filter((path) => !path.endsWith(".test.ts"))
    .flatMap((path) => readFileSync(`src/${path}`, "utf8").match(/"ROAMWALL_ERR_[A-Z]+"/g) ?? []);
  const headings = readFileSync("docs/errors.md", "utf8").match(/(?<=^## )ROAMWALL_ERR_[A-Z]+$/gm) ?? [];
  expect(headings).toEqual([...new Set(used.map((code) => code.replaceAll('"', "")))].sort());
});

it("shows policies in docs/policy.md that are read", () => {
  const blocks = [...readFileSync("docs/policy.md", "utf8").matchAll(/^```yaml\n([\s\S]*?)^```/gm)];
  expect(blocks.length).toBeGreaterThan(0);
  for (const [, text] of blocks) expect(parsePolicy(text!, "docs/policy.md").roles.size).toBeGreaterThan(0);
});
