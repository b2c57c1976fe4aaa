/** Bits, most significant first, into and out of bytes. Neither throws: overflow is a question asked once at the end. */

export class BitWriter {
  private at = 0;
  private acc = 0;
  private pending = 0;

  constructor(public bytes: Uint8Array) {}

  /** Starts again at a byte; what was written before stays in the bytes. */
  reset(atByte: number): void {
    this.at = atByte;
    this.acc = 0;
    this.pending = 0;
  }

  /** `value` unsigned, `count` 0..32. */
  write(value: number, count: number): void {
    if (count > 16) {
      this.put(value >>> 16, count - 16);
      this.put(value & 0xffff, 16);
    } else {
      this.put(value, count);
    }
  }

  /** 64 bits. */
  write64(value: bigint): void {
    this.write(Number((value >> 32n) & 0xffffffffn), 32);
    this.write(Number(value & 0xffffffffn), 32);
  }

  writeBytes(bytes: ArrayLike<number>): void {
    for (let i = 0; i < bytes.length; i++) this.put(bytes[i]!, 8);
  }

  /** `quotient` zeros, a one, then `k` bits: short for gaps near 2^k. */
  writeRice(value: number, k: number): void {
    let zeros = value >>> k;
    while (zeros >= 16) {
      this.put(0, 16);
      zeros -= 16;
    }
    this.put(1, zeros + 1);
    this.write(value & ((1 << k) - 1), k);
  }

  /** Fills the last byte with zeros and returns where the next would be. */
  finish(): number {
    if (this.pending > 0) {
      this.bytes[this.at++] = (this.acc << (8 - this.pending)) & 0xff;
      this.acc = 0;
      this.pending = 0;
    }
    return this.at;
  }

  get overflowed(): boolean {
    return this.at + (this.pending > 0 ? 1 : 0) > this.bytes.length;
  }

  private put(value: number, count: number): void {
    this.acc = (this.acc << count) | (value & ((1 << count) - 1));
    this.pending += count;
    while (this.pending >= 8) {
      this.pending -= 8;
      this.bytes[this.at++] = (this.acc >>> this.pending) & 0xff;
    }
    this.acc &= (1 << this.pending) - 1;
  }
}

export class BitReader {
  private bit: number;
  private end: number;
  /** True once anything beyond the end was asked for; what was read then is zero. */
  failed = false;

  constructor(
    private bytes: Uint8Array,
    from = 0,
    to = bytes.length,
  ) {
    this.bit = from * 8;
    this.end = to * 8;
  }

  reset(bytes: Uint8Array, from: number, to: number): void {
    this.bytes = bytes;
    this.bit = from * 8;
    this.end = to * 8;
    this.failed = false;
  }

  /** `count` 0..32. */
  read(count: number): number {
    if (count > 16) return ((this.take(count - 16) << 16) | this.take(16)) >>> 0;
    return this.take(count);
  }

  read64(): bigint {
    const high = this.read(32);
    return (BigInt(high) << 32n) | BigInt(this.read(32));
  }

  /** Always `count` bytes: zeros, and `failed`, when there are fewer. */
  readBytes(count: number): Uint8Array {
    const out = new Uint8Array(count);
    for (let i = 0; i < count; i++) out[i] = this.take(8);
    return out;
  }

  readRice(k: number): number {
    let zeros = 0;
    while (this.take(1) === 0) {
      if (this.failed) return 0;
      zeros++;
    }
    return ((zeros << k) | this.read(k)) >>> 0;
  }

  /** Whole bytes not yet begun. */
  get bytesLeft(): number {
    return (this.end - this.bit) >> 3;
  }

  /** True when all that is left is padding of the last byte, of zeros. */
  get atEnd(): boolean {
    const left = this.end - this.bit;
    if (this.failed || left >= 8) return false;
    return left === 0 || (this.bytes[this.bytes.length === 0 ? 0 : (this.end >> 3) - 1]! & ((1 << left) - 1)) === 0;
  }

  private take(count: number): number {
    if (count === 0) return 0;
    if (this.bit + count > this.end) {
      this.failed = true;
      this.bit = this.end;
      return 0;
    }
    const first = this.bit >> 3;
    const bytes = this.bytes;
    const window = (bytes[first]! << 16) | ((bytes[first + 1] ?? 0) << 8) | (bytes[first + 2] ?? 0);
    const shift = 24 - (this.bit & 7) - count;
    this.bit += count;
    return (window >>> shift) & ((1 << count) - 1);
  }
}

/** Bits that name one of `count` things; 0 when there is only one. */
export function indexBits(count: number): number {
  return count <= 1 ? 0 : 32 - Math.clz32(count - 1);
}
