const HALF = 2 ** 31;
const LAST = 2 ** 32 - 1;

/**
 * Order of the numbers of claims. They go round as serial numbers do (RFC 1982): there is one above every number, so that
 * who sees a client can claim it whatever was claimed before. 0 is below all: nobody claimed.
 */
export function isAbove(n: number, other: number): boolean {
  if (n === 0 || other === 0) return n > other;
  const ahead = (n - other) >>> 0;
  // Half way round each is as far ahead of the other.
  return ahead === HALF ? n > other : ahead !== 0 && ahead < HALF;
}

export function numberAbove(n: number): number {
  return n === LAST ? 1 : n + 1;
}
