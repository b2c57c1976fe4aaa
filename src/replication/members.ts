import { sameBytes } from "../base/bytes.ts";
import type { X25519 } from "../platform/platform.ts";
import type { PairedParts } from "./paired.ts";
import type { Seal } from "./seal.ts";

/** An access point that may speak, as the signed list names it. */
export interface Member {
  readonly id: number;
  /** X25519, 32 bytes */
  readonly publicKey: Uint8Array;
}

/** What a mesh is given where each AP has a key of its own: a file of its own beside the agent's. */
export interface Identities {
  readonly members: Members;
  seal(parts: PairedParts): Seal;
}

/** What this AP needs to know who speaks: its own key, and everybody's public one. */
export interface MembersParts {
  readonly x25519: X25519;
  /** 32 bytes, of this AP alone. */
  readonly secret: Uint8Array;
  readonly members: readonly Member[];
}

/** The members of the mesh, and what we have in common with each. */
export class Members {
  private byId = new Map<number, Member>();
  /** by id: made when first asked for, and kept, since each costs a multiplication on the curve */
  private readonly shared = new Map<number, Uint8Array>();

  constructor(private readonly parts: MembersParts) {
    this.replace(parts.members);
  }

  get secret(): Uint8Array {
    return this.parts.secret;
  }

  has(id: number): boolean {
    return this.byId.has(id);
  }

  /** What nobody has but that AP and we. Undefined: it is no member. */
  sharedWith(id: number): Uint8Array | undefined {
    const known = this.shared.get(id);
    const member = this.byId.get(id);
    if (known || !member) return known;
    const { x25519, secret } = this.parts;
    const made = x25519.shared(secret, member.publicKey);
    if (made) this.shared.set(id, made);
    return made;
  }

  /** Returns who is no member any more, or has another key: nothing that they were told may be used again. */
  replace(members: readonly Member[]): readonly number[] {
    const next = new Map(members.map((member) => [member.id, member]));
    const gone = [...this.byId.values()].filter(({ id, publicKey }) => {
      const stays = next.get(id);
      return !stays || !sameBytes(stays.publicKey, publicKey);
    });
    for (const { id } of gone) this.shared.delete(id);
    this.byId = next;
    return gone.map(({ id }) => id);
  }
}
