/** roamwalld's records after its greeting: what is in each, and who is told. */
import { macFromBytes } from "../base/mac.ts";
import { type DatapathHandlers, DEAF } from "./datapath.ts";
import type { Framing } from "./framing.ts";
import { type Fields, type Layout, type RecordOf, readRecord } from "./layout.ts";
import { MAP_RECORDS, RING } from "./map-records.ts";
import type { Questions } from "./questions.ts";
import { EVENTS } from "./stream-records.ts";

type BodyReader = (view: DataView, at: number, bytes: number) => void;

export class EventReader {
  handlers: DatapathHandlers = DEAF;
  /** By kind. One that we do not know is a newer roamwalld's, and may be left out: the abi version says when it may not. */
  private readonly readers: BodyReader[] = [];

  private coordinates = new Uint32Array(512);
  private cells = new Uint32Array(512);
  private owners = new Uint16Array(512);
  private dumped = new Uint16Array(512);

  constructor(
    private readonly framing: Framing,
    private readonly questions: Questions,
  ) {
    this.raw(EVENTS.cells, (view, at, bytes) => this.readCells(view, at, bytes));
    this.fixed(EVENTS.arrived, ({ mac, slot, zone }) => this.handlers.arrived(macFromBytes(mac), slot, zone));
    this.raw(EVENTS.sample, (view, at, bytes) => this.readSample(view, at, bytes));
    this.raw(EVENTS.overflow, () => this.handlers.overflow());
    this.fixed(EVENTS.ticks, ({ fast, slow }) => this.handlers.ticks(fast, slow));
    this.fixed(EVENTS.port, (port) => this.handlers.port(port));
    this.fixed(EVENTS.counters, (counters) => questions.counted(counters));
    this.fixed(EVENTS.synced, ({ token }) => questions.synced(token));
    this.raw(EVENTS.client, (view, at, bytes) => this.readClient(view, at, bytes));
    this.raw(EVENTS.refused, (view, at, bytes) => this.readRefused(view, at, bytes));
    this.raw(EVENTS.about, (view, at, bytes) =>
      this.handlers.about?.(textOf(view, at + EVENTS.about.body.bytes, at + bytes)),
    );
  }

  read(kind: number, view: DataView, at: number, bytes: number): void {
    this.readers[kind]?.(view, at, bytes);
  }

  private raw(of: { readonly number: number }, read: BodyReader): void {
    this.readers[of.number] = read;
  }

  private fixed<F extends Fields>(
    { number, body }: { readonly number: number; readonly body: Layout<F> },
    tell: (event: RecordOf<F>) => void,
  ): void {
    this.readers[number] = (view, at, bytes) => {
      const event = this.framing.readBody(body, view, at, bytes);
      if (event) tell(event);
    };
  }

  /** The busiest record: numbers go into arrays that are used again and again. */
  private readCells(view: DataView, at: number, bytes: number): void {
    const item = EVENTS.cells.body.bytes;
    const count = bytes / item;
    if (!Number.isInteger(count)) {
      this.framing.failProtocol(`${bytes} bytes of cells`);
      return;
    }
    if (count > this.cells.length) {
      this.coordinates = new Uint32Array(count);
      this.cells = new Uint32Array(count);
      this.owners = new Uint16Array(count);
      this.dumped = new Uint16Array(count);
    }
    const { le } = this.framing;
    for (let i = 0; i < count; i++, at += item) {
      this.coordinates[i] = view.getUint32(at, le);
      this.cells[i] = view.getUint32(at + 4, le);
      this.owners[i] = view.getUint16(at + 8, le);
      this.dumped[i] = view.getUint16(at + 10, le);
    }
    this.handlers.cells(this.coordinates, this.cells, this.owners, count, this.dumped);
  }

  private readSample(view: DataView, at: number, bytes: number): void {
    const { body } = EVENTS.sample;
    const event = this.framing.readBody(body, view, at, Math.min(bytes, body.bytes));
    if (!event) return;
    if (event.kind !== RING.denied) this.handlers.passed?.(event);
    // A copy: the bytes belong to the stream.
    else
      this.handlers.denied(
        event,
        new Uint8Array(view.buffer, view.byteOffset + at + body.bytes, bytes - body.bytes).slice(),
      );
  }

  private readClient(view: DataView, at: number, bytes: number): void {
    const { body } = EVENTS.client;
    const event = this.framing.readBody(body, view, at, bytes);
    if (!event) return;
    const record = readRecord(MAP_RECORDS.client, view, at + body.offset["record"]!, this.framing.le);
    this.handlers.client({ ...event, record });
  }

  private readRefused(view: DataView, at: number, bytes: number): void {
    if (bytes < EVENTS.refused.body.bytes) {
      this.framing.failProtocol(`a refusal of ${bytes} bytes`);
      return;
    }
    const command = view.getUint32(at, this.framing.le);
    const text = refusalText(view, at, bytes);
    this.questions.refused(command, text);
    this.handlers.refused(command, text);
  }
}

export function refusalText(view: DataView, at: number, bytes: number): string {
  return textOf(view, at + EVENTS.refused.body.bytes, at + bytes);
}

function textOf(view: DataView, from: number, end: number): string {
  let text = "";
  for (let at = from; at < end; at++) text += String.fromCharCode(view.getUint8(at) & 0x7f);
  return text;
}
