/**
 * The programs for the architectures of access points, by Debian's cross compilers and static against Debian's libraries: such a
 * program needs nothing of the device but its kernel, whichever libc the rest of it uses.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { compilerFor, hasCompiler } from "./compiler.ts";
import { unpackPackages } from "./debian.ts";
import { buildEngine } from "./engine.ts";
import { softFloatCompiler, usesFloat } from "./soft-float.ts";

export interface Architecture {
  readonly name: string;
  /** What opkg takes on a device: the feeds' names for CPUs that run the same program. */
  readonly feeds: readonly string[];
  /** Of Debian's compiler, for CPUs without floating point, of which Debian has no libraries. */
  readonly softFloat?: string;
  /** Debian's name, and of its compiler. */
  readonly debian?: { readonly name: string; readonly triplet: string };
  readonly isBigEndian: boolean;
  /** What the program asks of the device. */
  readonly needs: string;
}

const MIPS_NEEDS =
  "MIPS32r2 without floating point; static; NFQUEUE only (kmod-nft-queue, kmod-nft-bridge): the filter in the kernel needs libraries that Debian has for no such CPU, and comes by the feed's Makefile";

export const ARCHITECTURES: readonly Architecture[] = [
  {
    name: "x86-64",
    feeds: ["x86_64"],
    debian: { name: "amd64", triplet: "x86_64-linux-gnu" },
    isBigEndian: false,
    needs: "x86-64, Linux 5.10; static, no libc of the device",
  },
  {
    name: "arm64",
    feeds: ["aarch64_cortex-a53", "aarch64_cortex-a72", "aarch64_generic"],
    debian: { name: "arm64", triplet: "aarch64-linux-gnu" },
    isBigEndian: false,
    needs: "ARMv8-A, Linux 5.10; static, no libc of the device",
  },
  {
    name: "armv7",
    feeds: ["arm_cortex-a7_neon-vfpv4", "arm_cortex-a9_vfpv3-d16", "arm_cortex-a15_neon-vfpv4"],
    debian: { name: "armhf", triplet: "arm-linux-gnueabihf" },
    isBigEndian: false,
    needs: "ARMv7-A with VFPv3-D16, hard-float EABI, Linux 5.10; static, no libc of the device",
  },
  { name: "mipsel", feeds: ["mipsel_24kc"], isBigEndian: false, needs: MIPS_NEEDS, softFloat: "mipsel-linux-gnu" },
  { name: "mips", feeds: ["mips_24kc"], isBigEndian: true, needs: MIPS_NEEDS, softFloat: "mips-linux-gnu" },
];

const LIBRARIES = ["libbpf-dev", "libelf-dev", "zlib1g-dev", "musl-dev"];

/** Of the filter's object; also in the feed's Makefile. */
export const UNNEEDED = ["--strip-unneeded", "--remove-section=.BTF.ext"];

type Binaries = ReadonlyMap<string, Uint8Array>;
export type Built =
  | { readonly binaries: Binaries; readonly noEngine?: string }
  /** All of it. */
  | { readonly leftOut: string };

/** Builds in `<build>/<architecture>`. */
export function buildFor(architecture: Architecture, build: string): Built {
  const { debian, name, softFloat } = architecture;
  const triplet = debian?.triplet ?? softFloat!;
  if (!hasCompiler(triplet)) return { leftOut: `no ${triplet}-gcc here (apt-get install gcc-${triplet})` };
  const output = resolve(build, name);
  mkdirSync(output, { recursive: true });
  return debian
    ? buildHardFloat(architecture, resolve(build), output)
    : buildSoftFloat(triplet, resolve(build), output);
}

