/** One connection to roamwalld: what is loaded into the datapath, the mesh over it, and the socket of the mesh. */
import { RoamwallError } from "../base/errors.ts";
import type { Mac } from "../base/mac.ts";
import { macFromBytes } from "../base/mac.ts";
import { type Geometry, parseGeometry } from "../bloom/geometry.ts";
import { CONSTANTS, REASONS, type RingEvent } from "../datapath/abi.ts";
import type { ClientDump, Datapath, FilterBits } from "../datapath/datapath.ts";
import type { Endpoint, Platform, Udp } from "../platform/platform.ts";
import { difference, type FilterChange } from "../policy/counting.ts";
import type { CompiledPolicy, CompiledRole } from "../policy/policy.ts";
import { policySources, roleOf } from "../policy/sources.ts";
import type { Grant, RoleGrant } from "../proxy/rights.ts";
import type { Histogram, RoamLine } from "../proxy/roam-history.ts";
import type { MeshKey } from "../replication/keyring.ts";
import type { Identities, Member } from "../replication/members.ts";
import type { createMesh } from "../replication/mesh.ts";
import type { Mesh } from "../replication/mesh-api.ts";
import type { Ordered } from "../replication/orders.ts";
import type { Station } from "../replication/records/order.ts";
import type { NeighbourStatus } from "../replication/status.ts";
import type { KeyFile } from "./key.ts";
import type { Modes } from "./modes.ts";
import { NO_FILTER, recordOfRole } from "./role-record.ts";
import type { Settings } from "./settings.ts";
import type { ClientLine, DatapathStatus, KeysStatus, PortStatus } from "./status.ts";
import { type TableView, tableView } from "./table-view.ts";

const ROOM = "agent";
const UNKNOWN_CLIENT = "00:00:00:00:00:00" as Mac;
const GROUP_CLIENT = "ff:ff:ff:ff:ff:ff" as Mac;
/** A name that no policy gives to a role. Not a revocation: its tombstone would outrank the file for ever. */
const NO_ROLE = "";
/** Of the RAM, for mirrors. */
const MEMORY_SHARE = 16;
const UDP_RETRY_MS = 2_000;
/** No packet is under way so long. */
const GRACE_MS = 100;
/** A goodbye is a courtesy: who stops does not wait for it. */
const STOP_MS = 1_000;

export interface SessionParts {
  readonly platform: Platform;
  readonly settings: Settings;
  readonly key: KeyFile;
  readonly datapath: Datapath;
  readonly createMesh: typeof createMesh;
  readonly policy: CompiledPolicy;
  /** Absent: without. */
  readonly identities: Identities | undefined;
  automata(geometry: Geometry): Uint8Array;
  /** Somebody with authority gives the client its rights in a moment: what the kernel has of it stays until then. */
  outranked(mac: Mac): boolean;
  /** In place of the policy's for clients that nobody knows; undefined: the policy's own. */
  fallbackRole(): string | undefined;
  /** See `MeshParts`. */
  superseded(mac: Mac, revoked: boolean): void;
  letGo(mac: Mac): Promise<Station>;
  denied(event: RingEvent, frame: Uint8Array | undefined): void;
  /** The first packet of a flow, or any of a client that is traced. */
  passed(event: RingEvent): void;
  /** What the operator set beside the policy. */
  readonly modes: Pick<Modes, "ofAp" | "flagsOf">;
  portsChanged(): void;
  lost(): void;
}

export class Session {
  readonly geometry: Geometry;
  private policy: CompiledPolicy;
  /** Of the client records that are written now: 0 or CLIENT_GENERATION. */
  private generation = 0;
  /** Filters of earlier policies. */
  private readonly droppable = new Set<number>();
  private cancelDrop = () => {};
  private mesh!: Mesh;
  private udp: Udp | undefined;
  private cancelUdp = () => {};
  /** Why there is no socket of the mesh. */
  private linkProblem: string | undefined;
  private isStarting = true;
  private isStopped = false;
  /** After the goodbye: nothing more is sent or heard. */
  private isClosed = false;
  private wakeAtMs = Number.POSITIVE_INFINITY;
  private cancelWake = () => {};
  private dumping: Promise<unknown> = Promise.resolve();
  /** by MAC: the last dump */
  private readonly dumped = new Map<Mac, ClientDump>();
  private ticks: { readonly fast: number; readonly slow: number };
  private about = "";
  /** by netdev, with the time of the last change */
  private readonly ports = new Map<string, Omit<PortStatus, "unfilteredMs"> & { readonly atMs: number }>();

