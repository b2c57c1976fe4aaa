import { nodeX25519 } from "../../platform/node/x25519.ts";
import { type Identities, type Member, Members } from "../members.ts";
import { Paired } from "../paired.ts";

/** Keys of the access points of a lab, each another. Tests only. */

export function secretOf(id: number): Uint8Array {
  return new Uint8Array(32).fill(id, 1).fill(0x40, 0, 1);
}

export function membersOf(...ids: number[]): Member[] {
  return ids.map((id) => ({ id, publicKey: nodeX25519.publicKey(secretOf(id)) }));
}

/** For a lab's `identitiesOf`. */
export function identitiesAmong(...ids: number[]): (id: number) => Identities {
  return (id) => identitiesOf(secretOf(id), membersOf(...ids));
}

export function identitiesOf(secret: Uint8Array, members: readonly Member[]): Identities {
  return { members: new Members({ x25519: nodeX25519, secret, members }), seal: (parts) => new Paired(parts) };
}
