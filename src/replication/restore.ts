import type { BitReader } from "../base/bits.ts";
import type { Mac } from "../base/mac.ts";
import type { Geometry } from "../bloom/geometry.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import type { StateProxy } from "../proxy/proxy.ts";
import type { Ticks } from "../proxy/ticks.ts";
import type { Neighbour } from "./neighbour.ts";
import { type Ask, askForTable, TABLES_MAX } from "./records/ask.ts";
import { CellBatch, CellBlock } from "./records/cell-block.ts";
import { parseRights } from "./records/rights.ts";
import type { SnapHead } from "./records/snap.ts";
import { rightsOfRecord } from "./rights-map.ts";
import { SyncSession } from "./sync.ts";
import { UNIT_CELLS, UNIT_SLOTS, Units } from "./units.ts";

const { SLOT_SHARED, SLOT_UNKNOWN } = CONSTANTS;

/** Who has nobody to ask, or nobody who answers, is ready without. */
const FIRST_ANSWER_MS = 2_000;
/** A neighbour that goes silent in mid-answer. */
const IDLE_MS = 1_000;
const WITHIN_MS = 10_000;
/** One that is heard and gave no whole copy is asked again after so long, then after twice that: for half a minute. */
const AGAIN_MS = 2_000;
const TRIES_MAX = 4;
/** A round on the wire: above these bits, how old the table is that is asked for, since slots are numbered anew in each. */
const ROUND_BITS = 5;
const ROUND_MASK = (1 << ROUND_BITS) - 1;
/** What a source's phase is when nobody knows it: its present tick is over. Nothing outlives what was left. */
const LATEST = { fast: 255, slow: 255 };

export interface RestoreParts {
  readonly geometry: Geometry;
  readonly proxy: StateProxy;
  /** For a lost table; its round comes back with the answers. */
  ask(question: Ask, to: number): void;
  hears(ap: number): boolean;
  done(cells: number): void;
}

/** A neighbour that may have kept our table. */
interface Candidate {
  /** Not to be asked before. */
  readonly dueMs: number;
  /** It was asked so often in vain. */
  readonly tries: number;
}

/** The neighbour that is asked, and what it has answered. */
interface Asking {
  readonly from: number;
  readonly tries: number;
  /** Tables that were lost since the one that is asked for: who starts twice in a row may have lost it before it was back. */
  readonly age: number;
  session: SyncSession;
  /** Slots first: then each cell's owner is known by name. */
  readonly cellsToCome: boolean;
  readonly startedMs: number;
  heardMs: number;
  cells: number;
  /** Old slot to client: of one table that was, and neighbours need not have kept the same one. */
  readonly clients: Map<number, Mac>;
}

/**
 * An AP that lost its table asks its neighbours for the one that it had: they kept what they mirrored of it. It filters
 * all the while; `restoring` only says that flows of before may be missing, until somebody gave a whole copy. The others
 * are asked all the same, and so is who comes later: a copy may be older, or of somebody who heard less. Bounded in time
 * for each, whatever is answered.
 */
export class Restore {
  state: "restoring" | "ready" = "restoring";
  /** Expectations of the fullest copy. */
  cells = 0;
  private readonly units: Units;
  private readonly block: CellBlock;
  private readonly batch = new CellBatch();
  private readonly candidates = new Map<number, Candidate>();
  /** Those that gave all they had. */
  private readonly answered = new Set<number>();
  private asking: Asking | undefined;
  private startedMs = 0;

  constructor(private readonly parts: RestoreParts) {
    const { geometry, proxy } = parts;
    this.units = new Units(proxy.published.slots, geometry);
    this.block = new CellBlock(geometry, "coordinate");
  }

  start(nowMs: number): void {
    this.startedMs = nowMs;
  }

  /** Somebody is heard, or heard again, who may have kept our table. */
  met({ id, compatible }: Neighbour): void {
    if (!compatible || this.answered.has(id) || this.asking?.from === id) return;
    this.candidates.set(id, { dueMs: Number.NEGATIVE_INFINITY, tries: 0 });
  }

  nextAtMs(): number {
    if (this.asking) return this.asking.session.nextAtMs();
    let next = this.state === "ready" ? Number.POSITIVE_INFINITY : this.startedMs + this.readyWithin;
    for (const [id, { dueMs }] of this.candidates) if (this.parts.hears(id)) next = Math.min(next, dueMs);
    return next;
  }

  tick(nowMs: number): void {
    this.giveUp(nowMs);
    if (nowMs - this.startedMs >= this.readyWithin) this.state = "ready";
    this.drive(nowMs);
  }

  private get readyWithin(): number {
    return this.asking || this.candidates.size > 0 ? WITHIN_MS : FIRST_ANSWER_MS;
  }

