import type { Geometry } from "./geometry.ts";

/**
 * A cell's timer is a speed bit and the tick at which it expires, modulo 2^tickBits - 1, plus one (0 = free). Nothing
 * counts down: what is left is a subtraction, a refresh is one store, and merging two timers is exact.
 *
 * Two forms meet here. A *field* says when: speed and expiry; it is what a cell stores. A *code* says how long: speed and
 * ticks left; it is what the automata ask for. `rank` turns the first into the second. Codes are ordered: a slow one is
 * above every fast one.
 */
export const FREE = 0;

/** Slow bit and ticks of a code. */
export function codeOf(slow: boolean, ticks: number, geometry: Geometry): number {
  return ((slow ? 1 : 0) << geometry.tickBits) | ticks;
}

/** Lifetimes up to this one are counted in fast ticks. */
const FAST_MAX_S = 240;

/** The code that lives at least `lifetimeS` seconds, or 0 when no code of this width does. */
export function codeFor(lifetimeS: number, geometry: Geometry): number {
  const slow = lifetimeS > FAST_MAX_S;
  if (slow && !hasSlow(geometry)) return 0;
  const ticks = Math.ceil((lifetimeS * 1000) / (slow ? geometry.slowTickMs : geometry.fastTickMs));
  return ticks >= 1 && ticks <= geometry.liveMax ? codeOf(slow, ticks, geometry) : 0;
}

/** The code of so many slow ticks, or 0. */
export function codeForSlowTicks(ticks: number, geometry: Geometry): number {
  return hasSlow(geometry) && ticks >= 1 && ticks <= geometry.liveMax ? codeOf(true, ticks, geometry) : 0;
}

function hasSlow(geometry: Geometry): boolean {
  return geometry.timerBits > geometry.tickBits;
}

/** Ticks until `tickField` (1..modulus) passes; `nowModulo` is the tick of its speed, modulo the modulus. */
export function left(tickField: number, nowModulo: number, geometry: Geometry): number {
  const ticks = tickField - 1 - nowModulo;
  return ticks < 0 ? ticks + geometry.modulus : ticks;
}

export function isSlow(cell: number, geometry: Geometry): boolean {
  return ((cell >>> geometry.tickBits) & 1) === 1 && hasSlow(geometry);
}

/** Whether the expiry has not passed. A free cell is not live. */
export function isLive(cell: number, fastModulo: number, slowModulo: number, geometry: Geometry): boolean {
  const field = cell & geometry.modulus;
  if (field === FREE) return false;
  return left(field, isSlow(cell, geometry) ? slowModulo : fastModulo, geometry) <= geometry.liveMax;
}

/** The code that a live cell now stands for. */
export function rank(cell: number, fastModulo: number, slowModulo: number, geometry: Geometry): number {
  const slow = isSlow(cell, geometry);
  return codeOf(slow, left(cell & geometry.modulus, slow ? slowModulo : fastModulo, geometry), geometry);
}

/** The code that is never shorter than either: what a live cell becomes when `code` is asked of it. */
export function merge(liveRank: number, code: number, geometry: Geometry): number {
  // A slow cell in its last tick may outlive a fast code or not: nobody can tell, so it gets one tick more.
  if (liveRank === codeOf(true, 0, geometry) && code < liveRank) return codeOf(true, 1, geometry);
  return Math.max(liveRank, code);
}

/** A cell that expires at tick `expiryTick` (absolute or modulo) of its speed. */
export function encodeCell(remainder: number, slow: boolean, expiryTick: number, geometry: Geometry): number {
  const field = codeOf(slow, (expiryTick % geometry.modulus) + 1, geometry);
  return ((remainder << geometry.timerBits) | field) >>> 0;
}

/** A cell that lives as long as `code` says from now on. */
export function cellOfCode(
  remainder: number,
  code: number,
  fastModulo: number,
  slowModulo: number,
  geometry: Geometry,
): number {
  const slow = isSlow(code, geometry);
  const now = slow ? slowModulo : fastModulo;
  return encodeCell(remainder, slow, now + (code & geometry.modulus), geometry);
}
