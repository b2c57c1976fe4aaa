import { badInput } from "../base/errors.ts";
import { type Mac, macToBytes } from "../base/mac.ts";
import { Dlcbf, INSERTED } from "../bloom/dlcbf.ts";
import type { Geometry } from "../bloom/geometry.ts";
import { Mixer } from "../bloom/permutation.ts";
import { isSlow, merge } from "../bloom/timer.ts";
import { CONSTANTS, REASON } from "../datapath/abi.ts";
import { type ClientRecord, RING, type RingEvent } from "../datapath/map-records.ts";
import { AccessList, type ServiceEntry } from "./access-list.ts";
import type { AclFilter } from "./acl.ts";
import { isExempt } from "./exempt.ts";
import { FlowKey } from "./flow-key.ts";
import { HalfOpen } from "./half-open.ts";
import { type FrameInput, Packet } from "./packet.ts";
import { type Candidate, expectationOf, type PacketType, type Program, readProgram, type Step } from "./program.ts";
import { EMPTY_EVENT, macBytes, tupleOf } from "./ring-event.ts";
import { Windows } from "./windows.ts";
import type { ZoneEntry } from "./zones.ts";

/**
 * The stateful firewall routine (Algorithm 1 of NTMS'08) as a model: the oracle of the kernel's program. Same frames, same
 * verdicts, same cells, same events. Order: client, shape of the frame, exemptions, access list, expectations, budget.
 */
export type { ServiceEntry } from "./access-list.ts";
export type { FrameInput } from "./packet.ts";

export interface Verdict {
  readonly pass: boolean;
  /** REASON; not 0 when a denial was only watched. */
  readonly reason: number;
  /** It would have been denied. */
  readonly monitored: boolean;
  /** Packet type of the automata, 0 when it did not get that far. */
  readonly type: number;
  readonly slot: number;
}

export interface SfrOptions {
  readonly geometry: Geometry;
  /** Two for flows, two for the access list. */
  readonly seeds: readonly [number, number, number, number];
  readonly mirrors?: number;
  /** Slots 0..slots-1 may be used in client records. */
  readonly slots?: number;
}

export interface SfrCounters {
  /** By reason; then COUNTER_PICKED_UP. */
  readonly denied: Float64Array;
  /** By slot. A watched denial counts as denied and as passed. */
  readonly clientPassed: Float64Array;
  readonly clientDenied: Float64Array;
  readonly clientBytes: Float64Array;
}

const {
  CAND_ANSWERS,
  CAND_FULL_DONE,
  CAND_GROUP_KEY,
  CAND_NEEDS_REPLY,
  CAND_PROBE_IF_FAST,
  CAND_SUPERSEDES,
  CLASS_ERROR,
  SIDE_CLIENT,
  SIDE_PEER,
} = CONSTANTS;

/** Shares of 256: clients above their share open no more at 80 %, nobody at 88 %. */
const LOAD_FAIR = 205;
const LOAD_CLOSED = 225;
const UNKNOWN_CLIENT = 0;
const GROUP_CLIENT = 0xffff_ffff_ffff;
const PASSED_AT_ONCE: Verdict = { pass: true, reason: 0, monitored: false, type: 0, slot: 0 };

/** Where an expectation was found. */
const NOWHERE = 0;
const OWN = 1;
const MIRROR = 2;

export class Sfr {
  readonly geometry: Geometry;
  readonly table: Dlcbf;
  readonly mirrors: readonly Dlcbf[];
  readonly counters: SfrCounters;
  /** Cells that each slot owns; `sweep` counts them. */
  readonly used: Uint32Array;
  readonly halfOpen: HalfOpen;
  onEvent: (event: RingEvent) => void = () => {};
  mode: number = CONSTANTS.MODE_ENFORCE;
  /** 1: a lost table is being learnt again. */
  pickup = 0;
  /** Used cells, of 256; `sweep` counts it. */
  load = 0;
  /** Cells that a client may own while the load is between 80 % and 88 %. */
  share = 0;
  /** 1: the next dirty cell is announced by a `wake` event, once. */
  armed = 0;
  /** Write through: mirrors that are asked for every client, a bit each; 0 = write back. */
  writeThrough = 0;

  /** by 48-bit MAC */
  readonly #clients = new Map<number, ClientRecord>();
  readonly #ownMacs = new Set<number>();
  readonly #access: AccessList;
  readonly #localAddresses = new Set<string>();
  #program: Program | undefined;

