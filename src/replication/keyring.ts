import { sameBytes } from "../base/bytes.ts";
import type { Crypto } from "../platform/platform.ts";

/** A secret that all APs of a mesh share. Two may be accepted at a time, so that one can replace the other. */
export interface MeshKey {
  readonly slot: number;
  /** 32 bytes */
  readonly secret: Uint8Array;
}

export const KEY_SLOTS = 2;
export const KEY_BYTES = 32;

const LABEL = "roamwall/1 ";
const NO_SALT = new Uint8Array(0);

/** The accepted mesh keys, the older one first: what is newer replaces it. */
export class Keyring {
  private held: readonly MeshKey[] = [];
  private shown: readonly number[] = [];

  constructor(
    readonly crypto: Crypto,
    keys: readonly MeshKey[],
  ) {
    this.replace(keys);
  }

  /** A key that stays keeps its identity, and so the channels that were made of it. */
  replace(keys: readonly MeshKey[]): void {
    this.held = keys.map((key) => this.held.find((old) => sameKey(old, key)) ?? key);
    const shown = new Array<number>(KEY_SLOTS).fill(0);
    for (const { slot, secret } of this.held) shown[slot] = fingerprintOf(this.crypto, secret);
    this.shown = shown;
  }

  /** In the order of their age. */
  get keys(): readonly MeshKey[] {
    return this.held;
  }

  get(slot: number): MeshKey | undefined {
    return this.held.find((key) => key.slot === slot);
  }

  holds(key: MeshKey): boolean {
    return this.held.includes(key);
  }

  /** By slot, 0 for an empty one. Says nothing about the key; two keys show the same once in 2^32. */
  get fingerprints(): readonly number[] {
    return this.shown;
  }

  derive({ secret }: MeshKey, label: string, salt: Uint8Array, of: Uint8Array, bytes: number): Uint8Array {
    return derive(this.crypto, secret, label, salt, of, bytes);
  }
}

export function sameKey(a: MeshKey, b: MeshKey): boolean {
  return a.slot === b.slot && sameBytes(a.secret, b.secret);
}

/** 32 bits, never 0. */
export function fingerprintOf(suite: Crypto, secret: Uint8Array): number {
  const bytes = derive(suite, secret, "fingerprint", NO_SALT, NO_SALT, 4);
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) || 1;
}

function derive(
  suite: Crypto,
  secret: Uint8Array,
  label: string,
  salt: Uint8Array,
  of: Uint8Array,
  bytes: number,
): Uint8Array {
  const name = new TextEncoder().encode(LABEL + label);
  const info = new Uint8Array(name.length + of.length);
  info.set(name);
  info.set(of, name.length);
  return suite.hkdfSha256(secret, salt, info, bytes);
}
