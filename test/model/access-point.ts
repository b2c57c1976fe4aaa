import { compileAutomata, mayShorten } from "../../src/automata/compile.ts";
import type { Mac } from "../../src/base/mac.ts";
import { INSERTED } from "../../src/bloom/dlcbf.ts";
import type { Geometry } from "../../src/bloom/geometry.ts";
import { CONSTANTS } from "../../src/datapath/abi.ts";
import { FakeDatapath } from "../../src/datapath/fake.ts";
import { portableCrypto } from "../../src/platform/portable-crypto.ts";
import type { Mirror } from "../../src/proxy/mirror.ts";
import type { RoleGrant } from "../../src/proxy/rights.ts";
import { MESH_DEFAULTS } from "../../src/replication/mesh.ts";
import type { Path } from "../../src/replication/paths.ts";
import { Replicator } from "../../src/replication/replicator.ts";
import type { FrameInput, Verdict } from "../../src/sfr/sfr.ts";
import type { Prng } from "../conformance/prng.ts";
import type { World } from "../conformance/world.ts";
import { filterOf, SEEDS } from "../support/firewall.ts";
import { markedSeal } from "./marked-seal.ts";
import { TickClock } from "./tick-clock.ts";

const FLUSH_MS = 4;
const HAIR_MS = 1e-3;
/** Ports of clients at which strangers may open. */
export const OPEN_PORTS = [22, 5000];
export const ROLE = "open";
const FILTER = filterOf(0, [
  { direction: "out", proto: 6 },
  { direction: "out", proto: 17 },
  ...OPEN_PORTS.flatMap((port) => [
    { direction: "in" as const, proto: 6, port },
    { direction: "in" as const, proto: 17, port },
  ]),
]);
const ROLE_GRANT: RoleGrant = { filters: [0], limits: { openOut: 0, openIn: 0, halfOpen: 0 } };

/** What the checks want to be told of, the moment that it happens. */
export interface Observer {
  /** A packet's lookup in the own table. */
  looked(fingerprint: number): void;
  /** A packet (or nobody: `isPacket` false) inserted or refreshed; `code` as asked, `before` the rank of a live cell. */
  inserted(ap: AccessPoint, fingerprint: number, code: number, before: number | undefined): void;
  mirrored(ap: AccessPoint, mirror: number, coordinate: number, cell: number): void;
  agentEnds(ap: AccessPoint): void;
  /** roamwalld was dead for so long, and timers with it. */
  stood(ms: number): void;
  warned(ap: AccessPoint, text: string): void;
}

export interface ApParts {
  readonly world: World;
  readonly random: Prng;
  readonly geometry: Geometry;
  readonly holdMs: number;
  readonly aps: number;
  readonly observer: Observer;
  /** Clients that stand in the file which every AP holds. */
  readonly fileClients: ReadonlySet<Mac>;
  send(from: AccessPoint, bytes: Uint8Array, to: number | undefined): void;
  /** Naive variants patch what has just been made. */
  patchTable(ap: AccessPoint): void;
  patchAgent(ap: AccessPoint): void;
}

/** An access point: a model of the kernel, of roamwalld's clock and flushes, and a real agent. Each may die apart. */
export class AccessPoint {
  datapath!: FakeDatapath;
  clock!: TickClock;
  replicator!: Replicator;
  isPowered = false;
  isAgentUp = false;
  isDaemonUp = false;
  agentSinceMs = Number.POSITIVE_INFINITY;
  /** Content of changed cells that nobody need hear of: marked neither by the last change. */
  readonly unmarked = new Set<number>();
  tableId = 0n;
  /** The clock of the table that a mirror was filled from. */
  readonly sourceClocks = new WeakMap<Mirror, TickClock>();
  private generation = 0;
  private agentAtMs = Number.POSITIVE_INFINITY;
  private ticksAtMs = Number.POSITIVE_INFINITY;
  private flushAtMs = Number.POSITIVE_INFINITY;
  private agedMs = 0;
  private isJudging = false;
  private isLeaving = false;
  /** Something was marked since the last flush. */
  private isRaised = false;
  /** The datapath owes an answer. */
  private isAsked = false;

