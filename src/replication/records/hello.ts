import { type Codec, KIND } from "./kinds.ts";

/** How the sender sees a neighbour. APPEND ONLY. */
export const SEEN = { fresh: 0, alive: 1, suspect: 2, dead: 3 } as const;

export interface HelloEntry {
  readonly id: number;
  /** The neighbour's challenge, given back: proof that this hello is no recording. */
  readonly echo: bigint;
  /** All change sets up to here are known. */
  readonly ackVer: number;
  /** Share of the last datagrams that did not arrive, 256ths. */
  readonly lost: number;
  readonly state: number;
}

/** Who is there, and where it stands. Its datagram alone carries identity and epoch in clear. */
export interface Hello {
  readonly name: string;
  /** Made with the table: the same after a restart of the agent, another after a power cycle. */
  readonly tableId: bigint;
  readonly challenge: bigint;
  /** Geometry, multipliers, hashes, seeds, automata numbering, tick lengths: other value, no mirrors. */
  readonly compat: bigint;
  readonly edgeVer: number;
  /** Of the published cache, at this `edgeVer` and these ticks. */
  readonly digest: bigint;
  readonly rightsDigest: number;
  readonly fast: number;
  readonly slow: number;
  /** How much of the present tick has gone by, 256ths. */
  readonly fastPhase: number;
  readonly slowPhase: number;
  /** Client slots of the sender. */
  readonly slots: number;
  /** Used share of the table, 256ths. */
  readonly fill: number;
  /** Mesh keys that the sender accepts, a bit each. */
  readonly keySlots: number;
  readonly entries: readonly HelloEntry[];
}

export const HELLO_NAME_BYTES_MAX = 32;
const FIXED_BYTES = 1 + 8 * 4 + 4 + 4 + 4 + 4 + 1 + 1 + 2 + 1 + 1;
const ENTRY_BYTES = 2 + 8 + 4 + 1 + 1;

export const hello: Codec<Hello> = {
  kind: KIND.hello,
  length: ({ name, entries }) => FIXED_BYTES + utf8(name).length + entries.length * ENTRY_BYTES,
  emit(writer, value) {
    const name = utf8(value.name);
    writer.write(name.length, 8);
    writer.writeBytes(name);
    for (const word of [value.tableId, value.challenge, value.compat, value.digest]) writer.write64(word);
    for (const word of [value.edgeVer, value.rightsDigest, value.fast, value.slow]) writer.write(word, 32);
    writer.write(value.fastPhase, 8);
    writer.write(value.slowPhase, 8);
    writer.write(value.slots, 16);
    writer.write(value.fill, 8);
    writer.write(value.keySlots, 8);
    for (const { id, echo, ackVer, lost, state } of value.entries) {
      writer.write(id, 16);
      writer.write64(echo);
      writer.write(ackVer, 32);
      writer.write(lost, 8);
      writer.write(state, 8);
    }
  },
  parse(reader) {
    const nameBytes = reader.read(8);
    if (nameBytes > HELLO_NAME_BYTES_MAX) return undefined;
    const name = new TextDecoder().decode(reader.readBytes(nameBytes));
    const [tableId, challenge, compat, digest] = [reader.read64(), reader.read64(), reader.read64(), reader.read64()];
    const [edgeVer, rightsDigest, fast, slow] = [reader.read(32), reader.read(32), reader.read(32), reader.read(32)];
    const [fastPhase, slowPhase, slots] = [reader.read(8), reader.read(8), reader.read(16)];
    const [fill, keySlots] = [reader.read(8), reader.read(8)];
    const entries: HelloEntry[] = [];
    while (!reader.failed && reader.bytesLeft >= ENTRY_BYTES) {
      const [id, echo, ackVer] = [reader.read(16), reader.read64(), reader.read(32)];
      entries.push({ id, echo, ackVer, lost: reader.read(8), state: reader.read(8) });
    }
    if (!reader.atEnd) return undefined;
    return {
      name,
      tableId,
      challenge,
      compat,
      edgeVer,
      digest,
      rightsDigest,
      fast,
      slow,
      fastPhase,
      slowPhase,
      slots,
      fill,
      keySlots,
      entries,
    };
  },
};

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
