import { badInput } from "./errors.ts";

/** An address as 32-bit words in reading order: one word for IPv4, four for IPv6. */
export interface Address {
  readonly family: 4 | 6;
  readonly words: readonly number[];
}

/** Throws ROAMWALL_ERR_INPUT. */
export function parseAddress(text: string, place: string): Address {
  const bytes = text.includes(":") ? parse6(text) : parse4(text);
  if (!bytes) throw badInput(place, `"${text}" is no address`, "IPv4 as 192.0.2.1 or IPv6 as 2001:db8::1");
  return addressFromBytes(bytes, 0, bytes.length === 4 ? 4 : 6);
}

export interface Prefix {
  readonly address: Address;
  readonly bits: number;
}

/** `address` or `address/bits`; bits beyond the prefix must be zero. Throws ROAMWALL_ERR_INPUT. */
export function parsePrefix(text: string, place: string): Prefix {
  const [head, tail, ...more] = text.split("/");
  const address = parseAddress(head!, place);
  const most = address.family === 4 ? 32 : 128;
  const bits = tail === undefined ? most : /^\d{1,3}$/.test(tail) ? Number(tail) : -1;
  if (more.length || bits < 0 || bits > most) throw badInput(place, `"${text}"`, `a prefix length of 0 to ${most}`);
  const beyond = address.words.some((word, i) => {
    const keep = Math.min(32, Math.max(0, bits - i * 32));
    return keep < 32 && (word & (keep === 0 ? 0xffffffff : 0xffffffff >>> keep)) !== 0;
  });
  if (beyond) throw badInput(place, `"${text}" has bits beyond its prefix`, "an address whose host bits are zero");
  return { address, bits };
}

/** Families never mix: `::/0` holds no IPv4 address. */
export function prefixHolds({ address, bits }: Prefix, { family, words }: Address): boolean {
  if (family !== address.family) return false;
  return address.words.every((word, i) => {
    const keep = Math.min(32, Math.max(0, bits - i * 32));
    return keep === 0 || (word ^ words[i]!) >>> (32 - keep) === 0;
  });
}

export function addressFromBytes(bytes: ArrayLike<number>, at: number, family: 4 | 6): Address {
  const words: number[] = [];
  for (let i = 0; i < (family === 4 ? 1 : 4); i++) {
    const w = at + i * 4;
    words.push(((bytes[w]! << 24) | (bytes[w + 1]! << 16) | (bytes[w + 2]! << 8) | bytes[w + 3]!) >>> 0);
  }
  return { family, words };
}

/** 16 bytes, IPv4 as ::ffff:a.b.c.d: the key of the zone trie. */
export function mappedBytes(address: Address): number[] {
  const words = address.family === 4 ? [0, 0, 0xffff, address.words[0]!] : address.words;
  return words.flatMap((w) => [w >>> 24, (w >>> 16) & 255, (w >>> 8) & 255, w & 255]);
}

export function formatAddress(address: Address): string {
  const bytes = address.words.flatMap((w) => [w >>> 24, (w >>> 16) & 255, (w >>> 8) & 255, w & 255]);
  if (address.family === 4) return bytes.join(".");
  const groups = address.words.flatMap((w) => [w >>> 16, w & 0xffff]);
  return compress(groups);
}

/** RFC 5952: the longest run of zero groups, leftmost on a tie, becomes `::`. */
function compress(groups: number[]): string {
  let best = { at: -1, length: 1 };
  for (let i = 0; i < groups.length; i++) {
    let length = 0;
    while (groups[i + length] === 0) length++;
    if (length > best.length) best = { at: i, length };
  }
  const hex = (part: number[]) => part.map((g) => g.toString(16)).join(":");
  if (best.at < 0) return hex(groups);
  return `${hex(groups.slice(0, best.at))}::${hex(groups.slice(best.at + best.length))}`;
}

function parse4(text: string): number[] | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((p) => /^(0|[1-9]\d{0,2})$/.test(p) && Number(p) < 256)) return undefined;
  return parts.map(Number);
}

function parse6(text: string): number[] | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const groups = halves.map((half) => (half === "" ? [] : half.split(":").flatMap(parseGroup)));
  if (groups.some((g) => g.includes(-1))) return undefined;
  const [head, tail = []] = groups as [number[], number[]?];
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const all = [...head, ...(halves.length === 2 ? Array<number>(missing).fill(0) : []), ...tail];
  return all.flatMap((g) => [g >> 8, g & 255]);
}

function parseGroup(text: string): number[] {
  if (text.includes(".")) {
    const four = parse4(text);
    return four ? [(four[0]! << 8) | four[1]!, (four[2]! << 8) | four[3]!] : [-1];
  }
  return /^[0-9a-f]{1,4}$/i.test(text) ? [Number.parseInt(text, 16)] : [-1];
}