  private constructor(private readonly parts: SessionParts) {
    const { hello } = parts.datapath;
    this.geometry = parseGeometry(`4x${2 ** hello.bucket_bits}x8/r${hello.remainder_bits}`, "roamwalld's table");
    this.policy = parts.policy;
    this.ticks = { fast: hello.fast, slow: hello.slow };
  }

  /** Loads everything, starts the mesh. What an earlier agent left is taken over; traffic sees no gap. */
  static async open(parts: SessionParts): Promise<Session> {
    const session = new Session(parts);
    try {
      await session.start();
      return session;
    } catch (error) {
      await session.stop();
      throw error;
    }
  }

  private async start(): Promise<void> {
    const { datapath } = this.parts;
    this.mesh = this.makeMesh();
    this.wireHandlers();
    datapath.loadAutomata(this.parts.automata(this.geometry));
    const before = await this.dumpClients();
    // Records that an earlier agent wrote go on with the tables that it wrote.
    this.generation = CONSTANTS.CLIENT_GENERATION - generationOf(before);
    this.loadTables(this.policy, this.generation);
    this.loadSpecialClients();
    this.loadOptions();
    await this.openUdp();
    await this.mesh.start();
    this.isStarting = false;
    this.grantListed();
    datapath.ready();
    this.dropSoon(filtersOf(before));
    this.arm();
  }

  private loadOptions(): void {
    const { datapath, settings, modes } = this.parts;
    const { enabled, holdMs, flushMs, path } = settings.replication;
    datapath.setOptions({
      mode: modes.ofAp(settings.mode) === "monitor" ? CONSTANTS.MODE_MONITOR : CONSTANTS.MODE_ENFORCE,
      holdMs: enabled ? holdMs : 0,
      pickupS: settings.pickupS,
      flushMs,
      writeThrough: enabled && path === "asymmetric",
    });
  }

  /** Modes of the AP, of roles or of clients are others now. */
  modesChanged(): void {
    this.loadOptions();
    this.loadSpecialClients();
    this.mesh.refreshRoles();
  }

  /**
   * Filters under new numbers, zones and services beside the old ones; then each client's record changes from all of the old
   * to all of the new at once, its own filters (`regrant`) included. What the old ones meant goes when nobody reads it.
   * All of it within one turn, so that nothing else writes a record meanwhile.
   */
  async changePolicy(next: CompiledPolicy, previous: CompiledPolicy, regrant: () => void): Promise<void> {
    const isOther = tablesText(next) !== tablesText(previous);
    const generation = isOther ? this.generation ^ CONSTANTS.CLIENT_GENERATION : this.generation;
    this.loadTables(next, generation, previous);
    this.policy = next;
    this.generation = generation;
    regrant();
    this.rolesChanged();
    this.dropSoon(new Set(previous.filters.map((filter) => filter.id)));
    await this.parts.datapath.sync();
  }

  /** What the policy, or the role in its place, says of clients: writes every record anew. */
  rolesChanged(): void {
    this.loadSpecialClients();
    for (const { mac } of this.mesh.clients()) this.grant(mac, this.roleOf(mac) ?? NO_ROLE);
    this.grantListed();
    this.mesh.refreshRoles();
  }