  constructor(
    readonly id: number,
    private readonly parts: ApParts,
  ) {}

  get name(): string {
    return `ap${this.id}`;
  }

  /** Power comes (back): an empty table with a clock of its own. */
  async powerOn(): Promise<void> {
    const { geometry, random, world, aps, holdMs } = this.parts;
    this.tableId = (BigInt(random.u32()) << 32n) | BigInt(random.u32());
    this.clock = new TickClock(geometry, world.nowMs - random.between(0, 3e7), world.nowMs);
    const mirrors = Math.min(CONSTANTS.MIRRORS_MAX, aps + 1);
    this.datapath = new FakeDatapath({ geometry, seeds: SEEDS, tableId: this.tableId, slots: 32, mirrors });
    this.datapath.loadAutomata(automataOf(geometry));
    this.datapath.setOptions({ mode: CONSTANTS.MODE_ENFORCE, holdMs, pickupS: 0, flushMs: FLUSH_MS });
    this.datapath.setFilter(FILTER);
    this.datapath.setTicks(this.clock.fast, this.clock.slow);
    this.unmarked.clear();
    this.isRaised = false;
    this.observe();
    this.parts.patchTable(this);
    this.isPowered = true;
    this.isDaemonUp = true;
    this.ticksAtMs = Number.POSITIVE_INFINITY;
    this.flushAtMs = Number.POSITIVE_INFINITY;
    await this.startAgent();
  }

  powerOff(): void {
    this.stopAgent();
    this.isPowered = false;
    this.isDaemonUp = false;
    this.clock.stop(this.parts.world.nowMs);
  }

  async startAgent(): Promise<void> {
    const { world, fileClients } = this.parts;
    if (!this.isPowered || !this.isDaemonUp || this.isAgentUp) return;
    const generation = ++this.generation;
    this.replicator = this.agent(generation);
    this.parts.patchAgent(this);
    const { replicator } = this;
    this.datapath.handlers = { ...this.datapath.handlers, ...replicator.proxy.handlers };
    await replicator.proxy.start();
    if (generation !== this.generation) return;
    replicator.start(world.nowMs);
    for (const mac of fileClients) replicator.proxy.rights.give(mac, { role: ROLE });
    this.isAgentUp = true;
    this.agentSinceMs = world.nowMs;
    this.agentAtMs = Number.POSITIVE_INFINITY;
    this.touched();
  }

  /** Without a word. */
  stopAgent(): void {
    if (this.isAgentUp) this.parts.observer.agentEnds(this);
    this.generation++;
    this.isLeaving = false;
    this.isAgentUp = false;
    this.agentSinceMs = Number.POSITIVE_INFINITY;
    if (this.datapath) this.datapath.handlers = NOBODY;
  }

  /** Publishes what is held, says goodbye. */
  async sayGoodbye(): Promise<void> {
    const { replicator, generation } = this;
    this.datapath.flushHeld(CONSTANTS.SLOT_SHARED);
    await this.datapath.sync();
    if (generation !== this.generation) return;
    this.isLeaving = true;
    await replicator.stop(this.parts.world.nowMs);
    if (generation === this.generation) this.stopAgent();
  }

  /** roamwalld dies, and the agent's stream with it; the kernel goes on. */
  stopDaemon(): void {
    this.stopAgent();
    this.isDaemonUp = false;
    this.clock.stop(this.parts.world.nowMs);
  }

  async startDaemon(): Promise<void> {
    if (!this.isPowered || this.isDaemonUp) return;
    this.isDaemonUp = true;
    this.parts.observer.stood(this.clock.go(this.parts.world.nowMs));
    this.ticksAtMs = Number.POSITIVE_INFINITY;
    this.flushAtMs = Number.POSITIVE_INFINITY;
    await this.startAgent();
  }

  judge(input: FrameInput): Verdict {
    this.datapath.sfr.nowNs = this.parts.world.nowMs * 1e6;
    this.isJudging = true;
    const verdict = this.datapath.judge(input);
    this.isJudging = false;
    this.touched();
    return verdict;
  }

