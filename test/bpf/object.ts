/** Reads what a BPF object file holds, in either byte order: just enough of ELF, and instructions one by one. */

export interface Instruction {
  readonly code: number;
  readonly dst: number;
  readonly src: number;
  readonly offset: number;
  readonly imm: number;
  /** What a relocation puts here. */
  readonly symbol: Symbol | undefined;
  /** The second half of a 64-bit constant is no instruction. */
  readonly isRest: boolean;
}

export interface Symbol {
  readonly name: string;
  /** Name of its section; "" = it is not in this object. */
  readonly section: string;
  readonly value: number;
  readonly isCode: boolean;
}

export interface Program {
  readonly name: string;
  readonly instructions: readonly Instruction[];
}

export interface BpfObject {
  readonly littleEndian: boolean;
  readonly programs: readonly Program[];
}

const SECTION_HEADER_BYTES = 64;
const SYMBOL_BYTES = 24;
const RELOCATION_BYTES = 16;
const INSTRUCTION_BYTES = 8;
const SHT_REL = 9;
const SHF_EXECINSTR = 4n;
const STT_FUNC = 2;
const LOAD_64 = 0x18;

interface Section {
  readonly name: string;
  readonly type: number;
  readonly isCode: boolean;
  readonly at: number;
  readonly bytes: number;
  readonly link: number;
  readonly info: number;
}

export function readObject(file: Uint8Array): BpfObject {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const le = file[5] === 1;
  const sections = readSections(file, view, le);
  const symbols = readSymbols(file, view, le, sections);
  const functions = symbols.filter(({ isFunction, bytes }) => isFunction && bytes > 0);
  const programs = functions.map(({ symbol, bytes }) => {
    const section = sections.findIndex(({ name }) => name === symbol.section);
    const relocations = relocationsOf(view, le, sections, section);
    const instructions: Instruction[] = [];
    for (let at = symbol.value; at < symbol.value + bytes; at += INSTRUCTION_BYTES) {
      const isRest = instructions.at(-1)?.code === LOAD_64 && !instructions.at(-1)!.isRest;
      const relocated = relocations.get(at);
      const target = relocated === undefined ? undefined : symbols[relocated]!.symbol;
      instructions.push({ ...instructionAt(view, sections[section]!.at + at, le), symbol: target, isRest });
    }
    return { name: symbol.name, instructions };
  });
  return { littleEndian: le, programs };
}

function instructionAt(view: DataView, at: number, le: boolean): Omit<Instruction, "symbol" | "isRest"> {
  const registers = view.getUint8(at + 1);
  const [low, high] = [registers & 15, registers >> 4];
  return {
    code: view.getUint8(at),
    dst: le ? low : high,
    src: le ? high : low,
    offset: view.getInt16(at + 2, le),
    imm: view.getInt32(at + 4, le),
  };
}

function textAt(file: Uint8Array, at: number): string {
  return Buffer.from(file.subarray(at, file.indexOf(0, at))).toString("latin1");
}

function readSections(file: Uint8Array, view: DataView, le: boolean): Section[] {
  const from = Number(view.getBigUint64(40, le));
  const names = from + view.getUint16(62, le) * SECTION_HEADER_BYTES;
  const namesAt = Number(view.getBigUint64(names + 24, le));
  return Array.from({ length: view.getUint16(60, le) }, (_, i) => {
    const at = from + i * SECTION_HEADER_BYTES;
    return {
      name: textAt(file, namesAt + view.getUint32(at, le)),
      type: view.getUint32(at + 4, le),
      isCode: (view.getBigUint64(at + 8, le) & SHF_EXECINSTR) !== 0n,
      at: Number(view.getBigUint64(at + 24, le)),
      bytes: Number(view.getBigUint64(at + 32, le)),
      link: view.getUint32(at + 40, le),
      info: view.getUint32(at + 44, le),
    };
  });
}

function readSymbols(file: Uint8Array, view: DataView, le: boolean, sections: readonly Section[]) {
  const table = sections.find(({ name }) => name === ".symtab")!;
  const namesAt = sections[table.link]!.at;
  return Array.from({ length: table.bytes / SYMBOL_BYTES }, (_, i) => {
    const at = table.at + i * SYMBOL_BYTES;
    const section = sections[view.getUint16(at + 6, le)];
    const symbol: Symbol = {
      name: textAt(file, namesAt + view.getUint32(at, le)),
      section: section?.name ?? "",
      value: Number(view.getBigUint64(at + 8, le)),
      isCode: section?.isCode ?? false,
    };
    const isFunction = (view.getUint8(at + 4) & 15) === STT_FUNC;
    return { symbol, isFunction, bytes: Number(view.getBigUint64(at + 16, le)) };
  });
}

/** Number of the symbol by place in the section. */
function relocationsOf(view: DataView, le: boolean, sections: readonly Section[], of: number): Map<number, number> {
  const found = new Map<number, number>();
  for (const { at, bytes } of sections.filter(({ type, info }) => type === SHT_REL && info === of)) {
    for (let i = at; i < at + bytes; i += RELOCATION_BYTES)
      found.set(Number(view.getBigUint64(i, le)), Number(view.getBigUint64(i + 8, le) >> 32n));
  }
  return found;
}
