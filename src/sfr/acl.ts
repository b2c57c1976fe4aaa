import { xxh32Words, xxh32WordsReversed } from "../base/hash.ts";
import { mulHigh32 } from "../base/u64.ts";
import { CONSTANTS } from "../datapath/abi.ts";

/**
 * The access list: Bloom filters of allowed keys, positive logic. A key says (template, direction, protocol, peer, service);
 * the template says how peer and service are meant, so that "any" and "zone" are one key each and not an explosion.
 * What is in no filter is denied; a false positive allows a little too much, never too little.
 */
const { PEER_ADDRESS, PEER_ANY, PEER_ZONE, SERVICE_ANY, SERVICE_CLASS, SERVICE_PORT, TEMPLATES } = CONSTANTS;
export const FILTER_BITS_MAX = 2 ** 27;
/** Filters of roles have lower numbers, those of single clients these and higher ones: neither waits for the other. */
export const FILTER_IDS_OF_POLICY = 3_072;

/** A Bloom filter of keys. */
export interface AclFilter {
  readonly id: number;
  readonly bits: number;
  readonly seed: number;
  readonly probes: number;
  /** Templates in use, a bit each, by direction. */
  readonly out: number;
  readonly in: number;
  /** ceil(bits / 64) * 8 bytes, bit i in byte i >> 3 at i & 7. */
  readonly data: Uint8Array;
}

/** What a packet asks, all templates at once. */
export interface AclQuestion {
  readonly family: number;
  readonly proto: number;
  /** Reading order. */
  readonly peer: Uint32Array;
  /** 0: none. */
  readonly zoneClass: number;
  /** Port, ICMP kind, or 0. */
  readonly service: number;
  /** 0: none. */
  readonly serviceClass: number;
}

export function templateOf(peerKind: number, serviceKind: number): number {
  return peerKind * 3 + serviceKind;
}

/** Both lanes of an ACL key, reused from key to key. */
export class AclKey {
  h1 = 0;
  h2 = 0;
  readonly #words = new Uint32Array(6);

  constructor(
    readonly seed1: number,
    readonly seed2: number,
  ) {}

  /** Answers false where the template does not apply: no such zone or service class. */
  set(template: number, direction: number, question: AclQuestion): boolean {
    const peerKind = Math.floor(template / 3);
    const serviceKind = template % 3;
    const service = serviceOf(serviceKind, question);
    if (service < 0 || (peerKind === PEER_ZONE && question.zoneClass === 0)) return false;
    const words = this.#words;
    const count = writePeer(words, peerKind, question);
    const six = peerKind === PEER_ADDRESS && question.family === 6;
    words[0] = template | (direction << 4) | (six ? 32 : 0) | (question.proto << 8);
    words[count - 1] = service;
    this.h1 = xxh32Words(words, this.seed1, count);
    this.h2 = xxh32WordsReversed(words, this.seed2, count);
    return true;
  }
}

function serviceOf(kind: number, question: AclQuestion): number {
  if (kind === SERVICE_PORT) return question.service;
  if (kind === SERVICE_ANY) return 0;
  return question.serviceClass === 0 ? -1 : question.serviceClass;
}

/** Writes the words between tag and service; returns the number of all words. */
function writePeer(words: Uint32Array, kind: number, question: AclQuestion): number {
  if (kind === PEER_ADDRESS && question.family === 6) {
    words.set(question.peer, 1);
    return 6;
  }
  words[1] = kind === PEER_ADDRESS ? question.peer[0]! : kind === PEER_ZONE ? question.zoneClass : 0;
  return 3;
}

/** Number of the bit that probe i of a key looks at. */
export function probeBit(h1: number, h2: number, i: number, bits: number, seed: number): number {
  const a = Math.imul(h1 ^ seed, 0x9e3779b1);
  const b = Math.imul((h2 + seed) | 0, 0x85ebca77) | 1;
  return mulHigh32((a + Math.imul(i, b)) >>> 0, bits);
}

export function filterHas(filter: AclFilter, h1: number, h2: number): boolean {
  const { bits, data, probes, seed } = filter;
  for (let i = 0; i < probes; i++) {
    const bit = probeBit(h1, h2, i, bits, seed);
    if ((data[bit >>> 3]! & (1 << (bit & 7))) === 0) return false;
  }
  return probes > 0;
}

export function filterAdd(filter: AclFilter, h1: number, h2: number): void {
  for (let i = 0; i < filter.probes; i++) {
    const bit = probeBit(h1, h2, i, filter.bits, filter.seed);
    filter.data[bit >>> 3]! |= 1 << (bit & 7);
  }
}

/** All templates, and those that answer to a question put to a group. */
export const ALL_TEMPLATES = (1 << TEMPLATES) - 1;
export const GROUP_TEMPLATES = [PEER_ZONE, PEER_ANY]
  .flatMap((peer) => [SERVICE_PORT, SERVICE_CLASS, SERVICE_ANY].map((service) => 1 << templateOf(peer, service)))
  .reduce((mask, bit) => mask | bit, 0);

/** Whether any of the filters holds a key of this direction, among the templates of `mask`. */
export function aclMatches(
  filters: readonly (AclFilter | undefined)[],
  direction: number,
  question: AclQuestion,
  key: AclKey,
  mask = ALL_TEMPLATES,
): boolean {
  let used = 0;
  for (const filter of filters) used |= filter ? templatesOf(filter, direction) : 0;
  used &= mask;
  for (let template = 0; used >>> template !== 0; template++) {
    if (((used >>> template) & 1) === 0 || !key.set(template, direction, question)) continue;
    for (const filter of filters) {
      if (!filter || ((templatesOf(filter, direction) >>> template) & 1) === 0) continue;
      if (filterHas(filter, key.h1, key.h2)) return true;
    }
  }
  return false;
}

function templatesOf(filter: AclFilter, direction: number): number {
  return direction === CONSTANTS.DIRECTION_OUT ? filter.out : filter.in;
}
