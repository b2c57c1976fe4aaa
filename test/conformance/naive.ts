import { STATE, TYPE } from "../../src/automata/numbers.ts";
import { DEFAULT_GEOMETRY, type Geometry, parseGeometry } from "../../src/bloom/geometry.ts";
import { codeFor } from "../../src/bloom/timer.ts";
import { CONSTANTS } from "../../src/datapath/abi.ts";
import { AUTOMATA, MAP_RECORDS } from "../../src/datapath/map-records.ts";
import { properAutomata } from "./model-firewall.ts";

/**
 * What a naive reading of the papers would load. The compiler refuses all of it, so the controls alter the compiled blob;
 * each must deny packets of conforming endpoints in the simulation that the proper automata pass without one.
 */
const { CAND_FULL_DONE, OP_DROP, OP_MAX, OP_SET, RULE_BOTH, RULE_OPPOSITE, RULE_SAME } = CONSTANTS;
const CANDIDATE = MAP_RECORDS.candidate;
const STEP = MAP_RECORDS.learn_step;
const LIST_BYTES = CONSTANTS.LEARN_STEPS * STEP.bytes;

type Blob = (geometry: Geometry) => Uint8Array;

const ESTABLISHED_BOTH = (STATE.ESTABLISHED << 2) | RULE_BOTH;

/** A hit at the full lifetime of whatever state teaches nothing: the first fulfilment of a fresh one is lost. */
export const fullTimerEverywhere: Blob = (geometry) => {
  const blob = properAutomata(geometry);
  const full = (state: number) => codeFor(FULL_S[state] ?? 0, geometry);
  for (const at of candidatesOf(blob)) {
    const ref = blob[at + CANDIDATE.offset["ref"]!]!;
    blob[at + CANDIDATE.offset["flags"]!]! |= CAND_FULL_DONE;
    blob[at + CANDIDATE.offset["full"]!] = full(ref >> 2);
  }
  return blob;
};

const FULL_S: Readonly<Record<number, number>> = {
  [STATE.ESTABLISHED]: 7_440,
  [STATE.HANDSHAKE]: 240,
  [STATE.REPLIED]: 180,
  [STATE.OPENED]: 30,
  [STATE.QUERIED]: 30,
};

/** One established expectation a direction, and the shortcut: a cell kept full by a stranger hides the sibling's refresh. */
export const expectationPerDirection: Blob = (geometry) => {
  const blob = properAutomata(geometry);
  const state = { [ESTABLISHED_BOTH]: STATE.ESTABLISHED, [(STATE.REPLIED << 2) | RULE_BOTH]: STATE.REPLIED };
  for (const at of candidatesOf(blob)) {
    const directed = state[blob[at]!];
    if (directed !== undefined) blob[at] = (directed << 2) | RULE_SAME;
  }
  for (const list of listsOf(blob)) {
    const steps = stepsOf(blob, list).flatMap((step) => {
      const directed = state[step[0]!];
      if (directed === undefined) return [step];
      return [RULE_SAME, RULE_OPPOSITE].map((rule) => [(directed << 2) | rule, ...step.slice(1)]);
    });
    writeSteps(blob, list, steps);
  }
  return blob;
};

/** Every FIN is taken for the second: the flow is shortened at once, and its ACKs keep it short. */
export const finShortensAtOnce: Blob = (geometry) => {
  const blob = properAutomata(geometry);
  const fin = candidateAt(TYPE.FIN, 0);
  blob[fin + CANDIDATE.offset["learn"]!] = blob[fin + CANDIDATE.offset["learn_alt"]!]!;
  return blob;
};

/** Shortening where strangers share a fingerprint: their RSTs and FINs cut other people's flows. */
export const shortensAnyway: Blob = () => properAutomata(parseGeometry(DEFAULT_GEOMETRY, "control"));

/** The last ACKs of a close give the flow its two hours back: nothing is denied, but every closed flow keeps its cell. */
export const ackRestoresAlways: Blob = (geometry) => {
  const blob = properAutomata(geometry);
  const ack = candidateAt(TYPE.ACK, 0);
  blob[ack + CANDIDATE.offset["learn_alt"]!] = blob[ack + CANDIDATE.offset["learn"]!]!;
  return blob;
};

/** Inserting sets the timer, whoever else shares the cell and however long he was promised. */
export const insertOverwrites: Blob = (geometry) => {
  const blob = properAutomata(geometry);
  for (const list of listsOf(blob)) {
    for (let i = 0; i < CONSTANTS.LEARN_STEPS; i++) {
      const op = list + i * STEP.bytes + STEP.offset["op"]!;
      if (blob[op] === OP_MAX) blob[op] = OP_SET;
    }
  }
  return blob;
};

function candidateAt(type: number, index: number): number {
  return AUTOMATA.TYPES_AT + type * AUTOMATA.TYPE_BYTES + index * CANDIDATE.bytes;
}

/** Offsets of all candidates in use. */
function candidatesOf(blob: Uint8Array): number[] {
  const all = Array.from({ length: CONSTANTS.TYPES_MAX * CONSTANTS.CANDIDATES_MAX }, (_, i) =>
    candidateAt(Math.floor(i / CONSTANTS.CANDIDATES_MAX), i % CONSTANTS.CANDIDATES_MAX),
  );
  return all.filter((at) => blob[at] !== 0);
}

function listsOf(blob: Uint8Array): number[] {
  const all = Array.from({ length: CONSTANTS.LEARN_LISTS_MAX }, (_, i) => AUTOMATA.LEARN_AT + i * LIST_BYTES);
  return all.filter((at) => blob[at] !== 0);
}

function stepsOf(blob: Uint8Array, list: number): number[][] {
  const steps = Array.from({ length: CONSTANTS.LEARN_STEPS }, (_, i) =>
    Array.from(blob.subarray(list + i * STEP.bytes, list + (i + 1) * STEP.bytes)),
  );
  return steps.filter((step) => step[0] !== 0 || step[1] === OP_DROP);
}

function writeSteps(blob: Uint8Array, list: number, steps: readonly (readonly number[])[]): void {
  if (steps.length > CONSTANTS.LEARN_STEPS) throw new Error(`${steps.length} steps do not fit a list`);
  blob.fill(0, list, list + LIST_BYTES);
  blob.set(
    steps.flatMap((step) => [...step, ...new Array<number>(STEP.bytes - step.length).fill(0)]),
    list,
  );
}
