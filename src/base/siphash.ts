/**
 * SipHash-2-4 (Aumasson and Bernstein 2012): a keyed hash so cheap that it may be asked of every stranger's datagram.
 * 64-bit words are pairs of 32-bit halves, low half first.
 */
export class SipHash {
  /** Of the last `hash`. */
  high = 0;
  low = 0;
  private readonly key: Int32Array;
  private readonly v = new Int32Array(8);

  /** `key`: 16 bytes. */
  constructor(key: Uint8Array) {
    const view = new DataView(key.buffer, key.byteOffset, 16);
    this.key = Int32Array.from([0, 4, 8, 12], (at) => view.getInt32(at, true));
  }

  /** The first `length` bytes; the result is in `high` and `low`. */
  hash(bytes: Uint8Array, length = bytes.length): void {
    const { v, key } = this;
    for (let i = 0; i < 8; i++) v[i] = START[i]! ^ key[i & 3]!;
    const whole = length & ~7;
    for (let at = 0; at < whole; at += 8) this.absorb(word(bytes, at, 4), word(bytes, at + 4, 4));
    const rest = length - whole;
    const low = word(bytes, whole, Math.min(4, rest));
    this.absorb(low, word(bytes, whole + 4, Math.max(0, rest - 4)) | (length << 24));
    v[4]! ^= 0xff;
    for (let i = 0; i < 4; i++) this.round();
    this.low = (v[0]! ^ v[2]! ^ v[4]! ^ v[6]!) >>> 0;
    this.high = (v[1]! ^ v[3]! ^ v[5]! ^ v[7]!) >>> 0;
  }

  private absorb(low: number, high: number): void {
    const { v } = this;
    v[6]! ^= low;
    v[7]! ^= high;
    this.round();
    this.round();
    v[0]! ^= low;
    v[1]! ^= high;
  }

  /** v0..v3 at 0, 2, 4, 6. */
  private round(): void {
    const { v } = this;
    add(v, 0, 2);
    add(v, 4, 6);
    rotate(v, 2, 13);
    rotate(v, 6, 16);
    v[2]! ^= v[0]!;
    v[3]! ^= v[1]!;
    v[6]! ^= v[4]!;
    v[7]! ^= v[5]!;
    swap(v, 0);
    add(v, 4, 2);
    add(v, 0, 6);
    rotate(v, 2, 17);
    rotate(v, 6, 21);
    v[2]! ^= v[4]!;
    v[3]! ^= v[5]!;
    v[6]! ^= v[0]!;
    v[7]! ^= v[1]!;
    swap(v, 4);
  }
}

/** "somepseudorandomlygeneratedbytes" */
const START = [0x70736575, 0x736f6d65, 0x6e646f6d, 0x646f7261, 0x6e657261, 0x6c796765, 0x79746573, 0x74656462] as const;

function word(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = 0; i < count; i++) value |= bytes[at + i]! << (8 * i);
  return value;
}

function add(v: Int32Array, to: number, of: number): void {
  const low = (v[to]! >>> 0) + (v[of]! >>> 0);
  v[to + 1] = v[to + 1]! + v[of + 1]! + (low > 0xffffffff ? 1 : 0);
  v[to] = low;
}

function rotate(v: Int32Array, at: number, bits: number): void {
  const [low, high] = [v[at]!, v[at + 1]!];
  v[at] = (low << bits) | (high >>> (32 - bits));
  v[at + 1] = (high << bits) | (low >>> (32 - bits));
}

/** By 32 bits. */
function swap(v: Int32Array, at: number): void {
  const low = v[at]!;
  v[at] = v[at + 1]!;
  v[at + 1] = low;
}
