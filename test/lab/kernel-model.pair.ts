import { compileAutomata } from "../../src/automata/compile.ts";
import { macToBytes, parseMac } from "../../src/base/mac.ts";
import { type Geometry, parseGeometry } from "../../src/bloom/geometry.ts";
import { CONSTANTS } from "../../src/datapath/abi.ts";
import type { Fields, Layout, RecordOf } from "../../src/datapath/layout.ts";
import { MAP_RECORDS, RING_EVENT } from "../../src/datapath/map-records.ts";
import { COMMANDS, EVENTS, LISTS } from "../../src/datapath/stream-records.ts";
import { Sfr } from "../../src/sfr/sfr.ts";
import { SEEDS } from "../support/firewall.ts";
import { MIRRORS } from "./kernel-model.generator.ts";
import type { Step } from "./kernel-model.script.ts";
import type { Result } from "./kernel-runner.ts";
import { bytesOf, COMMAND, type Sink, sendCtl, words } from "./routine-records.ts";

export const SLOTS = 64;
const START_NS = 5_000_000_000;

/** Model and kernel side by side; every change goes to both. */
export class Pair {
  readonly model: Sfr;
  readonly #runner: Sink;
  readonly #geometry: Geometry;
  readonly #ports = new Map<number, { zone: number; tagged: boolean }>();
  readonly #cells: Uint32Array;
  readonly #owners: Uint16Array;
  #nowNs = START_NS;
  #events: string[] = [];

  constructor(runner: Sink, geometry: Geometry) {
    this.#runner = runner;
    this.#geometry = geometry;
    this.model = new Sfr({ geometry, seeds: SEEDS, mirrors: MIRRORS, slots: SLOTS });
    this.#cells = new Uint32Array(geometry.cells);
    this.#owners = new Uint16Array(geometry.cells);
    this.model.nowNs = this.#nowNs;
    this.model.onEvent = (event) => this.#events.push(hexOf(RING_EVENT, event));
    // Lowering is compiled in wherever the cell is wide, also where remainders are far too short for it: both sides lower
    // alike.
    const wide = geometry.timerBits === 6;
    const automata = compileAutomata({
      geometry: parseGeometry(wide ? "4x1024x8/r26" : "4x1024x8/r12", "automata"),
      shorten: wide,
    });
    this.model.loadAutomata(automata);
    runner.send(COMMAND.reset);
    runner.send(COMMANDS.load_automata.number, automata);
    this.#sendCtl();
  }

  judge(step: Step & { kind: "packet" }): Result {
    const { frame } = step;
    const port = this.#ports.get(frame.ifindex);
    this.#events = [];
    const verdict = this.model.judge({
      frame: frame.bytes,
      direction: frame.direction,
      tagged: frame.tagged,
      fromAp: frame.fromAp,
      gso: frame.gso,
      ifindex: frame.ifindex,
      portTagged: port?.tagged ?? false,
      portZone: port?.zone ?? 0,
    });
    const cells = this.#changes().map(([at, cell, owner]) => `${at} ${cell} ${owner}`);
    const dirty = this.model.table.takeDirty().reduce((bits, block) => (bits | (1 << block)) >>> 0, 0);
    const halfOpen = [0, 1].map((side) => this.model.halfOpen.of(verdict.slot, side)).join(" ");
    return { ...verdict, cells: cells.join("\n"), events: this.#events.join("\n"), dirty, halfOpen };
  }

  apply(step: Exclude<Step, { kind: "packet" }>): void {
    const { model } = this;
    switch (step.kind) {
      case "ticks":
        model.table.fast += step.fast;
        model.table.slow += step.slow;
        this.#nowNs += step.ms * 1e6;
        model.nowNs = this.#nowNs;
        this.#sendCtl();
        return;
      case "mirrorTicks":
        model.mirrors[step.mirror]!.fast += step.fast;
        model.mirrors[step.mirror]!.slow += step.slow;
        this.#sendCtl();
        return;
      case "switches":
        model.mode = step.mode;
        model.pickup = step.pickup;
        model.armed = step.armed;
        this.#sendCtl();
        return;
      case "writeThrough":
        model.writeThrough = step.mirrors;
        this.#sendCtl();
        return;
      case "load":
        model.load = step.load;
        model.share = step.share;
        model.used[step.slot] = step.used;
        this.#runner.send(COMMAND.setUsed, words(step.slot, step.used));
        this.#sendCtl();
        return;
      case "copy":
        this.#copyToMirror(step.mirror, step.keep);
        return;
      case "fill":
        this.#fill(step.cells);
        return;
      case "wipe":
        model.table.clear();
        this.#pushTable();
        return;
      case "publish":
        this.#publish();
        return;
      case "sweep":
        model.table.sweep();
        this.#pushTable();
        this.#recount();
        return;
      default:
        this.#setPolicy(step);
    }
  }

  /** What roamwalld does after a sweep. */
  #recount(): void {
    const { halfOpen } = this.model;
    halfOpen.recount();
    this.#runner.send(COMMAND.setHalfOpen, halfOpen.opener.slice(), new Uint8Array(halfOpen.counts.slice().buffer));
  }

