/**
 * A C compiler for MIPS without floating point, as the CPUs of most mesh APs are: Debian's cross compiler, and musl of Debian's
 * source built for it. Debian's own C libraries for MIPS use instructions that these CPUs lack.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { unpackSource } from "./debian.ts";

const FLAGS = ["-Os", "-msoft-float", "-mips32r2"];

/** Answers the path of the compiler; the first time it takes some minutes. */
export function softFloatCompiler(triplet: string, build: string): string {
  const output = join(build, `soft-float-${triplet}`);
  const wrapper = join(output, "cc");
  if (existsSync(wrapper)) return wrapper;
  mkdirSync(output, { recursive: true });
  const prefix = buildMusl(triplet, build, output);
  const builtins = join(output, "no-float.o");
  const compiler = `${triplet}-gcc`;
  execFileSync(compiler, [...FLAGS, "-ffreestanding", "-c", resolve("scripts/package/no-float.c"), "-o", builtins]);
  const own = execFileSync(compiler, ["-print-file-name=include"], { encoding: "utf8" }).trim();
  const include = `-nostdinc -isystem ${prefix}/include -isystem ${own} -idirafter /usr/${triplet}/include`;
  const libraries = `-Wl,--start-group ${prefix}/lib/libc.a ${builtins} -lgcc -latomic -Wl,--end-group`;
  // The compiler's own helpers are marked as built for a CPU with floating point, and use none: see usesFloat.
  const link = `-nostdlib -static -s -Wl,--build-id=none -Wl,--no-warn-mismatch ${prefix}/lib/crt1.o ${prefix}/lib/crti.o`;
  const line = `exec ${compiler} ${FLAGS.join(" ")} ${include} "$@" ${link} ${libraries} ${prefix}/lib/crtn.o`;
  writeFileSync(wrapper, `#!/bin/sh\n${line}\n`, { mode: 0o755 });
  return wrapper;
}

function buildMusl(triplet: string, build: string, output: string): string {
  const source = join(build, "musl");
  if (!existsSync(join(source, "configure"))) unpackSource(build, "musl", source);
  const prefix = join(output, "musl");
  const objects = join(output, "objects");
  mkdirSync(objects, { recursive: true });
  // Its warnings are its authors' affair: -w.
  const tools = {
    CC: `${triplet}-gcc`,
    AR: `${triplet}-ar`,
    RANLIB: `${triplet}-ranlib`,
    CFLAGS: [...FLAGS, "-w"].join(" "),
  };
  const options = [`--target=${triplet.replace(/-gnu$/, "-muslsf")}`, "--disable-shared", `--prefix=${prefix}`];
  const at = { cwd: objects, env: { ...process.env, ...tools }, stdio: ["ignore", "ignore", "inherit"] as const };
  execFileSync(join(source, "configure"), options, { ...at, stdio: [...at.stdio] });
  execFileSync("make", ["-s", "-j2", "install"], { ...at, stdio: [...at.stdio] });
  return prefix;
}

/** Whether a program has an instruction of the floating-point unit: one is enough to end it on these CPUs. */
export function usesFloat(triplet: string, program: string): boolean {
  const options = { encoding: "utf8", maxBuffer: 1 << 28 } as const;
  const text = execFileSync(`${triplet}-objdump`, ["-d", program], options);
  return /\t(?:[ls][dw]x?c1|m[tf]h?c1|c[tf]c1|bc1[tf]l?|(?:add|sub|mul|div|abs|neg|mov|sqrt|cvt\.\w+|c\.\w+)\.[sd])\s/.test(
    text,
  );
}
