/**
 * Zones and services overlap; the kernel's tables give each address one zone class and each port one service class.
 * So a class stands for *the set of zones (services) that hold the prefix (port)*, and a rule on a zone becomes one
 * key for each class whose set contains the zone.
 *
 * A class number follows from the names alone: it survives restarts and changes of the zones' content, so that old
 * filters and new tables (or the other way round, for a moment) never disagree about what a number means.
 */
import { badInput } from "../base/errors.ts";
import { xxh32Words } from "../base/hash.ts";
import { mappedBytes, type Prefix } from "../base/ip.ts";
import type { ServiceEntry, ZoneEntry } from "../datapath/datapath.ts";
import type { ServiceItem } from "./model.ts";

/** Class numbers: 1 to this. 0 is "none", 0xffff the group class. */
const CLASSES_MAX = 0xfffe;

/** by name of a zone (or `proto/service name`): the classes whose sets hold it */
export type ClassesByName = ReadonlyMap<string, readonly number[]>;

export interface ZoneClasses {
  readonly entries: readonly ZoneEntry[];
  readonly classes: ClassesByName;
}

export interface ServiceClasses {
  readonly entries: readonly ServiceEntry[];
  readonly classes: ClassesByName;
}

/** The trie key that stands for all of IPv4: `::/0` must not reach below it. */
const IPV4_MAPPED: readonly number[] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0];

/** Of the kernel's trie. */
const PREFIXES_MAX = 65536;

interface Place {
  readonly bytes: readonly number[];
  readonly bits: number;
  readonly family: 4 | 6;
  /** Zones that list this very prefix. */
  readonly zones: Set<string>;
}

/** Every distinct prefix, with the class of all zones that hold it whole. */
export function zoneClasses(zones: ReadonlyMap<string, readonly Prefix[]>): ZoneClasses {
  const places = new Map<string, Place>();
  const add = (bytes: readonly number[], bits: number, family: 4 | 6, zone?: string) => {
    const key = placeKey(family, bits, bytes);
    const place = places.get(key) ?? { bytes, bits, family, zones: new Set() };
    if (zone !== undefined) place.zones.add(zone);
    places.set(key, place);
  };
  for (const [name, prefixes] of zones) {
    for (const { address, bits } of prefixes) {
      add(mappedBytes(address), address.family === 4 ? bits + 96 : bits, address.family, name);
    }
  }
  const reachesIpv4 = (place: Place) =>
    place.bits < 96 && masked(IPV4_MAPPED, place.bits).join() === place.bytes.join();
  if ([...places.values()].some((place) => place.family === 6 && reachesIpv4(place))) add(IPV4_MAPPED, 96, 4);
  if (places.size > PREFIXES_MAX) throw badInput("zones", `${places.size} prefixes`, `at most ${PREFIXES_MAX}`);
  const sets = [...places.values()].map((place) => ({ place, names: holders(places, place) }));
  const numbers = numberSets(
    sets.map((s) => s.names),
    "zones",
  );
  return {
    entries: sets.map(({ place, names }) => ({
      address: place.bytes,
      prefixBits: place.bits,
      zone: numbers.get(names.join("\n")) ?? 0,
    })),
    classes: byName(numbers),
  };
}

/** Every port that a named service holds, with the class of all (protocol, service) pairs that hold it. */
export function serviceClasses(services: ReadonlyMap<string, readonly ServiceItem[]>): ServiceClasses {
  const holders = new Map<number, Set<string>>();
  for (const [name, items] of services) {
    for (const item of items) {
      if (item.kind !== "ports") continue;
      for (let port = item.first; port <= item.last; port++) {
        const names = holders.get(port) ?? new Set();
        holders.set(port, names.add(serviceMember(item.proto, name)));
      }
    }
  }
  const sets = [...holders].sort(([a], [b]) => a - b).map(([port, names]) => ({ port, names: [...names].sort() }));
  const numbers = numberSets(
    sets.map((s) => s.names),
    "services",
  );
  return {
    entries: sets.map(({ port, names }) => ({ port, service: numbers.get(names.join("\n"))! })),
    classes: byName(numbers),
  };
}

/** The port table knows no protocol: so a class tells tcp/53 from udp/53 by its members. */
export function serviceMember(proto: number, service: string): string {
  return `${proto}/${service}`;
}

function placeKey(family: 4 | 6, bits: number, bytes: readonly number[]): string {
  return `${family}/${bits}/${bytes.join()}`;
}

/** Names of the zones that have a prefix of the same family around (or equal to) this one, sorted. */
function holders(places: ReadonlyMap<string, Place>, inner: Place): string[] {
  const names = new Set<string>();
  for (let bits = inner.family === 4 ? 96 : 0; bits <= inner.bits; bits++) {
    const outer = places.get(placeKey(inner.family, bits, masked(inner.bytes, bits)));
    for (const name of outer?.zones ?? []) names.add(name);
  }
  return [...names].sort();
}

function masked(bytes: readonly number[], bits: number): number[] {
  return bytes.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, bits - i * 8))));
}

/** by set (its sorted names, a line each): its number. The empty set has none. */
function numberSets(sets: readonly (readonly string[])[], what: string): Map<string, number> {
  const keys = [...new Set(sets.map((names) => names.join("\n")))].filter((key) => key !== "").sort();
  if (keys.length > CLASSES_MAX) {
    throw badInput(what, `${keys.length} different overlaps`, `at most ${CLASSES_MAX}: fewer ${what} that overlap`);
  }
  const numbers = new Map<string, number>();
  const taken = new Set<number>();
  for (const key of keys) {
    const words = Array.from(key, (character) => character.codePointAt(0)!);
    let number = (xxh32Words(words, 0) % CLASSES_MAX) + 1;
    while (taken.has(number)) number = (number % CLASSES_MAX) + 1;
    taken.add(number);
    numbers.set(key, number);
  }
  return numbers;
}

function byName(numbers: ReadonlyMap<string, number>): ClassesByName {
  const classes = new Map<string, number[]>();
  for (const [key, number] of numbers) {
    for (const name of key.split("\n")) classes.set(name, [...(classes.get(name) ?? []), number]);
  }
  return classes;
}
