import { RoamwallError } from "../base/errors.ts";
import { type Geometry, parseGeometry } from "../bloom/geometry.ts";
import { codeFor, codeForSlowTicks } from "../bloom/timer.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import { AUTOMATA, MAP_RECORDS } from "../datapath/map-records.ts";
import { check } from "./check.ts";
import { FRAGMENT } from "./fragment.ts";
import { ICMP } from "./icmp.ts";
import { LIFETIMES, type LifetimeName, type Lifetimes } from "./lifetimes.ts";
import { MARKER_STATES, STATE_LETTER, TYPE_NAME } from "./numbers.ts";
import { OTHER } from "./other.ts";
import { type Automaton, type Candidate, type Ref, type Row, SOON, type Step } from "./table.ts";
import { TCP } from "./tcp.ts";
import { UDP } from "./udp.ts";

/** All protocols. Adding one that fits the form touches this list and its table, nothing in the kernel. */
export const AUTOMATA_TABLES: readonly Automaton[] = [TCP, UDP, OTHER, ICMP, FRAGMENT];

export interface CompileOptions {
  readonly geometry: Geometry;
  /**
   * Whether FIN and RST may lower a lifetime. Refused where fingerprints are so short that a flow would often be cut with
   * another's: see SHORTEN_MAX_SHARED.
   */
  readonly shorten: boolean;
  readonly lifetimes?: Partial<Lifetimes>;
  /** Packets of one flow pass several APs: what concerns one AP alone elsewhere is told to all. */
  readonly writeThrough?: boolean;
}

/** Both widths of the kernel: a table that compiles for one must compile for the other, or a mesh could not mix them. */
const WIDTHS = [parseGeometry("4x1024x8/r26", "width"), parseGeometry("4x1024x8/r12", "width")];

/** Cells / fingerprints: the chance that a lookup meets a stranger. Above this a RST would cut other people's flows. */
export const SHORTEN_MAX_SHARED = 1e-5;

/** Whether this geometry's fingerprints are long enough for lowering. */
export function mayShorten(geometry: Geometry): boolean {
  return geometry.cells / (geometry.buckets * 2 ** geometry.remainderBits) < SHORTEN_MAX_SHARED;
}

/**
 * The blob that the kernel (and the model) loads: `struct rw_automata` of abi.h. It holds bytes only, so it has no byte order.
 * Throws ROAMWALL_ERR_AUTOMATA, naming type and candidate, where a shortcut of the tables could deny a valid packet.
 */
export function compileAutomata(options: CompileOptions, tables = AUTOMATA_TABLES): Uint8Array {
  const { geometry } = options;
  if (options.shorten && !mayShorten(geometry)) {
    throw automataError(
      `shortening in ${geometry.text}: fingerprints are shared too often (cells / space >= ${SHORTEN_MAX_SHARED})`,
    );
  }
  const lowering = options.shorten ? tables : tables.map(withoutLowering);
  const shaped = options.writeThrough ? lowering.map(toldToAll) : lowering;
  check(shaped);
  const lifetimes: Lifetimes = { ...LIFETIMES, ...options.lifetimes };
  for (const width of WIDTHS) checkLifetimes(shaped, lifetimes, width);
  return new Emitter(geometry, lifetimes).emit(shaped);
}

/** One line per type, in the order of their numbers: what `roamwall automata` prints and what a reviewer reads. */
export function describeTypes(options: CompileOptions, tables = AUTOMATA_TABLES): string[] {
  const shaped = options.shorten ? tables : tables.map(withoutLowering);
  const rows = shaped.flatMap((table) => table.rows);
  return [...rows].sort((a, b) => a.type - b.type).map(describeRow);
}

export function automataError(text: string): RoamwallError {
  return new RoamwallError("ROAMWALL_ERR_AUTOMATA", text);
}

/** Takes out what lowers, and the states that only say when to lower. What remains of a FIN is an ACK, of an RST a pass. */
function withoutLowering(table: Automaton): Automaton {
  const keeps = (step: Step) => step.op === CONSTANTS.OP_MAX && !MARKER_STATES.includes(step.ref.state);
  const rows = table.rows.map((row) => ({
    ...row,
    candidates: row.candidates.map(
      ({ probes: _probes, probeIfFast: _if, alternative: _alternative, ...rest }): Candidate => ({
        ...rest,
        ...(rest.learns ? { learns: rest.learns.filter(keeps) } : {}),
      }),
    ),
  }));
  return { ...table, rows };
}

