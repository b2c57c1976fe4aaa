/**
 * A C compiler for MIPS without floating point, as the CPUs of most mesh APs are: Debian's cross compiler, musl of Debian's source
 * built for it, and glibc's arithmetic of floating-point numbers in integers. Debian's own C libraries for MIPS use instructions that
 * these CPUs lack.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Compiler, compilerFor, type Target } from "./compiler.ts";
import { sourceOf } from "./debian.ts";

const FLAGS = ["-Os", "-msoft-float", "-mips32r2"];

/** Of soft-fp, each a file; those of the kind `eqdf2` bring the rest of the comparisons. */
const ARITHMETIC = [
  ...["add", "sub", "mul", "div"].flatMap((name) => [`${name}df3`, `${name}sf3`]),
  ...["eq", "ge", "le", "unord"].flatMap((name) => [`${name}df2`, `${name}sf2`]),
  ...["si", "di"].flatMap((whole) => [`fixdf${whole}`, `fixunsdf${whole}`, `fixsf${whole}`, `fixunssf${whole}`]),
  ...["si", "di"].flatMap((whole) => [`float${whole}df`, `floatun${whole}df`, `float${whole}sf`, `floatun${whole}sf`]),
  ...["negdf2", "negsf2", "extendsfdf2", "truncdfsf2"],
];

/** The first time it takes some minutes. */
export function softFloatCompiler(triplet: string, build: string): Compiler {
  const output = join(build, `soft-float-${triplet}`);
  const path = join(output, "cc");
  if (existsSync(path)) return { triplet, path };
  const prefix = buildMusl(triplet, output);
  const arithmetic = join(output, "soft-float.a");
  const target: Target = {
    triplet,
    // The compiler's own helpers are marked as built for a CPU with floating point, and use none: see usesFloat.
    flags: [...FLAGS, "-Wl,--no-warn-mismatch"],
    include: `${prefix}/include`,
    library: `${prefix}/lib`,
    helpers: [arithmetic, "-lgcc", "-latomic"],
  };
  buildArithmetic(compilerFor(target, join(output, "first")), arithmetic);
  return compilerFor(target, output);
}

function buildMusl(triplet: string, output: string): string {
  const source = sourceOf("musl");
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

/** What the compiler calls for `a + b`: Debian's library of it is for CPUs that have an instruction. */
function buildArithmetic({ path, triplet }: Compiler, archive: string): void {
  const source = sourceOf("glibc");
  const folders = ["sysdeps/mips/mips32", "soft-fp", "stdlib"].map((folder) => `-I${join(source, folder)}`);
  const objects = join(archive, "../arithmetic");
  mkdirSync(objects, { recursive: true });
  const files = ARITHMETIC.map((name) => {
    const object = join(objects, `${name}.o`);
    const words = ["-O2", "-w", ...folders, "-include", resolve("scripts/package/soft-float.h")];
    execFileSync(path, [...words, "-c", join(source, "soft-fp", `${name}.c`), "-o", object], { stdio: "inherit" });
    return object;
  });
  execFileSync(`${triplet}-ar`, ["rcsD", archive, ...files]);
}

/** Whether a program has an instruction of the floating-point unit: one is enough to end it on these CPUs. */
export function usesFloat(triplet: string, program: string): boolean {
  const options = { encoding: "utf8", maxBuffer: 1 << 28 } as const;
  const text = execFileSync(`${triplet}-objdump`, ["-d", program], options);
  return /\t(?:[ls][dw]x?c1|m[tf]h?c1|c[tf]c1|bc1[tf]l?|(?:add|sub|mul|div|abs|neg|mov|sqrt|cvt\.\w+|c\.\w+)\.[sd])\s/.test(
    text,
  );
}
