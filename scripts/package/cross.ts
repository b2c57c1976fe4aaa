/**
 * roamwalld for the architectures of access points, by Debian's cross compilers and static against Debian's libraries: such a
 * program needs nothing of the device but its kernel, whichever libc the rest of it uses.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { unpackPackages } from "./debian.ts";
import { softFloatCompiler, usesFloat } from "./soft-float.ts";

export interface Architecture {
  readonly name: string;
  /** What opkg takes on a device: the feeds' names for CPUs that run the same program. */
  readonly feeds: readonly string[];
  /** Of the library that the package @suchipi/quickjs brings; absent: it has none. */
  readonly engine?: string;
  /** Of Debian's compiler, for CPUs without floating point, of which Debian has no libraries. */
  readonly softFloat?: string;
  /** Debian's name, and of its compiler. */
  readonly debian?: { readonly name: string; readonly triplet: string; readonly gcc: string };
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
    engine: "x86_64-unknown-linux-musl",
    debian: { name: "amd64", triplet: "x86_64-linux-gnu", gcc: "gcc-x86-64-linux-gnu" },
    isBigEndian: false,
    needs: "x86-64, Linux 5.10; static, no libc of the device",
  },
  {
    name: "arm64",
    engine: "aarch64-unknown-linux-musl",
    feeds: ["aarch64_cortex-a53", "aarch64_cortex-a72", "aarch64_generic"],
    debian: { name: "arm64", triplet: "aarch64-linux-gnu", gcc: "gcc-aarch64-linux-gnu" },
    isBigEndian: false,
    needs: "ARMv8-A, Linux 5.10; static, no libc of the device",
  },
  {
    name: "armv7",
    feeds: ["arm_cortex-a7_neon-vfpv4", "arm_cortex-a9_vfpv3-d16", "arm_cortex-a15_neon-vfpv4"],
    debian: { name: "armhf", triplet: "arm-linux-gnueabihf", gcc: "gcc-arm-linux-gnueabihf" },
    isBigEndian: false,
    needs: "ARMv7-A with VFPv3-D16, hard-float EABI, Linux 5.10; static, no libc of the device",
  },
  { name: "mipsel", feeds: ["mipsel_24kc"], isBigEndian: false, needs: MIPS_NEEDS, softFloat: "mipsel-linux-gnu" },
  { name: "mips", feeds: ["mips_24kc"], isBigEndian: true, needs: MIPS_NEEDS, softFloat: "mips-linux-gnu" },
];

const LIBRARIES = ["libbpf-dev", "libelf-dev", "zlib1g-dev", "musl-dev"];

const NO_ENGINE =
  "the engine's package has no library for this architecture; the feed's Makefile builds it with OpenWrt's `quickjs`";

export type Built =
  | { readonly binaries: ReadonlyMap<string, Uint8Array>; readonly noEngine?: string }
  | { readonly leftOut: string };

/** Builds in `<build>/<architecture>`. */
export function buildFor(architecture: Architecture, build: string): Built {
  const { debian, isBigEndian, name, softFloat } = architecture;
  if (!debian) return buildSoftFloat(softFloat!, name, resolve(build));
  const compiler = compilerOf(debian.triplet);
  if (!compiler) return { leftOut: `no ${debian.triplet}-gcc here (apt-get install ${debian.gcc})` };
  const output = resolve(build, name);
  mkdirSync(output, { recursive: true });
  const root = librariesOf(debian.name, resolve(build));
  const include = [`-I${root}/usr/include`, `-I${root}/usr/include/${debian.triplet}`];
  // Paths of this machine must not reach the programs: they would differ from build to build.
  const flags = ["-Os", "-static", "-s", "-ffunction-sections", "-Wl,--gc-sections", "-Wl,--build-id=none", ...include];
  const variables = [
    `BUILD=${output}`,
    `CC=${compiler}`,
    `CFLAGS=${flags.join(" ")} -L${root}/usr/lib/${debian.triplet}`,
  ];
  make([...variables, `${output}/roamwalld`]);
  const object = isBigEndian ? "sfr.bpfeb.o" : "sfr.bpf.o";
  const binaries = new Map<string, Uint8Array>([["roamwalld", readFileSync(join(output, "roamwalld"))]]);
  binaries.set(object, filterObject(object, resolve(build)));
  const noEngine = buildEngine(architecture, compiler, root, output, binaries);
  return { binaries, ...(noEngine !== undefined && { noEngine }) };
}

