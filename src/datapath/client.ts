import { badInput, RoamwallError } from "../base/errors.ts";
import { type Mac, macFromBytes, macToBytes } from "../base/mac.ts";
import type { Platform, Stream } from "../platform/platform.ts";
import {
  ABI_VERSION,
  AUTOMATA,
  type ClientRecord,
  COMMANDS,
  CONSTANTS,
  EVENTS,
  LISTS,
  MAP_RECORDS,
  RING,
  STREAM_HEADER,
} from "./abi.ts";
import type {
  Counters,
  Datapath,
  DatapathHandlers,
  DatapathOptions,
  FilterBits,
  Hello,
  ServiceEntry,
  ZoneEntry,
} from "./datapath.ts";
import { type Fields, type Layout, type RecordOf, readRecord, writeRecord } from "./layout.ts";

const HEADER = STREAM_HEADER.bytes;
/** No record of roamwalld is larger; a larger one is no roamwalld, and must not fill the memory. */
const RECORD_MAX_BYTES = 1 << 20;
/** What may arrive before the agent has set its handlers. */
const PAUSED_MAX_BYTES = 4 << 20;
/** A roamwalld that takes nothing is given up: the next connection starts from a comparison anyway. */
const UNSENT_MAX_BYTES = 64 << 20;
/** Lists are cut into records of at most this many bytes, so that others get between. */
const LIST_MAX_BYTES = 1 << 16;
const HELLO_TIMEOUT_MS = 5_000;
/** Enough to tell byte order and sender: a header, then the magic number (or the start of a refusal). */
const OPENING_BYTES = HEADER + 4;

/** A recording that is played back may come from another machine than this. */
const HOST_LE = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

const nothing = () => {};
const DEAF: DatapathHandlers = {
  cells: nothing,
  arrived: nothing,
  denied: nothing,
  overflow: nothing,
  ticks: nothing,
  client: nothing,
  port: nothing,
  refused: nothing,
  closed: nothing,
};

/**
 * Connects to roamwalld. Rejects with ROAMWALL_ERR_CONNECT (nobody there, another agent is connected), ROAMWALL_ERR_ABI
 * (another version) or ROAMWALL_ERR_PROTOCOL (something else answers).
 */
export async function connectDatapath(platform: Platform, path: string): Promise<Datapath> {
  const stream = await platform.connect(path);
  return new Promise((resolve, reject) => {
    const client = new Client(stream, path, (error) => {
      cancel();
      if (error) reject(error);
      else resolve(client);
    });
    const cancel = platform.clock.after(HELLO_TIMEOUT_MS, () =>
      client.fail(new RoamwallError("ROAMWALL_ERR_CONNECT", `${path}: no greeting within ${HELLO_TIMEOUT_MS} ms`)),
    );
  });
}

interface Waiting<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

class Client implements Datapath {
  hello!: Hello;

  private wired: DatapathHandlers = DEAF;
  /** Events wait until somebody listens or asks: those right behind the greeting must not fall on deaf ears. */
  private paused = false;
  private greeted = false;
  private closed = false;
  private le = true;

  /** bytes of an unfinished record, or of all that came while paused */
  private held = new Uint8Array(LIST_MAX_BYTES);
  private heldBytes = 0;

  private out = new Uint8Array(LIST_MAX_BYTES);
  private outView = new DataView(this.out.buffer);

  private coordinates = new Uint32Array(512);
  private cells = new Uint32Array(512);
  private owners = new Uint16Array(512);
  private dumped = new Uint16Array(512);

  private nextToken = 1;
  private readonly syncs = new Map<number, Waiting<void>>();
  private readonly questions: Waiting<Counters>[] = [];

  constructor(
    private readonly stream: Stream,
    private readonly path: string,
    private readonly opened: (error?: Error) => void,
  ) {
    stream.onBytes((bytes) => this.take(bytes));
    stream.onClose(() => this.fail(new RoamwallError("ROAMWALL_ERR_CONNECT", `${path}: closed by roamwalld`)));
  }

  get handlers(): DatapathHandlers {
    return this.wired;
  }
  set handlers(handlers: DatapathHandlers) {
    this.wired = handlers;
    if (this.closed) void Promise.resolve().then(() => handlers.closed());
    this.resume();
  }

  // --- commands ---

