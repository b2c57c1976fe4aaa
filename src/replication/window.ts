/** How far a datagram may be overtaken. */
export const WINDOW_PNS = 2048;
const BITS = WINDOW_PNS;

/** Which datagrams of an epoch have come: each counts once, and none that is older than the window. */
export class ReplayWindow {
  private readonly bits = new Uint32Array(BITS / 32);
  private highest: number;
  private readonly lowest: number;
  /** Datagrams taken, for the share that was lost. */
  taken = 0;

  /** Nothing before `first` is ever taken: it may be a recording. */
  constructor(first: number) {
    this.lowest = first;
    this.highest = first - 1;
  }

  get newest(): number {
    return this.highest;
  }

  /** False: seen before, or too old to tell. Changes nothing. */
  isNew(pn: number): boolean {
    if (pn < this.lowest || pn <= this.highest - BITS) return false;
    return pn > this.highest || (this.bits[(pn % BITS) >>> 5]! & (1 << (pn & 31))) === 0;
  }

  /** Of a datagram that is authentic. False: seen before, or too old to tell. */
  accept(pn: number): boolean {
    if (!this.isNew(pn)) return false;
    if (pn > this.highest) this.advance(pn);
    this.bits[(pn % BITS) >>> 5]! |= 1 << (pn & 31);
    this.taken++;
    return true;
  }

  private advance(pn: number): void {
    if (pn - this.highest >= BITS) this.bits.fill(0);
    else for (let i = this.highest + 1; i <= pn; i++) this.bits[(i % BITS) >>> 5]! &= ~(1 << (i & 31));
    this.highest = pn;
  }
}