  /** A part of the table that we had; `ticks` are the sender's, at that datagram. False when it lies. */
  take(from: Neighbour, head: SnapHead, reader: BitReader, ticks: Ticks, nowMs: number): boolean {
    const { asking } = this;
    // What was asked before of another of its tables comes late.
    if (!asking || asking.from !== from.id || head.round >>> ROUND_BITS !== asking.age) return true;
    asking.heardMs = nowMs;
    if (head.to === head.from) {
      this.answered.add(from.id);
      this.asking = undefined;
      return true;
    }
    const isTrue = head.slots ? this.takeSlots(asking, reader, nowMs) : this.takeCells(asking, head, reader, ticks);
    if (!isTrue) return false;
    const first = this.unitOf(head.slots, head.from);
    const to = this.unitOf(head.slots, head.to);
    const round = (asking.session.round & ~ROUND_MASK) | (head.round & ROUND_MASK);
    asking.session.cover({ from: first, to, asOf: head.asOf, round, toCome: head.toCome }, nowMs);
    if (asking.session.done) this.next(asking, nowMs);
    return true;
  }

  /** The others first. It keeps what it has of us, and may be heard better a little later; who is silent is met when it is heard. */
  private giveUp(nowMs: number): void {
    const { asking } = this;
    if (!asking || (nowMs - asking.heardMs <= IDLE_MS && nowMs - asking.startedMs <= WITHIN_MS)) return;
    const { from, tries } = asking;
    if (tries < TRIES_MAX) this.candidates.set(from, { dueMs: nowMs + AGAIN_MS * 2 ** tries, tries: tries + 1 });
    this.asking = undefined;
  }

  private drive(nowMs: number): void {
    this.asking ??= this.begin(nowMs);
    const { asking } = this;
    const wanted = asking?.session.ask(nowMs);
    if (!asking || !wanted) return;
    const round = (asking.age << ROUND_BITS) | (wanted.round & ROUND_MASK);
    this.parts.ask({ ...wanted, what: askForTable(asking.age), round }, asking.from);
  }

  private begin(nowMs: number): Asking | undefined {
    const isDue = ([id, { dueMs }]: readonly [number, Candidate]) => dueMs <= nowMs && this.parts.hears(id);
    const [from, candidate] = [...this.candidates].find(isDue) ?? [];
    if (from === undefined || !candidate) return undefined;
    this.candidates.delete(from);
    return this.askFor(0, { from, tries: candidate.tries }, nowMs);
  }

  private askFor(age: number, { from, tries }: Pick<Asking, "from" | "tries">, nowMs: number): Asking | undefined {
    if (age === TABLES_MAX) return undefined;
    const session = this.session([{ from: 0, count: this.units.slotUnits }], nowMs);
    const [startedMs, heardMs] = [nowMs, nowMs];
    return { from, tries, age, session, cellsToCome: true, startedMs, heardMs, cells: 0, clients: new Map() };
  }

  private next(asking: Asking, nowMs: number): void {
    if (!asking.cellsToCome) {
      this.state = "ready";
      this.answered.add(asking.from);
      this.asking = this.askFor(asking.age + 1, asking, nowMs);
      this.cells = Math.max(this.cells, asking.cells);
      this.parts.done(asking.cells);
      return;
    }
    const session = this.session([{ from: this.units.slotUnits, count: this.units.cellUnits }], nowMs);
    this.asking = { ...asking, session, cellsToCome: false };
  }

  private session(wanted: { from: number; count: number }[], nowMs: number): SyncSession {
    return new SyncSession(this.units.count, wanted, 0, nowMs);
  }

  private unitOf(slots: boolean, at: number): number {
    return slots ? Math.ceil(at / UNIT_SLOTS) : this.units.slotUnits + Math.ceil(at / UNIT_CELLS);
  }

  private takeSlots({ clients }: Asking, reader: BitReader, nowMs: number): boolean {
    const count = reader.read(16);
    for (let i = 0; i < count; i++) {
      const record = parseRights(reader, 0);
      if (!record || record.slot >= this.units.slots) return false;
      if (record.empty) continue;
      clients.set(record.slot, record.mac);
      this.parts.proxy.restored(record.mac, record.n, record.zone, rightsOfRecord(record, nowMs));
    }
    return reader.atEnd;
  }

  private takeCells(asking: Asking, { to }: SnapHead, reader: BitReader, ticks: Ticks): boolean {
    const { geometry, proxy } = this.parts;
    if (to > geometry.cells || !this.block.parse(reader, ticks, ticks, this.batch)) return false;
    const bySlot = new Map<number, number[]>();
    const { coordinates, cells, owners, count } = this.batch;
    const table = new Map<number, number>();
    for (let i = 0; i < count; i++) {
      if (cells[i] === 0) continue;
      const slot = this.slotNow(asking, owners[i]!);
      table.set(coordinates[i]!, cells[i]!);
      bySlot.set(slot, [...(bySlot.get(slot) ?? []), coordinates[i]!]);
    }
    for (const [slot, at] of bySlot)
      asking.cells += proxy.carry.adopt(
        slot,
        proxy.carry.of(at, (coordinate) => table.get(coordinate)!, ticks),
        LATEST,
      );
    return true;
  }

  private slotNow({ clients }: Asking, oldSlot: number): number {
    if (oldSlot === SLOT_SHARED) return SLOT_SHARED;
    const mac = clients.get(oldSlot);
    return (mac && this.parts.proxy.contexts.get(mac)?.slot) ?? SLOT_UNKNOWN;
  }
}
