/** One connection to roamwalld: what is loaded into the datapath, the mesh over it, and the socket of the mesh. */
import { RoamwallError } from "../base/errors.ts";
import type { Mac } from "../base/mac.ts";
import { type Geometry, parseGeometry } from "../bloom/geometry.ts";
import { CONSTANTS, REASONS } from "../datapath/abi.ts";
import type { Datapath } from "../datapath/datapath.ts";
import type { RingEvent } from "../datapath/map-records.ts";
import type { Platform } from "../platform/platform.ts";
import type { CompiledPolicy } from "../policy/policy.ts";
import type { Grant } from "../proxy/rights.ts";
import type { Histogram, RoamLine } from "../proxy/roam-history.ts";
import type { MeshKey } from "../replication/keyring.ts";
import type { Identities, Member } from "../replication/members.ts";
import type { createMesh } from "../replication/mesh.ts";
import type { Mesh } from "../replication/mesh-api.ts";
import type { Ordered } from "../replication/orders.ts";
import type { Station } from "../replication/records/order.ts";
import type { NeighbourStatus } from "../replication/status.ts";
import { ClientDumps, filtersOf } from "./client-dumps.ts";
import { ClientPorts } from "./client-ports.ts";
import type { KeyFile } from "./key.ts";
import { MeshSocket } from "./mesh-socket.ts";
import type { Modes } from "./modes.ts";
import { PolicyTables } from "./policy-tables.ts";
import { NO_FILTER } from "./role-record.ts";
import type { Settings } from "./settings.ts";
import type { ClientLine, DatapathStatus, KeysStatus, PortStatus } from "./status.ts";
import { type TableView, tableView } from "./table-view.ts";