  #setPolicy(
    step: Extract<Step, { kind: "client" | "filter" | "zones" | "services" | "port" | "local" | "own" }>,
  ): void {
    const { model } = this;
    const runner = this.#runner;
    switch (step.kind) {
      case "client": {
        const mac = parseMac(step.mac, "script");
        const key = Uint8Array.from([...macToBytes(mac), 0, 0]);
        if (step.record) {
          model.setClient(mac, step.record);
          runner.send(COMMANDS.set_client.number, key, bytesOf(MAP_RECORDS.client, step.record));
        } else {
          model.deleteClient(mac);
          runner.send(COMMANDS.delete_client.number, key);
        }
        return;
      }
      case "filter": {
        const { id, bits, seed, probes, out, in: into, data } = step.filter;
        model.setFilter(step.filter);
        const body = bytesOf(COMMANDS.set_filter.body, { id, bits, seed, probes, out, in: into });
        runner.send(COMMANDS.set_filter.number, body, data);
        return;
      }
      case "zones":
        model.setZones(step.entries, step.generation);
        runner.send(
          COMMANDS.set_zones.number,
          words(step.generation),
          ...step.entries.map(({ address, prefixBits, zone }) =>
            bytesOf(LISTS.zone_entry, { address: [...address], prefix_bits: prefixBits, zone }),
          ),
        );
        return;
      case "services":
        model.setServices(step.entries, step.generation);
        runner.send(
          COMMANDS.set_services.number,
          words(step.generation),
          ...step.entries.map((entry) => bytesOf(LISTS.service_entry, entry)),
        );
        return;
      case "port": {
        this.#ports.set(step.ifindex, step);
        const flags = step.tagged ? CONSTANTS.PORT_TAGGED : 0;
        runner.send(COMMAND.setPort, words(step.ifindex), bytesOf(MAP_RECORDS.port, { zone: step.zone, flags }));
        return;
      }
      case "local":
        model.setLocalAddresses(step.addresses);
        runner.send(COMMAND.localAddresses, Uint8Array.from(step.addresses.flat()));
        return;
      case "own":
        model.setOwnMacs(step.macs.map((mac) => parseMac(mac, "script")));
        runner.send(
          COMMAND.ownMacs,
          Uint8Array.from(step.macs.flatMap((mac) => [...macToBytes(parseMac(mac, "script")), 0, 0])),
        );
    }
  }

  #sendCtl(): void {
    const { model } = this;
    const { modulus } = this.#geometry;
    sendCtl(this.#runner, {
      mode: model.mode,
      fast: model.table.fast % modulus,
      slow: model.table.slow % modulus,
      load: model.load,
      share: model.share,
      pickup: model.pickup,
      armed: model.armed,
      write_through: model.writeThrough,
      test_now: BigInt(this.#nowNs),
      mirror_ticks: model.mirrors.map((mirror) => (mirror.fast % modulus) | ((mirror.slow % modulus) << 8)),
    });
  }

  /** Cells that differ from what was last said; the shadow follows. */
  #changes(): [at: number, cell: number, owner: number][] {
    const { cells, owners } = this.model.table;
    const out: [number, number, number][] = [];
    for (let at = 0; at < cells.length; at++) {
      if (cells[at] === this.#cells[at] && owners[at] === this.#owners[at]) continue;
      this.#cells[at] = cells[at]!;
      this.#owners[at] = owners[at]!;
      out.push([at, cells[at]!, owners[at]!]);
    }
    return out;
  }

  #pushTable(): void {
    const body = this.#changes().map(([coordinate, cell, owner]) =>
      bytesOf(EVENTS.cells.body, { coordinate, cell, owner }),
    );
    if (body.length > 0) this.#runner.send(COMMAND.setCells, Buffer.concat(body));
    this.model.table.takeDirty();
    this.model.table.raised = false;
  }

  /** A neighbour that had the same flows: some of the own cells, at the same coordinates. */
  #copyToMirror(k: number, keepPercent: number): void {
    const { table, mirrors } = this.model;
    const mirror = mirrors[k]!;
    const body: Uint8Array[] = [words(k)];
    for (let at = 0; at < table.cells.length; at++) {
      const cell = (Math.imul(at, 0x9e3779b1) >>> 8) % 100 < keepPercent ? table.cells[at]! : 0;
      mirror.setCell(at, cell);
      body.push(words(at, cell));
    }
    mirror.fast = table.fast;
    mirror.slow = table.slow;
    this.#runner.send(COMMANDS.mirror_cells.number, Buffer.concat(body));
    this.#sendCtl();
  }

  /** Crowds buckets with strangers' cells; x stays unique, as the program keeps it. */
  #fill(list: readonly number[]): void {
    const { table } = this.model;
    const { timerBits, tickBits, remainderBits } = this.#geometry;
    for (let i = 0; i + 2 < list.length; i += 3) {
      const [at, word, owner] = list.slice(i, i + 3) as [number, number, number];
      const remainder = word % 2 ** remainderBits;
      const timer = (word >>> 5) % 2 ** timerBits;
      const x = table.permutations.xOf(at, remainder);
      if (timer % 2 ** tickBits === 0 || table.cells[at] !== 0 || table.findUsed(x.hi, x.lo) >= 0) continue;
      table.setCell(at, ((remainder << timerBits) | timer) >>> 0);
      table.owners[at] = owner;
    }
    this.#pushTable();
  }

  /** What roamwalld does to marks: DIRTY goes out, HELD ages, AGED goes out. */
  #publish(): void {
    const { owners } = this.model.table;
    const { OWNER_MARK_SHIFT, OWNER_SLOT_MASK, MARK_HELD, MARK_AGED } = CONSTANTS;
    for (let at = 0; at < owners.length; at++) {
      const next = owners[at]! >>> OWNER_MARK_SHIFT === MARK_HELD ? MARK_AGED << OWNER_MARK_SHIFT : 0;
      owners[at] = (owners[at]! & OWNER_SLOT_MASK) | next;
    }
    this.#pushTable();
  }
}

function hexOf<F extends Fields>(of: Layout<F>, value: Partial<RecordOf<F>>): string {
  return Buffer.from(bytesOf(of, value)).toString("hex");
}
