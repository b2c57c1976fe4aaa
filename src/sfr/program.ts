import { badInput } from "../base/errors.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import { AUTOMATA, MAP_RECORDS } from "../datapath/map-records.ts";

/** The automata blob, read back into what the interpreter walks: what the kernel does by struct, the model does here. */
export interface Candidate {
  readonly state: number;
  readonly rule: number;
  readonly flags: number;
  readonly full: number;
  readonly probes: readonly { readonly state: number; readonly rule: number }[];
  readonly learn: number;
  readonly learnAlt: number;
}

export interface Step {
  readonly state: number;
  readonly rule: number;
  readonly op: number;
  readonly code: number;
  readonly mark: number;
}

export interface PacketType {
  readonly candidates: readonly Candidate[];
  readonly opens: boolean;
  readonly needsReply: boolean;
  readonly open: number;
  readonly pickup: number;
}

export interface Program {
  /** [class * 256 + sub] -> type */
  readonly classify: Uint8Array;
  readonly types: readonly PacketType[];
  readonly learn: readonly (readonly Step[])[];
  readonly head: Step | undefined;
}

/** Throws ROAMWALL_ERR_INPUT when the blob is of another version. */
export function readProgram(blob: Uint8Array): Program {
  if (blob.length !== AUTOMATA.BYTES) throw badInput("automata", `${blob.length} bytes`, `${AUTOMATA.BYTES} bytes`);
  const { LEARN_LISTS_MAX, LEARN_STEPS, TYPES_MAX } = CONSTANTS;
  const listBytes = LEARN_STEPS * MAP_RECORDS.learn_step.bytes;
  const head = readStep(blob, AUTOMATA.HEAD_AT);
  return {
    classify: blob.slice(0, AUTOMATA.TYPES_AT),
    types: Array.from({ length: TYPES_MAX }, (_, i) => readType(blob, AUTOMATA.TYPES_AT + i * AUTOMATA.TYPE_BYTES)),
    learn: Array.from({ length: LEARN_LISTS_MAX }, (_, i) => readList(blob, AUTOMATA.LEARN_AT + i * listBytes)),
    head: head.op === CONSTANTS.OP_NONE ? undefined : head,
  };
}

function readType(blob: Uint8Array, at: number): PacketType {
  const { bytes } = MAP_RECORDS.candidate;
  const tail = at + CONSTANTS.CANDIDATES_MAX * bytes;
  const all = Array.from({ length: CONSTANTS.CANDIDATES_MAX }, (_, i) => readCandidate(blob, at + i * bytes));
  const end = all.findIndex((candidate) => candidate.state === 0);
  const candidates = end < 0 ? all : all.slice(0, end);
  return {
    candidates,
    opens: (blob[tail]! & CONSTANTS.TYPE_OPENS) !== 0,
    needsReply: candidates.some((candidate) => (candidate.flags & CONSTANTS.CAND_NEEDS_REPLY) !== 0),
    open: blob[tail + 1]!,
    pickup: blob[tail + 2]!,
  };
}

function readCandidate(blob: Uint8Array, at: number): Candidate {
  const { offset } = MAP_RECORDS.candidate;
  const probe = at + offset["probe"]!;
  return {
    ...readRef(blob[at + offset["ref"]!]!),
    flags: blob[at + offset["flags"]!]!,
    full: blob[at + offset["full"]!]!,
    probes: [blob[probe]!, blob[probe + 1]!].filter((ref) => ref !== 0).map(readRef),
    learn: blob[at + offset["learn"]!]!,
    learnAlt: blob[at + offset["learn_alt"]!]!,
  };
}

function readList(blob: Uint8Array, at: number): Step[] {
  const { bytes } = MAP_RECORDS.learn_step;
  const steps = Array.from({ length: CONSTANTS.LEARN_STEPS }, (_, i) => readStep(blob, at + i * bytes));
  return steps.filter((step) => step.op !== CONSTANTS.OP_NONE);
}

function readStep(blob: Uint8Array, at: number): Step {
  const { offset } = MAP_RECORDS.learn_step;
  return {
    ...readRef(blob[at + offset["ref"]!]!),
    op: blob[at + offset["op"]!]!,
    code: blob[at + offset["code"]!]!,
    mark: blob[at + offset["mark"]!]!,
  };
}

function readRef(ref: number): { state: number; rule: number } {
  return { state: ref >>> 2, rule: ref & 3 };
}

/** state << 1 | side, as mixed into the fingerprint; `direction` is the packet's. */
export function expectationOf(state: number, rule: number, direction: number): number {
  if (rule === CONSTANTS.RULE_BOTH) return state << 1;
  return (state << 1) | (rule === CONSTANTS.RULE_SAME ? direction : 1 - direction);
}