  readonly #windows: Windows;
  readonly #packet = new Packet();
  readonly #flow: FlowKey;
  readonly #otherFlow: FlowKey;
  readonly #mixer: Mixer;

  // The packet being judged. Fields and not arguments, so that a packet allocates nothing but its verdict.
  #input: FrameInput | undefined;
  #mac0 = 0;
  #mac1 = 0;
  #client: ClientRecord | undefined;
  #slot = 0;
  #type = 0;
  #monitor = false;
  #traced = false;
  #opened = false;
  #hitAt = -1;
  #hitTable: Dlcbf;
  /** Write through: the expectation that a mirror held, and its rank there; rank 0 = none did. */
  readonly #mirrored = { xHi: 0, xLo: 0, rank: 0 };

  constructor(options: SfrOptions) {
    const { geometry, seeds, mirrors = 0, slots = 1024 } = options;
    this.geometry = geometry;
    this.table = new Dlcbf(geometry);
    const { permutations } = this.table;
    this.mirrors = Array.from({ length: mirrors }, () => new Dlcbf(geometry, permutations));
    this.#mixer = new Mixer(permutations);
    this.#hitTable = this.table;
    this.#flow = new FlowKey(seeds[0], seeds[1]);
    this.#otherFlow = new FlowKey(seeds[0], seeds[1]);
    this.#access = new AccessList(seeds[2], seeds[3]);
    this.#windows = new Windows(slots);
    this.used = new Uint32Array(slots);
    this.halfOpen = new HalfOpen(this.table, slots);
    this.counters = {
      denied: new Float64Array(CONSTANTS.COUNTERS),
      clientPassed: new Float64Array(slots),
      clientDenied: new Float64Array(slots),
      clientBytes: new Float64Array(slots),
    };
  }

  /** The clock of limits, in ns; the clock of the cells is `table.fast` and `table.slow`. */
  set nowNs(now: number | bigint) {
    this.#windows.nowNs = now;
  }

  loadAutomata(blob: Uint8Array): void {
    this.#program = readProgram(blob);
  }

  /** 00:00:00:00:00:00 is everybody unknown, ff:ff:ff:ff:ff:ff what leaves a port to a group. Throws ROAMWALL_ERR_INPUT. */
  setClient(mac: Mac, record: ClientRecord): void {
    if (record.slot >= this.#windows.slots) {
      throw badInput(`client ${mac}`, `slot ${record.slot}`, `0 to ${this.#windows.slots - 1}`);
    }
    this.#clients.set(macNumber(mac), { ...record, filter: [...record.filter] });
  }

  deleteClient(mac: Mac): void {
    this.#clients.delete(macNumber(mac));
  }

  setFilter(filter: AclFilter): void {
    this.#access.setFilter(filter);
  }

  /** See `AccessList`. */
  changeFilter(filter: Pick<AclFilter, "id" | "out" | "in">, from: number, changes: Uint32Array): void {
    this.#access.changeFilter(filter, from, changes);
  }

  deleteFilter(id: number): void {
    this.#access.deleteFilter(id);
  }

  setZones(entries: readonly ZoneEntry[], generation = 0): void {
    this.#access.setZones(entries, generation);
  }

  setServices(entries: readonly ServiceEntry[], generation = 0): void {
    this.#access.setServices(entries, generation);
  }

  /** 16 bytes each, IPv4 mapped: the AP's own addresses. Who speaks to them is the AP's own firewall's business. */
  setLocalAddresses(addresses: readonly (readonly number[])[]): void {
    this.#localAddresses.clear();
    for (const address of addresses) this.#localAddresses.add(address.join());
  }

  /** The AP's own MACs: what it sends itself is not filtered. */
  setOwnMacs(macs: readonly Mac[]): void {
    this.#ownMacs.clear();
    for (const mac of macs) this.#ownMacs.add(macNumber(mac));
  }

  /** Frees what has passed, in all tables, and counts load and owners anew. */
  sweep(): void {
    this.table.sweep();
    for (const mirror of this.mirrors) mirror.sweep();
    this.used.fill(0);
    const { cells, owners } = this.table;
    for (let at = 0; at < cells.length; at++) {
      const slot = owners[at]! & CONSTANTS.OWNER_SLOT_MASK;
      if (cells[at] !== 0 && slot < this.used.length) this.used[slot]!++;
    }
    this.load = Math.floor((this.table.used * 256) / this.geometry.cells);
    this.halfOpen.recount();
  }

