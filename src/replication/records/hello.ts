import type { BitReader, BitWriter } from "../../base/bits.ts";
import { CONSTANTS } from "../../datapath/abi.ts";
import { emitShape, parseShape, SHAPE_BYTES, type Shape } from "../compat.ts";
import { KEY_SLOTS } from "../keyring.ts";
import { type Codec, KIND } from "./kinds.ts";

/** How the sender sees a neighbour. APPEND ONLY. */
export const SEEN = { fresh: 0, alive: 1, suspect: 2, dead: 3 } as const;

/** What the sender knows of a neighbour. */
export interface Seen {
  readonly id: number;
  /** All change sets up to here are known. */
  readonly ackVer: number;
  /** Share of the last datagrams that did not arrive, 256ths. */
  readonly lost: number;
  readonly state: number;
  /** It lost more than its share can repair: it gets no repairs until it has caught up by a snapshot. */
  readonly slow: boolean;
  /** By which paths its datagrams came of late. */
  readonly heardGroup: boolean;
  readonly heardAlone: boolean;
}

export interface HelloEntry extends Seen {
  /** The neighbour's challenge, given back: proof that this hello is no recording. */
  readonly echo: bigint;
}

/** Who is there, and where it stands. Its datagram alone carries identity and epoch in clear. */
export interface Hello {
  readonly name: string;
  /** Made with the table: the same after a restart of the agent, another after a power cycle. */
  readonly tableId: bigint;
  readonly challenge: bigint;
  /** What cells mean here: where anything differs there are no mirrors. */
  readonly shape: Shape;
  /** What it does about loss: a number of `MODES`. */
  readonly mode: number;
  readonly edgeVer: number;
  /** Of the published cache, at this `edgeVer` and these ticks. */
  readonly digest: bigint;
  readonly rightsDigest: number;
  readonly fast: number;
  readonly slow: number;
  /** How much of the present tick has gone by, 256ths. */
  readonly fastPhase: number;
  readonly slowPhase: number;
  /** Client slots of the sender, at most `SLOTS_MAX`. */
  readonly slots: number;
  /** Used share of the table, 256ths. */
  readonly fill: number;
  /** Fingerprints of the mesh keys that the sender takes, by slot; 0: none. */
  readonly keys: readonly number[];
  readonly entries: readonly HelloEntry[];
}

/** What is known of who said hello, and what it said of whom since then. */
export type Heard = Omit<Hello, "entries"> & { readonly entries: readonly Seen[] };

export const HELLO_NAME_BYTES_MAX = 32;
/** What comes in RIGHTS is remembered by slot: so many are all that a cell can name. */
export const SLOTS_MAX = CONSTANTS.SLOT_SHARED;
const FIXED_BYTES = 1 + 8 * 3 + SHAPE_BYTES + 1 + 4 + 4 + 4 + 4 + 1 + 1 + 2 + 1 + 4 * KEY_SLOTS;
/** Of what is seen, behind `id`. */
export const SEEN_BYTES = 4 + 1 + 1;
const ENTRY_BYTES = 2 + 8 + SEEN_BYTES;
/** Beside the state in an entry's last byte. */
const STATE_MASK = 15;
const SLOW = 16;
const HEARD_GROUP = 32;
const HEARD_ALONE = 64;

export const hello: Codec<Hello> = {
  kind: KIND.hello,
  length: ({ name, entries }) => FIXED_BYTES + utf8(name).length + entries.length * ENTRY_BYTES,
  emit(writer, value) {
    const name = utf8(value.name);
    writer.write(name.length, 8);
    writer.writeBytes(name);
    for (const word of [value.tableId, value.challenge, value.digest]) writer.write64(word);
    emitShape(writer, value.shape);
    writer.write(value.mode, 8);
    for (const word of [value.edgeVer, value.rightsDigest, value.fast, value.slow]) writer.write(word, 32);
    writer.write(value.fastPhase, 8);
    writer.write(value.slowPhase, 8);
    writer.write(value.slots, 16);
    writer.write(value.fill, 8);
    for (const fingerprint of value.keys) writer.write(fingerprint, 32);
    for (const entry of value.entries) {
      writer.write(entry.id, 16);
      writer.write64(entry.echo);
      emitSeen(writer, entry);
    }
  },
  parse(reader) {
    const nameBytes = reader.read(8);
    if (nameBytes > HELLO_NAME_BYTES_MAX) return undefined;
    const name = new TextDecoder().decode(reader.readBytes(nameBytes));
    const [tableId, challenge, digest] = [reader.read64(), reader.read64(), reader.read64()];
    const shape = parseShape(reader);
    const mode = reader.read(8);
    const [edgeVer, rightsDigest, fast, slow] = [reader.read(32), reader.read(32), reader.read(32), reader.read(32)];
    const [fastPhase, slowPhase, slots] = [reader.read(8), reader.read(8), reader.read(16)];
    const fill = reader.read(8);
    const keys = Array.from({ length: KEY_SLOTS }, () => reader.read(32));
    const entries: HelloEntry[] = [];
    while (!reader.failed && reader.bytesLeft >= ENTRY_BYTES) {
      const [id, echo] = [reader.read(16), reader.read64()];
      entries.push({ id, echo, ...parseSeen(reader) });
    }
    if (!reader.atEnd || slots > SLOTS_MAX) return undefined;
    return {
      name,
      tableId,
      challenge,
      shape,
      mode,
      edgeVer,
      digest,
      rightsDigest,
      fast,
      slow,
      fastPhase,
      slowPhase,
      slots,
      fill,
      keys,
      entries,
    };
  },
};

export function emitSeen(writer: BitWriter, seen: Seen): void {
  const { ackVer, lost, state, slow, heardGroup, heardAlone } = seen;
  writer.write(ackVer, 32);
  writer.write(lost, 8);
  writer.write(state | (slow ? SLOW : 0) | (heardGroup ? HEARD_GROUP : 0) | (heardAlone ? HEARD_ALONE : 0), 8);
}

export function parseSeen(reader: BitReader): Omit<Seen, "id"> {
  const [ackVer, lost, flags] = [reader.read(32), reader.read(8), reader.read(8)];
  return {
    ackVer,
    lost,
    state: flags & STATE_MASK,
    slow: (flags & SLOW) !== 0,
    heardGroup: (flags & HEARD_GROUP) !== 0,
    heardAlone: (flags & HEARD_ALONE) !== 0,
  };
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
