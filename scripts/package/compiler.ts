/** A compiler as one word for `make CC=`: static programs against musl, which no path of this machine reaches. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Compiler {
  /** Debian's, as `mips-linux-gnu`: its programs are `<triplet>-gcc`, `<triplet>-ar`. */
  readonly triplet: string;
  /** The script that compiles, and links unless `-c` is among its words. */
  readonly path: string;
}

export interface Target {
  readonly triplet: string;
  readonly flags: readonly string[];
  /** musl's headers, and the folder of its libc.a and crt1.o. */
  readonly include: string;
  readonly library: string;
  /** What is linked beside libc, as `-lgcc`. */
  readonly helpers: readonly string[];
}

/** Writes the script into `output`. */
export function compilerFor(target: Target, output: string): Compiler {
  const { triplet, flags, include, library, helpers } = target;
  if (!existsSync(`${library}/crt1.o`)) throw new Error(`no musl in ${library} (apt-get install musl-dev)`);
  const own = execFileSync(`${triplet}-gcc`, ["-print-file-name=include"], { encoding: "utf8" }).trim();
  const headers = [
    `-isystem ${include}`,
    `-isystem ${own}`,
    ...kernelHeaders(triplet).map((path) => `-idirafter ${path}`),
  ];
  const compile = [`${triplet}-gcc`, ...flags, "-nostdinc", ...headers].join(" ");
  const libraries = `-Wl,--start-group ${library}/libc.a ${helpers.join(" ")} -Wl,--end-group`;
  const start = `${library}/crt1.o ${library}/crti.o`;
  const link = `-nostdlib -static -s -Wl,--build-id=none ${start} ${libraries} ${library}/crtn.o`;
  const path = join(output, "cc");
  const script = `#!/bin/sh\ncase " $* " in *" -c "*) exec ${compile} "$@" ;; esac\nexec ${compile} "$@" ${link}\n`;
  mkdirSync(output, { recursive: true });
  writeFileSync(path, script, { mode: 0o755 });
  return { triplet, path };
}

export function hasCompiler(triplet: string): boolean {
  return spawnSync(`${triplet}-gcc`, ["--version"]).status === 0;
}

function kernelHeaders(triplet: string): string[] {
  const cross = `/usr/${triplet}/include`;
  return existsSync(cross) ? [cross] : ["/usr/include", `/usr/include/${triplet}`];
}
