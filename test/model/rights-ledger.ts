import type { Mac } from "../../src/base/mac.ts";

/** Order of rights, as stamped by the AP that was told. */
export interface Stamp {
  readonly serial: number;
  readonly rev: number;
}

export interface Grant extends Stamp {
  readonly mac: Mac;
  /** The AP that stamped it: of two with one number the highest counts, everywhere. */
  readonly origin: number;
  readonly atMs: number;
  /** Infinity: without end. */
  readonly endsAtMs: number;
}

export interface Tombstone extends Stamp {
  readonly mac: Mac;
  readonly atMs: number;
  /** APs that know it, or must: they could be told. */
  readonly informed: Map<number, number>;
}

/** What authorities said, whatever became of it in the mesh. */
export class RightsLedger {
  readonly grants: Grant[] = [];
  readonly tombstones: Tombstone[] = [];
  private readonly changed = new Map<Mac, number>();

  constructor(private readonly fileClients: ReadonlySet<Mac>) {}

  granted(grant: Grant): void {
    this.grants.push(grant);
    this.changed.set(grant.mac, grant.atMs);
  }

  revoked(mac: Mac, stamp: Stamp, ap: number, nowMs: number): void {
    this.tombstones.push({ ...stamp, mac, atMs: nowMs, informed: new Map([[ap, nowMs]]) });
    this.changed.set(mac, nowMs);
  }

  /** An AP forgets what it only knew. */
  forgets(ap: number): void {
    for (const { informed } of this.tombstones) informed.delete(ap);
  }

  /** When what an authority says of the client last changed, its end of time included. */
  changedMs(mac: Mac, nowMs: number): number {
    const ends = this.grants.filter((g) => g.mac === mac && g.endsAtMs <= nowMs).map((g) => g.endsAtMs);
    return Math.max(this.changed.get(mac) ?? Number.NEGATIVE_INFINITY, ...ends);
  }

  /** Whether the newest word on the client, or the file where nobody spoke, gives it rights. */
  isEntitled(mac: Mac, nowMs: number): boolean {
    const newest = this.grants
      .filter((g) => g.mac === mac)
      .reduce<Grant | undefined>((a, b) => (a && isNewer(a, b) ? a : b), undefined);
    if (newest && newest.endsAtMs <= nowMs) return false;
    return this.isBacked(mac, nowMs, this.tombstones);
  }

  /** Whether its rights are backed when only these tombstones count. */
  isBacked(mac: Mac, nowMs: number, tombstones: readonly Tombstone[]): boolean {
    const mine = tombstones.filter((t) => t.mac === mac);
    const buried = (stamp: Stamp) => mine.some((t) => !isAbove(stamp, t));
    // A grant after a revocation ends it, also when its own time is over: then the file counts again.
    const stands = mine.some((t) => !this.grants.some((g) => g.mac === mac && isAbove(g, t)));
    if (this.fileClients.has(mac) && !stands) return true;
    return this.grants.some((g) => g.mac === mac && g.endsAtMs > nowMs && !buried(g));
  }
}

function isAbove(a: Stamp, b: Stamp): boolean {
  return a.serial > b.serial || (a.serial === b.serial && a.rev > b.rev);
}

function isNewer(a: Grant, b: Grant): boolean {
  return isAbove(a, b) || (!isAbove(b, a) && a.origin > b.origin);
}
