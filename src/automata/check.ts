import { RoamwallError } from "../base/errors.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import { MARKER_STATES, STATE, STATE_LETTER, TYPE, TYPE_NAME } from "./numbers.ts";
import type { Automaton, Candidate, Ref, Row, Step } from "./table.ts";

/**
 * What the shortcuts of the datapath rely on, proven of the tables before anything is loaded. Each rule stands for a way in
 * which a careless table denies valid packets, or lets a stranger cut a flow.
 */
const { OP_DROP, OP_MAX, OP_MIN, OP_SET, RULE_OPPOSITE } = CONSTANTS;

/** The only lowering of an accepting state: the second FIN, and RST. */
const MAY_LOWER: readonly { state: number; type: number; op: number; probes: number }[] = [
  // A FIN lowers only beside a probe for the other side's FIN: the first FIN is half-close, and may last hours.
  { state: STATE.ESTABLISHED, type: TYPE.FIN, op: OP_SET, probes: 1 },
  // Only `min`: RST must never lengthen, nor insert where nothing was.
  { state: STATE.ESTABLISHED, type: TYPE.RST, op: OP_MIN, probes: 0 },
];

export function check(tables: readonly Automaton[]): void {
  const rows = tables.flatMap((table) => table.rows);
  checkNumbers(tables, rows);
  for (const row of rows) {
    checkSizes(row);
    row.candidates.forEach((candidate, i) => {
      const where = `${TYPE_NAME[row.type]} candidate ${i + 1}`;
      checkCandidate(candidate, where);
      checkFullDone(candidate, where);
      checkLowering(candidate, row.type, where);
      checkWithheld(candidate, rows, where);
    });
    for (const [what, steps] of [["opening", row.opens] as const, ["pickup", row.pickup] as const]) {
      if (steps?.some((step) => step.op !== OP_MAX)) refuse(`${TYPE_NAME[row.type]} ${what}`, "may only insert");
    }
  }
}

function checkNumbers(tables: readonly Automaton[], rows: readonly Row[]): void {
  const types = new Set<number>();
  for (const { type } of rows) {
    if (TYPE_NAME[type] === undefined || type >= CONSTANTS.TYPES_MAX)
      refuse(`type ${type}`, "has no number in the list");
    if (types.has(type)) refuse(TYPE_NAME[type]!, "has two rows");
    types.add(type);
  }
  const seen = new Set<string>();
  for (const [classNumber, sub, type] of tables.flatMap((table) => table.classify)) {
    const key = `class ${classNumber} ${sub}`;
    if (seen.has(key)) refuse(key, "is classified twice");
    seen.add(key);
    if (!types.has(type)) refuse(key, `is classified as type ${type}, which has no row`);
  }
}

/** The records have room for so many and no more. */
function checkSizes(row: Row): void {
  const name = TYPE_NAME[row.type]!;
  const { CANDIDATES_MAX, LEARN_STEPS } = CONSTANTS;
  if (row.candidates.length > CANDIDATES_MAX) refuse(name, `has more than ${CANDIDATES_MAX} candidates`);
  row.candidates.forEach((candidate, i) => {
    for (const steps of [candidate.learns, candidate.alternative]) {
      if ((steps?.length ?? 0) > LEARN_STEPS)
        refuse(`${name} candidate ${i + 1}`, `learns more than ${LEARN_STEPS} steps`);
    }
    if ((candidate.probes?.length ?? 0) > 2) refuse(`${name} candidate ${i + 1}`, "has more than 2 probes");
  });
  for (const steps of [row.opens, row.pickup]) {
    if ((steps?.length ?? 0) > LEARN_STEPS) refuse(name, `opens with more than ${LEARN_STEPS} steps`);
  }
}

function checkCandidate(candidate: Candidate, where: string): void {
  const { state } = candidate.expects;
  if (STATE_LETTER[state] === undefined) refuse(where, `expects state ${state}, which has no number in the list`);
  if (MARKER_STATES.includes(state)) refuse(where, `expects ${STATE_LETTER[state]}, which never accepts anything`);
  if ((candidate.alternative === undefined) !== (candidate.probes === undefined)) {
    refuse(where, "has probes without an alternative, or an alternative without probes");
  }
}

