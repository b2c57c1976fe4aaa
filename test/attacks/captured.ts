import { BitWriter } from "../../src/base/bits.ts";
import { CellBlock } from "../../src/replication/records/cell-block.ts";
import { CELLS_KIND } from "../../src/replication/records/cells.ts";
import type { Codec } from "../../src/replication/records/kinds.ts";
import { type Channel, type Header, parseHeader } from "../../src/replication/seal.ts";
import type { Lab } from "../../src/replication/testing/lab.ts";

/** An access point that was taken off its pole: all that it knows, in the hands of somebody who speaks as another. */

export const CAPTURED = 3;
export const VICTIM = 2;
/** In whose name. */
export const SPOKEN_FOR = 1;
const PROOF_ENTRY_BYTES = 10;
const AHEAD = 10;

export type Records = (writer: (kind: number, emit: (writer: BitWriter) => void) => void) => void;

/** Each way to say these records to the victim as AP 1 that the captured AP's keys leave open. */
export function forgeries(lab: Lab, heard: readonly Uint8Array[], dst: number, records: Records): Uint8Array[] {
  const { epochTag, channel } = neighbour(lab, CAPTURED, SPOKEN_FOR);
  const { window } = neighbour(lab, VICTIM, SPOKEN_FOR);
  const body = bodyOf(lab, dst, records);
  const ours = (lab.ap(CAPTURED).replicator as unknown as { outbox: { channel: Channel } }).outbox.channel;
  const headers = [{}, { alone: true }].map((flags, i): Header => {
    return { keySlot: 0, sender: SPOKEN_FOR, epochTag, pn: window!.newest + AHEAD + i * AHEAD, ...flags };
  });
  return headers.flatMap((header) => {
    const made: (Uint8Array | undefined)[] = [];
    // What AP 1 dealt us; without identities: what the mesh key gives everybody.
    const group = (channel as unknown as { group?: Channel }).group ?? channel!;
    const plain = group.seal(header, body, 0)!;
    made.push(plain);
    for (const genuine of heard) made.push(withProofsOf(plain, genuine));
    // As AP 1 speaks to us, and as we speak to all and to the victim.
    for (const own of [channel!, ours]) made.push(own.seal(header, body, 0), own.seal(header, body, VICTIM));
    return made.filter((bytes) => bytes !== undefined);
  });
}

/** Ours, and behind it the proofs of a genuine datagram. */
function withProofsOf(bytes: Uint8Array, genuine: Uint8Array): Uint8Array {
  const length = 1 + genuine.at(-1)! * PROOF_ENTRY_BYTES;
  return Uint8Array.of(...bytes, ...genuine.subarray(genuine.length - length));
}

export function neighbour(lab: Lab, at: number, of: number) {
  return lab
    .ap(at)
    .replicator.list()
    .find(({ id }) => id === of)!;
}

/** What the captured AP can open of a recording, with every key that it has of its sender. */
export function opens(lab: Lab, bytes: Uint8Array): boolean {
  const header = parseHeader(bytes)!;
  const { channel } = neighbour(lab, CAPTURED, header.sender);
  if (channel!.open(header, bytes)) return true;
  const group = (channel as unknown as { group?: Channel }).group;
  return group?.open({ ...header, alone: false }, bytes) !== undefined;
}

export function record<T>(codec: Codec<T>, value: T): Records {
  return (write) => write(codec.kind, (writer) => codec.emit(writer, value));
}

/** A change set of AP 1's that it never published: one cell more. */
export function cellOf(lab: Lab, at: number): Records {
  const { ticks } = lab.ap(SPOKEN_FOR).replicator.proxy;
  const { geometry } = lab;
  const cells = new Uint32Array(geometry.cells);
  cells[at] = (0x2345678 << geometry.timerBits) | ticks.timer(0, 20);
  const source = { cells, owners: new Uint16Array(geometry.cells), vers: new Uint32Array(geometry.cells) };
  const ver = lab.ap(SPOKEN_FOR).replicator.sender.ver + 1;
  return (write) =>
    write(CELLS_KIND, (writer) => {
      writer.write(ver, 32);
      new CellBlock(geometry, "place").emit(writer, source, ticks, Uint32Array.of(at), 0, 1, ver, 0);
    });
}

function bodyOf(lab: Lab, dst: number, records: Records): Uint8Array {
  const { ticks } = lab.ap(SPOKEN_FOR).replicator.proxy;
  const parts: number[] = [dst >> 8, dst & 255, ticks.fast & 255, ticks.slow & 255];
  records((kind, emit) => {
    const writer = new BitWriter(new Uint8Array(2_000));
    emit(writer);
    const bytes = writer.bytes.slice(0, writer.finish());
    parts.push((kind << 4) | (bytes.length >> 8), bytes.length & 255, ...bytes);
  });
  return Uint8Array.from(parts);
}
