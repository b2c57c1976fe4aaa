/** `firmware/test/records.h` from here: what tests say to the routine, in the kernel (`kernel-runner.ts`) or on any CPU (`test/cpus`). */
import { type Fields, type Layout, layout, type RecordOf, writeRecord } from "../../src/datapath/layout.ts";
import { MAP_RECORDS } from "../../src/datapath/map-records.ts";
import { STREAM_HEADER } from "../../src/datapath/stream-records.ts";

export const COMMAND = {
  run: 100,
  setCtl: 101,
  setPort: 102,
  ownMacs: 103,
  localAddresses: 104,
  setUsed: 105,
  setCells: 106,
  readCounters: 107,
  bench: 108,
  reset: 109,
  setHalfOpen: 110,
  shape: 200,
  check: 201,
} as const;

/** `struct run`, before a frame. */
const RUN = layout([
  ["direction", "u8"],
  ["tagged", "u8"],
  ["from_ap", "u8"],
  ["gso", "u8"],
  ["vary", "u8"],
  ["pad", "u8", 3],
  ["ifindex", "u32"],
  ["repeat", "u32"],
]);

export interface Frame {
  readonly bytes: Uint8Array;
  readonly direction: 0 | 1;
  readonly tagged: boolean;
  readonly fromAp: boolean;
  readonly gso: boolean;
  readonly ifindex: number;
}

/** What takes the commands by which a script changes things. */
export interface Sink {
  send(kind: number, ...parts: readonly Uint8Array[]): void;
}

/** A record as it goes out: its header, and its parts. */
export function framed(kind: number, parts: readonly Uint8Array[]): Uint8Array[] {
  const bytes = parts.reduce((sum, part) => sum + part.length, STREAM_HEADER.bytes);
  return [bytesOf(STREAM_HEADER, { kind, bytes }), ...parts];
}

/** `vary`: each repetition is another flow, which only the vectors' program can do. */
export function runOf(frame: Frame, { repeat = 1, vary = false } = {}): Uint8Array {
  return bytesOf(RUN, {
    direction: frame.direction,
    tagged: Number(frame.tagged),
    from_ap: Number(frame.fromAp),
    gso: Number(frame.gso),
    vary: Number(vary),
    ifindex: frame.ifindex,
    repeat,
  });
}

export function sendCtl(to: Sink, ctl: Partial<RecordOf<typeof MAP_RECORDS.ctl.fields>>): void {
  to.send(COMMAND.setCtl, bytesOf(MAP_RECORDS.ctl, ctl));
}

/** Little endian, as all that tests write. */
export function bytesOf<F extends Fields>(of: Layout<F>, value: Partial<RecordOf<F>>): Uint8Array {
  const bytes = new Uint8Array(of.bytes);
  writeRecord(of, new DataView(bytes.buffer), 0, value, true);
  return bytes;
}

export function words(...values: readonly number[]): Uint8Array {
  const out = new Uint8Array(values.length * 4);
  for (const [i, value] of values.entries()) new DataView(out.buffer).setUint32(i * 4, value, true);
  return out;
}
