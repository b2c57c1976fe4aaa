/**
 * Captures, pcap and pcapng, packet by packet. A capture is a stranger's file: whatever is in it, reading ends, and what
 * could not be read is said with its offset.
 *
 * pcap: https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/   pcapng: .../draft-ietf-opsawg-pcapng/
 */
import { badInput } from "../base/errors.ts";

export interface CapturedPacket {
  /** 1, 2, ... as in every viewer of captures. */
  readonly number: number;
  /** Where its record begins in the file. */
  readonly offset: number;
  /** Nanoseconds since 1970; packets without a time (pcapng simple packets) repeat the last one. */
  readonly timeNs: bigint;
  readonly linkType: number;
  /** What was captured: a window on the file, not a copy. */
  readonly bytes: Uint8Array;
  /** Length on the wire; more than `bytes` where the capture cut it. */
  readonly length: number;
}

/** Where reading ended before the end of the file, and why. */
export interface CaptureProblem {
  readonly offset: number;
  readonly text: string;
}

export interface Capture {
  readonly format: "pcap" | "pcapng";
  /** Undefined at the end; `problem` then says whether it was the end of the file. */
  next(): CapturedPacket | undefined;
  readonly problem: CaptureProblem | undefined;
  /** Bytes of the file that have been read. */
  readonly offset: number;
}

const CAPTURE_ACCEPTED = "a pcap or pcapng capture";
const PCAP_HEADER_BYTES = 24;
const PCAPNG_SECTION = 0x0a0d0d0a;
/** No link carries more; a length beyond it is damage, and would make us skip the rest of the file. */
const PACKET_BYTES_MAX = 1 << 24;

/** Throws ROAMWALL_ERR_INPUT when the bytes are no capture at all. */
export function openCapture(bytes: Uint8Array, place: string): Capture {
  if (bytes.length < 4) throw badInput(place, `${bytes.length} bytes`, CAPTURE_ACCEPTED);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(0, false);
  if (magic === PCAPNG_SECTION) return new PcapngCapture(bytes, view);
  const kind = PCAP_MAGICS.get(magic);
  if (kind && bytes.length >= PCAP_HEADER_BYTES) return new PcapCapture(bytes, view, kind);
  const shown = magic.toString(16).padStart(8, "0");
  throw badInput(`${place} offset 0`, kind ? "a file header cut short" : `magic number ${shown}`, CAPTURE_ACCEPTED);
}

interface PcapKind {
  readonly littleEndian: boolean;
  readonly nanoseconds: boolean;
  readonly recordHeaderBytes: number;
}

const PCAP_MAGICS = new Map<number, PcapKind>([
  [0xa1b2c3d4, { littleEndian: false, nanoseconds: false, recordHeaderBytes: 16 }],
  [0xd4c3b2a1, { littleEndian: true, nanoseconds: false, recordHeaderBytes: 16 }],
  [0xa1b23c4d, { littleEndian: false, nanoseconds: true, recordHeaderBytes: 16 }],
  [0x4d3cb2a1, { littleEndian: true, nanoseconds: true, recordHeaderBytes: 16 }],
  // Alexey Kuznetzov's patched libpcap: eight more bytes in each record.
  [0xa1b2cd34, { littleEndian: false, nanoseconds: false, recordHeaderBytes: 24 }],
  [0x34cdb2a1, { littleEndian: true, nanoseconds: false, recordHeaderBytes: 24 }],
]);

class PcapCapture implements Capture {
  readonly format = "pcap";
  problem: CaptureProblem | undefined;
  offset = PCAP_HEADER_BYTES;
  private number = 0;
  private readonly linkType: number;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly view: DataView,
    private readonly kind: PcapKind,
  ) {
    // The upper bits say whether frames end with a checksum.
    this.linkType = view.getUint32(20, kind.littleEndian) & 0xffff;
  }

  next(): CapturedPacket | undefined {
    const at = this.offset;
    if (this.problem || at === this.bytes.length) return undefined;
    const { littleEndian, recordHeaderBytes, nanoseconds } = this.kind;
    if (at + recordHeaderBytes > this.bytes.length) return this.end(at, "the header of a packet is cut short");
    const seconds = this.view.getUint32(at, littleEndian);
    const fraction = this.view.getUint32(at + 4, littleEndian);
    const captured = this.view.getUint32(at + 8, littleEndian);
    const length = this.view.getUint32(at + 12, littleEndian);
    if (captured > PACKET_BYTES_MAX) return this.end(at, `a packet of ${captured} bytes`);
    const from = at + recordHeaderBytes;
    if (from + captured > this.bytes.length) {
      return this.end(at, `a packet of ${captured} bytes, of which ${this.bytes.length - from} are there`);
    }
    this.offset = from + captured;
    return {
      number: ++this.number,
      offset: at,
      timeNs: BigInt(seconds) * 1_000_000_000n + BigInt(fraction) * (nanoseconds ? 1n : 1000n),
      linkType: this.linkType,
      bytes: this.bytes.subarray(from, from + captured),
      length: Math.max(captured, Math.min(length, PACKET_BYTES_MAX)),
    };
  }

  private end(offset: number, text: string): undefined {
    this.problem = { offset, text };
    return undefined;
  }
}

interface Interface {
  readonly linkType: number;
  readonly snapBytes: number;
  /** Nanoseconds of `value` ticks of this interface's clock. */
  readonly timeNs: (value: bigint) => bigint;
}

/** Block types that carry packets or describe them; all others are skipped. */
const BLOCK = { interface: 1, oldPacket: 2, simplePacket: 3, enhancedPacket: 6 } as const;
const OPTION = { end: 0, timestampResolution: 9, timestampOffset: 14 } as const;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