/**
 * Nothing is held, nothing is kept: the other half of the flow is judged elsewhere, by what is told. What only says when to
 * shorten lives no longer than a close does: no AP but its own could end it sooner.
 */
function toldToAll(table: Automaton): Automaton {
  const told = (steps: readonly Step[]) =>
    steps.map((step): Step => {
      const marker = MARKER_STATES.includes(step.ref.state) && step.lifetime !== undefined;
      return { ...step, mark: SOON, ...(marker && { lifetime: "closing" as const }) };
    });
  const rows = table.rows.map((row) => ({
    ...row,
    candidates: [...row.candidates, ...(row.asymmetric ?? [])].map((candidate) => ({
      ...candidate,
      ...(candidate.learns && { learns: told(candidate.learns) }),
      ...(candidate.alternative && { alternative: told(candidate.alternative) }),
    })),
    ...(row.opens && { opens: told(row.opens) }),
    ...(row.pickup && { pickup: told(row.pickup) }),
  }));
  return { ...table, rows, ...(table.head && { head: { ...table.head, mark: SOON } }) };
}

/** Each new AP that takes an idle flow over may cost it a tick; so many, and a keepalive every two hours is still in time. */
const ADOPTIONS = 3;

function codeOfLifetime(name: LifetimeName, lifetimes: Lifetimes, geometry: Geometry): number {
  const lifetime = lifetimes[name];
  if (typeof lifetime !== "number") return codeForSlowTicks(lifetime.slowTicks, geometry);
  const code = codeFor(lifetime, geometry);
  if (name !== "established" || code === 0) return code;
  return codeForSlowTicks(Math.min(geometry.liveMax, (code & geometry.modulus) + ADOPTIONS), geometry);
}

function checkLifetimes(tables: readonly Automaton[], lifetimes: Lifetimes, geometry: Geometry): void {
  for (const { name, rows, head } of tables) {
    for (const row of rows) {
      for (const { step, where } of stepsOf(row)) requireCode(step, lifetimes, geometry, `${name} ${where}`);
    }
    if (head) requireCode(head, lifetimes, geometry, `${name} head`);
  }
}

function requireCode(step: Step, lifetimes: Lifetimes, geometry: Geometry, where: string): void {
  if (step.lifetime === undefined || codeOfLifetime(step.lifetime, lifetimes, geometry) > 0) return;
  const asked = JSON.stringify(lifetimes[step.lifetime]);
  const most = (geometry.liveMax * geometry.slowTickMs) / 1000;
  throw automataError(
    `${where}: lifetime ${step.lifetime} = ${asked} has no code in ${geometry.text}; at most ${most} s`,
  );
}

function* stepsOf(row: Row): Generator<{ step: Step; where: string }> {
  const type = TYPE_NAME[row.type];
  for (const [i, candidate] of row.candidates.entries()) {
    const where = `${type} candidate ${i + 1}`;
    for (const step of [...(candidate.learns ?? []), ...(candidate.alternative ?? [])]) yield { step, where };
  }
  for (const step of row.opens ?? []) yield { step, where: `${type} opening` };
  for (const step of row.pickup ?? []) yield { step, where: `${type} pickup` };
}

/** Writes the blob; equal learn lists are stored once. */
class Emitter {
  readonly #blob = new Uint8Array(AUTOMATA.BYTES);
  /** by content; list 0 is "learn nothing" */
  readonly #lists = new Map<string, number>();

  constructor(
    readonly geometry: Geometry,
    readonly lifetimes: Lifetimes,
  ) {}

  emit(tables: readonly Automaton[]): Uint8Array {
    checkLifetimes(tables, this.lifetimes, this.geometry);
    for (const table of tables) {
      this.#classify(table);
      for (const row of table.rows) this.#row(row);
      if (table.head) this.#blob.set(this.#step(table.head), AUTOMATA.HEAD_AT);
    }
    return this.#blob;
  }

