/**
 * The framing of roamwalld's stream, both ways: a header before each record, numbers in roamwalld's byte order (its first
 * record tells which), and records that arrive in pieces. What the records say is for `events.ts` and `commands.ts`.
 */
import { RoamwallError } from "../base/errors.ts";
import type { Stream } from "../platform/platform.ts";
import { CONSTANTS } from "./abi.ts";
import { type Fields, type Layout, type RecordOf, readRecord, writeRecord } from "./layout.ts";
import { EVENTS, STREAM_HEADER } from "./stream-records.ts";

/** Where a record's body begins in the bytes that `write` lets fill. */
export const BODY_AT = STREAM_HEADER.bytes;
/** Lists are cut into records of at most this many bytes, so that others get between. */
export const LIST_MAX_BYTES = 1 << 16;
/** No record of roamwalld is larger; a larger one is no roamwalld, and must not fill the memory. */
const RECORD_MAX_BYTES = 1 << 20;
/** What may arrive while nobody listens. */
const PAUSED_MAX_BYTES = 4 << 20;
/** A roamwalld that takes nothing is given up: the next connection starts from a comparison anyway. */
const UNSENT_MAX_BYTES = 64 << 20;
/** Enough to tell byte order and sender: a header, then the magic number (or the start of a refusal). */
const OPENING_BYTES = BODY_AT + 4;

/** A record's body is `bytes` long and begins at `at`. Its bytes are lent: a copy must be made of what is kept. */
export type RecordHandler = (kind: number, view: DataView, at: number, bytes: number) => void;

export class Framing {
  /** roamwalld's byte order: a recording that is played back may come from another machine than this. */
  le = true;
  closed = false;
  /** Records wait: those right behind the greeting must not fall on deaf ears. */
  private paused = false;
  private knowsByteOrder = false;
  private recordHandler: RecordHandler = () => {};
  private endHandler: (error: Error) => void = () => {};

  /** bytes of an unfinished record, or of all that came while paused */
  private held = new Uint8Array(LIST_MAX_BYTES);
  private heldBytes = 0;

  private out = new Uint8Array(LIST_MAX_BYTES);
  private outView = new DataView(this.out.buffer);

  constructor(
    private readonly stream: Stream,
    readonly path: string,
  ) {
    stream.onBytes((bytes) => this.take(bytes));
    stream.onClose(() => this.fail("ROAMWALL_ERR_CONNECT", "closed by roamwalld"));
  }

  onRecord(handler: RecordHandler): void {
    this.recordHandler = handler;
  }

  /** Called once, with the reason, after the last record. */
  onEnd(handler: (error: Error) => void): void {
    this.endHandler = handler;
  }

  fail(code: RoamwallError["code"], what: string): void {
    if (this.closed) return;
    this.closed = true;
    this.heldBytes = 0;
    this.stream.close();
    this.endHandler(new RoamwallError(code, `${this.path}: ${what}`));
  }

  failProtocol(what: string): void {
    this.fail("ROAMWALL_ERR_PROTOCOL", `${what}: not roamwalld's stream`);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    // not from within the caller's assignment
    void Promise.resolve().then(() => {
      if (!this.closed && !this.paused) this.releaseHeld();
    });
  }

  // --- what goes out ---

  /** One buffer for all records: the stream has copied it when its `write` returns. `fill` writes the body, from BODY_AT on. */
  write(kind: number, bodyBytes: number, fill: (view: DataView, out: Uint8Array) => void): void {
    if (this.closed) return;
    const bytes = BODY_AT + bodyBytes;
    if (this.out.length < bytes) {
      this.out = new Uint8Array(bytes);
      this.outView = new DataView(this.out.buffer);
    }
    const { kind: kindAt, bytes: bytesAt } = STREAM_HEADER.offset;
    this.outView.setUint32(0, 0);
    this.outView.setUint16(kindAt!, kind, this.le);
    this.outView.setUint32(bytesAt!, bytes, this.le);
    fill(this.outView, this.out);
    this.stream.write(this.out.subarray(0, bytes));
    if (this.stream.pendingBytes > UNSENT_MAX_BYTES) this.fail("ROAMWALL_ERR_CONNECT", "roamwalld reads nothing");
  }

  /** A record that is all fixed body; a field that is left out is zero. */
  send<F extends Fields>(of: { number: number; body: Layout<F> }, value: Partial<RecordOf<F>>): void {
    this.write(of.number, of.body.bytes, (view) => writeRecord(of.body, view, BODY_AT, value, this.le));
  }

  // --- what comes in ---

  /** A body of that shape alone; any other ends the stream. */
  readBody<F extends Fields>(of: Layout<F>, view: DataView, at: number, bytes: number): RecordOf<F> | undefined {
    if (bytes === of.bytes) return readRecord(of, view, at, this.le);
    this.failProtocol(`a body of ${bytes} bytes where ${of.bytes} belong`);
    return undefined;
  }

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

  /** Returns the bytes of whole records that were read. */
  private readAll(bytes: Uint8Array): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    if (!this.knowsByteOrder && !(bytes.length >= OPENING_BYTES && this.learnByteOrder(view))) return at;
    while (!this.closed && !this.paused && bytes.length - at >= BODY_AT) {
      const length = view.getUint32(at + 4, this.le);
      if (length < BODY_AT || length > RECORD_MAX_BYTES) {
        this.failProtocol(`a record of ${length} bytes`);
        break;
      }
      if (bytes.length - at < length) break;
      this.recordHandler(view.getUint16(at, this.le), view, at + BODY_AT, length - BODY_AT);
      at += length;
    }
    return at;
  }

  private learnByteOrder(view: DataView): boolean {
    const orders = [true, false].filter(
      (le) => view.getUint32(BODY_AT, le) === CONSTANTS.MAGIC || view.getUint16(0, le) === EVENTS.refused.number,
    );
    if (orders.length === 0) this.failProtocol("no greeting of roamwalld");
    else this.le = orders[0]!;
    this.knowsByteOrder = orders.length > 0;
    return this.knowsByteOrder;
  }
}