  receive(bytes: Uint8Array, from: number, path: Path): void {
    if (!this.isAgentUp) return;
    this.replicator.receive(bytes, { address: addressOf(from), port: 4755 }, this.parts.world.nowMs, path);
    this.touched();
  }

  /** Something may have moved a timer closer. */
  touched(): void {
    const { world } = this.parts;
    if (this.isDaemonUp) {
      if (this.isRaised) this.scheduleFlush(FLUSH_MS - (world.nowMs % FLUSH_MS));
      this.scheduleTicks();
    }
    if (this.isAgentUp) this.scheduleAgent();
  }

  /** Whether somebody waits for an answer of the datapath; forgets it. */
  takeAsked(): boolean {
    const { isAsked, isLeaving } = this;
    this.isAsked = false;
    return isAsked || isLeaving;
  }

  private scheduleAgent(): void {
    const { world } = this.parts;
    const next = this.replicator.nextAtMs();
    if (Number.isNaN(next)) throw new Error(`${this.name} does not know when it is to be driven`);
    if (next === Number.POSITIVE_INFINITY) return;
    // Timers of a real agent are whole milliseconds, and none is shorter than one.
    const atMs = world.nowMs + Math.max(1, Math.ceil(next - world.nowMs));
    if (atMs >= this.agentAtMs) return;
    this.agentAtMs = atMs;
    const [{ generation }, mine] = [this, this.agentAtMs];
    world.after(this.agentAtMs - world.nowMs, () => {
      if (generation !== this.generation || mine !== this.agentAtMs || !this.isAgentUp) return;
      this.agentAtMs = Number.POSITIVE_INFINITY;
      if (this.replicator.nextAtMs() <= world.nowMs) this.replicator.tick(world.nowMs);
      this.touched();
    });
  }

  private scheduleTicks(): void {
    const { world } = this.parts;
    const next = this.clock.nextAtMs();
    if (next >= this.ticksAtMs || next === Number.POSITIVE_INFINITY) return;
    this.ticksAtMs = next;
    const { clock } = this;
    // Sums of fractions may fall short of a boundary by a hair.
    world.after(next - world.nowMs + HAIR_MS, () => {
      if (clock !== this.clock || next !== this.ticksAtMs || !this.isDaemonUp) return;
      this.ticksAtMs = Number.POSITIVE_INFINITY;
      clock.advance(world.nowMs);
      this.datapath.setTicks(clock.fast, clock.slow);
      this.touched();
    });
  }

  private scheduleFlush(inMs: number): void {
    const { world } = this.parts;
    const atMs = world.nowMs + inMs;
    if (atMs >= this.flushAtMs) return;
    this.flushAtMs = atMs;
    const { datapath } = this;
    world.after(inMs, () => {
      if (atMs !== this.flushAtMs || datapath !== this.datapath || !this.isDaemonUp) return;
      this.flushAtMs = Number.POSITIVE_INFINITY;
      this.flush();
    });
  }

  private flush(): void {
    const { world, holdMs } = this.parts;
    const { table } = this.datapath.sfr;
    this.isRaised = false;
    const ages = world.nowMs - this.agedMs >= holdMs / 2;
    if (ages) this.agedMs = world.nowMs;
    this.datapath.flush(world.nowMs);
    // What is left is held back: it is looked at again when it can have aged.
    const waits = table.dirty.some((byte) => byte !== 0);
    if (waits) this.scheduleFlush(Math.max(FLUSH_MS, this.agedMs + Math.ceil(holdMs / 2) - world.nowMs));
    this.touched();
  }

