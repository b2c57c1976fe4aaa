import { CONSTANTS } from "../datapath/abi.ts";
import type { Datapath, FilterBits } from "../datapath/datapath.ts";
import { FILTER_IDS_OF_POLICY } from "../sfr/acl.ts";
import { digestOf } from "../sfr/filter-digest.ts";

/** A filter without its number: bits, seed, probes, templates in use, and the bits themselves. */
export type FilterContent = Omit<FilterBits, "id">;

const FILTERS_MAX = 1_024;
const BYTES_MAX = 4 << 20;
/** 36,000 rules at 0.1 %: more is no single client's. */
export const OWN_FILTER_BITS_MAX = 2 ** 19;
/** A client that comes back soon finds its filter still loaded. */
const UNUSED_FOR_MS = 600_000;

interface Stored {
  readonly id: number;
  readonly content: FilterContent;
  usedMs: number;
  /** Clients whose rights name it, as last counted. */
  references: number;
}

export interface FilterStoreParts {
  readonly datapath: Pick<Datapath, "setFilter" | "deleteFilter">;
  /** Digests that clients' rights name, once for each client. */
  named(): Iterable<bigint>;
}

/**
 * Filters of single clients, named by their content: the same rules given to a hundred clients are one filter, which
 * travels once. Bounded by number and bytes; what no client's rights name any more goes first.
 */
export class FilterStore {
  private readonly byDigest = new Map<bigint, Stored>();
  private readonly ids = new Set<number>();
  private bytes = 0;

  constructor(private readonly parts: FilterStoreParts) {}

  /** Number under which the datapath has it; undefined: it has not come yet. */
  idOf(digest: bigint): number | undefined {
    return this.byDigest.get(digest)?.id;
  }

  /** Whether the datapath has one of these under that number. */
  holds(id: number): boolean {
    return this.ids.has(id);
  }

  content(digest: bigint): FilterContent | undefined {
    return this.byDigest.get(digest)?.content;
  }

  get size(): number {
    return this.byDigest.size;
  }

  /** Loads it. False when clients' rights name everything that fills the store, or it is no filter at all. */
  keep(digest: bigint, content: FilterContent, nowMs: number): boolean {
    if (this.byDigest.has(digest)) return true;
    if (!isSound(content)) return false;
    if (!this.makeRoom(content.data.length, nowMs)) return false;
    const id = this.freeId(digest);
    this.byDigest.set(digest, { id, content, usedMs: nowMs, references: 0 });
    this.ids.add(id);
    this.bytes += content.data.length;
    this.parts.datapath.setFilter({ id, ...content });
    return true;
  }

  /** Forgets what no client has needed for a while. */
  sweep(nowMs: number): void {
    this.count(nowMs);
    for (const [digest, { references, usedMs }] of this.byDigest) {
      if (references === 0 && nowMs - usedMs > UNUSED_FOR_MS) this.drop(digest);
    }
  }

  private count(nowMs: number): void {
    for (const stored of this.byDigest.values()) stored.references = 0;
    for (const digest of this.parts.named()) {
      const stored = this.byDigest.get(digest);
      if (!stored) continue;
      stored.references++;
      stored.usedMs = nowMs;
    }
  }

  private makeRoom(bytes: number, nowMs: number): boolean {
    const fits = () => this.byDigest.size < FILTERS_MAX && this.bytes + bytes <= BYTES_MAX;
    if (fits()) return true;
    this.count(nowMs);
    const unused = [...this.byDigest].filter(([, { references }]) => references === 0);
    for (const [digest] of unused.sort(([, a], [, b]) => a.usedMs - b.usedMs)) {
      if (fits()) break;
      this.drop(digest);
    }
    return fits();
  }

  private drop(digest: bigint): void {
    const { id, content } = this.byDigest.get(digest)!;
    this.byDigest.delete(digest);
    this.ids.delete(id);
    this.bytes -= content.data.length;
    this.parts.datapath.deleteFilter(id);
  }

  /** From the content, so that an agent that restarts finds its own filters in place. */
  private freeId(digest: bigint): number {
    const count = CONSTANTS.FILTERS_MAX - FILTER_IDS_OF_POLICY;
    let at = Number(digest % BigInt(count));
    while (this.ids.has(FILTER_IDS_OF_POLICY + at)) at = (at + 1) % count;
    return FILTER_IDS_OF_POLICY + at;
  }
}

/** The name of a filter: see `digestOf`. */
export function filterDigest(content: FilterContent): bigint {
  const hash = digestOf(content);
  return new DataView(hash.buffer, hash.byteOffset).getBigUint64(0);
}

/** What the datapath accepts, and no more than a client's filter may be. */
export function isSound({ bits, probes, out, in: into, data }: FilterContent): boolean {
  if (bits === 0 || bits % 64 !== 0 || bits > OWN_FILTER_BITS_MAX || data.length !== bits / 8) return false;
  return probes > 0 && probes <= CONSTANTS.FILTER_PROBES_MAX && (out | into) >>> CONSTANTS.TEMPLATES === 0;
}
