/** roamwall-qjs with QuickJS of Debian's source: the same engine in every package. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Compiler } from "./compiler.ts";
import { unpackSource } from "./debian.ts";

/** Debian's release that has it: 12 has none yet. */
const RELEASE = "trixie";

/** Answers the program, built in `output`. */
export function buildEngine({ path, triplet }: Compiler, build: string, output: string): string {
  const source = join(build, "quickjs");
  if (!existsSync(join(source, "quickjs.c"))) unpackSource(build, "quickjs", source, RELEASE);
  mkdirSync(output, { recursive: true });
  const program = join(output, "roamwall-qjs");
  const tools = ["MUSL=", `CC=${path}`, `AR=${triplet}-ar`, "CFLAGS=-Os", "LIBRARIES="];
  const words = ["-s", "-C", "firmware/qjs", `BUILD=${output}`, ...tools, `QUICKJS_SOURCE=${source}`, program];
  execFileSync("make", words, { stdio: ["ignore", "inherit", "inherit"] });
  return program;
}
