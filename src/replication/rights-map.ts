import type { Mac } from "../base/mac.ts";
import { type Context, macWords } from "../proxy/contexts.ts";
import { newestOf, type Rights } from "../proxy/rights.ts";
import { emptySlot, type RightsRecord, ROLE_LIMIT, WITHOUT_END } from "./records/rights.ts";

/** So much may be lost each time that an AP tells another, and a grant is told through many restarts. */
const TENTH_MS = 100;

/** A client's slot as neighbours hear of it. */
export function rightsRecord(slot: number, context: Context | undefined, ver: number, nowMs: number): RightsRecord {
  return context?.announced ? rightsOfContext(context, ver, nowMs) : emptySlot(slot, ver);
}

/** Also of a client that nobody was told of: for who asks. */
export function rightsOfContext(context: Context, ver: number, nowMs: number): RightsRecord {
  const { slot, mac, n, here, withheld, seenMs } = context;
  // What does not count here is not vouched for either. What ended is said so: nothing before it may come back.
  const rights = withheld === "" ? newestOf(context) : undefined;
  return {
    ver,
    slot,
    empty: false,
    mac,
    n,
    here,
    seenAgeMs: here ? nowMs - seenMs : Number.POSITIVE_INFINITY,
    revoked: rights?.revoked ?? false,
    monitor: rights?.monitor ?? false,
    serial: rights?.serial ?? 0,
    rev: rights?.rev ?? 0,
    origin: rights?.origin ?? 0,
    leftTenths: leftTenths(rights?.endsAtMs ?? Number.POSITIVE_INFINITY, nowMs),
    zone: rights?.zone || context.zone,
    bind: rights?.bind || context.bind,
    openOut: rights?.openOut ?? ROLE_LIMIT,
    openIn: rights?.openIn ?? ROLE_LIMIT,
    halfOpen: rights?.halfOpen ?? ROLE_LIMIT,
    filters: rights?.filters ?? [],
    role: rights?.role ?? "",
  };
}

/** Rights that stand for themselves: no slot, and nobody's word on where the client is. */
export function recordOfRights(mac: Mac, rights: Rights, nowMs: number): RightsRecord {
  const { serial, rev, origin, revoked, monitor, zone, bind, filters, role } = rights;
  const limitOf = (limit: number | undefined) => limit ?? ROLE_LIMIT;
  const [openOut, openIn, halfOpen] = [limitOf(rights.openOut), limitOf(rights.openIn), limitOf(rights.halfOpen)];
  const said = { serial, rev, origin, revoked, monitor, zone, bind, openOut, openIn, halfOpen, filters, role };
  return { ...emptySlot(0, 0), ...said, empty: false, mac, leftTenths: leftTenths(rights.endsAtMs, nowMs) };
}

/** What a neighbour's record means on this AP's clock. */
export function rightsOfRecord(record: RightsRecord, nowMs: number): Rights {
  const { serial, rev, origin, revoked, role, filters, monitor } = record;
  // The zone where it is served is the context's; a zone that binds rights came with a serial.
  const zone = serial === 0 ? 0 : record.zone;
  const bind = serial === 0 ? 0n : record.bind;
  const endsAtMs = record.leftTenths === WITHOUT_END ? Number.POSITIVE_INFINITY : nowMs + record.leftTenths * TENTH_MS;
  const limit = (value: number) => (value === ROLE_LIMIT ? undefined : value);
  const openOut = limit(record.openOut);
  const openIn = limit(record.openIn);
  const halfOpen = limit(record.halfOpen);
  return { serial, rev, origin, revoked, role, filters, zone, bind, monitor, openOut, openIn, halfOpen, endsAtMs };
}

/** The slots of one AP, as it published them. */
export class RightsMap {
  private readonly bySlot = new Map<number, RightsRecord>();
  /** by slot: when its seconds were counted */
  private readonly saidMs = new Map<number, number>();
  private readonly slotOfMac = new Map<Mac, number>();
  /** by slot; it outlives the entry, as with cells */
  private vers = new Map<number, number>();

  get(slot: number): RightsRecord | undefined {
    return this.bySlot.get(slot);
  }

  /** As it was said, but for the seconds that are left: they go on. */
  present(slot: number, nowMs: number): RightsRecord | undefined {
    const record = this.bySlot.get(slot);
    if (!record || record.leftTenths === WITHOUT_END) return record;
    const gone = Math.ceil((nowMs - this.saidMs.get(slot)!) / TENTH_MS);
    return { ...record, leftTenths: Math.max(0, record.leftTenths - gone) };
  }

  slotOf(mac: Mac): number | undefined {
    return this.slotOfMac.get(mac);
  }

  /** Some client's rights name the filter. */
  names(digest: bigint): boolean {
    for (const { filters } of this.bySlot.values()) if (filters.includes(digest)) return true;
    return false;
  }

  ver(slot: number): number {
    return this.vers.get(slot) ?? 0;
  }

  forgetVers(): void {
    this.vers = new Map();
  }

  set(record: RightsRecord, nowMs: number): void {
    const { slot, mac, empty, ver } = record;
    const before = this.bySlot.get(slot);
    if (before && this.slotOfMac.get(before.mac) === slot) this.slotOfMac.delete(before.mac);
    this.vers.set(slot, ver);
    this.saidMs.set(slot, nowMs);
    if (empty) {
      this.bySlot.delete(slot);
      return;
    }
    this.bySlot.set(slot, record);
    this.slotOfMac.set(mac, slot);
  }

  /** Of everything but the versions and the seconds left, which differ in transit. */
  digest(): number {
    let digest = 0;
    for (const { slot, mac, n, here, revoked, serial, rev } of this.bySlot.values()) {
      const [high, low] = macWords(mac);
      let hash = slot;
      for (const word of [high, low, n, here ? 1 : 0, revoked ? 1 : 0, serial, rev]) {
        hash = Math.imul(hash ^ word, 0x9e3779b1);
        hash ^= hash >>> 15;
      }
      digest ^= hash;
    }
    return digest >>> 0;
  }
}

function leftTenths(endsAtMs: number, nowMs: number): number {
  if (endsAtMs === Number.POSITIVE_INFINITY) return WITHOUT_END;
  return Math.min(WITHOUT_END - 1, Math.max(0, Math.floor((endsAtMs - nowMs) / TENTH_MS)));
}
