import { BitWriter } from "../../base/bits.ts";
import { parseGeometry } from "../../bloom/geometry.ts";
import type { Crypto } from "../../platform/platform.ts";
import { Ticks } from "../../proxy/ticks.ts";
import { fingerprintOf, Keyring } from "../keyring.ts";
import { TO_ALL } from "../outbox.ts";
import { CellBlock, type CellOrder, type CellSource } from "../records/cell-block.ts";
import { CELLS_KIND } from "../records/cells.ts";
import { edge } from "../records/edge.ts";
import { hello } from "../records/hello.ts";
import { KIND } from "../records/kinds.ts";
import { emitRepairHead, REPAIR_KIND } from "../records/repair.ts";
import { emitSnapHead, SNAP_KIND } from "../records/snap.ts";
import type { Greeting, Header } from "../seal.ts";
import { Sealed } from "../sealed.ts";
import { identityVectors, type Primitives } from "./identity-vectors.ts";
import { SAMPLES } from "./samples.ts";

/** What docs/wire-vectors.md shows: written by the codecs, read again by a test. */

const GEOMETRY = parseGeometry("4x1024x8/r26", "vectors");
const FAST = 1_000;
const SLOW = 77;
const KEY = Uint8Array.from({ length: 32 }, (_, i) => i);
const SENDER = 7;
const GREETING: Greeting = {
  identity: 0x1122334455667788n,
  epoch: Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i),
};

/** Cells at 5 (owner 3), 700 (owner 4, ver 502) and 30,000 (free), as three kinds of record carry them. */
function cellSource(): { source: CellSource; items: Uint32Array; ticks: Ticks } {
  const ticks = new Ticks(GEOMETRY);
  ticks.set(FAST, SLOW);
  const cells = new Uint32Array(GEOMETRY.cells);
  const owners = new Uint16Array(GEOMETRY.cells);
  const vers = new Uint32Array(GEOMETRY.cells);
  cells[5] = (0x2345678 << GEOMETRY.timerBits) | ticks.timer(0, 24);
  cells[700] = (0x1fedcba << GEOMETRY.timerBits) | ticks.timer(1, 3);
  owners[5] = 3;
  owners[700] = 4;
  vers[5] = 500;
  vers[700] = 502;
  vers[30_000] = 501;
  return { source: { cells, owners, vers }, items: Uint32Array.of(5, 700, 30_000), ticks };
}

/** By name: kind and body of a record. */
export function recordVectors(): readonly (readonly [name: string, kind: number, body: Uint8Array])[] {
  const { source, items, ticks } = cellSource();
  const cells = (writer: BitWriter, ver: number, bits: number, order: CellOrder = "place") => {
    const block = new CellBlock(GEOMETRY, order);
    block.emit(writer, source, ticks, block.sort(items.slice()), 0, items.length, ver, bits);
  };
  const snap = { asOf: 502, slots: false, toCome: 0, round: 9, from: 0, to: 32_768 };
  return [
    ...SAMPLES.map(([name, codec, value]) => {
      return [name, codec.kind, written((writer) => codec.emit(writer, value as never))] as const;
    }),
    [
      "CELLS",
      CELLS_KIND,
      written((writer) => {
        writer.write(502, 32);
        cells(writer, 502, 0);
      }),
    ],
    [
      "REPAIR",
      REPAIR_KIND,
      written((writer) => {
        emitRepairHead(writer, { from: 500, to: 502 });
        cells(writer, 500, 2);
      }),
    ],
    [
      "SNAP",
      SNAP_KIND,
      written((writer) => {
        emitSnapHead(writer, snap);
        cells(writer, 0, 0, "coordinate");
      }),
    ],
  ];
}

/** A datagram, and what stands in it. */
export interface DatagramVector {
  readonly name: string;
  readonly header: Header;
  readonly body: Uint8Array;
  readonly bytes: Uint8Array;
}