/** A roamwalld that needs no library, and no engine: QuickJS computes with floating-point numbers. */
function buildSoftFloat(triplet: string, name: string, build: string): Built {
  if (!compilerOf(triplet)) return { leftOut: `no ${triplet}-gcc here (apt-get install gcc-${triplet})` };
  const program = join(build, name, "roamwalld");
  mkdirSync(join(build, name), { recursive: true });
  const compiler = softFloatCompiler(triplet, build);
  make([`BUILD=${join(build, name)}`, "EBPF=0", `CC=${compiler}`, "CFLAGS=-Os", program]);
  if (usesFloat(triplet, program)) throw new Error(`${program} uses floating point`);
  return { binaries: new Map([["roamwalld", readFileSync(program)]]), noEngine: NO_ENGINE };
}

/** Answers why not. With musl: glibc's way to ask for a broker's address needs its shared libraries, which no device has. */
function buildEngine(
  { engine, debian }: Architecture,
  compiler: string,
  root: string,
  output: string,
  binaries: Map<string, Uint8Array>,
): string | undefined {
  if (engine === undefined) {
    return NO_ENGINE;
  }
  const library = resolve("node_modules/@suchipi/quickjs/build", engine);
  if (!existsSync(library)) return "no engine here (npm ci)";
  const musl = debian!.triplet.replace(/-gnu(eabihf)?$/, "-musl$1");
  const objects = `${root}/usr/lib/${musl}`;
  if (!existsSync(`${objects}/crt1.o`)) return "no musl here (apt-get install musl-dev)";
  const own = execFileSync(compiler, ["-print-file-name=include"], { encoding: "utf8" }).trim();
  const kernel = existsSync(`/usr/${debian!.triplet}/include`)
    ? [`/usr/${debian!.triplet}/include`]
    : ["/usr/include", `/usr/include/${debian!.triplet}`];
  const include = [
    "-nostdinc",
    `-isystem ${root}/usr/include/${musl}`,
    `-isystem ${own}`,
    ...kernel.map((path) => `-idirafter ${path}`),
  ];
  const link = `-nostdlib -static -s -Wl,--build-id=none ${objects}/crt1.o ${objects}/crti.o -Wl,--start-group ${objects}/libc.a -lgcc -Wl,--end-group ${objects}/crtn.o`;
  const wrapper = join(output, "musl-cc");
  writeFileSync(wrapper, `#!/bin/sh\nexec ${compiler} ${include.join(" ")} "$@" ${link}\n`, { mode: 0o755 });
  const variables = [`BUILD=${output}`, "MUSL=", `CC=${wrapper}`, `QUICKJS=${library}`, "LIBRARIES=", "CFLAGS=-Os"];
  make([...variables, `${output}/roamwall-qjs`], "firmware/qjs");
  binaries.set("roamwall-qjs", readFileSync(join(output, "roamwall-qjs")));
  return undefined;
}

/** The filter itself is of no architecture, only of a byte order. Debugging data goes; BTF stays, maps are defined by it. */
function filterObject(name: string, build: string): Uint8Array {
  make([`BUILD=${build}`, `${build}/${name}`]);
  const stripped = join(build, `${name}.stripped`);
  execFileSync(tool("llvm-strip"), ["--strip-debug", "-o", stripped, join(build, name)], { stdio: "inherit" });
  return readFileSync(stripped);
}

function make(words: readonly string[], directory = "firmware"): void {
  execFileSync("make", ["-s", "-C", directory, ...words], { stdio: ["ignore", "inherit", "inherit"] });
}

function compilerOf(triplet: string): string | undefined {
  const name = `${triplet}-gcc`;
  return spawnSync(name, ["--version"]).status === 0 ? name : undefined;
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