  async status(): Promise<DatapathStatus> {
    const { datapath } = this.parts;
    const counters = await datapath.counters();
    const clients = this.mesh.clients();
    const denied = REASONS.map(([name], i) => [name, Number(counters.denied[i] ?? 0)] as const);
    return {
      table: this.geometry.text,
      by: this.about,
      cells: this.geometry.cells,
      usedCells: counters.used_cells,
      pickedUp: datapath.hello.picked_up === 1,
      passed: Number(counters.passed),
      bytes: Number(counters.bytes),
      denied: Object.fromEntries(denied.filter(([, count], i) => i > 0 && count > 0)),
      eventsLost: counters.ring_lost,
      ports: this.portList(),
      replication: this.mesh.counters,
      roams: this.mesh.roamCounters,
      neighbours: this.neighbours().length,
      unheard: this.mesh.unheard(),
      ...(this.linkProblem !== undefined && { linkProblem: this.linkProblem }),
      readiness: this.mesh.readiness,
      rights: this.mesh.rightsCounters,
      locate: this.mesh.locateCounters,
      clientsKnown: clients.length,
      clientsHere: clients.filter(({ here }) => here).length,
    };
  }

  /** Rights that outrank the policy's; without a role, the policy's own is given with the same authority. In force when it resolves. */
  async setRights(mac: Mac, grant: Partial<Grant>): Promise<void> {
    this.giveRights(mac, grant);
    await this.parts.datapath.sync();
    const kept = this.mesh.granted(mac)?.filters ?? [];
    if (kept.length !== (grant.filters?.length ?? 0)) {
      throw new RoamwallError("ROAMWALL_ERR_FULL", `${mac}: no room for the client, or for its filters`);
    }
  }

  /** As `setRights`, but nobody waits for it. */
  giveRights(mac: Mac, grant: Partial<Grant>): void {
    this.mesh.setRights(mac, this.wholeGrant(mac, grant));
  }

  /** As `setRights`, or the end of all rights: in force where the client is served when it resolves. */
  async order(mac: Mac, change: Partial<Grant> | "revoke"): Promise<Ordered> {
    return this.mesh.order(mac, change === "revoke" ? change : this.wholeGrant(mac, change));
  }

  seek(mac: Mac): Promise<boolean | undefined> {
    return this.mesh.seek(mac);
  }

  granted(mac: Mac): Grant | undefined {
    return this.mesh.granted(mac);
  }

  setKeys(keys: readonly MeshKey[]): void {
    this.mesh.setKeys(keys);
  }

  setMembers(members: readonly Member[]): void {
    this.mesh.setMembers(members);
  }

  switchKey(): void {
    this.mesh.switchKey();
  }

  keys(): KeysStatus {
    const neighbours = this.neighbours().map(({ id, name, keys }) => ({ id, name, keys }));
    return { keys: this.mesh.keys(), neighbours };
  }

  neighbours(): NeighbourStatus[] {
    return this.mesh.neighbours(this.parts.platform.clock.nowMs());
  }

  roamHistory(): RoamLine[] {
    return this.mesh.roamHistory.list();
  }

  get gapsMs(): Histogram {
    return this.mesh.roamHistory.gapsMs;
  }

  /** As last reported: not to be changed. */
  get table(): { readonly geometry: Geometry; readonly cells: Uint32Array } {
    return { geometry: this.geometry, cells: this.mesh.table.cells };
  }

  async tableView(): Promise<TableView> {
    const { denied, usedCells: used } = await this.status();
    const bySlot = new Map(this.mesh.clients().map(({ slot, mac }) => [slot, mac]));
    const held = this.neighbours().filter(({ mirror }) => mirror >= 0);
    return tableView({
      geometry: this.geometry,
      cells: this.mesh.table.cells,
      owners: this.mesh.table.owners,
      ...this.ticks,
      denied,
      used,
      mirrors: held.map(({ mirror, id, name, mirroredCells }) => ({
        mirror,
        ap: `${id} ${name}`.trim(),
        usedCells: mirroredCells,
      })),
      clientOf: (slot) => (slot === CONSTANTS.SLOT_UNKNOWN ? "(unknown)" : bySlot.get(slot)),
    });
  }