  private agent(generation: number): Replicator {
    const { world, random, geometry, observer, fileClients, send } = this.parts;
    const log = {
      debug() {},
      info() {},
      warn: (_room: string, text: string) => observer.warned(this, text),
      error: (_room: string, text: string) => observer.warned(this, text),
    };
    return new Replicator(
      {
        id: this.id,
        name: this.name,
        datapath: this.datapath,
        geometry,
        seedId: 7,
        log,
        crypto: portableCrypto,
        keys: [{ slot: 0, secret: new Uint8Array(32) }],
        nowMs: () => world.nowMs,
        random: (bytes) => Uint8Array.from({ length: bytes }, () => random.below(256)),
        send: (bytes, to) => {
          if (generation === this.generation)
            send(this, bytes, to === undefined ? undefined : Number(to.address.split(".")[3]));
        },
        resolveRole: (role) => (role === ROLE ? ROLE_GRANT : undefined),
        localRole: (mac) => (fileClients.has(mac) ? ROLE : undefined),
      },
      MESH_DEFAULTS,
      () => markedSeal,
    );
  }

  /** A cell is about to be, or was, changed by a step that marks it so. */
  private marked(at: number, mark: number): void {
    const before = this.datapath.sfr.table.owners[at]! >>> CONSTANTS.OWNER_MARK_SHIFT;
    if (mark !== CONSTANTS.MARK_CLEAN) {
      this.unmarked.delete(at);
      this.isRaised = true;
    } else if (before === CONSTANTS.MARK_CLEAN) {
      this.unmarked.add(at);
    }
  }

  private observe(): void {
    const { observer } = this.parts;
    const { datapath } = this;
    const { table } = datapath.sfr;
    const find = table.find.bind(table);
    table.find = (xHi, xLo) => {
      if (this.isJudging) observer.looked(xHi * 2 ** 32 + xLo);
      return find(xHi, xLo);
    };
    const insert = table.insert.bind(table);
    table.insert = (xHi, xLo, code, op, slot, mark) => {
      const at = table.findUsed(xHi, xLo);
      const isLive = at >= 0 && table.isLive(table.cells[at]!);
      const before = isLive ? table.rank(table.cells[at]!) : undefined;
      const result = insert(xHi, xLo, code, op, slot, mark);
      const now = at >= 0 ? at : table.findUsed(xHi, xLo);
      if (result === INSERTED.changed) this.marked(now, mark);
      observer.inserted(this, xHi * 2 ** 32 + xLo, this.isJudging ? code : -1, before);
      return result;
    };
    const drop = table.drop.bind(table);
    table.drop = (xHi, xLo, mark) => {
      const at = find(xHi, xLo);
      if (at >= 0) this.marked(at, mark);
      return drop(xHi, xLo, mark);
    };
    const min = table.min.bind(table);
    table.min = (xHi, xLo, code, mark) => {
      const at = find(xHi, xLo);
      const result = min(xHi, xLo, code, mark);
      if (result === INSERTED.changed) this.marked(at, mark);
      return result;
    };
    const withhold = table.withholdHeld.bind(table);
    table.withholdHeld = (at) => {
      this.unmarked.add(at);
      withhold(at);
    };
    const mirrorCells = datapath.mirrorCells.bind(datapath);
    datapath.mirrorCells = (mirror, pairs, count) => {
      mirrorCells(mirror, pairs, count);
      for (let i = 0; i < 2 * count; i += 2)
        if (pairs[i + 1] !== 0) observer.mirrored(this, mirror, pairs[i]!, pairs[i + 1]!);
    };
    const { shortenClient, flushHeld } = datapath;
    datapath.shortenClient = (slot, code) => {
      shortenClient.call(datapath, slot, code);
      this.isRaised = true;
    };
    datapath.flushHeld = (slot) => {
      flushHeld.call(datapath, slot);
      this.isRaised = true;
    };
    const sync = datapath.sync.bind(datapath);
    datapath.sync = () => {
      this.isAsked = true;
      return sync();
    };
  }
}

const NOBODY = {
  cells() {},
  arrived() {},
  denied() {},
  overflow() {},
  ticks() {},
  client() {},
  port() {},
  refused() {},
  closed() {},
};

const automata = new Map<string, Uint8Array>();

/** Proven once a process: the tables do not change. */
function automataOf(geometry: Geometry): Uint8Array {
  const known = automata.get(geometry.text);
  if (known) return known;
  const blob = compileAutomata({ geometry, shorten: mayShorten(geometry) });
  automata.set(geometry.text, blob);
  return blob;
}

function addressOf(id: number): string {
  return `10.0.254.${id}`;
}
