import type { Mac } from "../base/mac.ts";
import type { Endpoint } from "../platform/platform.ts";
import type { FoundClient, Hint, SightedClient, Whereabouts } from "../proxy/roam-api.ts";
import { TokenBucket } from "./bucket.ts";
import { type Found, type Locate, UNASKED } from "./records/locate.ts";
import type { RightsRecord } from "./records/rights.ts";
import { rightsOfRecord } from "./rights-map.ts";

/** Rings of a search: how far, and when after the first. Most clients come from two APs away at most. */
const RINGS = [
  { ttl: 2, afterMs: 0 },
  { ttl: 4, afterMs: 150 },
  { ttl: 8, afterMs: 450 },
] as const;
const TENTH_MS = 100;
const TTL_MAX = 8;
const GIVE_UP_MS = 1_000;
/**
 * Who was nowhere is searched for again after so long, then twice that, and so on: a part that was cut off heals, but
 * strangers are common, and each search is heard by many.
 */
const NOWHERE_FIRST_MS = 1_000;
const NOWHERE_MOST_MS = 30_000;
/** Up to such a wait without a word of the client: one that came and is silent has to be known when it speaks. */
const AGAIN_AFTER_MOST_MS = 4_000;
const SEARCHES_MAX = 256;
const ROUTES_MAX = 256;
/** APs that may know the client answer a question: more are of no use. */
const ANSWERS_MAX = 4;
/** Questions of our own, and those of others that are passed on, a second. */
const ASKED_PER_SECOND = 16;
/** Searches of our own for clients that did not come here: they must not keep those waiting that did. */
const SOUGHT_PER_SECOND = 8;
const PASSED_PER_SECOND = 64;

export interface LocatorParts {
  readonly id: number;
  random64(): bigint;
  whereIs(mac: Mac, zone: number | undefined, asker: number): Whereabouts;
  /** The client's slot as neighbours hear of it. */
  rightsOf(slot: number, nowMs: number): RightsRecord;
  /** Where a believed neighbour that is alive is written to. */
  endpointOf(id: number): Endpoint | undefined;
  /** An AP that is or will be spoken to, though it may be no neighbour. */
  befriend(id: number, endpoint: Endpoint, isAsker: boolean, nowMs: number): void;
  found(client: FoundClient): void;
  /** Where the client is, that did not come here. */
  sighted(client: SightedClient): void;
  hinted(mac: Mac, hint: Hint): void;
  /** It came, and nobody knows it. */
  nobodyKnows(mac: Mac): void;
  send(value: Locate | Found, to: number | undefined): void;
}

export interface LocateCounters {
  asked: number;
  passedOn: number;
  answered: number;
  throttled: number;
  gaveUp: number;
}

type Came = Pick<FoundClient, "zone" | "bind" | "again">;

interface Nowhere {
  came: Came;
  readonly untilMs: number;
  readonly forMs: number;
}

interface Search {
  readonly mac: Mac;
  /** Where it came, and as whom. Undefined: it did not come, and is sought wherever it is. */
  readonly came: Came | undefined;
  /** Who wants to be told, once, whether somebody knows it. */
  readonly waiting: ((isKnown: boolean) => void)[];
  readonly startedMs: number;
  ring: number;
  isAnswered: boolean;
  /** By who serves it: nobody further on can say more. */
  isFound: boolean;
}

/** The way back of a question. */
interface Route {
  /** Who asked us; 0: the question is our own. */
  readonly from: number;
  readonly search: Search | undefined;
  readonly untilMs: number;
  answers: number;
}

/**
 * Finds clients that nobody near told of. A question is answered once by who knows, goes along pointers where there are
 * any, else to all neighbours, once by each AP; an answer goes back the same way, to one AP at each step. All of it is
 * bounded by number and by rate, and says nothing to who is not believed.
 */
export class Locator {
  readonly counters: LocateCounters = { asked: 0, passedOn: 0, answered: 0, throttled: 0, gaveUp: 0 };
  /** Of clients that came. */
  private readonly searches = new Map<Mac, Search>();
  /** Of clients that did not. */
  private readonly seeking = new Map<Mac, Search>();
  private readonly routes = new Map<bigint, Route>();
  /** by client: not to be searched for before */
  private readonly nowhere = new Map<Mac, Nowhere>();
  private readonly seekBudget = new TokenBucket(SOUGHT_PER_SECOND, SOUGHT_PER_SECOND);
  private readonly askBudget = new TokenBucket(ASKED_PER_SECOND, ASKED_PER_SECOND);
  private readonly passBudget = new TokenBucket(PASSED_PER_SECOND, PASSED_PER_SECOND);

  constructor(private readonly parts: LocatorParts) {}

