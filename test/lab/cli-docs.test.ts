import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { lostNames, rendered, skeleton } from "../../scripts/cli-docs/scenes.ts";
import { hasFirmware, isRoot } from "./support/root.ts";

describe.runIf(isRoot && hasFirmware)("docs/cli.md", () => {
  it("shows what the commands say, and names no field that is gone", async () => {
    const before = readFileSync("docs/cli.md", "utf8");
    const after = await rendered(before, () => {});
    expect(skeleton(after)).toEqual(skeleton(before));
    expect(lostNames(before, after)).toEqual([]);
    // The negative controls: a heading and a name that nobody says.
    expect(skeleton(before.replace("client             role ", "client             part "))).not.toEqual(
      skeleton(before),
    );
    expect(lostNames(before.replace("| `status` | ", "| `status` | gone, "), after)).toEqual(["status: gone"]);
  });
});