const ROOM = "agent";
/** A name that no policy gives to a role. Not a revocation: its tombstone would outrank the file for ever. */
const NO_ROLE = "";
/** Of the RAM, for mirrors. */
const MEMORY_SHARE = 16;
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
  nobodyKnows(mac: Mac): void;
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
  private readonly tables: PolicyTables;
  private readonly dumps: ClientDumps;
  private readonly ports = new ClientPorts();
  private readonly socket: MeshSocket;
  private mesh!: Mesh;
  private isStarting = true;
  private isStopped = false;
  /** After the goodbye: nothing more is sent or heard. */
  private isClosed = false;
  private wakeAtMs = Number.POSITIVE_INFINITY;
  private cancelWake = () => {};
  private isWoken = false;
  private ticks: { readonly fast: number; readonly slow: number };
  private about = "";

  private constructor(private readonly parts: SessionParts) {
    const { datapath, platform, settings, modes } = parts;
    const { hello } = datapath;
    this.geometry = parseGeometry(`4x${2 ** hello.bucket_bits}x8/r${hello.remainder_bits}`, "roamwalld's table");
    this.ticks = { fast: hello.fast, slow: hello.slow };
    this.dumps = new ClientDumps(datapath);
    this.socket = new MeshSocket(platform, settings.replication, (bytes, from, path) => {
      this.mesh.receive(bytes, from, platform.clock.nowMs(), path);
    });
    const fromElsewhere = {
      fallbackRole: () => parts.fallbackRole(),
      records: () => this.dumps.ask(),
      holdsFilter: (id: number) => this.mesh.holdsFilter(id),
    };
    this.tables = new PolicyTables({ platform, datapath, modes, ...fromElsewhere }, parts.policy);
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
    const before = await this.dumps.ask();
    this.tables.begin(before);
    this.loadOptions();
    await this.socket.open();
    await this.mesh.start();
    this.isStarting = false;
    this.grantListed();
    datapath.ready();
    this.tables.dropSoon(filtersOf(before));
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
    this.tables.loadSpecialClients();
    this.mesh.refreshRoles();
  }

  /**
   * Tables of the new policy beside the old ones; then each client's record changes from all of the old to all of the new at
   * once, its own filters (`regrant`) included. What the old ones meant goes when nobody reads it. All of it within one turn,
   * so that nothing else writes a record meanwhile.
   */
  async changePolicy(next: CompiledPolicy, previous: CompiledPolicy, regrant: () => void): Promise<void> {
    this.tables.change(next, previous);
    regrant();
    this.rolesChanged();
    this.tables.dropSoon(new Set(previous.filters.map((filter) => filter.id)));
    await this.parts.datapath.sync();
  }

  /** What the policy, or the role in its place, says of clients: writes every record anew. */
  rolesChanged(): void {
    this.tables.loadSpecialClients();
    for (const { mac } of this.mesh.clients()) this.grant(mac, this.tables.roleOf(mac) ?? NO_ROLE);
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
      ...(this.socket.problem !== undefined && { linkProblem: this.socket.problem }),
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
    const dumps = await this.dumps.ask();
    const known = new Map(this.mesh.clients().map((client) => [client.mac, client]));
    const macs = new Set([...known.keys(), ...dumps.keys()]);
    return [...macs].sort().map((mac) => {
      const dump = dumps.get(mac);
      const record = dump?.record;
      const client = known.get(mac);
      return {
        mac,
        slot: client?.slot ?? record?.slot ?? 0,
        role: client?.role ?? this.tables.specialRole(mac) ?? null,
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
    return this.ports.list(this.parts.platform.clock.nowMs());
  }

  /** hostapd let it in. Whose netdev is no client port is not filtered here. */
  stationCame(mac: Mac, netdev: string): void {
    const zone = this.ports.zoneOf(netdev);
    if (zone !== undefined && !this.isStarting && !this.isStopped) this.mesh.handlers.arrived(mac, 0, zone);
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
    this.tables.stop();
    this.socket.close();
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
      send: (bytes, to) => this.socket.send(bytes, to),
      resolveRole: (role) => this.tables.policy.roles.get(role),
      localRole: (mac) => (this.parts.outranked(mac) ? undefined : this.tables.roleOf(mac)),
      exports: (zone) => !this.tables.policy.privateZones.has(zone),
      generation: () => this.tables.generation,
      superseded: (mac, revoked) => this.parts.superseded(mac, revoked),
      letGo: (mac) => this.parts.letGo(mac),
      nobodyKnows: (mac) => this.parts.nobodyKnows(mac),
      flagsOf: (mac, role, flags) => this.parts.modes.flagsOf(mac, role, flags),
    });
  }

  private wireHandlers(): void {
    const { datapath, platform } = this.parts;
    const { mesh } = this;
    datapath.handlers = {
      ...mesh.handlers,
      client: (dump) => {
        this.dumps.heard(dump);
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
        this.ports.heard(event, platform.clock.nowMs());
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
    mesh.onSooner = (atMs) => this.arm(atMs);
  }

  /**
   * Listed clients are known before their first frame. Half of the slots stay for those that come from elsewhere; who is
   * beyond that gets its role when it arrives.
   */
  private grantListed(): void {
    let left = Math.floor(this.parts.datapath.hello.clients_max / 2);
    const known = new Set(this.mesh.clients().map((client) => client.mac));
    for (const [mac, role] of this.tables.policy.clients) {
      if (!this.parts.outranked(mac) && (known.has(mac) || left-- > 0)) this.grant(mac, role);
    }
  }

  private grant(mac: Mac, role: string): void {
    this.mesh.setRights(mac, { role, monitor: this.tables.monitors(mac, role) });
  }

  private wholeGrant(mac: Mac, grant: Partial<Grant>): Grant {
    const role = grant.role ?? this.tables.roleOf(mac) ?? NO_ROLE;
    return { ...grant, role, monitor: this.tables.monitors(mac, role), authority: true };
  }

  /**
   * What is due in the mesh is done at the end of this turn, with all that comes in it; for the rest there is one timer,
   * which only an earlier wish replaces: what is wanted later than it finds out when it runs.
   */
  private arm(atMs = this.isWoken ? 0 : this.mesh.nextAtMs()): void {
    if (this.isClosed || this.isStarting || this.isWoken) return;
    const { clock } = this.parts.platform;
    const inMs = atMs - clock.nowMs();
    if (inMs <= 0) {
      this.isWoken = true;
      clock.after(0, () => this.wake());
    } else if (atMs < this.wakeAtMs) {
      this.cancelWake();
      this.wakeAtMs = atMs;
      this.cancelWake = clock.after(inMs, () => {
        this.wakeAtMs = Number.POSITIVE_INFINITY;
        this.arm();
      });
    }
  }

  private wake(): void {
    if (this.isClosed) return;
    this.mesh.tick(this.parts.platform.clock.nowMs());
    this.isWoken = false;
    this.arm();
  }
}
