import { type Codec, KIND } from "./kinds.ts";

/** By it the receiver reads what the sender says to all in this epoch. Only in a hello for one AP alone. */
export interface Deal {
  /** 32 bytes */
  readonly secret: Uint8Array;
}

const SECRET_BYTES = 32;

export const deal: Codec<Deal> = {
  kind: KIND.deal,
  length: () => SECRET_BYTES,
  emit(writer, { secret }) {
    writer.writeBytes(secret);
  },
  parse(reader) {
    const secret = reader.readBytes(SECRET_BYTES).slice();
    return reader.atEnd ? { secret } : undefined;
  },
};
