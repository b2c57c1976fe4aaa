import { hex } from "../base/bytes.ts";
import { badInput } from "../base/errors.ts";
import { xxh32Words } from "../base/hash.ts";
import type { Mac } from "../base/mac.ts";
import type { FilterBits, ServiceEntry, ZoneEntry } from "../datapath/datapath.ts";
import { FILTER_IDS_OF_POLICY } from "../sfr/acl.ts";
import { digestOf } from "../sfr/filter-digest.ts";
import { serviceClasses, zoneClasses } from "./classes.ts";
import { CountingFilter } from "./counting.ts";
import { buildFilter, type Seeds, sizeFilter } from "./filter.ts";
import { type AclKey, type KeyContext, ruleKeys } from "./keys.ts";
import type { Limits, Policy, Role, Rule } from "./model.ts";

/** Keys of one filter: beyond this a rule multiplies zones with services and is better written with `any`. */
const FILTER_KEYS_MAX = 1 << 18;
/** Sizes are whole words and probes whole numbers: the formula says a little more than was asked for. */
const RATE_SLACK = 1.1;

export interface CompiledRole {
  /** Filter numbers; none = nothing is allowed. */
  readonly filters: readonly number[];
  readonly limits: Limits;
  readonly monitor: boolean;
  /** Number of rules and of keys, for those who look. */
  readonly rules: number;
  readonly keys: number;
  /** Of its filter: how often it changed since the agent started, and the first 64 bits of its SHA-256; "": no filter. */
  readonly revision: number;
  readonly digest: string;
}

export interface CompiledPolicy {
  readonly filters: readonly FilterBits[];
  readonly zones: readonly ZoneEntry[];
  readonly services: readonly ServiceEntry[];
  readonly roles: ReadonlyMap<string, CompiledRole>;
  readonly clients: ReadonlyMap<Mac, string>;
  readonly fromFile?: ReadonlyMap<Mac, string>;
  /** Clients whose denials pass whatever their role says. */
  readonly monitored: ReadonlySet<Mac>;
  /** Numbers of port zones. */
  readonly privateZones: ReadonlySet<number>;
  readonly unknown?: string;
  readonly group?: CompiledRole;
  /** What it was compiled from, and what names of zones and services became. */
  readonly source: Policy;
  readonly context: KeyContext;
}

/** A filter without its number. */
export type FilterContent = Omit<FilterBits, "id">;

export interface CompileOptions {
  /** Filters that the datapath may still hold: their numbers mean their content, and are not given to another. */
  readonly previous?: CompiledPolicy;
  /** Differs by AP where false positives of a path should not coincide. */
  readonly salt?: number;
}

/**
 * Turns rules into filters and tables. The same policy, seeds and salt give the same result on every machine; after
 * `previous` a filter that is edited keeps its size and places as long as they serve, so that only some bits change.
 */
export function compilePolicy(policy: Policy, seeds: Seeds, options: CompileOptions = {}): CompiledPolicy {
  const zones = zoneClasses(policy.zones);
  const services = serviceClasses(policy.services);
  const context: KeyContext = {
    services: policy.services,
    zoneClasses: zones.classes,
    serviceClasses: services.classes,
  };
  const filters = new FilterNumbers(options.previous);
  const compileRole = (name: string, role: Role): CompiledRole => {
    const keys = distinctKeys(`role "${name}"`, role.rules, context);
    const salt = options.salt ?? 0;
    const content = keys.length === 0 ? undefined : edited(name, keys, policy.rate, seeds, salt, options.previous);
    const numbers = content ? [filters.number(content)] : [];
    const before = options.previous?.roles.get(name);
    const isSame = before !== undefined && before.filters.join() === numbers.join();
    return {
      revision: isSame ? before.revision : (before?.revision ?? 0) + 1,
      digest: content ? hex(digestOf(content)) : "",
      filters: numbers,
      limits: role.limits,
      monitor: policy.monitor || role.monitor,
      rules: role.rules.length,
      keys: keys.length,
    };
  };
  const roles = new Map([...policy.roles].map(([name, role]) => [name, compileRole(name, role)]));
  const group = policy.group && compileRole("group", policy.group);
  return {
    filters: filters.used,
    zones: zones.entries,
    services: services.entries,
    roles,
    clients: policy.clients,
    ...(policy.fromFile && { fromFile: policy.fromFile }),
    monitored: policy.monitored,
    privateZones: policy.privateZones,
    ...(policy.unknown !== undefined && { unknown: policy.unknown }),
    ...(group && { group }),
    source: policy,
    context,
  };
}

