import type { Endpoint } from "../platform/platform.ts";

const GUESTS_MAX = 8;
/** Since a client last went between it and us. */
const GUEST_FOR_MS = 600_000;

/**
 * APs that are spoken to one by one, since clients go between them and us though no datagram for all reaches them. Aged
 * and few: each costs a copy of everything that is said to all.
 */
export class Guests {
  private readonly byId = new Map<number, { endpoint: Endpoint; untilMs: number }>();

  has(id: number): boolean {
    return this.byId.has(id);
  }

  /** Also when it is one already: a client went again. */
  add(id: number, endpoint: Endpoint, nowMs: number): void {
    this.byId.delete(id);
    this.byId.set(id, { endpoint, untilMs: nowMs + GUEST_FOR_MS });
    if (this.byId.size > GUESTS_MAX) this.byId.delete(this.byId.keys().next().value!);
  }

  endpoints(nowMs: number): Endpoint[] {
    for (const [id, { untilMs }] of this.byId) if (untilMs <= nowMs) this.byId.delete(id);
    return [...this.byId.values()].map(({ endpoint }) => endpoint);
  }
}