class PcapngCapture implements Capture {
  readonly format = "pcapng";
  problem: CaptureProblem | undefined;
  offset = 0;
  private number = 0;
  private lastNs = 0n;
  private littleEndian = true;
  private interfaces: Interface[] = [];

  constructor(
    private readonly bytes: Uint8Array,
    private readonly view: DataView,
  ) {}

  next(): CapturedPacket | undefined {
    while (!this.problem && this.offset < this.bytes.length) {
      const packet = this.readBlock(this.offset);
      if (packet) return packet;
    }
    return undefined;
  }

  /** Moves on to the next block, or sets `problem`: so `next` always ends. */
  private readBlock(at: number): CapturedPacket | undefined {
    if (at + 12 > this.bytes.length) return this.end(at, "a block is cut short");
    const isSection = this.view.getUint32(at, false) === PCAPNG_SECTION;
    if (isSection && !this.readSection(at)) return undefined;
    const type = this.view.getUint32(at, this.littleEndian);
    const bytes = this.view.getUint32(at + 4, this.littleEndian);
    if (bytes < 12 || bytes % 4 !== 0) return this.end(at, `a block of ${bytes} bytes`);
    if (at + bytes > this.bytes.length) {
      return this.end(at, `a block of ${bytes} bytes, of which ${this.bytes.length - at} are there`);
    }
    this.offset = at + bytes;
    const end = at + bytes - 4;
    switch (type) {
      case BLOCK.interface:
        return this.readInterface(at, end);
      case BLOCK.enhancedPacket:
        return this.readPacket(at, end, this.view.getUint32(at + 8, this.littleEndian));
      case BLOCK.oldPacket:
        return this.readPacket(at, end, this.view.getUint16(at + 8, this.littleEndian));
      case BLOCK.simplePacket:
        return this.readSimplePacket(at, end);
      default:
        return undefined;
    }
  }

  private readSection(at: number): boolean {
    const magic = this.view.getUint32(at + 8, false);
    if (magic !== BYTE_ORDER_MAGIC && magic !== 0x4d3c2b1a) {
      this.end(at, "a section without byte order");
      return false;
    }
    this.littleEndian = magic !== BYTE_ORDER_MAGIC;
    this.interfaces = [];
    return true;
  }

  private readInterface(at: number, end: number): undefined {
    if (at + 16 > end) return this.end(at, "an interface block that is too short");
    let resolution = 6;
    let offsetS = 0n;
    let option = at + 16;
    while (option + 4 <= end) {
      const code = this.view.getUint16(option, this.littleEndian);
      const length = this.view.getUint16(option + 2, this.littleEndian);
      if (code === OPTION.end || option + 4 + length > end) break;
      if (code === OPTION.timestampResolution && length >= 1) resolution = this.view.getUint8(option + 4);
      if (code === OPTION.timestampOffset && length >= 8)
        offsetS = this.view.getBigInt64(option + 4, this.littleEndian);
      option += 4 + ((length + 3) & ~3);
    }
    this.interfaces.push({
      linkType: this.view.getUint16(at + 8, this.littleEndian),
      snapBytes: this.view.getUint32(at + 12, this.littleEndian),
      timeNs: clockOf(resolution, offsetS),
    });
    return undefined;
  }

  /** Enhanced and old packet blocks have all behind the interface number in common. */
  private readPacket(at: number, end: number, index: number): CapturedPacket | undefined {
    if (at + 28 > end) return this.end(at, "a packet block that is too short");
    const from = this.interfaces[index];
    if (!from) return this.end(at, `a packet of interface ${index}, which no block describes`);
    const high = BigInt(this.view.getUint32(at + 12, this.littleEndian));
    const low = BigInt(this.view.getUint32(at + 16, this.littleEndian));
    const captured = this.view.getUint32(at + 20, this.littleEndian);
    const length = this.view.getUint32(at + 24, this.littleEndian);
    if (at + 28 + captured > end) return this.end(at, `a packet of ${captured} bytes in a smaller block`);
    this.lastNs = from.timeNs((high << 32n) | low);
    return this.packet(at, from, at + 28, captured, length);
  }

  private readSimplePacket(at: number, end: number): CapturedPacket | undefined {
    const from = this.interfaces[0];
    if (!from) return this.end(at, "a simple packet before any interface");
    if (at + 12 > end) return this.end(at, "a packet block that is too short");
    const length = this.view.getUint32(at + 8, this.littleEndian);
    const captured = Math.min(length, from.snapBytes || length, end - at - 12);
    return this.packet(at, from, at + 12, captured, length);
  }

  private packet(offset: number, of: Interface, from: number, captured: number, length: number): CapturedPacket {
    return {
      number: ++this.number,
      offset,
      timeNs: this.lastNs,
      linkType: of.linkType,
      bytes: this.bytes.subarray(from, from + captured),
      length: Math.max(captured, Math.min(length, PACKET_BYTES_MAX)),
    };
  }

  private end(offset: number, text: string): undefined {
    this.problem = { offset, text };
    return undefined;
  }
}

/** `resolution`: a negative power of ten, or of two when the top bit is set. */
function clockOf(resolution: number, offsetS: bigint): (value: bigint) => bigint {
  const exponent = BigInt(resolution & 0x7f);
  const perSecond = (resolution & 0x80 ? 2n : 10n) ** exponent;
  const offsetNs = offsetS * 1_000_000_000n;
  return (value) => offsetNs + (value * 1_000_000_000n) / perSecond;
}