  judge(input: FrameInput): Verdict {
    if (input.direction === SIDE_PEER && input.fromAp) {
      const source = macAt(input.frame, 6);
      if (this.#ownMacs.has(source)) return PASSED_AT_ONCE;
      // From a station of the same BSS: it never entered by our ingress, so its sender is judged here first.
      if (source !== UNKNOWN_CLIENT && this.#clients.has(source)) {
        const verdict = this.#judgeAs(input, SIDE_CLIENT, false);
        if (!verdict.pass) return verdict;
      }
    }
    return this.#judgeAs(input, input.direction, input.direction === SIDE_CLIENT);
  }

  /** `entering`: by a client port; only such a frame proves where its sender is. */
  #judgeAs(input: FrameInput, direction: 0 | 1, entering: boolean): Verdict {
    const { frame } = input;
    const client = macAt(frame, direction === SIDE_CLIENT ? 6 : 0);
    const toGroup = direction === SIDE_PEER && ((frame[0] ?? 0) & 1) === 1;
    const own = this.#clients.get(toGroup ? GROUP_CLIENT : client);
    if (toGroup && !own) return PASSED_AT_ONCE;
    this.#input = input;
    this.#mac0 = Math.floor(client / 65536);
    this.#mac1 = client % 65536;
    this.#client = own;
    this.#slot = own?.slot ?? CONSTANTS.SLOT_UNKNOWN;
    this.#monitor = this.mode === CONSTANTS.MODE_MONITOR || isMonitored(own);
    this.#traced = own !== undefined && (own.flags & CONSTANTS.CLIENT_TRACE) !== 0;
    this.#opened = false;
    this.#type = 0;
    this.#packet.parse(input, direction);
    return this.#conclude(this.#packet.reason || this.#decide(entering, toGroup));
  }

  #conclude(reason: number): Verdict {
    const { counters } = this;
    const slot = this.#slot;
    const monitored = reason !== 0 && this.#monitor;
    const pass = reason === 0 || monitored;
    if (reason !== 0) {
      counters.denied[reason]!++;
      counters.clientDenied[slot]!++;
    }
    this.#tell(reason, monitored);
    if (pass) {
      counters.clientPassed[slot]!++;
      counters.clientBytes[slot]! += this.#packet.length;
    }
    return { pass, reason, monitored, type: this.#type, slot };
  }

  /** For people: denials, the first packet of a flow, all of a client that is traced; each within its rate. */
  #tell(reason: number, monitored: boolean): void {
    const kind = reason !== 0 ? RING.denied : this.#traced ? RING.traced : RING.opened;
    if (reason === 0 && !this.#traced && !this.#opened) return;
    if (this.#windows.mayTell(this.#slot, kind)) {
      this.#emit(kind, reason, monitored, this.#windows.takeLost(this.#slot));
    }
  }

  /** A reason, 0 = pass. */
  #decide(entering: boolean, toGroup: boolean): number {
    const packet = this.#packet;
    const own = this.#client;
    if (entering && (!own || own.presence === CONSTANTS.PRESENCE_REMOTE) && this.#windows.takeArrival(this.#slot)) {
      this.#emit(RING.arrived, 0, false);
    }
    if (isExempt(packet)) {
      return packet.direction === SIDE_PEER || this.#windows.takeExempt(this.#slot) ? 0 : REASON.exempt_rate;
    }
    if (packet.family === 0) return REASON.non_ip;
    this.#client = own ?? this.#clients.get(UNKNOWN_CLIENT);
    if (!this.#client) return REASON.unknown;
    this.#monitor ||= isMonitored(this.#client);
    const reason = this.#inspect(this.#client, toGroup);
    return reason !== 0 && packet.direction === SIDE_CLIENT && this.#isLocal() ? 0 : reason;
  }

