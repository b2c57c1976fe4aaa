import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";

/** CPUs that the routine of user space is built for. Emulators count instructions, and run what this machine cannot. */
export interface Cpu {
  readonly name: string;
  /** What it stands for. */
  readonly note: string;
  readonly compiler: string;
  readonly flags: readonly string[];
  readonly emulator: readonly string[];
}

const FREESTANDING = "-DFREESTANDING -msoft-float -mno-abicalls -fno-pic -G0 -ffreestanding -nostdlib".split(" ");
const mips = (endian: "" | "el"): Omit<Cpu, "name" | "note"> => ({
  compiler: `mips${endian}-linux-gnu-gcc`,
  flags: ["-march=24kc", ...FREESTANDING],
  emulator: [`qemu-mips${endian}-static`, "-cpu", "24Kf"],
});

export const CPUS: readonly Cpu[] = [
  { name: "x86-64", note: "this machine", compiler: "cc", flags: [], emulator: ["qemu-x86_64-static"] },
  {
    name: "Pentium III",
    note: "32 bits, no SSE2",
    compiler: "i686-linux-gnu-gcc",
    flags: ["-march=pentium3"],
    emulator: ["qemu-i386-static", "-cpu", "pentium3"],
  },
  {
    name: "XScale",
    note: "ARMv5TE, no FPU",
    compiler: "arm-linux-gnueabi-gcc",
    flags: ["-mcpu=xscale"],
    emulator: ["qemu-arm-static", "-cpu", "pxa255"],
  },
  { name: "MIPS 24Kc", note: "big endian, no FPU: ath79", ...mips("") },
  { name: "MIPS 24Kc, little endian", note: "no FPU: MT7621, MT7628", ...mips("el") },
];

const FOLDER = "build/cpus";
const SOURCE = "firmware/test/vectors.c";
const WARNINGS = ["-Wall", "-Wextra", "-Werror", "-fno-strict-aliasing"];

const has = (program: string) => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;

/** What this machine lacks for a CPU; [] = nothing. */
export function missingFor(cpu: Cpu): string[] {
  return [cpu.compiler, cpu.emulator[0]!].filter((program) => !has(program));
}

/** Compiles the runner; returns its path. */
export function buildFor(cpu: Cpu): string {
  mkdirSync(FOLDER, { recursive: true });
  const program = `${FOLDER}/vectors-${cpu.name.replaceAll(/[^A-Za-z0-9]+/g, "-")}`;
  execFileSync(cpu.compiler, ["-O2", ...WARNINGS, ...cpu.flags, "-static", "-o", program, SOURCE], { stdio: "pipe" });
  return program;
}

export interface Outcome {
  readonly packets: number;
  readonly wrong: number;
  /** Number of the first packet after which something was wrong. */
  readonly first: number;
}

/** Runs vectors on a CPU. `emulated`: also where this machine could run them itself. */
export function runVectors(cpu: Cpu, program: string, vectors: Uint8Array): Outcome {
  const [command, ...args] = cpu.compiler === "cc" ? [program] : [...cpu.emulator, program];
  const { stdout, stderr, error } = spawnSync(command!, args, { input: vectors, encoding: "utf8" });
  const numbers = /^(\d+) (\d+) (\d+)$/m.exec(stdout ?? "");
  if (!numbers) throw new Error(`${cpu.name}: ${error?.message ?? stderr}`);
  const [packets, wrong, first] = numbers.slice(1).map(Number) as [number, number, number];
  return { packets, wrong, first };
}

/** Instructions that the emulated CPU executes for this input, from its start to its end: one line of trace each. */
export function countInstructions(
  [emulator, ...options]: readonly string[],
  command: readonly string[],
  input: Uint8Array,
): Promise<number> {
  const trace = ["-singlestep", "-d", "nochain,exec"];
  const child = spawn(emulator!, [...options, ...trace, ...command], { stdio: ["pipe", "ignore", "pipe"] });
  let lines = 0;
  child.stderr.on("data", (bytes: Buffer) => {
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines++;
  });
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(lines) : reject(new Error(`${emulator} ended with ${code}`))));
  });
}
