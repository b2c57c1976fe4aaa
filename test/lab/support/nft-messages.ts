import { execFileSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

/** linux/netfilter/nfnetlink.h and nf_tables.h */
const NFTABLES = 10;
const NEWTABLE = 0;
const NEWCHAIN = 3;
const NEWRULE = 6;
const KINDS: Record<number, string> = { [NEWTABLE]: "table", [NEWCHAIN]: "chain", [NEWRULE]: "rule" };
const FAMILIES: Record<number, string> = { 2: "ip", 7: "bridge", 10: "ip6" };
const HEADER = 16;
const FAMILY_BYTES = 4;
/** What the two programs may say differently and means nothing: no flags, handles, comments. */
const LEFT_OUT: Record<number, readonly string[]> = {
  [NEWTABLE]: ["2=00000000"],
  [NEWCHAIN]: ["2", "8", "10"],
  [NEWRULE]: ["3", "7", "4.1.2.3=0000"],
};
/** Attributes that hold others; libnftnl does not always set the bit that says so. */
const NESTS: Record<number, readonly string[]> = { [NEWCHAIN]: ["4"], [NEWRULE]: ["4", "4.1", "4.1.2", "4.1.2.3"] };

/** What a program tells nf_tables: tables, chains and rules that it makes, each as one line of attributes; sorted, each once. */
export function toldNfTables(library: string, directory: string, program: string, ...args: string[]): string[] {
  const file = join(directory, "overheard");
  rmSync(file, { force: true });
  try {
    const env = { ...process.env, LD_PRELOAD: library, OVERHEAR: file };
    // A kernel without nft_queue refuses the transaction: what was said is what matters.
    execFileSync(program, args, { env, stdio: "pipe" });
  } catch (error) {
    if ((error as { status?: unknown }).status === null) throw error;
  }
  const lines = [...messages(readFileSync(file))].map(({ type, family, body }) => {
    const words = attributes(body, type, "").filter((word) => !isLeftOut(type, word));
    // A rule's expressions mean something by their order.
    return [KINDS[type], FAMILIES[family], ...(type === NEWRULE ? words : words.sort())].join(" ");
  });
  return [...new Set(lines)].sort();
}

function* messages(bytes: Buffer): Generator<{ type: number; family: number; body: Buffer }> {
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    const type = bytes.readUInt16LE(at + 4);
    const family = bytes[at + HEADER]!;
    const body = bytes.subarray(at + HEADER + FAMILY_BYTES, at + length);
    if (type >> 8 === NFTABLES && [NEWTABLE, NEWCHAIN, NEWRULE].includes(type & 0xff))
      yield { type: type & 0xff, family, body };
    at += Math.max(align(length), HEADER);
  }
}

/** `PATH=HEX` of every attribute that holds no others. */
function attributes(bytes: Buffer, type: number, path: string): string[] {
  const found: string[] = [];
  for (let at = 0; at + 4 <= bytes.length; at += align(bytes.readUInt16LE(at))) {
    const value = bytes.subarray(at + 4, at + bytes.readUInt16LE(at));
    const name = `${path}${bytes.readUInt16LE(at + 2) & 0x3fff}`;
    if (NESTS[type]?.includes(name) && value.length >= 4) found.push(...attributes(value, type, `${name}.`));
    else
      found.push(
        `${name}=${isText(value) ? JSON.stringify(value.toString("latin1", 0, value.length - 1)) : value.toString("hex")}`,
      );
  }
  return found;
}

function isText(value: Buffer): boolean {
  return value.length > 2 && value.at(-1) === 0 && value.subarray(0, -1).every((byte) => byte > 0x20 && byte < 0x7f);
}

function isLeftOut(type: number, word: string): boolean {
  return LEFT_OUT[type]!.some((one) => word === one || word.split(/[.=]/)[0] === one);
}

const align = (bytes: number) => Math.max((bytes + 3) & ~3, 4);