  loadAutomata(blob: Uint8Array): void {
    if (blob.length !== AUTOMATA.BYTES) {
      throw badInput("automata", `${blob.length} bytes`, `${AUTOMATA.BYTES} bytes`);
    }
    this.send(COMMANDS.load_automata.number, blob.length, () => this.out.set(blob, HEADER));
  }

  setClient(mac: Mac, record: ClientRecord): void {
    const { number, body } = COMMANDS.set_client;
    this.send(number, body.bytes, (view) => {
      writeRecord(body, view, HEADER, { mac: macToBytes(mac) }, this.le);
      writeRecord(MAP_RECORDS.client, view, HEADER + body.offset["record"]!, record, this.le);
    });
  }

  deleteClient(mac: Mac): void {
    this.sendRecord(COMMANDS.delete_client, { mac: macToBytes(mac) });
  }

  setFilter(filter: FilterBits): void {
    const { number, body } = COMMANDS.set_filter;
    this.send(number, body.bytes + filter.data.length, (view) => {
      writeRecord(body, view, HEADER, filter, this.le);
      this.out.set(filter.data, HEADER + body.bytes);
    });
  }

  changeFilter({ id, out, in: into }: Pick<FilterBits, "id" | "out" | "in">, from: number, changes: Uint32Array): void {
    const { number, body } = COMMANDS.change_filter;
    this.send(number, body.bytes + 4 * changes.length, (view) => {
      writeRecord(body, view, HEADER, { id, from, out, in: into }, this.le);
      this.putWords(changes, HEADER + body.bytes);
    });
  }

  deleteFilter(id: number): void {
    this.sendRecord(COMMANDS.delete_filter, { id });
  }

  setZones(generation: number, entries: readonly ZoneEntry[]): void {
    const values = entries.map(({ address, prefixBits, zone }) => ({
      address: [...address],
      prefix_bits: prefixBits,
      zone,
    }));
    this.sendTable(COMMANDS.set_zones, generation, LISTS.zone_entry, values);
  }

  setServices(generation: number, entries: readonly ServiceEntry[]): void {
    this.sendTable(COMMANDS.set_services, generation, LISTS.service_entry, entries);
  }

  setOptions(options: DatapathOptions): void {
    this.sendRecord(COMMANDS.set_options, {
      mode: options.mode,
      hold_ms: options.holdMs,
      pickup_s: options.pickupS,
      flush_ms: options.flushMs,
      write_through: options.writeThrough ? 1 : 0,
    });
  }

  mirrorCells(mirror: number, pairs: Uint32Array, count: number): void {
    const { number, body } = COMMANDS.mirror_cells;
    const item = LISTS.mirror_cell.bytes;
    const most = Math.floor(LIST_MAX_BYTES / item);
    for (let from = 0; from < count; from += most) {
      const n = Math.min(most, count - from);
      this.send(number, body.bytes + n * item, (view) => {
        view.setUint32(HEADER, mirror, this.le);
        this.putWords(pairs.subarray(2 * from, 2 * (from + n)), HEADER + body.bytes);
      });
    }
  }

  clearMirror(mirror: number): void {
    this.sendRecord(COMMANDS.clear_mirror, { mirror });
  }

  mirrorTicks(mirror: number, fast: number, slow: number): void {
    this.sendRecord(COMMANDS.mirror_ticks, { mirror, fast, slow });
  }

  adopt(slot: number, mark: number, xHi: ArrayLike<number>, xLo: ArrayLike<number>, codes: ArrayLike<number>): void {
    const { number, body } = COMMANDS.adopt;
    this.sendExpectations(number, body.bytes, xHi, xLo, codes, (view) =>
      writeRecord(body, view, HEADER, { slot, mark }, this.le),
    );
  }

  lower(xHi: ArrayLike<number>, xLo: ArrayLike<number>, codes: ArrayLike<number>): void {
    this.sendExpectations(COMMANDS.lower.number, 0, xHi, xLo, codes);
  }

  shortenClient(slot: number, code: number): void {
    this.sendRecord(COMMANDS.shorten_client, { slot, code });
  }

  flushHeld(slot: number): void {
    this.sendRecord(COMMANDS.flush_held, { slot });
  }

  dump(from: number, count: number): void {
    this.sendRecord(COMMANDS.dump, { from, count });
  }

  dumpClients(): void {
    this.sendRecord(COMMANDS.dump_clients, {});
  }

