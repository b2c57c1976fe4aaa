import type { Mac } from "../base/mac.ts";
import { outranks, type Rights } from "./rights.ts";

export const TOMBSTONES_MAX = 4_096;
/** The longest that a station may come back without asking anybody: the life of a PMKSA. */
const LEAST_MS = 12 * 3_600_000;
/** Of a right without end. */
const MOST_MS = 7 * 24 * 3_600_000;

/** How long a revocation must be remembered: as long as anybody could still hold what it revoked. */
export function tombstoneMs(revoked: Rights | undefined, nowMs: number): number {
  const leftMs = (revoked?.endsAtMs ?? nowMs) - nowMs;
  return Math.min(MOST_MS, Math.max(LEAST_MS, leftMs));
}

/**
 * Revocations, by client. They outlive the client's slot, and none goes before its time: an AP that was cut off may come
 * back with the grant that it never heard revoked. So when there is no room, no foreign grant is believed.
 */
export class Tombstones {
  private readonly byMac = new Map<Mac, Rights>();

  get(mac: Mac): Rights | undefined {
    return this.byMac.get(mac);
  }

  get size(): number {
    return this.byMac.size;
  }

  /** False: no room, the revocation holds only while the client has a slot. */
  add(mac: Mac, rights: Rights, nowMs: number): boolean {
    const known = this.byMac.get(mac);
    if (known && !outranks(rights, known)) return true;
    if (!known && this.isFull(nowMs)) return false;
    this.byMac.set(mac, rights);
    return true;
  }

  /** A newer grant took its place. */
  remove(mac: Mac): void {
    this.byMac.delete(mac);
  }

  isFull(nowMs: number): boolean {
    if (this.byMac.size < TOMBSTONES_MAX) return false;
    for (const [mac, { endsAtMs }] of this.byMac) if (endsAtMs <= nowMs) this.byMac.delete(mac);
    return this.byMac.size >= TOMBSTONES_MAX;
  }
}