  async clients(): Promise<ClientLine[]> {
    const dumps = await this.dumpClients();
    const known = new Map(this.mesh.clients().map((client) => [client.mac, client]));
    const macs = new Set([...known.keys(), ...dumps.keys()]);
    return [...macs].sort().map((mac) => {
      const dump = dumps.get(mac);
      const record = dump?.record;
      const client = known.get(mac);
      return {
        mac,
        slot: client?.slot ?? record?.slot ?? 0,
        role: client?.role ?? specialRole(mac, this.present) ?? null,
        here: client?.here ?? record?.presence === CONSTANTS.PRESENCE_HERE,
        revoked: client?.revoked ?? false,
        monitored: record !== undefined && (record.flags & CONSTANTS.CLIENT_MONITOR) !== 0,
        filters: record?.filter.filter((id) => id !== NO_FILTER) ?? [],
        passed: Number(dump?.passed ?? 0n),
        denied: Number(dump?.denied ?? 0n),
        bytes: Number(dump?.bytes ?? 0n),
        cells: dump?.cells ?? 0,
        holders: client?.holders ?? [],
      };
    });
  }

  /** Who judges packets, in roamwalld's words. */
  get datapathText(): string {
    return this.about;
  }

  portList(): PortStatus[] {
    const nowMs = this.parts.platform.clock.nowMs();
    return [...this.ports.values()].map(({ atMs, ...port }) => {
      return { ...port, unfilteredMs: port.present && !port.attached ? Math.round(nowMs - atMs) : 0 };
    });
  }

  /** hostapd let it in. Whose netdev is no client port is not filtered here. */
  stationCame(mac: Mac, netdev: string): void {
    const port = this.ports.get(netdev);
    if (port && !this.isStarting && !this.isStopped) this.mesh.handlers.arrived(mac, 0, port.zone);
  }

  /** Also when the datapath is gone: then nothing is waited for. */
  async stop(): Promise<void> {
    if (this.isStopped) return;
    this.isStopped = true;
    const { clock } = this.parts.platform;
    const late = new Promise<void>((resolve) => void clock.after(STOP_MS, resolve));
    await Promise.race([this.mesh?.stop().catch(() => {}), late]);
    this.isClosed = true;
    this.cancelWake();
    this.cancelDrop();
    this.cancelUdp();
    this.udp?.close();
    this.parts.datapath.close();
  }

  private makeMesh(): Mesh {
    const { platform, settings, key, identities, datapath } = this.parts;
    const { replication } = settings;
    return this.parts.createMesh({
      id: settings.id,
      name: settings.name,
      datapath,
      geometry: this.geometry,
      seedId: key.seedId,
      log: platform.log,
      crypto: platform.crypto,
      keys: key.keys,
      ...(platform.engine.warmUp && { warmUp: platform.engine.warmUp }),
      ...(identities && { identities }),
      options: {
        flushMs: replication.flushMs,
        holdMs: replication.holdMs,
        bytesPerSecond: replication.bytesPerSecond,
        handoverLifetimeS: replication.handoverS,
        path: replication.path,
        mode: replication.mode,
        resendMs: replication.alarmMs,
        memoryBytes: replication.memoryBytes ?? (platform.memoryBytes ?? Number.POSITIVE_INFINITY) / MEMORY_SHARE,
      },
      nowMs: () => platform.clock.nowMs(),
      random: (bytes) => platform.entropy(bytes),
      link: { group: replication.group !== undefined, peers: replication.peers },
      send: (bytes, to) => this.send(bytes, to),
      resolveRole: (role) => this.resolveRole(role),
      localRole: (mac) => (this.parts.outranked(mac) ? undefined : this.roleOf(mac)),
      exports: (zone) => !this.policy.privateZones.has(zone),
      generation: () => this.generation,
      superseded: (mac, revoked) => this.parts.superseded(mac, revoked),
      letGo: (mac) => this.parts.letGo(mac),
      flagsOf: (mac, role, flags) => this.parts.modes.flagsOf(mac, role, flags),
    });
  }