  counters(): Promise<Counters> {
    return this.ask((waiting) => {
      this.questions.push(waiting);
      this.sendRecord(COMMANDS.counters, {});
    });
  }

  sync(): Promise<void> {
    return this.ask((waiting) => {
      const token = this.nextToken++ >>> 0;
      this.syncs.set(token, waiting);
      this.sendRecord(COMMANDS.sync, { token });
    });
  }

  ready(): void {
    this.sendRecord(COMMANDS.ready, {});
  }

  close(): void {
    this.fail(new RoamwallError("ROAMWALL_ERR_CLOSED", `${this.path}: closed`));
  }

  private ask<T>(put: (waiting: Waiting<T>) => void): Promise<T> {
    if (this.closed) return Promise.reject(new RoamwallError("ROAMWALL_ERR_CLOSED", `${this.path}: closed`));
    return new Promise((resolve, reject) => {
      put({ resolve, reject });
      this.resume();
    });
  }

  private sendRecord<F extends Fields>(of: { number: number; body: Layout<F> }, value: Partial<RecordOf<F>>): void {
    this.send(of.number, of.body.bytes, (view) => writeRecord(of.body, view, HEADER, value, this.le));
  }

  private sendTable<F extends Fields>(
    of: { readonly number: number; readonly body: Layout<Fields> },
    generation: number,
    item: Layout<F>,
    values: readonly Partial<RecordOf<F>>[],
  ): void {
    const head = of.body.bytes;
    this.send(of.number, head + values.length * item.bytes, (view) => {
      view.setUint32(HEADER, generation, this.le);
      values.forEach((value, i) => {
        writeRecord(item, view, HEADER + head + i * item.bytes, value, this.le);
      });
    });
  }

  /** A list of {x, code}, cut into records of at most LIST_MAX_BYTES; `fill` writes the body before it. */
  private sendExpectations(
    kind: number,
    bodyBytes: number,
    xHi: ArrayLike<number>,
    xLo: ArrayLike<number>,
    codes: ArrayLike<number>,
    fill: (view: DataView) => void = () => {},
  ): void {
    const item = LISTS.adopted.bytes;
    const most = Math.floor(LIST_MAX_BYTES / item);
    for (let from = 0; from < codes.length; from += most) {
      const n = Math.min(most, codes.length - from);
      this.send(kind, bodyBytes + n * item, (view) => {
        fill(view);
        for (let i = 0, at = HEADER + bodyBytes; i < n; i++, at += item) {
          view.setUint32(at + (this.le ? 4 : 0), xHi[from + i]!, this.le);
          view.setUint32(at + (this.le ? 0 : 4), xLo[from + i]!, this.le);
          view.setUint32(at + 8, codes[from + i]!, this.le);
          view.setUint32(at + 12, 0, this.le);
        }
      });
    }
  }

  private putWords(words: Uint32Array, at: number): void {
    if (this.le === HOST_LE) this.out.set(new Uint8Array(words.buffer, words.byteOffset, words.byteLength), at);
    else for (const [i, word] of words.entries()) this.outView.setUint32(at + 4 * i, word, this.le);
  }

  /** One buffer for all commands: the stream has copied it when `write` returns. */
  private send(kind: number, bodyBytes: number, fill: (view: DataView) => void): void {
    if (this.closed) return;
    const bytes = HEADER + bodyBytes;
    if (this.out.length < bytes) {
      this.out = new Uint8Array(bytes);
      this.outView = new DataView(this.out.buffer);
    }
    const { kind: kindAt, bytes: bytesAt } = STREAM_HEADER.offset;
    this.outView.setUint32(0, 0);
    this.outView.setUint16(kindAt!, kind, this.le);
    this.outView.setUint32(bytesAt!, bytes, this.le);
    fill(this.outView);
    this.stream.write(this.out.subarray(0, bytes));
    if (this.stream.pendingBytes > UNSENT_MAX_BYTES) {
      this.fail(new RoamwallError("ROAMWALL_ERR_CONNECT", `${this.path}: roamwalld reads nothing`));
    }
  }

  // --- records from roamwalld ---

  private take(bytes: Uint8Array): void {
    if (this.closed) return;
    if (this.paused || this.heldBytes > 0) {
      this.hold(bytes);
      if (this.paused && this.heldBytes < PAUSED_MAX_BYTES) return;
      this.paused = false;
      this.releaseHeld();
      return;
    }
    const used = this.readAll(bytes);
    if (!this.closed && used < bytes.length) this.hold(bytes.subarray(used));
  }