  #inspect(client: ClientRecord, toGroup: boolean): number {
    const packet = this.#packet;
    const program = this.#program;
    if (!program) return REASON.flags;
    this.#type = program.classify[packet.class * 256 + packet.sub]!;
    const type = program.types[this.#type]!;
    this.#access.ask(client, packet, type, toGroup);
    const { forward, reply, groupAnswer } = this.#access;
    if (toGroup) return forward || reply ? 0 : REASON.group;
    const allowed = forward || reply || groupAnswer || packet.isOfPair();
    if (!allowed) return REASON.acl;
    if (this.#type === 0) return REASON.flags;
    this.#flow.setFlow(packet, this.#mac0, this.#mac1);
    const reason = this.#expect(client, program, type);
    if (reason !== 0 || !packet.head || packet.class === CLASS_ERROR || !program.head) return reason;
    this.#otherFlow.setPair(packet, this.#mac0, this.#mac1);
    return this.#learnStep(program.head, this.#otherFlow) ? 0 : REASON.full;
  }

  /** Candidates, and what to do on a miss. */
  #expect(client: ClientRecord, program: Program, type: PacketType): number {
    const fromMirrors = client.zone === (this.#input!.portZone ?? 0) ? client.from | this.writeThrough : 0;
    this.#mirrored.rank = 0;
    const { candidates } = type;
    const opens = type.opens && this.#access.forward;
    for (let i = 0; i < candidates.length; i++) {
      const candidate = candidates[i]!;
      // An answer to a group's question teaches nothing: it must not hide what the packet, allowed of itself, would open.
      if (opens && (candidate.flags & CAND_GROUP_KEY) !== 0) continue;
      const found = this.#tryCandidate(candidate, fromMirrors);
      if (found !== NOWHERE) return this.#learn(program.learn[this.#choose(candidate, found, fromMirrors)]!);
    }
    if (this.#access.groupAnswer) return REASON.acl;
    if (opens) {
      if (!this.#mayOpen(client)) return REASON.budget;
      this.#opened = true;
      return this.#open(client, program.learn[type.open]!);
    }
    const reason = this.#packet.isOfPair() ? REASON.fragment : REASON.state;
    if (type.pickup === 0 || !(this.pickup || this.#monitor)) return reason;
    if (this.pickup) this.counters.denied[CONSTANTS.COUNTER_PICKED_UP]!++;
    const learnt = this.#learn(program.learn[type.pickup]!);
    return this.pickup || learnt !== 0 ? learnt : reason;
  }

  #tryCandidate(candidate: Candidate, fromMirrors: number): number {
    const ofGroup = (candidate.flags & CAND_GROUP_KEY) !== 0;
    if (((candidate.flags & CAND_NEEDS_REPLY) !== 0 && !this.#access.reply) || (this.#access.groupAnswer && !ofGroup))
      return NOWHERE;
    let flow = this.#flow;
    if (ofGroup) {
      if (this.#packet.direction === SIDE_CLIENT) return NOWHERE;
      flow = this.#otherFlow;
      flow.setGroup(this.#packet, this.#mac0, this.#mac1);
    }
    return this.#look(candidate, flow, fromMirrors);
  }

  /** The own table, then the mirrors of the neighbours that the client may come from. */
  #look(ref: { state: number; rule: number }, flow: FlowKey, fromMirrors: number): number {
    const mixer = this.#mixer;
    mixer.mix(flow.h1, flow.h2, expectationOf(ref.state, ref.rule, this.#packet.direction));
    this.#hitTable = this.table;
    this.#hitAt = this.table.find(mixer.xHi, mixer.xLo);
    if (this.#hitAt >= 0) return OWN;
    for (let k = 0; fromMirrors >>> k !== 0; k++) {
      const mirror = this.mirrors[k];
      if (((fromMirrors >>> k) & 1) === 0 || !mirror) continue;
      this.#hitTable = mirror;
      this.#hitAt = mirror.find(mixer.xHi, mixer.xLo);
      if (this.#hitAt >= 0) return MIRROR;
    }
    return NOWHERE;
  }

  /** Number of the list that a hit learns; 0 = nothing. */
  #choose(candidate: Candidate, found: number, fromMirrors: number): number {
    const { flags, probes } = candidate;
    const at = this.#hitAt;
    const cell = this.#hitTable.cells[at]!;
    if (this.writeThrough !== 0 && found === MIRROR) {
      this.#mirrored.xHi = this.#mixer.xHi;
      this.#mirrored.xLo = this.#mixer.xLo;
      this.#mirrored.rank = this.#hitTable.rank(cell);
    }
    // Exact for shared cells too: the one thing to learn is the cell itself, and it is at its full lifetime.
    if ((flags & CAND_FULL_DONE) !== 0 && found === OWN && this.table.rank(cell) === candidate.full) return 0;
    if ((flags & CAND_SUPERSEDES) !== 0 && found === OWN) this.table.withholdHeld(at);
    if ((flags & CAND_ANSWERS) !== 0 && found === OWN && this.#client!.half_open !== 0)
      this.halfOpen.end(at, this.#slot);
    if ((flags & CAND_PROBE_IF_FAST) !== 0 && isSlow(cell, this.geometry)) return candidate.learn;
    if (probes.length === 0) return candidate.learn;
    for (let i = 0; i < probes.length; i++) {
      if (this.#look(probes[i]!, this.#flow, fromMirrors) === NOWHERE) return candidate.learn;
    }
    return candidate.learnAlt;
  }

  #open(client: ClientRecord, steps: readonly Step[]): number {
    const reason = this.#learn(steps);
    if (reason !== 0 || client.half_open === 0) return reason;
    // The mixer still has the last step's expectation: an opening has one.
    this.halfOpen.begin(this.table.findUsed(this.#mixer.xHi, this.#mixer.xLo), this.#slot, this.#packet.direction);
    return 0;
  }

  #learn(steps: readonly Step[]): number {
    for (let i = 0; i < steps.length; i++) {
      if (!this.#learnStep(steps[i]!, this.#flow)) return REASON.full;
    }
    return 0;
  }

  /** False: no room. */
  #learnStep(step: Step, flow: FlowKey): boolean {
    const { table } = this;
    const mixer = this.#mixer;
    mixer.mix(flow.h1, flow.h2, expectationOf(step.state, step.rule, this.#packet.direction));
    const { xHi, xLo } = mixer;
    if (step.op === CONSTANTS.OP_MAX && this.#mirrorReaches(xHi, xLo, step.code)) return true;
    if (step.op === CONSTANTS.OP_MIN) table.min(xHi, xLo, step.code, step.mark);
    else if (step.op === CONSTANTS.OP_DROP) table.drop(xHi, xLo, step.mark);
    else if (table.insert(xHi, xLo, step.code, step.op, this.#slot, step.mark) === INSERTED.full) return false;
    if (table.raised) this.#wake();
    return true;
  }

  /** What a mirror holds of the expectation will do, so that a state does not stand in every table. */
  #mirrorReaches(xHi: number, xLo: number, code: number): boolean {
    const { rank } = this.#mirrored;
    if (rank === 0 || xHi !== this.#mirrored.xHi || xLo !== this.#mirrored.xLo) return false;
    return merge(rank, code, this.geometry) === rank;
  }

  #wake(): void {
    this.table.raised = false;
    if (!this.armed) return;
    this.armed = 0;
    this.onEvent({ ...EMPTY_EVENT, kind: RING.wake });
  }

  #mayOpen(client: ClientRecord): boolean {
    if (this.#monitor) return true;
    if (this.load >= LOAD_CLOSED) return false;
    if (this.load >= LOAD_FAIR && this.used[this.#slot]! > this.share) return false;
    const { direction } = this.#packet;
    if (client.half_open !== 0 && this.halfOpen.of(this.#slot, direction) >= client.half_open) return false;
    return this.#windows.takeOpening(this.#slot, direction, client);
  }

  #isLocal(): boolean {
    if (this.#localAddresses.size === 0) return false;
    const { destination, family } = this.#packet;
    const words = family === 4 ? [0, 0, 0xffff, destination[0]!] : [...destination];
    return this.#localAddresses.has(
      words.flatMap((w) => [w >>> 24, (w >>> 16) & 255, (w >>> 8) & 255, w & 255]).join(),
    );
  }

  #emit(kind: number, reason: number, monitored: boolean, lost = 0): void {
    const packet = this.#packet;
    const input = this.#input!;
    this.onEvent({
      ...EMPTY_EVENT,
      kind,
      reason,
      direction: packet.direction,
      slot: this.#slot,
      ethertype: packet.ethertype,
      ifindex: input.ifindex ?? 0,
      mac: macBytes(this.#mac0, this.#mac1),
      ...tupleOf(packet),
      type: this.#type,
      monitored: monitored ? 1 : 0,
      lost,
      length: packet.length,
      captured: kind === RING.denied ? Math.min(packet.length, CONSTANTS.PARSE_BYTES) : 0,
    });
  }
}

function isMonitored(client: ClientRecord | undefined): boolean {
  return client !== undefined && (client.flags & CONSTANTS.CLIENT_MONITOR) !== 0;
}

/** The six bytes as one number; absent bytes are 0. */
function macAt(frame: Uint8Array, at: number): number {
  if (frame.length < at + 6) return 0;
  const high = ((frame[at]! << 24) | (frame[at + 1]! << 16) | (frame[at + 2]! << 8) | frame[at + 3]!) >>> 0;
  return high * 65536 + ((frame[at + 4]! << 8) | frame[at + 5]!);
}

function macNumber(mac: Mac): number {
  return macToBytes(mac).reduce((number, byte) => number * 256 + byte, 0);
}
