import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { ROAMWALL, VENDOR } from "./attributes.ts";

it("is the dictionary that the documentation tells to copy", () => {
  const text = readFileSync("docs/examples/freeradius/dictionary.roamwall", "utf8");
  const rows = [...text.matchAll(/^ATTRIBUTE\s+(\S+)\s+(\d+)\s+(\w+)$/gm)].map(([, name, type, form]) => {
    return [name, [Number(type), form === "string" ? "text" : form]];
  });
  expect(Object.fromEntries(rows)).toEqual(ROAMWALL);
  expect(text).toMatch(new RegExp(`^VENDOR\\s+Roamwall\\s+${VENDOR}$`, "m"));
});
