/** What the policy means in the datapath: filters, zones, services, and the records that are no client's own. */
import type { Mac } from "../base/mac.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import type { Datapath, FilterBits } from "../datapath/datapath.ts";
import type { Platform } from "../platform/platform.ts";
import { difference, type FilterChange } from "../policy/counting.ts";
import type { CompiledPolicy, CompiledRole } from "../policy/policy.ts";
import { policySources, roleOf } from "../policy/sources.ts";
import { type Dumps, filtersOf, generationOf } from "./client-dumps.ts";
import type { Modes } from "./modes.ts";
import { recordOfRole } from "./role-record.ts";

const ROOM = "agent";
const UNKNOWN_CLIENT = "00:00:00:00:00:00" as Mac;
const GROUP_CLIENT = "ff:ff:ff:ff:ff:ff" as Mac;
const NO_ROLE = "";
/** No packet is under way so long. */
const GRACE_MS = 100;

export interface PolicyTablesParts {
  readonly platform: Pick<Platform, "clock" | "log">;
  readonly datapath: Pick<
    Datapath,
    "setFilter" | "changeFilter" | "deleteFilter" | "setZones" | "setServices" | "setClient" | "deleteClient"
  >;
  readonly modes: Pick<Modes, "flagsOf">;
  /** In place of the policy's for clients that nobody knows; undefined: the policy's own. */
  fallbackRole(): string | undefined;
  /** The clients' records as they are now. */
  records(): Promise<Dumps>;
  /** A client's rights may name this filter again at any moment. */
  holdsFilter(id: number): boolean;
}

export class PolicyTables {
  /** Of the client records that are written now: 0 or CLIENT_GENERATION. */
  generation = 0;
  /** Filters of earlier policies. */
  private readonly droppable = new Set<number>();
  private cancelDrop = () => {};

  constructor(
    private readonly parts: PolicyTablesParts,
    public policy: CompiledPolicy,
  ) {}

  /** At the start: records that an earlier agent wrote go on with the tables that it wrote. */
  begin(before: Dumps): void {
    this.generation = CONSTANTS.CLIENT_GENERATION - generationOf(before);
    this.load(this.policy, this.generation);
    this.loadSpecialClients();
  }

  /**
   * Filters under new numbers, zones and services beside the old ones: every record that is written from now on means the
   * new policy, those of before the old one, until `dropSoon`.
   */
  change(next: CompiledPolicy, previous: CompiledPolicy): void {
    const isOther = tablesText(next) !== tablesText(previous);
    const generation = isOther ? this.generation ^ CONSTANTS.CLIENT_GENERATION : this.generation;
    this.load(next, generation, previous);
    this.policy = next;
    this.generation = generation;
  }

  /** The records that are nobody's own: who is unknown, and what leaves a port to groups. */
  loadSpecialClients(): void {
    const { roles, group, unknown } = this.present;
    this.loadSpecial(UNKNOWN_CLIENT, unknown === undefined ? undefined : roles.get(unknown), unknown ?? NO_ROLE);
    this.loadSpecial(GROUP_CLIENT, group, NO_ROLE);
  }

  /** What the policy says of a client, listed or not. */
  roleOf(mac: Mac): string | undefined {
    return roleOf(policySources(this.present), mac)?.role;
  }

  /** Of a record that is nobody's own. */
  specialRole(mac: Mac): string | undefined {
    if (mac === UNKNOWN_CLIENT) return this.present.unknown;
    return mac === GROUP_CLIENT ? "(group)" : undefined;
  }

  monitors(mac: Mac, role: string): boolean {
    return this.policy.monitored.has(mac) || (this.policy.roles.get(role)?.monitor ?? false);
  }

  /** Drops what nobody names any more. A packet may still be judged by a record of a moment ago. */
  dropSoon(candidates: ReadonlySet<number>): void {
    const { clock, log } = this.parts.platform;
    this.cancelDrop();
    for (const id of candidates) this.droppable.add(id);
    this.cancelDrop = clock.after(GRACE_MS, () => {
      const ids = new Set(this.droppable);
      this.droppable.clear();
      this.drop(ids).catch((error: Error) =>
        log.debug(ROOM, "old filters stay until the next start", { reason: error.message }),
      );
    });
  }

  stop(): void {
    this.cancelDrop();
  }

  /** The policy as it counts at this moment. */
  private get present(): CompiledPolicy {
    const fallback = this.parts.fallbackRole();
    const isThere = fallback !== undefined && this.policy.roles.has(fallback);
    return isThere ? { ...this.policy, unknown: fallback } : this.policy;
  }

  private load(policy: CompiledPolicy, flag: number, previous?: CompiledPolicy): void {
    const { datapath } = this.parts;
    const bases = previous ? filtersBefore(policy, previous) : new Map<number, FilterBits>();
    for (const filter of policy.filters) {
      const base = bases.get(filter.id);
      const change = base && base.id !== filter.id ? difference(base, filter) : undefined;
      const bits = change && bitsOf(change);
      // Positions are four bytes each.
      if (bits && bits.length * 4 < filter.data.length) datapath.changeFilter(filter, base!.id, bits);
      else datapath.setFilter(filter);
    }
    const generation = flag === 0 ? 0 : 1;
    datapath.setZones(generation, policy.zones);
    datapath.setServices(generation, policy.services);
  }

  private loadSpecial(mac: Mac, role: CompiledRole | undefined, name: string): void {
    const { datapath, modes } = this.parts;
    if (!role) {
      datapath.deleteClient(mac);
      return;
    }
    const record = recordOfRole(role);
    datapath.setClient(mac, {
      slot: CONSTANTS.SLOT_UNKNOWN,
      // Remote: so that each stranger's frames say that it arrived.
      presence: CONSTANTS.PRESENCE_REMOTE,
      ...record,
      flags: modes.flagsOf(mac, name, record.flags) | this.generation,
    });
  }

  private async drop(candidates: ReadonlySet<number>): Promise<void> {
    const { datapath } = this.parts;
    const named = filtersOf(await this.parts.records());
    const wanted = new Set(this.policy.filters.map((filter) => filter.id));
    for (const id of candidates) {
      if (!named.has(id) && !wanted.has(id) && !this.parts.holdsFilter(id)) datapath.deleteFilter(id);
    }
  }
}

/** by number of a role's filter: the one that the role had before */
function filtersBefore(next: CompiledPolicy, previous: CompiledPolicy): Map<number, FilterBits> {
  const byId = new Map(previous.filters.map((filter) => [filter.id, filter]));
  const bases = new Map<number, FilterBits>();
  for (const [name, { filters }] of next.roles) {
    const [id, before] = [filters[0], previous.roles.get(name)?.filters[0]];
    const base = before === undefined ? undefined : byId.get(before);
    if (id !== undefined && base) bases.set(id, base);
  }
  return bases;
}

/** As the datapath takes them: position << 1 | value. */
function bitsOf({ set, clear }: FilterChange): Uint32Array {
  return Uint32Array.from([...set.map((at) => at * 2 + 1), ...clear.map((at) => at * 2)]);
}

function tablesText({ zones, services }: CompiledPolicy): string {
  return JSON.stringify([zones, services]);
}
