import { BitReader } from "../base/bits.ts";
import type { Mac } from "../base/mac.ts";
import type { Geometry } from "../bloom/geometry.ts";
import type { Log } from "../platform/platform.ts";
import type { Phases } from "../proxy/phase.ts";
import type { StateProxy } from "../proxy/proxy.ts";
import type { HandedPart } from "../proxy/roam-api.ts";
import { Ticks } from "../proxy/ticks.ts";
import type { Courier } from "./courier.ts";
import type { Neighbour } from "./neighbour.ts";
import { AS_OF_RESTORE } from "./orphan-snapshot.ts";
import type { Outbox } from "./outbox.ts";
import { adopted } from "./records/adopted.ts";
import { ASK, ask } from "./records/ask.ts";
import { bye } from "./records/bye.ts";
import { CellBatch, CellBlock } from "./records/cell-block.ts";
import { claim } from "./records/claim.ts";
import { digests } from "./records/digests.ts";
import { edge } from "./records/edge.ts";
import { filter } from "./records/filter.ts";
import { handoverCodec } from "./records/handover.ts";
import { type Hello, hello } from "./records/hello.ts";
import { KIND, KIND_EXTENDED, type Kind, RECORD_HEADER_BYTES } from "./records/kinds.ts";
import { type Found, type Locate, locate, UNASKED } from "./records/locate.ts";
import { nack } from "./records/nack.ts";
import { done, order } from "./records/order.ts";
import { type Pulse, pulse } from "./records/pulse.ts";
import { parseRepairHead } from "./records/repair.ts";
import { emptySlot, parseRights, type RightsRecord, rights } from "./records/rights.ts";
import { parseSnapHead, type SnapHead } from "./records/snap.ts";
import { rightsOfRecord } from "./rights-map.ts";
import type { Sender } from "./sender.ts";
import type { ReplicationCounters } from "./status.ts";
import { UNIT_CELLS, UNIT_SLOTS } from "./units.ts";

export interface InboxParts {
  readonly id: number;
  readonly geometry: Geometry;
  readonly proxy: StateProxy;
  readonly sender: Sender;
  readonly outbox: Outbox;
  readonly courier: Courier;
  readonly counters: ReplicationCounters;
  readonly log: Log;
  /** Each AP speaks for itself: what it takes of others is limited. */
  readonly limitsClaims: boolean;
  neighbour(id: number): Neighbour | undefined;
  helloHeard(from: Neighbour, hello: Hello, nowMs: number): void;
  pulseHeard(from: Neighbour, pulse: Pulse, ticks: { fast: number; slow: number }, nowMs: number): void;
}

/** With its datagram. */
const DIGESTS_BYTES = 320;

/** Calls back with each record of a body; false when the framing lies. */
export function eachRecord(
  body: Uint8Array,
  from: number,
  record: (kind: number, from: number, to: number) => void,
): boolean {
  for (let at = from; at < body.length; ) {
    if (at + RECORD_HEADER_BYTES > body.length) return false;
    const kind = body[at]! >> 4;
    const length = ((body[at]! & 15) << 8) | body[at + 1]!;
    const end = at + RECORD_HEADER_BYTES + length;
    if (end > body.length) return false;
    const start = at + RECORD_HEADER_BYTES;
    if (kind !== 0) record(kind, start, end);
    else if (start < end && body[start]! >= KIND_EXTENDED) record(body[start]!, start + 1, end);
    at = end;
  }
  return true;
}

/** What a believed neighbour's records do here. Everything is applied when it comes, in whatever order. */
export class Inbox {
  /** Of what changed, and of ranges. */
  private readonly changed: CellBlock;
  private readonly ranged: CellBlock;
  private readonly batch = new CellBatch();
  private readonly reader = new BitReader(new Uint8Array(0));
  private readonly handover;
  /** The source's ticks at the datagram that is being read. */
  private readonly ticks: Ticks;

