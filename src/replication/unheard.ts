import type { Endpoint } from "../platform/platform.ts";
import type { Refusal } from "./gate.ts";
import { isHello, VERSION, VERSION_PAIRED } from "./seal.ts";

/** Addresses that are remembered; then the one silent for longest goes. Anybody can send, so this must not grow. */
const KEPT = 16;

/** Somebody whose hellos come and cannot be read. Nothing of it is authentic: it is for people who look for a cause. */
export interface UnheardStatus {
  readonly address: string;
  readonly reason: string;
  readonly count: number;
  readonly lastMs: number;
}

/** Refusals that say that an access point of ours is set up otherwise, and how. */
const REASONS: Partial<Record<Refusal, (bytes: Uint8Array, version: number) => string>> = {
  version: (bytes, version) => {
    const other = bytes[0]! >> 4;
    const identities = other === VERSION ? "no identities, this one has" : "identities, this one has none";
    if (other + version === VERSION + VERSION_PAIRED) return `it has ${identities}: set the same on all`;
    return `it speaks version ${other} of the protocol, this one speaks ${version}`;
  },
  "no member": (bytes) => `${(bytes[2]! << 8) | bytes[3]!} is not on the list of members`,
  filter: (bytes) => `its mesh key is another, or its slot ${bytes[0]! & 15} holds another`,
};

/** Whose datagrams were refused, and what is set up otherwise there: for `roamwall neighbours` and the doctor. */
export class Unheard {
  private readonly byAddress = new Map<string, UnheardStatus>();

  constructor(private readonly version: number) {}

  list(): UnheardStatus[] {
    return [...this.byAddress.values()];
  }

  note(refusal: Refusal, bytes: Uint8Array, from: Endpoint, nowMs: number): void {
    const reason = REASONS[refusal]?.(bytes, this.version);
    // Of a believed neighbour a wrong filter is noise or an attack: only a hello says how its sender is set up.
    if (reason === undefined || (refusal !== "version" && !isHello(bytes))) return;
    const address = `${from.address}:${from.port}`;
    const count = (this.byAddress.get(address)?.count ?? 0) + 1;
    // Taken out and put in again: a map keeps the order, so the first is the one silent for longest.
    this.byAddress.delete(address);
    this.byAddress.set(address, { address, reason, count, lastMs: nowMs });
    if (this.byAddress.size > KEPT) this.byAddress.delete(this.byAddress.keys().next().value!);
  }
}