  private wireHandlers(): void {
    const { datapath, platform } = this.parts;
    const { mesh } = this;
    datapath.handlers = {
      ...mesh.handlers,
      client: (dump) => {
        this.dumped.set(macFromBytes(dump.mac), dump);
        // Later dumps are our own questions: the mesh has its clients.
        if (this.isStarting) mesh.handlers.client(dump);
      },
      denied: (event, frame) => this.parts.denied(event, frame),
      passed: (event) => this.parts.passed(event),
      ticks: (fast, slow) => {
        this.ticks = { fast, slow };
        mesh.handlers.ticks(fast, slow);
      },
      port: (event) => {
        const name = String.fromCharCode(...event.name.slice(0, event.name.indexOf(0)));
        this.ports.set(name, {
          name,
          zone: event.zone,
          attached: event.attached !== 0,
          present: event.ifindex !== 0,
          openMs: event.open_ms,
          atMs: platform.clock.nowMs(),
        });
        this.parts.portsChanged();
      },
      about: (text) => {
        this.about = text;
      },
      refused: (command, text) => platform.log.error(ROOM, "roamwalld refused a command", { command, reason: text }),
      closed: () => {
        if (!this.isStopped) this.parts.lost();
      },
    };
    mesh.onSooner = () => this.arm();
  }