  constructor(private readonly parts: InboxParts) {
    const { geometry } = parts;
    this.changed = new CellBlock(geometry, "place");
    this.ranged = new CellBlock(geometry, "coordinate");
    this.ticks = new Ticks(geometry);
    this.handover = handoverCodec(Math.log2(geometry.buckets) + geometry.remainderBits, geometry.timerBits);
  }

  take(from: Neighbour, body: Uint8Array, at: number, ticks: { fast: number; slow: number }, nowMs: number): void {
    this.ticks.set(ticks.fast, ticks.slow);
    const whole = eachRecord(body, at, (kind, start, end) => {
      this.reader.reset(body, start, end);
      if (!this.record(from, kind as Kind, nowMs)) this.parts.counters.malformedRecords++;
    });
    if (!whole) this.parts.counters.malformedRecords++;
    from.mirror?.flush();
  }

  /** False when the record lies. Unknown kinds are skipped: a newer version may say more. */
  private record(from: Neighbour, kind: Kind, nowMs: number): boolean {
    switch (kind) {
      case KIND.hello:
        return this.with(hello.parse(this.reader), (value) => this.parts.helloHeard(from, value, nowMs));
      case KIND.pulse:
        return this.with(pulse.parse(this.reader), (value) => this.parts.pulseHeard(from, value, this.ticks, nowMs));
      case KIND.cells:
        return this.cells(from, nowMs);
      case KIND.edge:
        return this.with(edge.parse(this.reader), ({ ver }) => from.gaps.announced(ver, nowMs));
      case KIND.nack:
        return this.with(nack.parse(this.reader), (value) => this.nack(from, value, nowMs));
      case KIND.repair:
        return this.repair(from, nowMs);
      case KIND.snap:
        return this.snap(from, nowMs);
      case KIND.ask:
        return this.with(ask.parse(this.reader), (value) => this.asked(from, value, nowMs));
      case KIND.digests:
        return this.with(digests.parse(this.reader), (value) => this.digests(from, value, nowMs));
      case KIND.claim:
        return this.with(claim.parse(this.reader), (value) => {
          if (this.mayClaim(from, value, nowMs)) this.parts.proxy.roam.claimed(from.id, value);
        });
      case KIND.handover:
        return this.with(this.handover.parse(this.reader), (value) => {
          from.roams++;
          this.parts.proxy.roam.handedOver(from.id, value, this.gone(from, value, nowMs));
        });
      case KIND.adopted:
        return this.with(adopted.parse(this.reader), ({ mac, n, source, ver }) =>
          this.parts.proxy.roam.adoptedBy(from.id, { mac, n, source }, from.gaps.contiguous >= ver),
        );
      case KIND.rights:
        return this.with(ofSlots(rights.parse(this.reader), from), (value) => {
          this.rights(from, value, nowMs);
          from.gaps.arrived(value.ver, value.ver, nowMs);
        });
      case KIND.bye:
        return this.with(bye.parse(this.reader), ({ ver }) => {
          from.gaps.announced(ver, nowMs);
          // Said again: our answer was lost.
          from.leftMs = Number.isNaN(from.leftMs) ? nowMs : from.leftMs;
          from.owesAnswer = true;
        });
      case KIND.filter:
        return this.with(filter.parse(this.reader), (part) => this.parts.courier.filterPart(part, nowMs));
      case KIND.locate:
        return this.with(locate.parse(this.reader), (value) => this.locate(from, value, nowMs));
      case KIND.order:
        return this.with(order.parse(this.reader), (value) => this.parts.courier.orders.heard(from.id, value, nowMs));
      case KIND.done:
        return this.with(done.parse(this.reader), (value) => this.parts.courier.orders.answered(value, nowMs));
      default:
        return true;
    }
  }

  /** How much of the ticks at which a handover was built has gone by: it may have been long on its way. */
  private gone(from: Neighbour, { fastPhase, slowPhase }: HandedPart, nowMs: number): Phases {
    const { fast, slow } = from.phases.ofSource(nowMs, this.ticks);
    return { fast: Math.max(fastPhase, fast), slow: Math.max(slowPhase, slow) };
  }

