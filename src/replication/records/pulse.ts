import { emitSeen, type Hello, parseSeen, SEEN_BYTES, type Seen } from "./hello.ts";
import { type Codec, KIND } from "./kinds.ts";

/** What of a hello is new each second, for those who believe its sender: ticks stand in the datagram, the rest they know. */
export interface Pulse extends Pick<Hello, "edgeVer" | "digest" | "rightsDigest" | "fastPhase" | "slowPhase" | "fill"> {
  readonly entries: readonly Seen[];
}

const FIXED_BYTES = 4 + 8 + 4 + 1 + 1 + 1;
const ENTRY_BYTES = 2 + SEEN_BYTES;

export const pulse: Codec<Pulse> = {
  kind: KIND.pulse,
  length: ({ entries }) => FIXED_BYTES + entries.length * ENTRY_BYTES,
  emit(writer, { edgeVer, digest, rightsDigest, fastPhase, slowPhase, fill, entries }) {
    writer.write(edgeVer, 32);
    writer.write64(digest);
    writer.write(rightsDigest, 32);
    for (const byte of [fastPhase, slowPhase, fill]) writer.write(byte, 8);
    for (const entry of entries) {
      writer.write(entry.id, 16);
      emitSeen(writer, entry);
    }
  },
  parse(reader) {
    const [edgeVer, digest, rightsDigest] = [reader.read(32), reader.read64(), reader.read(32)];
    const [fastPhase, slowPhase, fill] = [reader.read(8), reader.read(8), reader.read(8)];
    const entries: Seen[] = [];
    while (reader.bytesLeft >= ENTRY_BYTES) entries.push({ id: reader.read(16), ...parseSeen(reader) });
    return reader.atEnd ? { edgeVer, digest, rightsDigest, fastPhase, slowPhase, fill, entries } : undefined;
  },
};