  private loadTables(policy: CompiledPolicy, flag: number, previous?: CompiledPolicy): void {
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

  /** The records that are nobody's own: who is unknown, and what leaves a port to groups. */
  private loadSpecialClients(): void {
    const { roles, group, unknown } = this.present;
    this.loadSpecialClient(UNKNOWN_CLIENT, unknown === undefined ? undefined : roles.get(unknown), unknown ?? NO_ROLE);
    this.loadSpecialClient(GROUP_CLIENT, group, NO_ROLE);
  }

  /** The policy as it counts at this moment. */
  private get present(): CompiledPolicy {
    const fallback = this.parts.fallbackRole();
    const isThere = fallback !== undefined && this.policy.roles.has(fallback);
    return isThere ? { ...this.policy, unknown: fallback } : this.policy;
  }

  private loadSpecialClient(mac: Mac, role: CompiledRole | undefined, name: string): void {
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

  private resolveRole(role: string): RoleGrant | undefined {
    return this.policy.roles.get(role);
  }

  /**
   * Listed clients are known before their first frame. Half of the slots stay for those that come from elsewhere; who is
   * beyond that gets its role when it arrives.
   */
  private grantListed(): void {
    let left = Math.floor(this.parts.datapath.hello.clients_max / 2);
    const known = new Set(this.mesh.clients().map((client) => client.mac));
    for (const [mac, role] of this.policy.clients) {
      if (!this.parts.outranked(mac) && (known.has(mac) || left-- > 0)) this.grant(mac, role);
    }
  }

  private grant(mac: Mac, role: string): void {
    this.mesh.setRights(mac, { role, monitor: this.monitors(mac, role) });
  }

  private monitors(mac: Mac, role: string): boolean {
    return this.policy.monitored.has(mac) || (this.policy.roles.get(role)?.monitor ?? false);
  }

  private wholeGrant(mac: Mac, grant: Partial<Grant>): Grant {
    const role = grant.role ?? this.roleOf(mac) ?? NO_ROLE;
    return { ...grant, role, monitor: this.monitors(mac, role), authority: true };
  }

  /** What the file says of a client, listed or not. */
  private roleOf(mac: Mac): string | undefined {
    return roleOf(policySources(this.present), mac)?.role;
  }

  /** A packet may still be judged by a record of a moment ago. */
  private dropSoon(candidates: ReadonlySet<number>): void {
    const { clock, log } = this.parts.platform;
    this.cancelDrop();
    for (const id of candidates) this.droppable.add(id);
    this.cancelDrop = clock.after(GRACE_MS, () => {
      const ids = new Set(this.droppable);
      this.droppable.clear();
      this.dropFilters(ids).catch((error: Error) =>
        log.debug(ROOM, "old filters stay until the next start", { reason: error.message }),
      );
    });
  }

  /** Drops filters that the policy no longer has and no record names any more. */
  private async dropFilters(candidates: ReadonlySet<number>): Promise<void> {
    const named = filtersOf(await this.dumpClients());
    const wanted = new Set(this.policy.filters.map((filter) => filter.id));
    for (const id of candidates) {
      // A client's own, loaded again by this agent, may be named again at any moment.
      if (!named.has(id) && !wanted.has(id) && !this.mesh.holdsFilter(id)) this.parts.datapath.deleteFilter(id);
    }
  }

  /** One at a time: two questions at once would get one mixed answer. */
  private dumpClients(): Promise<Map<Mac, ClientDump>> {
    const { datapath } = this.parts;
    const dump = this.dumping.then(async () => {
      this.dumped.clear();
      datapath.dumpClients();
      await datapath.sync();
      return new Map(this.dumped);
    });
    this.dumping = dump.catch(() => {});
    return dump;
  }

  /** A mesh link that is not up yet is no reason not to filter: the socket is tried again while the mesh waits. */
  private async openUdp(told = ""): Promise<void> {
    const { platform, settings } = this.parts;
    const { replication } = settings;
    if (!replication.enabled || this.isStopped) return;
    try {
      this.udp = await platform.udp({
        bind: replication.bind,
        port: replication.port,
        ...(replication.group !== undefined && { group: replication.group }),
        ...(replication.iface !== undefined && { iface: replication.iface }),
        onDatagram: (bytes, from, toGroup) => {
          if (!this.isClosed) this.mesh.receive(bytes, from, platform.clock.nowMs(), toGroup ? "group" : "alone");
        },
      });
      this.linkProblem = undefined;
      if (this.isStopped) this.udp.close();
      else if (told !== "") platform.log.info(ROOM, "the replication socket is open");
    } catch (error) {
      const reason = (error as Error).message;
      this.linkProblem = reason;
      if (reason !== told) platform.log.warn(ROOM, "no replication yet, trying again", { reason });
      this.cancelUdp = platform.clock.after(UDP_RETRY_MS, () => void this.openUdp(reason));
    }
  }

  private send(bytes: Uint8Array, to: Endpoint | undefined): void {
    const { udp } = this;
    if (!udp) return;
    if (to) {
      udp.send(bytes, to);
      return;
    }
    const { group, port } = this.parts.settings.replication;
    if (group !== undefined) udp.send(bytes, { address: group, port });
  }

  /** One timer for all that is due in the mesh; only an earlier wish replaces it. */
  private arm(): void {
    const { clock } = this.parts.platform;
    const atMs = this.mesh.nextAtMs();
    if (this.isClosed || this.isStarting || atMs >= this.wakeAtMs) return;
    this.cancelWake();
    this.wakeAtMs = atMs;
    this.cancelWake = clock.after(Math.max(0, atMs - clock.nowMs()), () => {
      this.wakeAtMs = Number.POSITIVE_INFINITY;
      this.mesh.tick(clock.nowMs());
      this.arm();
    });
  }
}

function filtersOf(dumps: ReadonlyMap<Mac, ClientDump>): Set<number> {
  const ids = [...dumps.values()].flatMap((dump) => dump.record.filter);
  return new Set(ids.filter((id) => id !== NO_FILTER));
}

/** That of most: of a change that an agent's end cut short, the fewer records name the other one. */
function generationOf(dumps: ReadonlyMap<Mac, ClientDump>): number {
  const flags = [...dumps.values()].map((dump) => dump.record.flags & CONSTANTS.CLIENT_GENERATION);
  return flags.filter((flag) => flag !== 0).length * 2 > flags.length ? CONSTANTS.CLIENT_GENERATION : 0;
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

function specialRole(mac: Mac, policy: CompiledPolicy): string | undefined {
  if (mac === UNKNOWN_CLIENT) return policy.unknown;
  return mac === GROUP_CLIENT ? "(group)" : undefined;
}