/** The filter of a role's keys: the one of before with the keys that went and came, where the rate allows it. */
function edited(
  name: string,
  keys: readonly AclKey[],
  rate: number,
  seeds: Seeds,
  salt: number,
  previous: CompiledPolicy | undefined,
): FilterContent {
  const role = previous?.source.roles.get(name);
  const before = previous?.filters.find(({ id }) => previous.roles.get(name)?.filters.includes(id));
  const size = sizeFilter(keys.length, rate);
  if (!previous || !role || !before || previous.source.rate !== rate) {
    return buildFilter(keys, rate, xxh32Words([salt, keys.length], seeds[2]), seeds, size);
  }
  if (
    size.bits > before.bits ||
    size.bits * 2 < before.bits ||
    falsePositives(before, keys.length) > rate * RATE_SLACK
  ) {
    // It will be edited again: an eighth more room, so that the next edits are some bits.
    const roomy = sizeFilter(Math.ceil((keys.length * 9) / 8), rate);
    return buildFilter(keys, rate, before.seed, seeds, roomy);
  }
  const old = new Map(distinctKeys(name, role.rules, previous.context).map((key) => [key.words.join(), key]));
  const now = new Map(keys.map((key) => [key.words.join(), key]));
  if (old.size === now.size && keys.every(({ words }) => old.has(words.join()))) return withoutId(before);
  const counting = new CountingFilter(before, seeds);
  counting.add(old.values());
  counting.remove([...old].filter(([words]) => !now.has(words)).map(([, key]) => key));
  counting.add([...now].filter(([words]) => !old.has(words)).map(([, key]) => key));
  return counting.content();
}

function withoutId({ id: _id, ...content }: FilterBits): FilterContent {
  return content;
}

function falsePositives({ bits, probes }: FilterContent, keys: number): number {
  return (1 - Math.exp((-probes * keys) / bits)) ** probes;
}

/**
 * Rules of one client, which no role has, as a filter of its own; undefined: they allow nothing. `like`: a filter whose size
 * and places are kept, so that a few bits make one from the other.
 */
export function compileRules(
  whose: string,
  rules: readonly Rule[],
  { source, context }: CompiledPolicy,
  seeds: Seeds,
  like?: FilterContent,
): FilterContent | undefined {
  const keys = distinctKeys(whose, rules, context);
  if (keys.length === 0) return undefined;
  return buildFilter(keys, source.rate, like?.seed ?? xxh32Words([0, keys.length], seeds[2]), seeds, like);
}

function distinctKeys(whose: string, rules: readonly Rule[], context: KeyContext): AclKey[] {
  const keys = new Map<string, AclKey>();
  for (const rule of rules) {
    for (const key of ruleKeys(rule, context)) keys.set(key.words.join(), key);
    if (keys.size > FILTER_KEYS_MAX) {
      throw badInput(rule.place, `${whose} has more than ${FILTER_KEYS_MAX} keys`, "fewer zones times services");
    }
  }
  return [...keys.values()];
}

/**
 * Numbers by content: what a number names never changes, so a client record is never for a moment under a filter that
 * was meant for another. Derived from the content, so that an agent that restarts finds its own filters in place.
 */
class FilterNumbers {
  private readonly byNumber = new Map<number, FilterBits>();
  private readonly mine = new Map<number, FilterBits>();

  constructor(previous: CompiledPolicy | undefined) {
    for (const filter of previous?.filters ?? []) this.byNumber.set(filter.id, filter);
  }

  get used(): FilterBits[] {
    return [...this.mine.values()];
  }

  number(content: FilterContent): number {
    const head = [content.bits, content.seed, content.probes, content.out, content.in];
    let id = xxh32Words([...head, ...content.data], 0) % FILTER_IDS_OF_POLICY;
    for (let tries = 0; tries < FILTER_IDS_OF_POLICY; tries++) {
      const there = this.byNumber.get(id);
      if (!there || sameContent(there, content)) {
        const filter = { id, ...content };
        this.byNumber.set(id, filter);
        this.mine.set(id, filter);
        return id;
      }
      id = (id + 1) % FILTER_IDS_OF_POLICY;
    }
    throw badInput("policy", "no filter number is free", `at most ${FILTER_IDS_OF_POLICY} roles, old and new`);
  }
}

function sameContent(a: FilterContent, b: FilterContent): boolean {
  return (
    a.bits === b.bits &&
    a.seed === b.seed &&
    a.probes === b.probes &&
    a.out === b.out &&
    a.in === b.in &&
    a.data.every((byte, i) => byte === b.data[i])
  );
}
