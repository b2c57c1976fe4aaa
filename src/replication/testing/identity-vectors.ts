import { hex } from "../../base/bytes.ts";
import type { Crypto, X25519 } from "../../platform/platform.ts";
import { Keyring } from "../keyring.ts";
import { Members } from "../members.ts";
import { Paired } from "../paired.ts";
import type { Greeting } from "../seal.ts";

/** With identities: what AP 7 says to AP 2 alone and to all, and AP 2's keys for it. */

const FROM = 7;
const TO = 2;
const secretOf = (first: number) => Uint8Array.from({ length: 32 }, (_, i) => first + i);
export const SECRETS = { [FROM]: secretOf(0x40), [TO]: secretOf(0x80) } as const;

/** Of a platform. */
export interface Primitives {
  readonly crypto: Crypto;
  readonly x25519: X25519;
}

export interface IdentityVectors {
  readonly keys: Record<string, string>;
  readonly datagrams: readonly { readonly name: string; readonly body: Uint8Array; readonly bytes: Uint8Array }[];
}

export function pairedOf({ crypto, x25519 }: Primitives, mesh: Uint8Array, id: typeof FROM | typeof TO): Paired {
  const members = [FROM, TO].map((of) => {
    return { id: of, publicKey: x25519.publicKey(SECRETS[of as typeof FROM]) };
  });
  return new Paired({
    id,
    keys: new Keyring(crypto, [{ slot: 0, secret: mesh }]),
    members: new Members({ x25519, secret: SECRETS[id], members }),
    audience: () => [TO],
  });
}

export function identityVectors(
  primitives: Primitives,
  mesh: Uint8Array,
  greeting: Greeting,
  edge: Uint8Array,
): IdentityVectors {
  const { crypto, x25519 } = primitives;
  const seal = pairedOf(primitives, mesh, FROM);
  const channel = seal.channel(0, FROM, greeting)!;
  const header = { keySlot: 0, sender: FROM, epochTag: seal.epochTag(greeting.epoch) };
  const shared = x25519.shared(SECRETS[FROM], x25519.publicKey(SECRETS[TO]))!;
  const { secret } = channel.dealing!;
  const of = Uint8Array.of(0, FROM, ...bigEndian(greeting.identity));
  const derive = (secret: Uint8Array, label: string, salt: Uint8Array, info: Uint8Array, bytes: number) =>
    hex(crypto.hkdfSha256(Uint8Array.of(...secret, ...mesh), salt, Uint8Array.of(...ascii(label), ...info), bytes));
  const none = new Uint8Array(0);
  const alone = Uint8Array.of(0, TO, ...edge.subarray(2));
  return {
    keys: {
      "AP 7's secret": hex(SECRETS[FROM]),
      "AP 7's public key": hex(x25519.publicKey(SECRETS[FROM])),
      "AP 2's secret": hex(SECRETS[TO]),
      "AP 2's public key": hex(x25519.publicKey(SECRETS[TO])),
      shared: hex(shared),
      "data key, 7 to 2": derive(shared, "roamwall/1 data", greeting.epoch, Uint8Array.of(...of, 0, TO), 32),
      "filter key, 7 to 2": derive(shared, "roamwall/1 filter", greeting.epoch, Uint8Array.of(...of, 0, TO), 16),
      "hello's filter key, 7 to 2": derive(shared, "roamwall/1 hello", none, Uint8Array.of(0, FROM, 0, TO), 16),
      "proof key, 7 to 2": derive(shared, "roamwall/1 proof", greeting.epoch, Uint8Array.of(...of, 0, TO), 16),
      "what 7 deals": hex(secret),
      "data key, 7 to all": derive(secret, "roamwall/1 data", greeting.epoch, of, 32),
      "filter key, 7 to all": derive(secret, "roamwall/1 filter", greeting.epoch, of, 16),
    },
    datagrams: [
      { name: "EDGE to AP 2 alone, pn 7", body: alone, bytes: channel.seal({ ...header, pn: 7 }, alone, TO)! },
      { name: "EDGE to all, pn 8", body: edge, bytes: channel.seal({ ...header, pn: 8 }, edge, 0)! },
    ],
  };
}

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function bigEndian(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}