  search(mac: Mac, zone: number, bind: bigint, nowMs: number): void {
    const nowhere = this.nowhere.get(mac);
    const came = { zone, bind, again: 0 };
    if (nowhere && nowhere.untilMs > nowMs) nowhere.came = came;
    else this.begin(mac, came, nowMs);
  }

  /** Somebody is heard who was not: clients that came and were nowhere may be known there, or further on. */
  reachedMore(nowMs: number): void {
    for (const [mac, { came }] of this.nowhere)
      this.nowhere.set(mac, { came, untilMs: nowMs, forMs: NOWHERE_FIRST_MS / 2 });
  }

  private begin(mac: Mac, came: Came, nowMs: number): void {
    if (this.searches.has(mac)) return;
    if (this.searches.size >= SEARCHES_MAX || !this.askBudget.take(1, nowMs)) {
      this.counters.throttled++;
      // Who is silent waits for its next word.
      if (came.again > 0) this.nowhere.delete(mac);
      return;
    }
    const search = searchOf(mac, nowMs, came);
    this.searches.set(mac, search);
    this.drive(search, nowMs);
  }

  /** Where is a client that did not come here? Tells whether somebody knows it, within a second; false: too many are sought. */
  seek(mac: Mac, nowMs: number, told: (isKnown: boolean) => void): boolean {
    const known = this.seeking.get(mac);
    if (known) {
      if (known.isFound) told(true);
      else known.waiting.push(told);
      return true;
    }
    if (this.seeking.size >= SEARCHES_MAX || !this.seekBudget.take(1, nowMs)) {
      this.counters.throttled++;
      return false;
    }
    const search = searchOf(mac, nowMs, undefined, [told]);
    this.seeking.set(mac, search);
    this.drive(search, nowMs);
    return true;
  }

  tick(nowMs: number): void {
    for (const search of this.all()) this.drive(search, nowMs);
    for (const [mac, { came, untilMs, forMs }] of this.nowhere)
      if (untilMs <= nowMs && forMs <= AGAIN_AFTER_MOST_MS) this.begin(mac, { ...came, again: came.again + 1 }, nowMs);
  }

  private *all(): Iterable<Search> {
    yield* this.searches.values();
    yield* this.seeking.values();
  }

  nextAtMs(): number {
    let next = Number.POSITIVE_INFINITY;
    // Asked hundreds of times a second: no generator.
    for (const search of this.searches.values()) next = Math.min(next, dueMs(search));
    for (const search of this.seeking.values()) next = Math.min(next, dueMs(search));
    for (const [mac, { untilMs, forMs }] of this.nowhere)
      if (forMs <= AGAIN_AFTER_MOST_MS && !this.searches.has(mac)) next = Math.min(next, untilMs);
    return next;
  }

  /** Who claimed the client does not name `holder`, or claimed below `n`. */
  hint(to: number, slot: number, { holder, n, claimAgeMs }: Omit<Hint, "from">, nowMs: number): void {
    const { endpointOf, rightsOf, send } = this.parts;
    if (!this.passBudget.take(1, nowMs)) return;
    const rights = { ...rightsOf(slot, nowMs), n };
    const claimAgeTenths = Math.floor(claimAgeMs / TENTH_MS);
    send({ found: true, qid: UNASKED, holder, endpoint: endpointOf(holder), claimAgeTenths, rights }, to);
  }

  /** Of a believed neighbour. */
  heard(from: number, value: Locate | Found, nowMs: number): void {
    if (value.found) this.answered(from, value, nowMs);
    else this.asked(from, value, nowMs);
  }

  private drive(search: Search, nowMs: number): void {
    if (nowMs < dueMs(search)) return;
    const ring = search.isFound ? undefined : RINGS[search.ring];
    if (ring) {
      search.ring++;
      this.ask(search, ring.ttl, nowMs);
      return;
    }
    if (nowMs - search.startedMs < GIVE_UP_MS) return;
    if (!search.came) {
      this.seeking.delete(search.mac);
      for (const tell of search.waiting.splice(0)) tell(search.isAnswered);
      return;
    }
    this.searches.delete(search.mac);
    if (search.isAnswered) {
      this.nowhere.delete(search.mac);
      return;
    }
    this.counters.gaveUp++;
    const { mac, came } = search;
    if (came.again === 0) this.parts.nobodyKnows(mac);
    const before = this.nowhere.get(mac)?.forMs ?? NOWHERE_FIRST_MS / 2;
    const forMs = Math.min(NOWHERE_MOST_MS, before * 2);
    remember(this.nowhere, mac, { came, untilMs: nowMs + forMs, forMs }, SEARCHES_MAX);
  }

