import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { rendered, skeleton } from "../../scripts/cli-docs/scenes.ts";
import { engineOf } from "./support/engine.ts";
import { hasFirmware, isRoot } from "./support/root.ts";

/** Names of fields are held to the types in `test/cli-docs.test.ts`; here, what commands say is held to them. */
describe.runIf(isRoot && hasFirmware)("docs/cli.md", () => {
  it("shows what the commands say, whose JSON has the fields of its type", async () => {
    const before = readFileSync("docs/cli.md", "utf8");
    const { document, unlike } = await rendered(before, () => {});
    // Written with agents on Node; QuickJS's say in one field more what they cannot do.
    const said = skeleton(document).map((line) => (engineOf() === "node" ? line : line.replace("; cannot;", ";")));
    expect(said).toEqual(skeleton(before));
    expect(unlike).toEqual([]);
    // The negative control: a heading that nobody says.
    const other = before.replace("client             role ", "client             part ");
    expect(skeleton(document)).not.toEqual(skeleton(other));
  });
});
