export interface ZoneEntry {
  /** 16 bytes, IPv4 mapped. */
  readonly address: readonly number[];
  readonly prefixBits: number;
  readonly zone: number;
}

interface Prefix {
  readonly words: readonly number[];
  readonly masks: readonly number[];
  readonly bits: number;
  readonly zone: number;
}

/** Longest prefix match over one space for both families: IPv4 lies at ::ffff:0:0/96, so ::/0 holds it too. */
export class Zones {
  /** Longest first. */
  #prefixes: readonly Prefix[] = [];
  /** Those that can hold an IPv4 address. */
  #prefixes4: readonly Prefix[] = [];

  set(entries: readonly ZoneEntry[]): void {
    const prefixes = entries.map(prefixOf).sort((a, b) => b.bits - a.bits);
    this.#prefixes = prefixes;
    this.#prefixes4 = prefixes.filter((p) => MAPPED.every((word, i) => (word & p.masks[i]!) >>> 0 === p.words[i]));
  }

  /** 0: no zone. */
  of4(address: number): number {
    for (const { words, masks, zone } of this.#prefixes4) {
      if ((address & masks[3]!) >>> 0 === words[3]) return zone;
    }
    return 0;
  }

  of6(address: Uint32Array): number {
    for (const { words, masks, zone } of this.#prefixes) {
      if (words.every((word, i) => (address[i]! & masks[i]!) >>> 0 === word)) return zone;
    }
    return 0;
  }
}

const MAPPED = [0, 0, 0xffff];

function prefixOf(entry: ZoneEntry): Prefix {
  const masks = [0, 1, 2, 3].map((i) => {
    const keep = Math.min(32, Math.max(0, entry.prefixBits - i * 32));
    return keep === 0 ? 0 : (0xffffffff << (32 - keep)) >>> 0;
  });
  const words = masks.map((mask, i) => {
    const [a, b, c, d] = entry.address.slice(i * 4, i * 4 + 4) as [number, number, number, number];
    return (((a << 24) | (b << 16) | (c << 8) | d) & mask) >>> 0;
  });
  return { words, masks, bits: entry.prefixBits, zone: entry.zone };
}
