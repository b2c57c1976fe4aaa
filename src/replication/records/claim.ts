import { type Mac, macFromBytes, macToBytes } from "../../base/mac.ts";
import { type Codec, KIND } from "./kinds.ts";
import { emitSeen, parseSeen, SEEN_BYTES } from "./seen.ts";

/**
 * "I serve this client." Lamport: `n` is one above the highest heard; the highest (n, sender) holds, unless who serves the
 * client has seen it come since. It cuts nothing.
 */
export interface Claim {
  readonly mac: Mac;
  readonly n: number;
  readonly zone: number;
  /** Hash of kind and identity of the login; 0: none. */
  readonly bind: bigint;
  /** See `emitSeen`. */
  readonly seenAgeMs: number;
  /** APs that the sender believes to hold state of the client: they answer with HANDOVER. At most four. */
  readonly holders: readonly number[];
}

export const CLAIM_HOLDERS_MAX = 4;

export const claim: Codec<Claim> = {
  kind: KIND.claim,
  length: ({ holders }) => 20 + SEEN_BYTES + holders.length * 2,
  emit(writer, { mac, n, zone, bind, seenAgeMs, holders }) {
    writer.writeBytes(macToBytes(mac));
    writer.write(n, 32);
    writer.write(zone, 16);
    writer.write64(bind);
    emitSeen(writer, seenAgeMs);
    for (const id of holders) writer.write(id, 16);
  },
  parse(reader) {
    const bytes = reader.readBytes(6);
    const [n, zone, bind] = [reader.read(32), reader.read(16), reader.read64()];
    const seenAgeMs = parseSeen(reader);
    const holders: number[] = [];
    while (reader.bytesLeft >= 2 && holders.length < CLAIM_HOLDERS_MAX) holders.push(reader.read(16));
    return reader.atEnd ? { mac: macFromBytes(bytes), n, zone, bind, seenAgeMs, holders } : undefined;
  },
};