/**
 * "At its full lifetime a hit teaches nothing" holds only where the one thing it could teach is itself, at that lifetime.
 * Elsewhere the shortcut swallows the step to the next state: in the first design 2,256 of 2,400 handshakes broke.
 */
function checkFullDone(candidate: Candidate, where: string): void {
  if (!candidate.fullDone) return;
  const [step, ...more] = candidate.learns ?? [];
  const itself = step && more.length === 0 && step.op === OP_MAX && sameRef(step.ref, candidate.expects);
  if (!itself || step.lifetime !== candidate.fullDone) {
    refuse(where, `is done at its full lifetime, but its next is not exactly itself at ${candidate.fullDone}`);
  }
  if (candidate.alternative && !candidate.probeIfFast) {
    refuse(where, "is done at its full lifetime, but its alternative could teach something else then");
  }
}

/** No state that accepts is ever lowered, except E by the second FIN or by RST. */
function checkLowering(candidate: Candidate, type: number, where: string): void {
  const lists = [
    { steps: candidate.learns ?? [], probes: 0 },
    { steps: candidate.alternative ?? [], probes: candidate.probes?.length ?? 0 },
  ];
  for (const { steps, probes } of lists) {
    for (const step of steps) {
      const { state } = step.ref;
      if (step.op === OP_MAX || MARKER_STATES.includes(state)) continue;
      if (step.op === OP_DROP) refuse(where, `drops ${STATE_LETTER[state]}, which accepts packets`);
      const allowed = MAY_LOWER.some(
        (rule) => rule.state === state && rule.type === type && rule.op === step.op && probes >= rule.probes,
      );
      if (!allowed) refuse(where, `lowers ${STATE_LETTER[state]}, which accepts packets`);
    }
  }
}

/**
 * A superseded state that is still held back is never published: a neighbour then knows only what superseded it. So that
 * must accept whatever the withheld one accepts. Left out is what an opening type finds of itself (a repeated SYN opens anew
 * over there) and the crossing SYN.
 */
function checkWithheld(candidate: Candidate, rows: readonly Row[], where: string): void {
  if (!candidate.supersedes) return;
  const withheld = candidate.expects.state;
  const stable = (candidate.learns ?? []).find(isStable(withheld))?.ref.state;
  if (stable === undefined) {
    refuse(where, `supersedes ${STATE_LETTER[withheld]}, but learns no other state that is published`);
  }
  for (const row of rows) {
    for (const accepting of row.candidates) {
      if (accepting.expects.state !== withheld) continue;
      if (row.opens && (accepting.needsReply || accepting.expects.rule !== RULE_OPPOSITE)) continue;
      if (!row.candidates.some((one) => covers(one, stable, accepting))) {
        const letters = `${STATE_LETTER[withheld]} may be withheld, but ${STATE_LETTER[stable]}`;
        refuse(where, `${letters} does not accept ${TYPE_NAME[row.type]}`);
      }
    }
  }
}

const isStable = (withheld: number) => (step: Step) =>
  step.op === OP_MAX && step.ref.state !== withheld && step.mark !== CONSTANTS.MARK_CLEAN;

/** A reply-only candidate covers what was opened by the other side: its packets are replies by that. */
function covers(candidate: Candidate, stable: number, withheld: Candidate): boolean {
  if (candidate.expects.state !== stable || candidate.groupKey) return false;
  return !candidate.needsReply || withheld.needsReply === true || withheld.expects.rule === RULE_OPPOSITE;
}

function sameRef(a: Ref, b: Ref): boolean {
  return a.state === b.state && a.rule === b.rule;
}

function refuse(where: string, why: string): never {
  throw new RoamwallError("ROAMWALL_ERR_AUTOMATA", `${where}: ${why}`);
}
