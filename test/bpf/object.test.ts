import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BpfObject, readObject } from "./object.ts";
import { untranslatable } from "./translatable.ts";

const ORDERS = ["bpfel", "bpfeb"] as const;
/** As a loader sets it whose machine has one CPU, or a JIT without atomics. */
const NO_ATOMICS = { rw_atomics: 0 };
/** Of both programs: everything is inlined, for cells of both sizes. A JIT needs some 10 bytes for each. */
const INSTRUCTIONS_MAX = 50_000;

const hasClang = spawnSync("clang", ["--version"]).status === 0;
if (!hasClang) console.warn("BPF objects are not looked into: clang is not installed");

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rwobject-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function compile(source: string, order: string): BpfObject {
  const path = join(folder, "object.o");
  const multiarch = spawnSync("cc", ["-print-multiarch"], { encoding: "utf8" }).stdout.trim();
  const flags = ["-target", order, "-O2", "-mcpu=v3", `-I/usr/include/${multiarch}`];
  if (source.endsWith(".c")) execFileSync("clang", [...flags, "-c", source, "-o", path]);
  else execFileSync("clang", [...flags, "-x", "c", "-c", "-", "-o", path], { input: source });
  return readObject(readFileSync(path));
}

const compiled = new Map<string, BpfObject>();
/** Our own, once for each byte order. */
function ours(order: string): BpfObject {
  const object = compiled.get(order) ?? compile("firmware/sfr.bpf.c", order);
  compiled.set(order, object);
  return object;
}

/** One each of what must not be there. `by`: a global, so that nothing is folded. */
const PLANTED: readonly (readonly [fault: string, body: string])[] = [
  ["a division", "return x / y;"],
  // What `%` is compiled to: the compiler prefers a division and a product.
  ["a modulo", 'asm volatile(".byte 0x9f, 0x11, 0, 0, 0, 0, 0, 0" : "+r"(x)); return x + y;'],
  ["a call of another function of the object", "return other(x);"],
  ["a kfunc", "return foreign(x);"],
  ["a callback", "return each((void *)0, called, (void *)0, x);"],
  ["a helper that calls back", "return each((void *)0, called, (void *)0, x);"],
  ["an atomic", "__sync_fetch_and_add(&shared, x); return 0;"],
  ["an atomic", "return __sync_val_compare_and_swap(&shared, x, y);"],
];
const planted = (body: string) => `
typedef unsigned long long u64;
u64 shared;
const volatile unsigned int rw_atomics = 1;
extern u64 foreign(u64 x) __attribute__((section(".ksyms")));
static u64 (*each)(void *, void *, void *, u64) = (void *)164;
static __attribute__((noinline)) u64 other(u64 x) { return x * shared; }
static __attribute__((noinline)) u64 called(void *map, void *key, void *value, void *context) { return 0; }
__attribute__((section("tc"))) int program(u64 *context)
{
	u64 x = context[0], y = context[1];
	${body}
}
`;

describe.skipIf(!hasClang)("the BPF object", () => {
  it.each(ORDERS)("holds nothing that a 32-bit JIT cannot translate (%s)", (order) => {
    const object = ours(order);
    expect(object.littleEndian).toBe(order === "bpfel");
    expect(object.programs.map(({ name }) => name).sort()).toEqual(["rw_from_client", "rw_to_client"]);
    expect(untranslatable(object, NO_ATOMICS)).toEqual([]);
    const instructions = object.programs.reduce((sum, program) => sum + program.instructions.length, 0);
    expect(instructions).toBeLessThan(INSTRUCTIONS_MAX);
    expect(instructions).toBeGreaterThan(10_000);
  });

  it.each(ORDERS)("holds atomics where the loader says that the JIT has them (%s)", (order) => {
    const faults = untranslatable(ours(order), { rw_atomics: 1 });
    expect(faults.length).toBeGreaterThan(0);
    expect(faults.filter((fault) => !fault.endsWith(": an atomic"))).toEqual([]);
  });

  it.each(ORDERS.flatMap((order) => PLANTED.map(([fault, body]) => [fault, body, order] as const)))(
    "would be seen to hold %s: %s (%s)",
    (fault, body, order) => {
      expect(untranslatable(compile(planted(body), order), NO_ATOMICS)).toEqual(
        expect.arrayContaining([expect.stringContaining(fault)]),
      );
    },
  );

  it.each(ORDERS)(
    "an atomic behind the loader's constant is left out, one behind anything else is not (%s)",
    (order) => {
      const behind = (condition: string) => planted(`if (${condition}) __sync_fetch_and_add(&shared, x); return 0;`);
      expect(untranslatable(compile(behind("rw_atomics"), order), NO_ATOMICS)).toEqual([]);
      expect(untranslatable(compile(behind("rw_atomics"), order), { rw_atomics: 1 }).length).toBe(1);
      expect(untranslatable(compile(behind("y"), order), NO_ATOMICS).length).toBe(1);
    },
  );
});
