/** What an Access-Accept or a CoA-Request says of rights, and what becomes of those that a client has. */
import type { RoamwallName } from "./attributes.ts";
import { applyDelta, type CarriedFilter, type FilterDelta, parseDelta, parseFilter } from "./carried-filter.ts";
import { CAUSE } from "./error-cause.ts";
import { readFilterRules } from "./filter-rule.ts";
import { joinFragments } from "./fragments.ts";
import { decodeText, integerOf, type Packet, readInteger, valuesOf } from "./packet.ts";
import type { RadiusGrant } from "./rights.ts";
import { readVendor, type VendorReading } from "./vendor.ts";

export interface Changes {
  readonly role?: string;
  readonly rules?: readonly string[];
  readonly addRules: readonly string[];
  readonly removeRules: readonly string[];
  readonly filters: ReadonlyMap<number, CarriedFilter>;
  readonly deltas: ReadonlyMap<number, FilterDelta>;
  readonly openOut?: number;
  readonly openIn?: number;
  readonly halfOpen?: number;
  readonly zone?: number;
  readonly sessionSeconds?: number;
}

export interface Refusal {
  /** Of RFC 5176, for who asked by CoA. */
  readonly cause: number;
  readonly reason: string;
}

const U16_MAX = 0xffff;

export function isRefusal(answer: object): answer is Refusal {
  return "cause" in answer;
}

/** All or nothing: one attribute that cannot be read refuses the packet. */
export function readChanges(packet: Packet): Changes | Refusal {
  const vendor = readVendor(packet);
  if (vendor.malformed !== undefined) return invalid(vendor.malformed);
  const said = readFilterRules(packet);
  if (typeof said === "string") return invalid(said);
  const filters = readFilters(vendor, "Roamwall-Filter", parseFilter);
  if (typeof filters === "string") return invalid(`Roamwall-Filter: ${filters}`);
  const deltas = readFilters(vendor, "Roamwall-Filter-Delta", parseDelta);
  if (typeof deltas === "string") return invalid(`Roamwall-Filter-Delta: ${deltas}`);
  const own = texts(vendor, "Roamwall-Rule");
  const rules = said || own.length ? [...(said ?? []), ...own] : undefined;
  const limits = readNumbers(vendor);
  if (typeof limits === "string") return invalid(limits);
  const roles = readRoles(packet, vendor);
  if (roles.length > 1) return invalid(`${roles.length} roles (${roles.join(", ")}), of which one can be meant`);
  const sessionSeconds = integerOf(packet, "Session-Timeout");
  if (sessionSeconds === 0) return invalid("a Session-Timeout of 0");
  return {
    ...(roles[0] !== undefined && { role: roles[0] }),
    ...(rules && { rules }),
    addRules: texts(vendor, "Roamwall-Add-Rule"),
    removeRules: texts(vendor, "Roamwall-Remove-Rule"),
    filters,
    deltas,
    ...limits,
    ...(sessionSeconds !== undefined && { sessionSeconds }),
  };
}

export function saysNothing(changes: Changes): boolean {
  const { addRules, removeRules, filters, deltas, ...rest } = changes;
  return addRules.length + removeRules.length + filters.size + deltas.size + Object.keys(rest).length === 0;
}

/** What a client has after the change. What the change does not speak of stays. */
export function changed(grant: RadiusGrant, changes: Changes): RadiusGrant | Refusal {
  const rules = changedRules(changes.rules ?? grant.rules, changes);
  if (typeof rules === "string") return invalid(rules);
  const filters = new Map([...grant.filters, ...changes.filters]);
  for (const [number, delta] of changes.deltas) {
    const base = filters.get(number);
    const next = base ? applyDelta(base, delta) : `a delta for filter ${number}, which the client does not have`;
    if (typeof next === "string") return invalid(next);
    filters.set(number, next);
  }
  const { role, openOut, openIn, halfOpen, zone } = { ...grant, ...changes };
  const leftSeconds = changes.sessionSeconds ?? grant.leftSeconds;
  return {
    ...(role !== undefined && { role }),
    ...(rules && { rules }),
    filters,
    ...(openOut !== undefined && { openOut }),
    ...(openIn !== undefined && { openIn }),
    ...(halfOpen !== undefined && { halfOpen }),
    ...(zone !== undefined && { zone }),
    ...(leftSeconds !== undefined && { leftSeconds }),
    ...(grant.bind !== undefined && { bind: grant.bind }),
    changed: grant.changed,
  };
}

function changedRules(rules: readonly string[] | undefined, changes: Changes): readonly string[] | string | undefined {
  const next = new Set(rules);
  for (const rule of changes.removeRules)
    if (!next.delete(rule)) return `a rule to remove that is not there: "${rule}"`;
  for (const rule of changes.addRules) next.add(rule);
  return rules || changes.addRules.length ? [...next] : undefined;
}

function readFilters<T extends object>(
  vendor: VendorReading,
  name: RoamwallName,
  parse: (octets: Uint8Array) => T | string,
): Map<number, T> | string {
  const joined = joinFragments(values(vendor, name));
  if (typeof joined === "string") return joined;
  const parsed = new Map<number, T>();
  for (const [number, octets] of joined) {
    const one = parse(octets);
    if (typeof one === "string") return one;
    parsed.set(number, one);
  }
  return parsed;
}

function readNumbers(vendor: VendorReading): Pick<Changes, "openOut" | "openIn" | "halfOpen" | "zone"> | string {
  const numbers: { openOut?: number; openIn?: number; halfOpen?: number; zone?: number } = {};
  const fields = {
    openOut: "Roamwall-Open-Out",
    openIn: "Roamwall-Open-In",
    halfOpen: "Roamwall-Half-Open",
    zone: "Roamwall-Zone",
  } as const;
  for (const [field, name] of Object.entries(fields) as [keyof typeof fields, RoamwallName][]) {
    const value = values(vendor, name).at(-1);
    if (!value) continue;
    numbers[field] = readInteger(value);
    if (numbers[field]! > U16_MAX) return `${name} of ${numbers[field]}, above ${U16_MAX}`;
  }
  return numbers;
}

/** Roamwall-Role speaks to nobody else, so it wins over a Filter-Id that may be meant for another kind of NAS. */
function readRoles(packet: Packet, vendor: VendorReading): string[] {
  const own = texts(vendor, "Roamwall-Role");
  return [...new Set(own.length ? own : valuesOf(packet, "Filter-Id").map(decodeText))];
}

function texts(vendor: VendorReading, name: RoamwallName): string[] {
  return values(vendor, name).map(decodeText);
}

function values(vendor: VendorReading, name: RoamwallName): Uint8Array[] {
  return vendor.own.filter((one) => one.name === name).map((one) => one.value);
}

function invalid(reason: string): Refusal {
  return { cause: CAUSE.invalidValue, reason };
}