  /** Each answer that nobody asked for may draw a claim. */
  private locate(from: Neighbour, value: Locate | Found, nowMs: number): void {
    const isHint = value.found && value.qid === UNASKED;
    if (!isHint || from.hints.take(1, nowMs)) this.parts.courier.locator.heard(from.id, value, nowMs);
  }

  private with<T>(value: T | undefined, then: (value: T) => void): boolean {
    if (value === undefined) return false;
    then(value);
    return true;
  }

  private cells(from: Neighbour, nowMs: number): boolean {
    const ver = this.reader.read(32);
    if (from.mirror && !this.parseBlock(this.changed, from.mirror)) return false;
    if (this.reader.failed || ver === 0) return false;
    if (from.mirror) this.apply(from.mirror, ver);
    from.gaps.arrived(ver, ver, nowMs);
    return true;
  }

  private repair(from: Neighbour, nowMs: number): boolean {
    const head = parseRepairHead(this.reader);
    if (!head || (from.mirror && !this.parseBlock(this.changed, from.mirror))) return false;
    if (from.mirror) this.apply(from.mirror, head.from);
    from.gaps.arrived(head.from, head.to, nowMs);
    return true;
  }

  private parseBlock(block: CellBlock, { ticks }: NonNullable<Neighbour["mirror"]>): boolean {
    return block.parse(this.reader, this.ticks, ticks, this.batch);
  }

  private apply(mirror: NonNullable<Neighbour["mirror"]>, verBase: number): void {
    const { coordinates, cells, owners, verOffsets, count } = this.batch;
    for (let i = 0; i < count; i++) mirror.apply(coordinates[i]!, cells[i]!, owners[i]!, verBase + verOffsets[i]!);
    this.parts.counters.cellsTaken += count;
  }

  private nack(from: Neighbour, { target, ranges }: ReturnType<typeof nack.parse> & object, nowMs: number): void {
    const { id, sender, neighbour } = this.parts;
    for (const range of ranges) {
      if (target === id) sender.repairs.answer(from, range, nowMs);
      else neighbour(target)?.gaps.askedByOther(range.from, range.from + range.count - 1, nowMs);
    }
  }

  private asked(from: Neighbour, value: NonNullable<ReturnType<typeof ask.parse>>, nowMs: number): void {
    const { sender, proxy, outbox } = this.parts;
    if (value.what === ASK.snapshot) sender.snapshots.answer(from, value, nowMs);
    this.parts.courier.asked(from, value, nowMs);
    if (value.what !== ASK.digests || !from.account.take(DIGESTS_BYTES, nowMs)) return;
    const { fast, slow } = proxy.ticks;
    outbox.add(digests, { asOf: sender.ver, fast, slow, regions: proxy.published.digest.regions });
    outbox.flush(from.id, from.address);
  }

  /** Only at the very same stamp do digests mean anything; regions that differ are asked for again. */
  private digests(from: Neighbour, value: NonNullable<ReturnType<typeof digests.parse>>, nowMs: number): void {
    const { mirror, gaps } = from;
    if (!mirror || from.sync || gaps.count > 0 || gaps.highest !== value.asOf) return;
    if (mirror.ticks.fast !== value.fast || mirror.ticks.slow !== value.slow) return;
    const wanted = [];
    for (const [region, digest] of value.regions.entries()) {
      if (digest === mirror.digest.regions[region]) continue;
      const { from: first, to } = from.units.ofRegion(region);
      wanted.push({ from: first, count: to - first });
    }
    if (wanted.length > 0) from.startSync(wanted, nowMs);
  }

