import { existsSync } from "node:fs";

/** Labs need root, and most of them the kernel's half. */
export const isRoot = process.getuid?.() === 0;
export const hasFirmware =
  existsSync("build/roamwalld") && existsSync("build/sfr.bpf.o") && existsSync("dist/roamwall.cjs");
