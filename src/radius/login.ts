/** As whom, and on what kind of port, a station logged in. */
import { sha256 } from "@noble/hashes/sha2.js";
import { has, integerOf, type Packet, textOf } from "./packet.ts";

const ENCODER = new TextEncoder();

/**
 * 64 bits of a hash of the kind of port (Wi-Fi, Ethernet), the kind of login (EAP, or only an address) and the name that the
 * server calls the user by, else the name that was asked with. Who logs in otherwise under the same address, anywhere in the
 * mesh, gets rights of its own and inherits no flows. Undefined: nobody said a name.
 */
export function bindOf(request: Packet, accept: Packet): bigint | undefined {
  const name = textOf(accept, "User-Name") ?? textOf(request, "User-Name");
  if (name === undefined) return undefined;
  const kind = `${integerOf(request, "NAS-Port-Type") ?? ""} ${has(request, "EAP-Message") ? "eap" : "address"}`;
  const hash = sha256(ENCODER.encode(`roamwall login\0${kind}\0${name}`));
  // 0 would say: nobody.
  return new DataView(hash.buffer, hash.byteOffset).getBigUint64(0) || 1n;
}
