/** What the agent tells roamwalld to do, as records of the stream; what it asks is in `questions.ts`. */
import { badInput } from "../base/errors.ts";
import { type Mac, macToBytes } from "../base/mac.ts";
import type { DatapathOptions, FilterBits, ServiceEntry, ZoneEntry } from "./datapath.ts";
import { BODY_AT, type Framing, LIST_MAX_BYTES } from "./framing.ts";
import { type Fields, type Layout, type RecordOf, writeRecord } from "./layout.ts";
import { AUTOMATA, type ClientRecord, MAP_RECORDS } from "./map-records.ts";
import { COMMANDS, LISTS } from "./stream-records.ts";

const HOST_LE = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** The commands of `Datapath` that have no answer. */
export class CommandWriter {
  constructor(protected readonly framing: Framing) {}

  loadAutomata(blob: Uint8Array): void {
    if (blob.length !== AUTOMATA.BYTES) {
      throw badInput("automata", `${blob.length} bytes`, `${AUTOMATA.BYTES} bytes`);
    }
    this.framing.write(COMMANDS.load_automata.number, blob.length, (_view, out) => out.set(blob, BODY_AT));
  }

  setClient(mac: Mac, record: ClientRecord): void {
    const { number, body } = COMMANDS.set_client;
    this.framing.write(number, body.bytes, (view) => {
      writeRecord(body, view, BODY_AT, { mac: macToBytes(mac) }, this.framing.le);
      writeRecord(MAP_RECORDS.client, view, BODY_AT + body.offset["record"]!, record, this.framing.le);
    });
  }

  deleteClient(mac: Mac): void {
    this.send(COMMANDS.delete_client, { mac: macToBytes(mac) });
  }

  setFilter(filter: FilterBits): void {
    const { number, body } = COMMANDS.set_filter;
    this.framing.write(number, body.bytes + filter.data.length, (view, out) => {
      writeRecord(body, view, BODY_AT, filter, this.framing.le);
      out.set(filter.data, BODY_AT + body.bytes);
    });
  }

  changeFilter({ id, out, in: into }: Pick<FilterBits, "id" | "out" | "in">, from: number, changes: Uint32Array): void {
    const { number, body } = COMMANDS.change_filter;
    this.framing.write(number, body.bytes + 4 * changes.length, (view, bytes) => {
      writeRecord(body, view, BODY_AT, { id, from, out, in: into }, this.framing.le);
      this.putWords(view, bytes, changes, BODY_AT + body.bytes);
    });
  }

  deleteFilter(id: number): void {
    this.send(COMMANDS.delete_filter, { id });
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
    this.send(COMMANDS.set_options, {
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
      this.framing.write(number, body.bytes + n * item, (view, out) => {
        view.setUint32(BODY_AT, mirror, this.framing.le);
        this.putWords(view, out, pairs.subarray(2 * from, 2 * (from + n)), BODY_AT + body.bytes);
      });
    }
  }

  clearMirror(mirror: number): void {
    this.send(COMMANDS.clear_mirror, { mirror });
  }

  mirrorTicks(mirror: number, fast: number, slow: number): void {
    this.send(COMMANDS.mirror_ticks, { mirror, fast, slow });
  }

  adopt(slot: number, mark: number, xHi: ArrayLike<number>, xLo: ArrayLike<number>, codes: ArrayLike<number>): void {
    const { number, body } = COMMANDS.adopt;
    this.sendExpectations(number, body.bytes, xHi, xLo, codes, (view) =>
      writeRecord(body, view, BODY_AT, { slot, mark }, this.framing.le),
    );
  }

  lower(xHi: ArrayLike<number>, xLo: ArrayLike<number>, codes: ArrayLike<number>): void {
    this.sendExpectations(COMMANDS.lower.number, 0, xHi, xLo, codes);
  }

  shortenClient(slot: number, code: number): void {
    this.send(COMMANDS.shorten_client, { slot, code });
  }

  flushHeld(slot: number): void {
    this.send(COMMANDS.flush_held, { slot });
  }

  dump(from: number, count: number): void {
    this.send(COMMANDS.dump, { from, count });
  }

  dumpClients(): void {
    this.send(COMMANDS.dump_clients, {});
  }

  ready(): void {
    this.send(COMMANDS.ready, {});
  }

  private send<F extends Fields>(of: { number: number; body: Layout<F> }, value: Partial<RecordOf<F>>): void {
    this.framing.send(of, value);
  }

  private sendTable<F extends Fields>(
    of: { readonly number: number; readonly body: Layout<Fields> },
    generation: number,
    item: Layout<F>,
    values: readonly Partial<RecordOf<F>>[],
  ): void {
    const head = of.body.bytes;
    const { le } = this.framing;
    this.framing.write(of.number, head + values.length * item.bytes, (view) => {
      view.setUint32(BODY_AT, generation, le);
      values.forEach((value, i) => {
        writeRecord(item, view, BODY_AT + head + i * item.bytes, value, le);
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
    const { le } = this.framing;
    const item = LISTS.adopted.bytes;
    const most = Math.floor(LIST_MAX_BYTES / item);
    for (let from = 0; from < codes.length; from += most) {
      const n = Math.min(most, codes.length - from);
      this.framing.write(kind, bodyBytes + n * item, (view) => {
        fill(view);
        for (let i = 0, at = BODY_AT + bodyBytes; i < n; i++, at += item) {
          view.setUint32(at + (le ? 4 : 0), xHi[from + i]!, le);
          view.setUint32(at + (le ? 0 : 4), xLo[from + i]!, le);
          view.setUint32(at + 8, codes[from + i]!, le);
          view.setUint32(at + 12, 0, le);
        }
      });
    }
  }

  private putWords(view: DataView, out: Uint8Array, words: Uint32Array, at: number): void {
    const { le } = this.framing;
    if (le === HOST_LE) out.set(new Uint8Array(words.buffer, words.byteOffset, words.byteLength), at);
    else for (const [i, word] of words.entries()) view.setUint32(at + 4 * i, word, le);
  }
}
