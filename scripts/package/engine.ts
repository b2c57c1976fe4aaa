/** roamwall-qjs with QuickJS of Debian's source: the same engine in every package. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { Compiler } from "./compiler.ts";
import { sourceOf } from "./debian.ts";

/** Debian's release that has it: 12 has none yet. */
const RELEASE = "trixie";

/** Answers the program, built in `output`, or why there is none: without the network all else is built. */
export function buildEngine({ path, triplet }: Compiler, output: string): { program: string } | { leftOut: string } {
  let source: string;
  try {
    source = sourceOf("quickjs", RELEASE);
  } catch (error) {
    return { leftOut: `no source of QuickJS: ${(error as Error).message.split("\n")[0]}` };
  }
  const program = join(output, "roamwall-qjs");
  const tools = ["MUSL=", `CC=${path}`, `AR=${triplet}-ar`, "CFLAGS=-Os", "LIBRARIES="];
  const words = ["-s", "-C", "firmware/qjs", `BUILD=${output}`, ...tools, `QUICKJS_SOURCE=${source}`, program];
  execFileSync("make", words, { stdio: ["ignore", "inherit", "inherit"] });
  return { program };
}