function buildHardFloat({ debian, isBigEndian }: Architecture, build: string, output: string): Built {
  const { triplet } = debian!;
  const root = librariesOf(debian!.name, build);
  const include = [`-I${root}/usr/include`, `-I${root}/usr/include/${triplet}`];
  // Paths of this machine must not reach the programs: they would differ from build to build.
  const flags = ["-Os", "-static", "-s", "-ffunction-sections", "-Wl,--gc-sections", "-Wl,--build-id=none", ...include];
  const cflags = `CFLAGS=${flags.join(" ")} -L${root}/usr/lib/${triplet}`;
  make([`BUILD=${output}`, `CC=${triplet}-gcc`, cflags, `${output}/roamwalld`]);
  const object = isBigEndian ? "sfr.bpfeb.o" : "sfr.bpf.o";
  // With musl: glibc's way to ask for a broker's address needs its shared libraries, which no device has.
  const musl = triplet.replace(/-gnu(eabihf)?$/, "-musl$1");
  const target = { triplet, flags: [], include: `${root}/usr/include/${musl}`, library: `${root}/usr/lib/${musl}` };
  const engine = buildEngine(compilerFor({ ...target, helpers: ["-lgcc", "-lgcc_eh"] }, output), output);
  return built(join(output, "roamwalld"), engine, [[object, filterObject(object, build)]]);
}

/** A roamwalld that needs no library. */
function buildSoftFloat(triplet: string, build: string, output: string): Built {
  const compiler = softFloatCompiler(triplet, build);
  const daemon = join(output, "roamwalld");
  make([`BUILD=${output}`, "EBPF=0", `CC=${compiler.path}`, "CFLAGS=-Os", daemon]);
  const engine = buildEngine(compiler, output);
  for (const program of "program" in engine ? [daemon, engine.program] : [daemon])
    if (usesFloat(triplet, program)) throw new Error(`${program} uses floating point`);
  return built(daemon, engine, []);
}

function built(
  daemon: string,
  engine: ReturnType<typeof buildEngine>,
  more: readonly [name: string, bytes: Uint8Array][],
): Built {
  const binaries = new Map([["roamwalld", readFileSync(daemon)], ...more]);
  if ("leftOut" in engine) return { binaries, noEngine: engine.leftOut };
  return { binaries: binaries.set("roamwall-qjs", readFileSync(engine.program)) };
}

/**
 * The filter itself is of no architecture, only of a byte order. BTF stays: maps and constants are defined by it. What goes is for
 * readers: debugging data, names of branches, and the source line of each instruction, which a kernel would keep in memory.
 */
function filterObject(name: string, build: string): Uint8Array {
  make([`BUILD=${build}`, `${build}/${name}`]);
  const stripped = join(build, `${name}.stripped`);
  execFileSync(tool("llvm-strip"), [...UNNEEDED, "-o", stripped, join(build, name)], { stdio: "inherit" });
  return readFileSync(stripped);
}

function make(words: readonly string[], directory = "firmware"): void {
  execFileSync("make", ["-s", "-C", directory, ...words], { stdio: ["ignore", "inherit", "inherit"] });
}

/** Debian has it with its version in the name, unless the package `llvm` is there. */
function tool(name: string): string {
  for (const directory of ["/usr/bin", ...llvmDirectories()])
    if (existsSync(join(directory, name))) return join(directory, name);
  throw new Error(`${name} is missing (apt-get install llvm)`);
}

function llvmDirectories(): string[] {
  const names = existsSync("/usr/lib") ? readdirSync("/usr/lib").filter((name) => /^llvm-\d+$/.test(name)) : [];
  return names
    .sort()
    .reverse()
    .map((name) => join("/usr/lib", name, "bin"));
}

/** Debian's libraries of another architecture, in a directory of our own. `""`: this machine's. */
function librariesOf(debian: string, build: string): string {
  const here = execFileSync("dpkg", ["--print-architecture"], { encoding: "utf8" }).trim();
  if (here === debian) return "";
  const root = join(build, "root", debian);
  if (existsSync(join(root, ".complete"))) return root;
  unpackPackages(
    build,
    LIBRARIES.map((library) => `${library}:${debian}`),
    root,
  );
  writeFileSync(join(root, ".complete"), "");
  return root;
}
