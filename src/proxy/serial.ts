const SERIAL_MAX = 2 ** 32 - 1;
/** Of a mesh that this AP was cut off from: five months of a change each second. */
const AHEAD_MAX = 2 ** 24;
const PER_SECOND = 2 ** 12;
/** Whoever starts knows nothing, and is told by then. */
const NEW_FOR_MS = 60_000;

/**
 * The number that orders all changes of rights in the mesh: one above the highest heard. There is no number above the
 * last, so nobody is believed who says that the mesh came far within a moment: a single record would end all changes
 * for ever. Whoever says as much as is believed all the time needs twelve days for it.
 */
export class Serials {
  newest = 0;
  private mayRise = AHEAD_MAX;
  private countedMs = 0;

  /** At the last number a grant outranks nothing any more, a revocation still does. */
  next(): number {
    this.newest = Math.min(SERIAL_MAX, this.newest + 1);
    return this.newest;
  }

  /** False: it is not believed. `startedMs`: of this AP; Infinity: not yet. */
  hear(serial: number, startedMs: number, nowMs: number): boolean {
    const rise = serial - this.newest;
    if (rise <= 0) return true;
    if (nowMs - startedMs >= NEW_FOR_MS && !this.take(rise, nowMs)) return false;
    this.newest = serial;
    return true;
  }

  private take(rise: number, nowMs: number): boolean {
    const gained = (Math.max(0, nowMs - this.countedMs) * PER_SECOND) / 1_000;
    this.mayRise = Math.min(AHEAD_MAX, this.mayRise + gained);
    this.countedMs = nowMs;
    if (rise > this.mayRise) return false;
    this.mayRise -= rise;
    return true;
  }
}