  private mayClaim(from: Neighbour, of: { readonly mac: Mac; readonly n: number }, nowMs: number): boolean {
    const { proxy, limitsClaims, counters } = this.parts;
    if (!limitsClaims || from.claims.mayClaim(proxy.contexts.get(of.mac), from.id, of.n, nowMs)) return true;
    counters.claimsRefused++;
    return false;
  }

  private rights(from: Neighbour, record: RightsRecord, nowMs: number): void {
    if (record.ver <= from.rights.ver(record.slot)) return;
    this.takeRights(from, record, nowMs);
  }

  private takeRights(from: Neighbour, record: RightsRecord, nowMs: number): void {
    const { proxy } = this.parts;
    const before = from.rights.get(record.slot);
    from.rights.set(record, nowMs);
    if (before && (record.empty || record.mac !== before.mac)) {
      const context = proxy.contexts.get(before.mac);
      context?.holders.delete(from.id);
      if (context) proxy.contexts.write(context);
    }
    if (record.empty) return;
    const { mac, n, zone, bind, seenAgeMs } = record;
    const here = record.here && this.mayClaim(from, record, nowMs);
    proxy.heardRights(from.id, { mac, n, here, zone, bind, seenAgeMs, rights: rightsOfRecord(record, nowMs) });
  }

  private snap(from: Neighbour, nowMs: number): boolean {
    const head = parseSnapHead(this.reader);
    if (head?.asOf === AS_OF_RESTORE)
      return this.parts.courier.restore.take(from, head, this.reader, this.ticks, nowMs);
    if (!head || !(head.slots ? this.snapSlots(from, head, nowMs) : this.snapCells(from, head))) return false;
    const { sync, units } = from;
    if (!sync) return true;
    const first = head.slots ? Math.ceil(head.from / UNIT_SLOTS) : units.slotUnits + Math.ceil(head.from / UNIT_CELLS);
    const atEnd = head.slots ? head.to >= units.slots : false;
    const end = head.slots
      ? atEnd
        ? units.slotUnits
        : Math.floor(head.to / UNIT_SLOTS)
      : units.slotUnits + Math.ceil(head.to / UNIT_CELLS);
    sync.cover({ from: first, to: end, asOf: head.asOf, round: head.round, toCome: head.toCome }, nowMs);
    if (sync.done) {
      from.gaps.closeUpTo(sync.startVer);
      from.sync = undefined;
      this.parts.counters.snapshotsDone++;
    }
    return true;
  }

  /** Every coordinate of the range is set, the unnamed ones to free. */
  private snapCells(from: Neighbour, { asOf, from: start, to }: SnapHead): boolean {
    const { mirror } = from;
    if (!mirror) return true;
    if (to > this.parts.geometry.cells || !this.parseBlock(this.ranged, mirror)) return false;
    const { coordinates, count } = this.batch;
    if (count > 0 && (coordinates[0]! < start || coordinates[count - 1]! >= to)) return false;
    mirror.applySnapshot(start, to, asOf, this.batch);
    this.parts.counters.cellsTaken += count;
    return true;
  }

  private snapSlots(from: Neighbour, { asOf, from: start, to }: SnapHead, nowMs: number): boolean {
    if (to > from.units.slots) return false;
    const count = this.reader.read(16);
    const named = new Map<number, RightsRecord>();
    for (let i = 0; i < count; i++) {
      const record = parseRights(this.reader, asOf);
      if (!record || record.slot < start || record.slot >= to) return false;
      named.set(record.slot, record);
    }
    if (!this.reader.atEnd) return false;
    for (let slot = start; slot < to; slot++) {
      if (asOf < from.rights.ver(slot)) continue;
      const record = named.get(slot);
      if (record || from.rights.get(slot)) this.takeRights(from, record ?? emptySlot(slot, asOf), nowMs);
    }
    return true;
  }
}

/** Of a slot that its sender has: what is remembered grows with the slots that are named. */
function ofSlots(record: RightsRecord | undefined, { units }: Neighbour): RightsRecord | undefined {
  return record && record.slot < units.slots ? record : undefined;
}
