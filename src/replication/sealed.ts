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

const FILTER_KEY_BYTES = 16;
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

  mayBeHello(header: Header, bytes: Uint8Array): boolean {
    const key = this.keys.get(header.keySlot);
    return key !== undefined && this.helloFilter(key).passes(header, bytes);
  }

  channel(keySlot: number, sender: number, { identity, epoch }: Greeting): Channel | undefined {
    const key = this.keys.get(keySlot);
    if (!key) return undefined;
    const of = new Uint8Array(10);
    const view = new DataView(of.buffer);
    view.setUint16(0, sender);
    view.setBigUint64(2, identity);
    return new SealedChannel(
      this.keys.crypto.aead(this.keys.derive(key, "data", epoch, of, KEY_BYTES)),
      new Filter(this.keys.crypto, this.keys.derive(key, "filter", epoch, of, FILTER_KEY_BYTES)),
      this.helloFilter(key),
      () => this.keys.holds(key),
    );
  }

  private helloFilter(key: MeshKey): Filter {
    let filter = this.helloFilters.get(key);
    if (!filter) {
      filter = new Filter(this.keys.crypto, this.keys.derive(key, "hello", NOTHING, NOTHING, FILTER_KEY_BYTES));
      this.helloFilters.set(key, filter);
    }
    return filter;
  }
}

class SealedChannel implements Channel {
  private readonly nonce = new Uint8Array(NONCE_BYTES);
  private readonly nonceView = new DataView(this.nonce.buffer);

  constructor(
    private readonly aead: Aead,
    private readonly filter: Filter,
    private readonly helloFilter: Filter,
    private readonly isAccepted: () => boolean,
  ) {}

  seal(header: Header, body: Uint8Array): Uint8Array {
    const start = headerBytes(header);
    const bytes = new Uint8Array(start + body.length + SEALED_EXTRA_BYTES);
    emitHeader(header, VERSION, bytes);
    this.aead.seal(this.nonceOf(header), bytes.subarray(0, start), body, bytes.subarray(start + FILTER_BYTES));
    this.filterOf(header).put(header, bytes);
    return bytes;
  }

  mayBe(header: Header, bytes: Uint8Array): boolean {
    return this.isAccepted() && this.filterOf(header).passes(header, bytes);
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
class Filter {
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
