/** Programs of ours in roamwall-qjs. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { QJS_HOST } from "../lab/support/engine.ts";

export const SANITIZED = resolve("build/roamwall-qjs-sanitized");
export const hasHost = existsSync(QJS_HOST);

/** The program, or an emulator with its options and the program. */
export type Host = string | readonly string[];

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const PATIENCE_MS = 60_000;

/** Bundles `test/qjs/NAME.ts` into `directory`, which it runs in. */
export async function runInHost(
  name: string,
  directory: string,
  words: string[] = [],
  host: Host = QJS_HOST,
): Promise<Ended> {
  const bundle = join(directory, `${name}.js`);
  await build({
    entryPoints: [`test/qjs/${name}.ts`],
    outfile: bundle,
    bundle: true,
    format: "cjs",
    target: "es2022",
    logLevel: "error",
  });
  return runHost(["--bundle", bundle, ...words], directory, host);
}

export function runHost(words: string[], cwd: string, host: Host = QJS_HOST): Promise<Ended> {
  const [program, ...first] = [host].flat();
  return new Promise((done) => {
    const options = { cwd, encoding: "utf8", timeout: PATIENCE_MS, maxBuffer: 1 << 26 } as const;
    // The engine's own library is not instrumented, and keeps what it needs until the end.
    const env = { ...process.env, ASAN_OPTIONS: "detect_leaks=0:abort_on_error=0" };
    execFile(program!, [...first, ...words], { ...options, env }, (error, out, err) => {
      done({ code: error ? Number((error as { code?: number }).code ?? -1) : 0, out, err });
    });
  });
}
