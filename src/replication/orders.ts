import type { Mac } from "../base/mac.ts";
import type { Context } from "../proxy/contexts.ts";
import type { Grant, Rights } from "../proxy/rights.ts";
import type { Verdict } from "../proxy/roam-api.ts";
import type { Done, Order, Station } from "./records/order.ts";
import type { RightsRecord } from "./records/rights.ts";
import { recordOfRights, rightsOfContext, rightsOfRecord } from "./rights-map.ts";

/** An order or its answer may be lost: it is said again. */
const AGAIN_MS = [0, 20, 60, 140, 300, 600];
/** Then it is not confirmed, though it may still come to be. Below the patience of who waits for the answer. */
const CONFIRM_MS = 900;
/** Somebody is looked for who serves the client: looked at again so soon. */
const LOOK_MS = 20;
const PLACED_MAX = 64;
/** Orders of others under way, and those whose answer may be asked for again. */
const HEARD_MAX = 64;

/**
 * `unconfirmed`: whoever serves the client did not say so in time; what was ordered counts here, and is told to all.
 * `newer`: somebody with authority spoke meanwhile; nothing has changed, and what counts is known here now.
 */
export type Ordered =
  | { readonly state: "in force"; readonly station: Station }
  | { readonly state: "unconfirmed" | "newer" | "refused" | "full" };

/** What the orders need of the state proxy. */
export interface OrderedProxy {
  readonly contexts: { get(mac: Mac): Context | undefined };
  readonly rights: {
    stamp(mac: Mac, change: Grant | "revoke"): Rights;
    enact(mac: Mac, rights: Rights): boolean;
    ordered(mac: Mac, rights: Rights): Verdict | "waits";
    learn(mac: Mac, rights: Rights): void;
  };
}

export interface OrdersParts {
  readonly id: number;
  readonly proxy: OrderedProxy;
  nowMs(): number;
  random64(): bigint;
  /** That AP is alive, as far as is known. */
  reaches(ap: number): boolean;
  /** Looks for the client in the whole mesh. False: too many are looked for. */
  seek(mac: Mac, told: (isKnown: boolean) => void): boolean;
  /** Resolves when the datapath has all that it was told. */
  sync(): Promise<void>;
  /** A client that is served here lost its rights: hostapd may let it go. */
  letGo(mac: Mac): Promise<Station>;
  sendOrder(value: Order, to: number): void;
  sendDone(value: Done, to: number): void;
  soon(): void;
}

interface Placed {
  readonly oid: bigint;
  readonly mac: Mac;
  readonly rights: Rights;
  readonly startedMs: number;
  /** Who is asked; 0: nobody yet. */
  owner: number;
  /** Since when, and how often. */
  askedMs: number;
  said: number;
  dueMs: number;
  /** Nobody that was reached serves it. */
  isAbsent: boolean;
  isSought: boolean;
  settle(outcome: Ordered): void;
}

interface Heard {
  readonly oid: bigint;
  readonly from: number;
  readonly mac: Mac;
  readonly rights: Rights;
  readonly untilMs: number;
  isAtWork: boolean;
  answer: Done | undefined;
}

/**
 * A change of a client's rights that must be in force before it is acknowledged, wherever the client is. Who is told of it
 * stamps it, and asks the AP that serves the client to enact it; only then it counts at both. The order and its answer may
 * come twice: each is done once.
 */
export class Orders {
  private readonly placed = new Map<bigint, Placed>();
  private readonly heardOf = new Map<bigint, Heard>();

  constructor(private readonly parts: OrdersParts) {}

  /** Enacts it where the client is. */
  async place(mac: Mac, change: Grant | "revoke"): Promise<Ordered> {
    const { proxy, nowMs, random64, soon } = this.parts;
    const rights = proxy.rights.stamp(mac, change);
    if (change !== "revoke" && rights.filters.length < (change.filters?.length ?? 0)) return { state: "full" };
    if (this.isOurs(proxy.contexts.get(mac))) return this.enactHere(mac, rights);
    if (this.placed.size >= PLACED_MAX) return { state: "full" };
    return new Promise((settle) => {
      const now = nowMs();
      const asked = { owner: 0, askedMs: now, said: 0, dueMs: now, isAbsent: false, isSought: false };
      const placed: Placed = { oid: random64(), mac, rights, startedMs: now, ...asked, settle };
      this.placed.set(placed.oid, placed);
      this.drive(placed, now);
      soon();
    });
  }

  /** Orders of others. */
  get remembered(): number {
    return this.heardOf.size;
  }

  tick(nowMs: number): void {
    for (const placed of this.placed.values()) this.drive(placed, nowMs);
    for (const heard of this.heardOf.values()) if (!heard.answer) this.work(heard);
  }