export function datagramVectors(crypto: Crypto): {
  readonly keys: Record<string, string>;
  readonly datagrams: DatagramVector[];
} {
  const ring = new Keyring(crypto, [{ slot: 0, secret: KEY }]);
  const [key] = ring.keys;
  const seal = new Sealed(ring);
  const channel = seal.channel(0, SENDER, GREETING)!;
  const epochTag = seal.epochTag(GREETING.epoch);
  const of = Uint8Array.of(0, SENDER, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88);
  const none = new Uint8Array(0);
  const helloValue = SAMPLES.find(([name]) => name === "HELLO")![2];
  const make = (name: string, header: Header, body: Uint8Array): DatagramVector => {
    return { name, header, body, bytes: channel.seal(header, body, TO_ALL)! };
  };
  const plain = { keySlot: 0, sender: SENDER, epochTag };
  return {
    keys: {
      "mesh key": hex(KEY),
      sender: String(SENDER),
      identity: GREETING.identity.toString(16),
      epoch: hex(GREETING.epoch),
      epochTag: epochTag.toString(16).padStart(8, "0"),
      "data key": hex(ring.derive(key!, "data", GREETING.epoch, of, 32)),
      "filter key": hex(ring.derive(key!, "filter", GREETING.epoch, of, 16)),
      "hello's filter key": hex(ring.derive(key!, "hello", none, none, 16)),
      fingerprint: fingerprintOf(crypto, KEY).toString(16).padStart(8, "0"),
    },
    datagrams: [
      make(
        "EDGE to all, pn 5",
        { ...plain, pn: 5 },
        bodyOf(0, KIND.edge, (writer) => edge.emit(writer, { ver: 502 })),
      ),
      make(
        "HELLO to AP 2 alone, pn 2^32 + 6",
        { ...plain, pn: 2 ** 32 + 6, hello: GREETING },
        bodyOf(2, KIND.hello, (writer) => hello.emit(writer, helloValue as never)),
      ),
    ],
  };
}

/** docs/wire-vectors.md */
export function vectorsText(primitives: Primitives): string {
  const { keys, datagrams } = datagramVectors(primitives.crypto);
  const rows = recordVectors().map(([name, kind, body]) => `| ${name} | ${kind} | \`${hex(body)}\` |`);
  const identities = identityVectors(primitives, KEY, GREETING, datagrams[0]!.body);
  return `# Test vectors of the wire

Written by \`node scripts/ts.mjs scripts/gen-vectors.ts\` from the codecs; a test reads them back. What the fields are is in [wire.md](wire.md).
All bytes in hex.

## Keys

| | |
|---|---|
${rowsOf(keys)}

## Datagrams

Sealed under these keys. Body: \`dst\`, ticks ${FAST & 255} and ${SLOW}, one record.

| | body | datagram |
|---|---|---|
${datagrams.map(({ name, body, bytes }) => `| ${name} | \`${hex(body)}\` | \`${hex(bytes)}\` |`).join("\n")}

## Identities

The same mesh key, identity and epoch; each AP has a secret of its own, and AP 7 believes AP 2.

| | |
|---|---|
${rowsOf(identities.keys)}

| | body | datagram |
|---|---|---|
${identities.datagrams.map(({ name, body, bytes }) => `| ${name} | \`${hex(body)}\` | \`${hex(bytes)}\` |`).join("\n")}

## Records

Bodies, without \`kind:4 len:12\`, and from kind 16 on without the byte that names it. Cells are those of a table of ${GEOMETRY.text} at ticks ${FAST} and ${SLOW}: 5 (remainder 2345678, owner 3, 24 fast ticks left, ver 500), 700
(remainder 1fedcba, owner 4, 3 slow ticks left, ver 502), 30000 (free, ver 501); in SNAP the range is the whole table as of 502. HANDOVER is for 36 bits of x.

| | kind | body |
|---|---|---|
${rows.join("\n")}
`;
}

function bodyOf(dst: number, kind: number, emit: (writer: BitWriter) => void): Uint8Array {
  const record = written(emit);
  return Uint8Array.of(0, dst, FAST & 255, SLOW, (kind << 4) | (record.length >> 8), record.length & 255, ...record);
}

function written(emit: (writer: BitWriter) => void): Uint8Array {
  const writer = new BitWriter(new Uint8Array(2_000));
  emit(writer);
  return writer.bytes.slice(0, writer.finish());
}

function rowsOf(keys: Record<string, string>): string {
  const rows = Object.entries(keys).map(([name, value]) => `| ${name} | \`${value}\` |`);
  return rows.join("\n");
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
