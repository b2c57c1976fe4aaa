import type { Aead, Crypto, KeyedHash } from "../platform/platform.ts";
import { KEY_BYTES, type Keyring, type MeshKey } from "./keyring.ts";
import {
  type Channel,
  emitHeader,
  FILTER_BYTES,
  type Greeting,
  type Header,
  headerBytes,
  SEALED_EXTRA_BYTES,
  type Seal,
  TAG_BYTES,
  VERSION,
} from "./seal.ts";

export const FILTER_KEY_BYTES = 16;
/** Bytes of a datagram that the filter covers, itself not counted. */
const FILTERED_BYTES = 64;
const NONCE_BYTES = 12;
const NOTHING = new Uint8Array(0);

/** ChaCha20-Poly1305 under a key per sender and epoch, with a filter before it that costs a stranger's datagram little. */
export class Sealed implements Seal {
  readonly version = VERSION;
  private readonly helloFilters = new WeakMap<MeshKey, Filter>();

  constructor(private readonly keys: Keyring) {}

  epochTag(epoch: Uint8Array): number {
    const digest = this.keys.crypto.sha256(epoch);
    return new DataView(digest.buffer, digest.byteOffset).getUint32(0);
  }

  isMember(): boolean {
    return true;
  }

  mayBeHello(header: Header, bytes: Uint8Array): boolean {
    const key = this.keys.get(header.keySlot);
    return key !== undefined && this.helloFilter(key).passes(header, bytes);
  }

  channel(keySlot: number, sender: number, greeting: Greeting): Channel | undefined {
    const key = this.keys.get(keySlot);
    return key && new SealedChannel(this.keys, key, greeting.epoch, ofSender(sender, greeting), this.helloFilter(key));
  }

  /** Met before any key of an epoch: the same for all. */
  helloFilter(key: MeshKey): Filter {
    let filter = this.helloFilters.get(key);
    if (!filter) {
      filter = new Filter(this.keys.crypto, this.keys.derive(key, "hello", NOTHING, NOTHING, FILTER_KEY_BYTES));
      this.helloFilters.set(key, filter);
    }
    return filter;
  }
}

/** What keys of a sender are derived of, beside its epoch: sender:16 identity:64. */
export function ofSender(sender: number, { identity }: Greeting): Uint8Array {
  const of = new Uint8Array(10);
  const view = new DataView(of.buffer);
  view.setUint16(0, sender);
  view.setBigUint64(2, identity);
  return of;
}

/** What is sealed under one secret: the mesh key, or with identities one that two or more APs have of the sender. */
export class SealedChannel implements Channel {
  readonly extraBytes = SEALED_EXTRA_BYTES;
  private readonly nonce = new Uint8Array(NONCE_BYTES);
  private readonly nonceView = new DataView(this.nonce.buffer);
  private readonly version: number;
  private readonly aead: Aead;
  private readonly filter: Filter;

  constructor(
    private readonly keys: Keyring,
    /** While it is accepted, what is sealed is. */
    private readonly mesh: MeshKey,
    epoch: Uint8Array,
    of: Uint8Array,
    private readonly helloFilter: Filter,
    { key = mesh, version = VERSION }: { readonly key?: MeshKey; readonly version?: number } = {},
  ) {
    this.version = version;
    this.aead = keys.crypto.aead(keys.derive(key, "data", epoch, of, KEY_BYTES));
    this.filter = new Filter(keys.crypto, keys.derive(key, "filter", epoch, of, FILTER_KEY_BYTES));
  }

  seal(header: Header, body: Uint8Array): Uint8Array {
    const start = headerBytes(header);
    const bytes = new Uint8Array(start + body.length + SEALED_EXTRA_BYTES);
    emitHeader(header, this.version, bytes);
    this.aead.seal(this.nonceOf(header), bytes.subarray(0, start), body, bytes.subarray(start + FILTER_BYTES));
    this.filterOf(header).put(header, bytes);
    return bytes;
  }

  mayBe(header: Header, bytes: Uint8Array): boolean {
    return this.keys.holds(this.mesh) && this.filterOf(header).passes(header, bytes);
  }

  open(header: Header, bytes: Uint8Array): Uint8Array | undefined {
    const start = headerBytes(header);
    return this.aead.open(this.nonceOf(header), bytes.subarray(0, start), bytes.subarray(start + FILTER_BYTES));
  }

  /** A hello of an unknown epoch is met before any key of its own: its filter is the mesh's. */
  private filterOf(header: Header): Filter {
    return header.hello ? this.helloFilter : this.filter;
  }

  private nonceOf({ pn }: Header): Uint8Array {
    this.nonceView.setUint16(6, Math.floor(pn / 2 ** 32));
    this.nonceView.setUint32(8, pn >>> 0);
    return this.nonce;
  }
}

/** SipHash of the header and of what follows the filter, 64 bytes in all. Filters alone prove nothing. */
export class Filter {
  private readonly hash: KeyedHash;
  private readonly covered = new Uint8Array(FILTERED_BYTES);

  constructor(ciphers: Crypto, key: Uint8Array) {
    this.hash = ciphers.sipHash(key);
  }

  put(header: Header, bytes: Uint8Array): void {
    const at = this.over(header, bytes);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setUint32(at, this.hash.high);
    view.setUint32(at + 4, this.hash.low);
  }

  passes(header: Header, bytes: Uint8Array): boolean {
    if (bytes.length < headerBytes(header) + FILTER_BYTES + TAG_BYTES) return false;
    const at = this.over(header, bytes);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return view.getUint32(at) === this.hash.high && view.getUint32(at + 4) === this.hash.low;
  }

  /** Returns where the filter stands. */
  private over(header: Header, bytes: Uint8Array): number {
    const at = headerBytes(header);
    const rest = Math.min(FILTERED_BYTES - at, bytes.length - at - FILTER_BYTES);
    for (let i = 0; i < at; i++) this.covered[i] = bytes[i]!;
    for (let i = 0; i < rest; i++) this.covered[at + i] = bytes[at + FILTER_BYTES + i]!;
    this.hash.hash(this.covered, at + rest);
    return at;
  }
}
