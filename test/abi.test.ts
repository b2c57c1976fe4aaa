import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ABI_VERSION } from "../src/datapath/abi.ts";

const HEADER = "firmware/abi.h";
const directory = mkdtempSync(join(tmpdir(), "roamwall-abi-"));
const check = (path: string) =>
  spawnSync(process.execPath, ["scripts/ts.mjs", "scripts/gen-abi.ts", "--check", path], { encoding: "utf8" });

afterAll(() => rmSync(directory, { recursive: true }));

describe("firmware/abi.h", () => {
  it("says what src/datapath says", () => {
    expect(check(HEADER)).toMatchObject({ status: 0, stderr: "" });
  });

  // The negative control.
  it("is found out when a version in it is another", () => {
    const path = join(directory, "abi.h");
    const version = `RW_ABI_VERSION ${ABI_VERSION}`;
    const other = readFileSync(HEADER, "utf8").replace(version, `RW_ABI_VERSION ${ABI_VERSION + 1}`);
    writeFileSync(path, other);
    const { status, stderr } = check(path);
    expect([status, stderr]).toEqual([1, expect.stringContaining("differs from its sources")]);
  });
});
