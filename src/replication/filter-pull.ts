import { type FilterContent, filterDigest, OWN_FILTER_BITS_MAX } from "../proxy/filter-store.ts";
import type { Ask } from "./records/ask.ts";
import { ASK } from "./records/ask.ts";
import { FILTER_PART_BYTES, type FilterPart } from "./records/filter.ts";

const PULLS_MAX = 64;
/** Parts of one answer. */
const WINDOW = 16;
const RETRY_MS = 60;
/** An answer that is still under way. */
const QUIET_MS = 20;
const RETRY_MAX_MS = 1_000;
/** Then nobody near has it: asked again when rights name it again, or after this long. */
const TRIES_MAX = 12;
const REST_MS = 30_000;

export interface FilterPullParts {
  /** Believed neighbours that are alive and whose rights name the filter. */
  holders(digest: bigint): readonly number[];
  ask(question: Ask, to: number): void;
  came(digest: bigint, content: FilterContent): void;
}

interface Pull {
  head: FilterPart | undefined;
  readonly parts: Map<number, Uint8Array>;
  tries: number;
  dueMs: number;
  /** The first part after those that were asked for. */
  askedTo: number;
}

/** Fetches filters that clients' rights name, each once, from whoever named it. */
export class FilterPull {
  private readonly pulls = new Map<bigint, Pull>();

  constructor(private readonly parts: FilterPullParts) {}

  get pending(): number {
    return this.pulls.size;
  }

  want(digest: bigint, nowMs: number): void {
    const known = this.pulls.get(digest);
    if (known && known.tries < TRIES_MAX) return;
    if (!known && this.pulls.size >= PULLS_MAX) {
      const [resting] = [...this.pulls].filter(([, { tries }]) => tries >= TRIES_MAX);
      if (!resting) return;
      this.pulls.delete(resting[0]);
    }
    this.pulls.set(digest, { head: undefined, parts: new Map(), tries: 0, dueMs: nowMs, askedTo: 0 });
  }

  nextAtMs(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { dueMs } of this.pulls.values()) next = Math.min(next, dueMs);
    return next;
  }

  tick(nowMs: number): void {
    for (const [digest, pull] of this.pulls) if (pull.dueMs <= nowMs) this.drive(digest, pull, nowMs);
  }

  take(part: FilterPart, nowMs: number): void {
    const pull = this.pulls.get(part.digest);
    if (!pull || part.bits > OWN_FILTER_BITS_MAX) return;
    // Two who disagree about its size: one of them is wrong, the digest will tell.
    if (pull.head?.bits !== part.bits) pull.parts.clear();
    pull.head = part;
    pull.parts.set(part.part, part.data);
    const count = partsOf(part.bits);
    if (pull.parts.size === count) this.finish(part.digest, pull, count, nowMs);
    else this.progress(pull, nowMs);
  }

  private drive(digest: bigint, pull: Pull, nowMs: number): void {
    if (pull.tries >= TRIES_MAX) {
      this.pulls.delete(digest);
      return;
    }
    const holders = this.parts.holders(digest);
    const to = holders[pull.tries % Math.max(1, holders.length)];
    pull.tries++;
    pull.dueMs =
      nowMs + (pull.tries === TRIES_MAX ? REST_MS : Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** (pull.tries - 1)));
    if (to === undefined) return;
    const filter = { digest, part: this.missing(pull) };
    pull.askedTo = filter.part + WINDOW;
    this.parts.ask({ what: ASK.filter, round: 0, window: WINDOW, units: [], filter }, to);
  }

  /** The answer may go on; what is missing of it is asked for when it does not. */
  private progress(pull: Pull, nowMs: number): void {
    pull.tries = 0;
    pull.dueMs = this.missing(pull) === pull.askedTo ? nowMs : nowMs + QUIET_MS;
  }

  /** The first part that has not come. */
  private missing({ parts }: Pull): number {
    let part = 0;
    while (parts.has(part)) part++;
    return part;
  }

  private finish(digest: bigint, pull: Pull, count: number, nowMs: number): void {
    const { bits, seed, probes, out, in: into } = pull.head!;
    const data = new Uint8Array(bits / 8);
    for (let part = 0; part < count; part++) data.set(pull.parts.get(part)!, part * FILTER_PART_BYTES);
    const content = { bits, seed, probes, out, in: into, data };
    if (filterDigest(content) !== digest) {
      // Forged or mixed from two: from the start, from the next who has it.
      pull.parts.clear();
      pull.head = undefined;
      pull.dueMs = Math.max(pull.dueMs, nowMs + RETRY_MS);
      return;
    }
    this.pulls.delete(digest);
    this.parts.came(digest, content);
  }
}

export function partsOf(bits: number): number {
  return Math.ceil(bits / 8 / FILTER_PART_BYTES);
}

/** The parts of an answer, from the asked one on. */
export function filterParts(digest: bigint, content: FilterContent, from: number, window: number): FilterPart[] {
  const { bits, seed, probes, out, in: into, data } = content;
  const end = Math.min(partsOf(bits), from + Math.min(window, WINDOW));
  const parts: FilterPart[] = [];
  for (let part = from; part < end; part++) {
    const at = part * FILTER_PART_BYTES;
    parts.push({ digest, bits, seed, probes, out, in: into, part, data: data.slice(at, at + FILTER_PART_BYTES) });
  }
  return parts;
}