  private ask(search: Search, ttl: number, nowMs: number): void {
    const { id, random64, send } = this.parts;
    const qid = random64();
    const route: Route = { from: 0, search, untilMs: nowMs + GIVE_UP_MS, answers: 0 };
    if (!this.addRoute(qid, route, nowMs)) return;
    this.counters.asked++;
    const { mac, came } = search;
    send({ found: false, ttl, qid, mac, zone: came?.zone, asker: id, endpoint: undefined }, undefined);
  }

  private asked(from: number, question: Locate, nowMs: number): void {
    const { id, whereIs, endpointOf } = this.parts;
    const { qid, asker, mac, zone } = question;
    if (asker === id || this.routes.has(qid) || question.ttl < 1 || question.ttl > TTL_MAX) return;
    if (!this.addRoute(qid, { from, search: undefined, untilMs: nowMs + GIVE_UP_MS, answers: 0 }, nowMs)) return;
    const endpoint = question.endpoint ?? (asker === from ? endpointOf(from) : undefined);
    const where = whereIs(mac, zone, asker);
    if (where.context) this.answer(from, { ...question, endpoint }, where.context.slot, nowMs);
    if (where.next === undefined || question.ttl <= 1) return;
    const pointer = where.next === "all" ? undefined : where.next;
    this.passOn({ ...question, endpoint, ttl: question.ttl - 1 }, pointer, nowMs);
  }

  private answer(to: number, { qid, asker, endpoint }: Locate, slot: number, nowMs: number): void {
    const { id, befriend, rightsOf, send } = this.parts;
    if (!this.passBudget.take(1, nowMs)) return;
    this.counters.answered++;
    // It will greet us, and must then hear what everybody hears.
    if (endpoint) befriend(asker, endpoint, true, nowMs);
    const rights = rightsOf(slot, nowMs);
    send({ found: true, qid, holder: id, endpoint: undefined, claimAgeTenths: 0, rights }, to);
  }

  private passOn(question: Locate, pointer: number | undefined, nowMs: number): void {
    if (!this.passBudget.take(1, nowMs)) {
      this.counters.throttled++;
      return;
    }
    this.counters.passedOn++;
    this.parts.send(question, pointer);
  }

  private answered(from: number, answer: Found, nowMs: number): void {
    if (answer.qid === UNASKED) {
      if (answer.endpoint) this.parts.befriend(answer.holder, answer.endpoint, false, nowMs);
      const { holder, claimAgeTenths, rights } = answer;
      this.parts.hinted(rights.mac, { from, holder, n: rights.n, claimAgeMs: claimAgeTenths * TENTH_MS });
      return;
    }
    const route = this.routes.get(answer.qid);
    if (!route || route.untilMs <= nowMs || route.answers >= ANSWERS_MAX) return;
    route.answers++;
    const endpoint = answer.endpoint ?? (answer.holder === from ? this.parts.endpointOf(from) : undefined);
    if (!route.search) {
      this.parts.send({ ...answer, endpoint }, route.from);
      return;
    }
    if (answer.rights.mac !== route.search.mac) return;
    if (endpoint) this.parts.befriend(answer.holder, endpoint, false, nowMs);
    this.conclude(route.search, answer, nowMs);
  }

  private conclude(search: Search, { rights, holder }: Found, nowMs: number): void {
    const { mac, came, waiting } = search;
    const { n, here, zone: holderZone } = rights;
    search.isAnswered = true;
    search.isFound ||= here;
    const client = { mac, holder, holderZone, n, rights: rightsOfRecord(rights, nowMs) };
    if (came) this.parts.found({ ...client, ...came, cameMs: search.startedMs });
    else this.parts.sighted({ ...client, here });
    if (here) for (const tell of waiting.splice(0)) tell(true);
  }

  private addRoute(qid: bigint, route: Route, nowMs: number): boolean {
    for (const [known, { untilMs }] of this.routes) {
      // In the order of their ends.
      if (untilMs > nowMs) break;
      this.routes.delete(known);
    }
    if (this.routes.size >= ROUTES_MAX) {
      this.counters.throttled++;
      return false;
    }
    this.routes.set(qid, route);
    return true;
  }
}

function searchOf(mac: Mac, nowMs: number, came: Search["came"], waiting: Search["waiting"] = []): Search {
  return { mac, came, waiting, startedMs: nowMs, ring: 0, isAnswered: false, isFound: false };
}

function dueMs({ startedMs, ring, isFound }: Search): number {
  const next = isFound ? undefined : RINGS[ring];
  return startedMs + (next?.afterMs ?? GIVE_UP_MS);
}

/** Sets, and forgets the oldest beyond `most`. */
function remember<K, V>(map: Map<K, V>, key: K, value: V, most: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > most) map.delete(map.keys().next().value!);
}
