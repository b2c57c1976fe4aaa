import { compileAutomata, mayShorten } from "../../src/automata/compile.ts";
import { type Address, parseAddress } from "../../src/base/ip.ts";
import { parseMac } from "../../src/base/mac.ts";
import { parseGeometry } from "../../src/bloom/geometry.ts";
import { CONSTANTS } from "../../src/datapath/abi.ts";
import type { FilterBits } from "../../src/datapath/datapath.ts";
import type { ClientRecord, RingEvent } from "../../src/datapath/map-records.ts";
import { AclKey, filterAdd, templateOf } from "../../src/sfr/acl.ts";
import { Sfr } from "../../src/sfr/sfr.ts";

/** A model firewall ready to judge, for tests: one client with rules, fixed seeds, automata loaded. */
export const SEEDS = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344] as const;
export const CLIENT = "02:00:00:00:0a:01";
export const PEER = "02:00:00:00:0b:01";

/** What is not given is "any". */
export interface Rule {
  readonly direction: "out" | "in";
  readonly proto: number;
  /** Address, or class of a zone. */
  readonly peer?: string | number;
  readonly port?: number;
  readonly serviceClass?: number;
}

export function filterOf(id: number, rules: readonly Rule[], seeds: readonly number[] = SEEDS): FilterBits {
  const bits = Math.max(64, Math.ceil((rules.length * 24) / 64) * 64);
  const masks = { out: 0, in: 0 };
  const filter = { id, bits, seed: 0x5eed + id, probes: 10, data: new Uint8Array(bits / 8) };
  const key = new AclKey(seeds[2]!, seeds[3]!);
  for (const rule of rules) {
    const address = typeof rule.peer === "string" ? parseAddress(rule.peer, "rule") : undefined;
    const template = templateOf(peerKind(rule), serviceKind(rule));
    key.set(template, rule.direction === "out" ? 0 : 1, {
      family: address?.family ?? 4,
      proto: rule.proto,
      peer: wordsOf(address),
      zoneClass: typeof rule.peer === "number" ? rule.peer : 0,
      service: rule.port ?? 0,
      serviceClass: rule.serviceClass ?? 0,
    });
    filterAdd({ ...filter, ...masks }, key.h1, key.h2);
    masks[rule.direction] |= 1 << template;
  }
  return { ...filter, ...masks };
}

function peerKind(rule: Rule): number {
  if (rule.peer === undefined) return CONSTANTS.PEER_ANY;
  return typeof rule.peer === "number" ? CONSTANTS.PEER_ZONE : CONSTANTS.PEER_ADDRESS;
}

function serviceKind(rule: Rule): number {
  if (rule.port !== undefined) return CONSTANTS.SERVICE_PORT;
  return rule.serviceClass === undefined ? CONSTANTS.SERVICE_ANY : CONSTANTS.SERVICE_CLASS;
}

function wordsOf(address: Address | undefined): Uint32Array {
  const words = new Uint32Array(4);
  if (address) words.set(address.words);
  return words;
}

export function record(of: Partial<ClientRecord> = {}): ClientRecord {
  return {
    slot: 1,
    presence: CONSTANTS.PRESENCE_HERE,
    flags: 0,
    filter: [0, 0xffff, 0xffff, 0xffff],
    from: 0,
    zone: 0,
    open_out: 0,
    open_in: 0,
    half_open: 0,
    ends: 0,
    pad: 0,
    ...of,
  };
}

export interface FirewallOptions {
  readonly geometry?: string;
  readonly rules?: readonly Rule[];
  readonly mirrors?: number;
  readonly shorten?: boolean;
}

/** An Sfr with CLIENT in slot 1 behind `rules`, its clocks at tick 100, and the events it has emitted. */
export function firewall(options: FirewallOptions = {}): Sfr & { readonly events: RingEvent[] } {
  const geometry = parseGeometry(options.geometry ?? "4x256x8/r26", "test");
  const sfr = new Sfr({ geometry, seeds: SEEDS, mirrors: options.mirrors ?? 0, slots: 64 });
  sfr.loadAutomata(compileAutomata({ geometry, shorten: options.shorten ?? mayShorten(geometry) }));
  sfr.setFilter(filterOf(0, options.rules ?? []));
  sfr.setClient(parseMac(CLIENT, "test"), record());
  for (const table of [sfr.table, ...sfr.mirrors]) {
    table.fast = 100;
    table.slow = 100;
  }
  const events: RingEvent[] = [];
  sfr.onEvent = (event) => events.push(event);
  return Object.assign(sfr, { events });
}