  nextAtMs(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { dueMs } of this.placed.values()) next = Math.min(next, dueMs);
    return next;
  }

  /** APs that hold a filter which an order of theirs names. */
  namersOf(digest: bigint): number[] {
    const waiting = [...this.heardOf.values()].filter(
      ({ answer, rights }) => !answer && rights.filters.includes(digest),
    );
    return waiting.map(({ from }) => from);
  }

  /** A filter came. */
  resume(): void {
    for (const heard of this.heardOf.values()) if (!heard.answer) this.work(heard);
  }

  /** Of a believed neighbour. */
  heard(from: number, { oid, rights }: Order, nowMs: number): void {
    const known = this.heardOf.get(oid);
    if (known?.answer) this.parts.sendDone(known.answer, from);
    if (known) return;
    const heard: Heard = {
      oid,
      from,
      mac: rights.mac,
      rights: rightsOfRecord(rights, nowMs),
      untilMs: nowMs + CONFIRM_MS,
      isAtWork: false,
      answer: undefined,
    };
    this.heardOf.set(oid, heard);
    if (this.heardOf.size > HEARD_MAX) this.heardOf.delete(this.heardOf.keys().next().value!);
    this.work(heard);
  }

  answered({ oid, verdict, station, rights }: Done, nowMs: number): void {
    const placed = this.placed.get(oid);
    if (!placed) return;
    if (verdict === "elsewhere") {
      this.lost(placed, nowMs);
      return;
    }
    if (rights?.mac === placed.mac) this.parts.proxy.rights.learn(placed.mac, rightsOfRecord(rights, nowMs));
    if (verdict !== "in force") this.settle(placed, { state: verdict });
    else if (this.parts.proxy.rights.enact(placed.mac, placed.rights)) this.settle(placed, { state: verdict, station });
    else this.settle(placed, { state: "newer" });
  }

  private async enactHere(mac: Mac, rights: Rights): Promise<Ordered> {
    const { proxy, sync, letGo } = this.parts;
    if (!proxy.rights.enact(mac, rights)) return { state: "full" };
    await sync();
    return { state: "in force", station: rights.revoked ? await letGo(mac) : "nobody asked" };
  }

  /** It is served here, or nobody ever said that it is served anywhere. */
  private isOurs(context: Context | undefined): boolean {
    return !context || context.here || (context.ap === 0 && context.n === 0);
  }

  private drive(placed: Placed, nowMs: number): void {
    const { proxy, reaches, id } = this.parts;
    const context = proxy.contexts.get(placed.mac);
    if (this.isOurs(context)) {
      this.placed.delete(placed.oid);
      this.enactHere(placed.mac, placed.rights).then(placed.settle, () => placed.settle({ state: "unconfirmed" }));
      return;
    }
    if (nowMs - placed.startedMs >= CONFIRM_MS) {
      this.giveUp(placed);
      return;
    }
    const { ap } = context!;
    const owner = ap !== id && reaches(ap) ? ap : 0;
    if (owner !== placed.owner) Object.assign(placed, { owner, askedMs: nowMs, said: 0, isAbsent: false });
    const isAsked = owner !== 0 && !placed.isAbsent;
    if (isAsked) this.say(placed, nowMs);
    else this.look(placed);
    const again = isAsked ? placed.askedMs + (AGAIN_MS[placed.said] ?? CONFIRM_MS) : nowMs + LOOK_MS;
    placed.dueMs = Math.min(again, placed.startedMs + CONFIRM_MS);
  }

  private say(placed: Placed, nowMs: number): void {
    const dueAfterMs = AGAIN_MS[placed.said];
    if (dueAfterMs === undefined || nowMs < placed.askedMs + dueAfterMs) return;
    placed.said++;
    const rights: RightsRecord = recordOfRights(placed.mac, placed.rights, nowMs);
    this.parts.sendOrder({ oid: placed.oid, rights }, placed.owner);
  }

  private look(placed: Placed): void {
    if (placed.isSought) return;
    placed.isSought = this.parts.seek(placed.mac, () => this.parts.soon());
  }

  /** Who was believed to serve it does not. */
  private lost(placed: Placed, nowMs: number): void {
    placed.isAbsent = true;
    this.look(placed);
    this.drive(placed, nowMs);
    this.parts.soon();
  }

  /** What was said counts here, and reaches who serves the client as rights do. */
  private giveUp(placed: Placed): void {
    this.parts.proxy.rights.enact(placed.mac, placed.rights);
    this.settle(placed, placed.isAbsent ? { state: "in force", station: "nobody asked" } : { state: "unconfirmed" });
  }

  private settle(placed: Placed, outcome: Ordered): void {
    this.placed.delete(placed.oid);
    placed.settle(outcome);
  }

  private work(heard: Heard): void {
    const { proxy, nowMs, sync } = this.parts;
    if (heard.isAtWork) return;
    const verdict = proxy.rights.ordered(heard.mac, heard.rights);
    if (verdict === "waits") {
      if (nowMs() >= heard.untilMs) this.heardOf.delete(heard.oid);
      return;
    }
    if (verdict !== "in force") {
      this.answer(heard, verdict);
      return;
    }
    heard.isAtWork = true;
    sync()
      .then(() => (heard.rights.revoked ? this.parts.letGo(heard.mac) : "nobody asked"))
      .then(
        (station) => this.answer(heard, verdict, station),
        () => this.heardOf.delete(heard.oid),
      );
  }

  private answer(heard: Heard, verdict: Verdict, station: Station = "nobody asked"): void {
    const { proxy, nowMs, sendDone } = this.parts;
    const context = verdict === "newer" ? proxy.contexts.get(heard.mac) : undefined;
    const rights = context && rightsOfContext(context, 0, nowMs());
    heard.answer = { oid: heard.oid, verdict, station, rights };
    sendDone(heard.answer, heard.from);
  }
}
