import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { answersByType, differences, type Fields, namesTable, unlike } from "../scripts/cli-docs/names.ts";

describe("names of JSON fields", () => {
  const document = readFileSync("docs/cli.md", "utf8");
  let answers: ReadonlyMap<string, Fields>;
  beforeAll(() => {
    answers = answersByType();
  });

  it("are in docs/cli.md as the types have them (`gen-cli-docs.ts --names` writes them)", () => {
    expect(differences(document, namesTable(answers))).toEqual({ lost: [], added: [] });
    // The negative controls: a field that is gone, and one that nobody listed.
    const [gone, unlisted] = ["| `mode` | gone, ", "| `mode` | "].map((row) =>
      document.replace("| `mode` | ap, ", row),
    );
    expect(differences(gone!, namesTable(answers))).toEqual({ lost: ["mode: gone"], added: ["mode: ap"] });
    expect(differences(unlisted!, namesTable(answers))).toEqual({ lost: [], added: ["mode: ap"] });
  });

  it("are missed where a value lacks one or has another, however deep, but for optional ones", () => {
    const fields = answers.get("monitor")!;
    const whole = Object.fromEntries(
      [...fields].filter(([, { isOptional }]) => !isOptional).map(([name]) => [name, 1]),
    );
    expect(unlike(whole, fields)).toEqual([]);
    const { reason, ...rest } = whole;
    expect(unlike({ ...rest, rule: "", reasons: reason }, fields)).toEqual(["reason: missing", "reasons: of no type"]);
    const mode = answers.get("mode")!;
    expect(unlike({ ap: "enforce", lines: [{ scope: "ap", name: "", mode: "monitor" }] }, mode)).toEqual([
      "lines.leftSeconds: missing",
    ]);
  });

  it("of counts are data", () => {
    expect(
      unlike({ denied: { acl: 1 } }, new Map([["denied", { isOptional: false, isList: false, fields: new Map() }]])),
    ).toEqual([]);
  });
});
