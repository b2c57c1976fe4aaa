import { CONSTANTS } from "../datapath/abi.ts";
import type { LifetimeName } from "./lifetimes.ts";

/**
 * The form of a protocol's table: a row per packet type; its candidates in order; what a hit learns; what a miss does.
 * d is the direction of the packet, -d the other: `same` is the expectation of side d, `other` that of side -d, `both` has
 * no direction.
 */
export interface Ref {
  readonly state: number;
  readonly rule: number;
}

export interface Step {
  readonly ref: Ref;
  readonly op: number;
  /** None: OP_DROP. */
  readonly lifetime?: LifetimeName;
  readonly mark: number;
}

export interface Candidate {
  readonly expects: Ref;
  /** A hit at this full lifetime teaches nothing. The compiler proves that it could not. */
  readonly fullDone?: LifetimeName;
  /** All of these live: learn `alternative` instead. */
  readonly probes?: readonly Ref[];
  /** Ask the probes only when the hit cell counts in fast ticks: an established flow at rest saves two lookups. */
  readonly probeIfFast?: boolean;
  /** Only for packets that the client's rules allow as a reply. */
  readonly needsReply?: boolean;
  /** Look under the group key: the client asked a group, the answer comes from anybody. */
  readonly groupKey?: boolean;
  /** This hit ends the state: what is still held back of it is never published. */
  readonly supersedes?: boolean;
  /** This hit answers an opening: it is half-open no longer. */
  readonly answers?: boolean;
  /** None: pass, learn nothing. */
  readonly learns?: readonly Step[];
  readonly alternative?: readonly Step[];
}

export interface Row {
  readonly type: number;
  readonly candidates: readonly Candidate[];
  /** Asked last, where the two directions of a flow may pass different APs. */
  readonly asymmetric?: readonly Candidate[];
  /** On a miss, when the client's rules allow it in the forward direction and its budget bears it. */
  readonly opens?: readonly Step[];
  /** On a miss while a lost table is learnt again. */
  readonly pickup?: readonly Step[];
}

export interface Automaton {
  readonly name: string;
  /** (class, second index) -> type. A second index of "any" fills the class. */
  readonly classify: readonly (readonly [classNumber: number, sub: number | "any", type: number])[];
  readonly rows: readonly Row[];
  /** What the head of a fragmented datagram leaves for its tails. */
  readonly head?: Step;
}

export const both = (state: number): Ref => ({ state, rule: CONSTANTS.RULE_BOTH });
export const same = (state: number): Ref => ({ state, rule: CONSTANTS.RULE_SAME });
export const other = (state: number): Ref => ({ state, rule: CONSTANTS.RULE_OPPOSITE });

/** Replication marks: publish soon; publish unless it is superseded within the hold time; leave the mark alone. */
export const SOON = CONSTANTS.MARK_DIRTY;
export const HELD = CONSTANTS.MARK_HELD;
export const QUIET = CONSTANTS.MARK_CLEAN;

/** Insert, or prolong: never shortens. */
export const max = (ref: Ref, lifetime: LifetimeName, mark: number): Step => ({
  ref,
  op: CONSTANTS.OP_MAX,
  lifetime,
  mark,
});
/** Insert with exactly this lifetime: may shorten. */
export const set = (ref: Ref, lifetime: LifetimeName, mark: number): Step => ({
  ref,
  op: CONSTANTS.OP_SET,
  lifetime,
  mark,
});
/** Shorten to at most. */
export const min = (ref: Ref, lifetime: LifetimeName, mark: number): Step => ({
  ref,
  op: CONSTANTS.OP_MIN,
  lifetime,
  mark,
});
export const drop = (ref: Ref, mark: number): Step => ({ ref, op: CONSTANTS.OP_DROP, mark });