  private hold(bytes: Uint8Array): void {
    const need = this.heldBytes + bytes.length;
    if (need > this.held.length) {
      const larger = new Uint8Array(Math.max(need, this.held.length * 2));
      larger.set(this.held.subarray(0, this.heldBytes));
      this.held = larger;
    }
    this.held.set(bytes, this.heldBytes);
    this.heldBytes = need;
  }

  private releaseHeld(): void {
    const used = this.readAll(this.held.subarray(0, this.heldBytes));
    if (this.closed) return;
    this.held.copyWithin(0, used, this.heldBytes);
    this.heldBytes -= used;
    if (this.heldBytes === 0 && this.held.length > LIST_MAX_BYTES) this.held = new Uint8Array(LIST_MAX_BYTES);
  }

  private resume(): void {
    if (!this.paused) return;
    this.paused = false;
    // not from within the caller's assignment
    void Promise.resolve().then(() => {
      if (!this.closed && !this.paused) this.releaseHeld();
    });
  }

  /** Returns the bytes of whole records that were read. */
  private readAll(bytes: Uint8Array): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    if (!this.greeted && bytes.length >= OPENING_BYTES && !this.learnByteOrder(view)) return at;
    while (!this.closed && !this.paused && bytes.length - at >= (this.greeted ? HEADER : OPENING_BYTES)) {
      const length = view.getUint32(at + 4, this.le);
      if (length < HEADER || length > RECORD_MAX_BYTES) {
        this.failProtocol(`a record of ${length} bytes`);
        break;
      }
      if (bytes.length - at < length) break;
      this.read(view.getUint16(at, this.le), view, at + HEADER, length - HEADER);
      at += length;
    }
    return at;
  }

  private learnByteOrder(view: DataView): boolean {
    const orders = [true, false].filter(
      (le) => view.getUint32(HEADER, le) === CONSTANTS.MAGIC || view.getUint16(0, le) === EVENTS.refused.number,
    );
    if (orders.length === 0) this.failProtocol("no greeting of roamwalld");
    else this.le = orders[0]!;
    return orders.length > 0;
  }

  private read(kind: number, view: DataView, at: number, bytes: number): void {
    if (!this.greeted) {
      this.readOpening(kind, view, at, bytes);
      return;
    }
    switch (kind) {
      case EVENTS.cells.number:
        this.readCells(view, at, bytes);
        return;
      case EVENTS.arrived.number: {
        const event = this.record(EVENTS.arrived.body, view, at, bytes);
        if (event) this.wired.arrived(macFromBytes(event.mac), event.slot, event.zone);
        return;
      }
      case EVENTS.sample.number:
        this.readSample(view, at, bytes);
        return;
      case EVENTS.overflow.number:
        this.wired.overflow();
        return;
      case EVENTS.ticks.number: {
        const event = this.record(EVENTS.ticks.body, view, at, bytes);
        if (event) this.wired.ticks(event.fast, event.slow);
        return;
      }
      case EVENTS.port.number: {
        const event = this.record(EVENTS.port.body, view, at, bytes);
        if (event) this.wired.port(event);
        return;
      }
      default:
        this.readAnswer(kind, view, at, bytes);
    }
  }

  private readSample(view: DataView, at: number, bytes: number): void {
    const { body } = EVENTS.sample;
    const event = this.record(body, view, at, Math.min(bytes, body.bytes));
    if (!event) return;
    if (event.kind !== RING.denied) this.wired.passed?.(event);
    // A copy: the bytes belong to the stream.
    else
      this.wired.denied(
        event,
        new Uint8Array(view.buffer, view.byteOffset + at + body.bytes, bytes - body.bytes).slice(),
      );
  }

  /** A kind that we do not know is a newer roamwalld's, and may be left out: the abi version says when it may not. */
  private readAnswer(kind: number, view: DataView, at: number, bytes: number): void {
    switch (kind) {
      case EVENTS.counters.number: {
        const event = this.record(EVENTS.counters.body, view, at, bytes);
        if (event) this.questions.shift()?.resolve(event);
        return;
      }
      case EVENTS.client.number: {
        const event = this.record(EVENTS.client.body, view, at, bytes);
        const record = at + EVENTS.client.body.offset["record"]!;
        if (event) this.wired.client({ ...event, record: readRecord(MAP_RECORDS.client, view, record, this.le) });
        return;
      }
      case EVENTS.synced.number: {
        const event = this.record(EVENTS.synced.body, view, at, bytes);
        if (!event) return;
        this.syncs.get(event.token)?.resolve();
        this.syncs.delete(event.token);
        return;
      }
      case EVENTS.refused.number:
        if (bytes < EVENTS.refused.body.bytes) this.failProtocol(`a refusal of ${bytes} bytes`);
        else this.readRefused(view, at, bytes);
        return;
      case EVENTS.about.number:
        this.wired.about?.(textOf(view, at + EVENTS.about.body.bytes, at + bytes));
        return;
    }
  }

  private readRefused(view: DataView, at: number, bytes: number): void {
    const command = view.getUint32(at, this.le);
    // its question will not be answered
    if (command === COMMANDS.counters.number) {
      this.questions.shift()?.reject(new RoamwallError("ROAMWALL_ERR_REFUSED", refusalText(view, at, bytes)));
    }
    this.wired.refused(command, refusalText(view, at, bytes));
  }

  private readOpening(kind: number, view: DataView, at: number, bytes: number): void {
    if (kind === EVENTS.refused.number) {
      this.fail(new RoamwallError("ROAMWALL_ERR_CONNECT", `${this.path}: ${refusalText(view, at, bytes)}`));
      return;
    }
    const abi = bytes >= 8 ? view.getUint32(at + EVENTS.hello.body.offset["abi"]!, this.le) : 0;
    if (kind !== EVENTS.hello.number || bytes < 8) {
      this.failProtocol(`a first record of kind ${kind}`);
    } else if (abi !== ABI_VERSION) {
      const text = `${this.path}: roamwalld speaks abi version ${abi}, this agent ${ABI_VERSION}`;
      this.fail(new RoamwallError("ROAMWALL_ERR_ABI", `${text}; install both from one release`));
    } else {
      const hello = this.record(EVENTS.hello.body, view, at, bytes);
      if (!hello) return;
      this.hello = hello;
      this.greeted = true;
      this.paused = true;
      this.opened();
    }
  }

  /** The busiest record: numbers go into arrays that are used again and again. */
  private readCells(view: DataView, at: number, bytes: number): void {
    const item = EVENTS.cells.body.bytes;
    const count = bytes / item;
    if (!Number.isInteger(count)) {
      this.failProtocol(`${bytes} bytes of cells`);
      return;
    }
    if (count > this.cells.length) {
      this.coordinates = new Uint32Array(count);
      this.cells = new Uint32Array(count);
      this.owners = new Uint16Array(count);
      this.dumped = new Uint16Array(count);
    }
    for (let i = 0; i < count; i++, at += item) {
      this.coordinates[i] = view.getUint32(at, this.le);
      this.cells[i] = view.getUint32(at + 4, this.le);
      this.owners[i] = view.getUint16(at + 8, this.le);
      this.dumped[i] = view.getUint16(at + 10, this.le);
    }
    this.wired.cells(this.coordinates, this.cells, this.owners, count, this.dumped);
  }

  private record<F extends Fields>(of: Layout<F>, view: DataView, at: number, bytes: number): RecordOf<F> | undefined {
    if (bytes === of.bytes) return readRecord(of, view, at, this.le);
    this.failProtocol(`a body of ${bytes} bytes where ${of.bytes} belong`);
    return undefined;
  }

  private failProtocol(what: string): void {
    this.fail(new RoamwallError("ROAMWALL_ERR_PROTOCOL", `${this.path}: ${what}: not roamwalld's stream`));
  }

  fail(error: Error): void {
    if (this.closed) return;
    this.closed = true;
    this.heldBytes = 0;
    this.stream.close();
    for (const waiting of [...this.syncs.values(), ...this.questions]) waiting.reject(error);
    this.syncs.clear();
    this.questions.length = 0;
    if (this.greeted) this.wired.closed();
    else this.opened(error);
  }
}

function refusalText(view: DataView, at: number, bytes: number): string {
  return textOf(view, at + EVENTS.refused.body.bytes, at + bytes);
}

function textOf(view: DataView, from: number, end: number): string {
  let text = "";
  for (let at = from; at < end; at++) text += String.fromCharCode(view.getUint8(at) & 0x7f);
  return text;
}
