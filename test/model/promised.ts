import { LIFETIMES, type LifetimeName } from "../../src/automata/lifetimes.ts";
import { TYPE } from "../../src/automata/numbers.ts";
import type { Candidate, Ref, Step } from "../../src/automata/table.ts";
import { TCP } from "../../src/automata/tcp.ts";
import { UDP } from "../../src/automata/udp.ts";
import { CONSTANTS } from "../../src/datapath/abi.ts";

/** Packets of the simulated conversations. */
export type Kind = "S" | "SA" | "A" | "FA" | "R" | "U";
/** 0: from the client, 1: to it. */
export type Direction = 0 | 1;

const TYPE_OF: Record<Kind, number> = {
  S: TYPE.SYN,
  SA: TYPE.SYN_ACK,
  A: TYPE.ACK,
  FA: TYPE.FIN,
  R: TYPE.RST,
  U: TYPE.UDP,
};
const ROWS = [TCP, UDP].flatMap(({ rows }) => rows);
const BOTH = 2;
const { RULE_BOTH, RULE_SAME, OP_MAX, OP_SET, OP_MIN, MARK_CLEAN } = CONSTANTS;
/** A refresh may wait until what is known has fallen below a half: an AP that takes over may know no more. */
const KNOWN_SHARE = 1 / 2;
const SLOW_ABOVE_S = 240;

interface Expectation {
  untilMs: number;
  /** A tick of its speed: what each new AP may cost it. */
  readonly tickMs: number;
  /** It is of those that are published. */
  readonly isPublic: boolean;
}

export interface Learns {
  readonly steps: readonly Step[];
  readonly direction: Direction;
}

/**
 * What one firewall has promised to one flow by the packets that it let pass: the automata's tables, told of by exact
 * keys and times instead of fingerprints and ticks. An AP that never changes keeps all of it and more; so whoever denies
 * what is promised here has lost something.
 */
export class Promised {
  private readonly live = new Map<number, Expectation>();
  /** Fingerprints by expectation, as far as a lookup has shown them. */
  readonly fingerprints = new Map<number, number>();
  /** When a state was last learnt that was not known before. */
  changedMs = Number.NEGATIVE_INFINITY;

  constructor(
    /** By direction: its rules let it open. */
    private readonly mayOpen: readonly [boolean, boolean],
    private readonly ticks: { readonly fastTickMs: number; readonly slowTickMs: number },
  ) {}

  /** What passing it teaches; undefined: nothing was promised. */
  judge(kind: Kind, direction: Direction, nowMs: number): Learns | undefined {
    const row = rowOf(kind);
    for (const candidate of this.candidates(kind, direction)) {
      if (!this.isLive(candidate.expects, direction, nowMs)) continue;
      const { probes } = candidate;
      const closes = probes?.every((ref) => this.isLive(ref, direction, nowMs)) && candidate.alternative;
      return { steps: (closes ? candidate.alternative : candidate.learns) ?? [], direction };
    }
    return row.opens && this.mayOpen[direction] ? { steps: row.opens, direction } : undefined;
  }

  /** The candidates that a firewall asks for, in its order. */
  candidates(kind: Kind, direction: Direction): Candidate[] {
    const mayReply = this.mayOpen[(1 - direction) as Direction];
    return (rowOf(kind).candidates as Candidate[]).filter(
      ({ needsReply, groupKey }) => !groupKey && (mayReply || !needsReply),
    );
  }

  learn({ steps, direction }: Learns, nowMs: number): void {
    for (const step of steps) this.learnStep(step, direction, nowMs);
  }

  /** The client came to an AP that has to take over: at most a tick is lost. */
  tookOver(ticks = 1): void {
    for (const expectation of this.live.values()) expectation.untilMs -= ticks * expectation.tickMs;
  }

  end(): void {
    this.live.clear();
  }

  /** Remembers what fingerprint a candidate has. */
  seen(candidate: Candidate, direction: Direction, fingerprint: number): void {
    this.fingerprints.set(keyOf(candidate.expects, direction), fingerprint);
  }

  /** Fingerprints of what is promised now and published, as far as they are known. */
  standing(nowMs: number): number[] {
    const found: number[] = [];
    for (const [key, { untilMs, isPublic }] of this.live) {
      const fingerprint = this.fingerprints.get(key);
      if (isPublic && untilMs > nowMs && fingerprint !== undefined) found.push(fingerprint);
    }
    return found;
  }

  private isLive(ref: Ref, direction: Direction, nowMs: number): boolean {
    return (this.live.get(keyOf(ref, direction))?.untilMs ?? 0) > nowMs;
  }

  private learnStep({ ref, op, lifetime, mark }: Step, direction: Direction, nowMs: number): void {
    const key = keyOf(ref, direction);
    const known = this.live.get(key);
    const isKnown = known !== undefined && known.untilMs > nowMs;
    if (lifetime === undefined) {
      this.live.delete(key);
      return;
    }
    if (op === OP_MIN && !isKnown) return;
    const { ms, tickMs } = this.certain(lifetime);
    const asked = nowMs + ms;
    if (!isKnown) this.changedMs = nowMs;
    const keeps = isKnown && (op === OP_MAX ? known.untilMs > asked : op !== OP_SET && known.untilMs < asked);
    const isPublic = mark !== MARK_CLEAN || (isKnown && known.isPublic);
    this.live.set(key, keeps ? { ...known, isPublic } : { untilMs: asked, tickMs, isPublic });
  }

  private certain(name: LifetimeName): { ms: number; tickMs: number } {
    const { fastTickMs, slowTickMs } = this.ticks;
    const lifetime: number | { readonly slowTicks: number } = LIFETIMES[name];
    const ms = typeof lifetime === "number" ? lifetime * 1000 : lifetime.slowTicks * slowTickMs;
    return { ms: ms * KNOWN_SHARE, tickMs: ms > SLOW_ABOVE_S * 1000 ? slowTickMs : fastTickMs };
  }
}

function rowOf(kind: Kind) {
  return ROWS.find(({ type }) => type === TYPE_OF[kind])!;
}

function keyOf({ state, rule }: Ref, direction: Direction): number {
  const side = rule === RULE_BOTH ? BOTH : rule === RULE_SAME ? direction : 1 - direction;
  return state * 4 + side;
}