  #classify(table: Automaton): void {
    for (const [classNumber, sub, type] of table.classify) {
      const start = classNumber * 256;
      if (sub === "any") this.#blob.fill(type, start, start + 256);
      else this.#blob[start + sub] = type;
    }
  }

  #row(row: Row): void {
    const { bytes, offset } = MAP_RECORDS.candidate;
    const at = AUTOMATA.TYPES_AT + row.type * AUTOMATA.TYPE_BYTES;
    row.candidates.forEach((candidate, i) => {
      const record = at + i * bytes;
      this.#blob[record + offset["ref"]!] = refByte(candidate.expects);
      this.#blob[record + offset["flags"]!] = flagsOf(candidate);
      this.#blob[record + offset["full"]!] = candidate.fullDone ? this.#code(candidate.fullDone) : 0;
      this.#blob.set((candidate.probes ?? []).map(refByte), record + offset["probe"]!);
      this.#blob[record + offset["learn"]!] = this.#list(candidate.learns);
      this.#blob[record + offset["learn_alt"]!] = this.#list(candidate.alternative);
    });
    const tail = at + CONSTANTS.CANDIDATES_MAX * bytes;
    this.#blob.set([row.opens ? CONSTANTS.TYPE_OPENS : 0, this.#list(row.opens), this.#list(row.pickup), 0], tail);
  }

  #list(steps: readonly Step[] | undefined): number {
    if (!steps || steps.length === 0) return 0;
    const records = steps.flatMap((step) => this.#step(step));
    const key = records.join();
    const known = this.#lists.get(key);
    if (known !== undefined) return known;
    const number = this.#lists.size + 1;
    if (number >= CONSTANTS.LEARN_LISTS_MAX)
      throw automataError(`more than ${CONSTANTS.LEARN_LISTS_MAX - 1} learn lists`);
    this.#lists.set(key, number);
    this.#blob.set(records, AUTOMATA.LEARN_AT + number * CONSTANTS.LEARN_STEPS * MAP_RECORDS.learn_step.bytes);
    return number;
  }

  #step(step: Step): number[] {
    return [refByte(step.ref), step.op, step.lifetime ? this.#code(step.lifetime) : 0, step.mark];
  }

  #code(name: LifetimeName): number {
    return codeOfLifetime(name, this.lifetimes, this.geometry);
  }
}

function refByte(ref: Ref): number {
  return (ref.state << 2) | ref.rule;
}

function flagsOf(candidate: Candidate): number {
  return (
    (candidate.fullDone ? CONSTANTS.CAND_FULL_DONE : 0) |
    (candidate.probeIfFast ? CONSTANTS.CAND_PROBE_IF_FAST : 0) |
    (candidate.needsReply ? CONSTANTS.CAND_NEEDS_REPLY : 0) |
    (candidate.groupKey ? CONSTANTS.CAND_GROUP_KEY : 0) |
    (candidate.supersedes ? CONSTANTS.CAND_SUPERSEDES : 0) |
    (candidate.answers ? CONSTANTS.CAND_ANSWERS : 0)
  );
}

function describeRow(row: Row): string {
  const candidates = row.candidates.map((c) => {
    const learns = c.learns?.length ? ` -> ${c.learns.map(describeStep).join(", ")}` : "";
    const alternative = c.alternative
      ? `; with ${c.probes!.map(describeRef).join(" and ")}: ${c.alternative.map(describeStep).join(", ")}`
      : "";
    return `[${describeRef(c.expects)}${c.needsReply ? " as reply" : ""}${c.groupKey ? " of a group" : ""}${learns}${alternative}]`;
  });
  const opens = row.opens ? ` opens ${row.opens.map(describeStep).join(", ")}` : "";
  return `${row.type} ${TYPE_NAME[row.type]} ${candidates.join(" ")}${opens}`;
}

function describeRef({ state, rule }: Ref): string {
  const side = rule === CONSTANTS.RULE_BOTH ? "" : rule === CONSTANTS.RULE_SAME ? "(d)" : "(-d)";
  return `${STATE_LETTER[state]}${side}`;
}

const OP_NAME = ["none", "max", "set", "min", "drop"];

function describeStep(step: Step): string {
  return `${OP_NAME[step.op]} ${describeRef(step.ref)}${step.lifetime ? `=${step.lifetime}` : ""}`;
}
