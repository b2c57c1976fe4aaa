import { nodeX25519 } from "../../platform/node/x25519.ts";
import type { Identities, Member } from "../members.ts";

/** Keys of the access points of a lab, each another. Tests only. */

export function secretOf(id: number): Uint8Array {
  return new Uint8Array(32).fill(id, 1).fill(0x40, 0, 1);
}

export function membersOf(...ids: number[]): Member[] {
  return ids.map((id) => ({ id, publicKey: nodeX25519.publicKey(secretOf(id)) }));
}

/** For a lab's `identitiesOf`. */
export function identitiesAmong(...ids: number[]): (id: number) => Identities {
  return (id) => ({ x25519: nodeX25519, secret: secretOf(id), members: membersOf(...ids) });
}
