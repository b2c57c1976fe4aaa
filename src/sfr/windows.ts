import { CONSTANTS } from "../datapath/abi.ts";
import { type ClientRecord, RING } from "../datapath/map-records.ts";

/** What a client may cost in a while: new flows, exempt frames, samples of denials, arrivals. One row per slot. */
export const WINDOW_BITS = 30;
export const ARRIVAL_WINDOW_BITS = 27;
/** Frames of ARP, ND, DHCP and the like: far above what a host sends, far below a tunnel's worth. */
const EXEMPT_PER_WINDOW = 256;
/** Verdicts that are told, by kind. Openings are a mere sample; of the others each that is not told is counted. */
const TOLD_PER_WINDOW: Readonly<Record<number, number>> = {
  [RING.denied]: 64,
  [RING.traced]: 256,
  [RING.opened]: 8,
};
/** All unknown clients share slot 0. */
const ARRIVALS_OF_UNKNOWN = 64;

/** Counts of one kind, by slot; a count belongs to the window in which it was made. */
class Counts {
  readonly #window: Float64Array;
  readonly #count: Uint32Array;

  constructor(slots: number) {
    this.#window = new Float64Array(slots);
    this.#count = new Uint32Array(slots);
  }

  /** Takes one if fewer than `limit` were taken in this window. */
  take(slot: number, window: number, limit: number): boolean {
    if (this.#window[slot] !== window) {
      this.#window[slot] = window;
      this.#count[slot] = 0;
    }
    if (this.#count[slot]! >= limit) return false;
    this.#count[slot]!++;
    return true;
  }
}

export class Windows {
  readonly #openOut: Counts;
  readonly #openIn: Counts;
  readonly #exempt: Counts;
  readonly #told: Readonly<Record<number, Counts>>;
  readonly #lost: Uint32Array;
  readonly #arrivals: Counts;
  #window = 0;
  #arrivalWindow = 0;

  constructor(readonly slots: number) {
    this.#openOut = new Counts(slots);
    this.#openIn = new Counts(slots);
    this.#exempt = new Counts(slots);
    this.#told = {
      [RING.denied]: new Counts(slots),
      [RING.traced]: new Counts(slots),
      [RING.opened]: new Counts(slots),
    };
    this.#lost = new Uint32Array(slots);
    this.#arrivals = new Counts(slots);
  }

  set nowNs(now: number | bigint) {
    this.#window = windowOf(now, WINDOW_BITS);
    this.#arrivalWindow = windowOf(now, ARRIVAL_WINDOW_BITS);
  }

  /** One flow more, opened by the client (`direction` SIDE_CLIENT) or by a peer. */
  takeOpening(slot: number, direction: number, record: ClientRecord): boolean {
    const out = direction === CONSTANTS.SIDE_CLIENT;
    const limit = out ? record.open_out : record.open_in;
    return limit === 0 || (out ? this.#openOut : this.#openIn).take(slot, this.#window, limit);
  }

  takeExempt(slot: number): boolean {
    return this.#exempt.take(slot, this.#window, EXEMPT_PER_WINDOW);
  }

  /** Whether a verdict of this kind (`RING`) may be told. */
  mayTell(slot: number, kind: number): boolean {
    const may = this.#told[kind]!.take(slot, this.#window, TOLD_PER_WINDOW[kind]!);
    if (!may && kind !== RING.opened) this.#lost[slot]!++;
    return may;
  }

  /** Verdicts that were not told since it was last asked. */
  takeLost(slot: number): number {
    const lost = this.#lost[slot]!;
    this.#lost[slot] = 0;
    return lost;
  }

  takeArrival(slot: number): boolean {
    return this.#arrivals.take(slot, this.#arrivalWindow, slot === CONSTANTS.SLOT_UNKNOWN ? ARRIVALS_OF_UNKNOWN : 1);
  }
}

/** As the kernel: the lower 32 bits of the shifted clock. */
function windowOf(now: number | bigint, bits: number): number {
  return typeof now === "bigint" ? Number((now >> BigInt(bits)) & 0xffffffffn) : Math.floor(now / 2 ** bits) % 2 ** 32;
}
