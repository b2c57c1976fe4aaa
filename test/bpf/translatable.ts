import type { BpfObject, Instruction, Program } from "./object.ts";

/**
 * What the JITs of 32-bit machines cannot translate, or reject a program for. Atomics are allowed where the loader's
 * constant removes them: the verifier leaves out what is behind a branch whose way is known.
 */
const CLASS = { ldx: 1, stx: 3, alu: 4, jmp: 5, jmp32: 6, alu64: 7 } as const;
const LOAD_64 = 0x18;
const CALL = 0x85;
const EXIT = 0x95;
const JUMP = 0x05;
const HELPERS_WITH_CALLBACK = new Map([
  [164, "bpf_for_each_map_elem"],
  [170, "bpf_timer_set_callback"],
  [180, "bpf_find_vma"],
  [181, "bpf_loop"],
  [208, "bpf_user_ringbuf_drain"],
]);

const FAULTS: readonly (readonly [name: string, is: (i: Instruction) => boolean])[] = [
  ["a division", (i) => isAlu(i) && (i.code & 0xf0) === 0x30],
  ["a modulo", (i) => isAlu(i) && (i.code & 0xf0) === 0x90],
  ["a call of another function of the object", (i) => i.code === CALL && i.src === 1 && i.symbol?.section !== ""],
  ["a kfunc", (i) => i.code === CALL && (i.src === 2 || (i.src === 1 && i.symbol?.section === ""))],
  ["a callback", (i) => i.code === LOAD_64 && (i.src === 4 || i.symbol?.isCode === true)],
  ["a helper that calls back", (i) => i.code === CALL && i.src === 0 && HELPERS_WITH_CALLBACK.has(i.imm)],
  ["an atomic", (i) => (i.code & 7) === CLASS.stx && (i.code & 0xe0) === 0xc0],
  ["a load with a sign", (i) => (i.code & 7) === CLASS.ldx && (i.code & 0xe0) === 0x80],
  ["a move with a sign", (i) => isAlu(i) && (i.code & 0xf0) === 0xb0 && i.offset !== 0],
  ["a long jump", (i) => i.code === (JUMP & 0xf8) + CLASS.jmp32],
  ["a byte swap of v4", (i) => (i.code & 0xf7) === 0xd7],
];

const isAlu = (i: Instruction) => (i.code & 7) === CLASS.alu || (i.code & 7) === CLASS.alu64;

/** In words, a line each, with the place. `constants`: of .rodata, by name, as the loader sets them. */
export function untranslatable(object: BpfObject, constants: Readonly<Record<string, number>>): string[] {
  return object.programs.flatMap((program) => {
    const reached = reachable(program, constants);
    return program.instructions.flatMap((instruction, at) => {
      if (instruction.isRest || !reached.has(at)) return [];
      return FAULTS.filter(([, is]) => is(instruction)).map(([name]) => `${program.name}+${at}: ${name}`);
    });
  });
}

/** What is known of a register: a number, or the address of a constant. */
type Known = { readonly number: number } | { readonly constant: string } | undefined;
type State = readonly Known[];

const same = (a: Known, b: Known) => JSON.stringify(a) === JSON.stringify(b);

/** Instructions that can be reached, as far as the constants decide branches. */
export function reachable(
  { instructions }: Program,
  constants: Readonly<Record<string, number>>,
): ReadonlyMap<number, State> {
  const states = new Map<number, State>();
  const todo: (readonly [at: number, state: State])[] = [[0, new Array<Known>(11).fill(undefined)]];
  while (todo.length > 0) {
    const [at, incoming] = todo.pop()!;
    const before = states.get(at);
    const state = before ? before.map((known, i) => (same(known, incoming[i]) ? known : undefined)) : incoming;
    if (before?.every((known, i) => same(known, state[i]))) continue;
    states.set(at, state);
    const instruction = instructions[at]!;
    const after = effect(instruction, state, constants);
    for (const next of nextOf(instruction, state, at)) todo.push([next, after]);
  }
  return states;
}

function effect(i: Instruction, state: State, constants: Readonly<Record<string, number>>): State {
  const set = (register: number, known: Known) => state.map((old, n) => (n === register ? known : old));
  const kind = i.code & 7;
  if (i.code === LOAD_64) {
    const { symbol } = i;
    return set(i.dst, symbol?.section.startsWith(".rodata") && i.imm === 0 ? { constant: symbol.name } : undefined);
  }
  if (kind === CLASS.ldx) {
    const from = state[i.src];
    const value = from && "constant" in from && i.offset === 0 ? constants[from.constant] : undefined;
    return set(i.dst, value === undefined ? undefined : { number: value });
  }
  if (i.code === CALL) return state.map((known, n) => (n <= 5 ? undefined : known));
  if (!isAlu(i)) return state;
  if ((i.code & 0xf0) !== 0xb0) return set(i.dst, undefined);
  return set(i.dst, i.code & 8 ? state[i.src] : { number: i.imm });
}

function nextOf(i: Instruction, state: State, at: number): number[] {
  const kind = i.code & 7;
  if (i.code === EXIT) return [];
  if (i.code === LOAD_64) return [at + 2];
  if ((kind !== CLASS.jmp && kind !== CLASS.jmp32) || i.code === CALL) return [at + 1];
  const there = at + 1 + i.offset;
  if (i.code === JUMP) return [there];
  const known = state[i.dst];
  const condition = i.code & 0xf8;
  if (!known || !("number" in known) || (condition !== 0x10 && condition !== 0x50)) return [at + 1, there];
  return (known.number === i.imm) === (condition === 0x10) ? [there] : [at + 1];
}
