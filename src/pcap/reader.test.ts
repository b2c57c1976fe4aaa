import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Capture, type CapturedPacket, openCapture } from "./reader.ts";

const CAPTURES = "../shared/captures";
const PACKET = [1, 2, 3, 4, 5];

function all(capture: Capture): CapturedPacket[] {
  const packets: CapturedPacket[] = [];
  for (let packet = capture.next(); packet; packet = capture.next()) packets.push(packet);
  return packets;
}

/** A capture of two packets in any of the pcap variants. */
function pcap(magic: number, le: boolean, recordHeaderBytes: number): Uint8Array {
  const record = recordHeaderBytes + PACKET.length;
  const view = new DataView(new ArrayBuffer(24 + 2 * record));
  view.setUint32(0, magic, le);
  view.setUint32(20, 1, le);
  for (const at of [24, 24 + record]) {
    [7, 8, PACKET.length, 60].forEach((word, i) => {
      view.setUint32(at + i * 4, word, le);
    });
    new Uint8Array(view.buffer).set(PACKET, at + recordHeaderBytes);
  }
  return new Uint8Array(view.buffer);
}

/** One section, one interface (with options), then an enhanced, an unknown and a simple packet block. */
function pcapng(le: boolean, resolution: number): Uint8Array {
  const out: number[] = [];
  const u32 = (word: number) => {
    const bytes = [word & 255, (word >> 8) & 255, (word >> 16) & 255, word >>> 24];
    return le ? bytes : bytes.reverse();
  };
  const u16 = (word: number) => (le ? [word & 255, word >> 8] : [word >> 8, word & 255]);
  const block = (type: number, body: number[]) => {
    const padded = [...body, ...Array<number>((4 - (body.length % 4)) % 4).fill(0)];
    out.push(...u32(type), ...u32(padded.length + 12), ...padded, ...u32(padded.length + 12));
  };
  block(0x0a0d0d0a, [...u32(0x1a2b3c4d), ...u16(1), ...u16(0), ...u32(0xffffffff), ...u32(0xffffffff)]);
  block(1, [...u16(1), ...u16(0), ...u32(0), ...u16(9), ...u16(1), resolution, 0, 0, 0, ...u32(0)]);
  block(6, [...u32(0), ...u32(0), ...u32(1024), ...u32(PACKET.length), ...u32(60), ...PACKET]);
  block(5, [1, 2, 3, 4]);
  block(3, [...u32(PACKET.length), ...PACKET]);
  return Uint8Array.from(out);
}

describe("openCapture", () => {
  it.each([
    ["microseconds, little endian", 0xa1b2c3d4, true, 16, 7_000_008_000n],
    ["microseconds, big endian", 0xa1b2c3d4, false, 16, 7_000_008_000n],
    ["nanoseconds", 0xa1b23c4d, true, 16, 7_000_000_008n],
    ["the longer record header", 0xa1b2cd34, true, 24, 7_000_008_000n],
  ])("reads pcap with %s", (_phrase, magic, le, header, timeNs) => {
    const capture = openCapture(pcap(magic, le, header), "x.pcap");
    const packets = all(capture);
    expect(packets.map((p) => [...p.bytes])).toEqual([PACKET, PACKET]);
    expect(packets[1]).toMatchObject({ number: 2, offset: 24 + header + 5, timeNs, linkType: 1, length: 60 });
    expect(capture.problem).toBeUndefined();
  });

  it.each([
    ["little endian, microseconds", true, 6, 1_024_000n],
    ["big endian, milliseconds", false, 3, 1_024_000_000n],
    ["powers of two", true, 0x80 | 10, 1_000_000_000n],
  ])("reads pcapng with %s", (_phrase, le, resolution, timeNs) => {
    const capture = openCapture(pcapng(le, resolution), "x.pcapng");
    const packets = all(capture);
    expect(packets.map((p) => [...p.bytes])).toEqual([PACKET, PACKET]);
    expect(packets.map((p) => p.timeNs)).toEqual([timeNs, timeNs]);
    expect(capture.problem).toBeUndefined();
  });

  it("refuses what is no capture, and says what it found", () => {
    expect(() => openCapture(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 1), "x")).toThrow(
      "x offset 0: magic number 7f454c46",
    );
    expect(() => openCapture(new Uint8Array(3), "x")).toThrow("3 bytes");
  });

  it("ends at damage with the offset of the record", () => {
    const bytes = pcap(0xa1b2c3d4, true, 16);
    new DataView(bytes.buffer).setUint32(24 + 21 + 8, 0x7fffffff, true);
    const capture = openCapture(bytes, "x");
    expect(all(capture).length).toBe(1);
    expect(capture.problem).toEqual({ offset: 45, text: "a packet of 2147483647 bytes" });
  });

  it.each([
    ["pcap", pcap(0xa1b2c3d4, true, 16)],
    ["pcapng", pcapng(true, 6)],
  ])("reads a %s file that was cut at any byte up to the cut, and says so", (_format, whole) => {
    for (let length = 4; length < whole.length; length++) {
      let capture: Capture;
      try {
        capture = openCapture(whole.slice(0, length), "cut");
      } catch (error) {
        expect(error).toMatchObject({ code: "ROAMWALL_ERR_INPUT" });
        continue;
      }
      const packets = all(capture);
      expect(packets.length).toBeLessThanOrEqual(2);
      if (capture.offset !== length) expect(capture.problem?.offset).toBe(capture.offset);
    }
  });

  it.skipIf(!existsSync(CAPTURES))("reads every shared capture to its end, and ends at any byte flipped", () => {
    const names = readdirSync(CAPTURES).filter((name) => /\.pcap(ng)?$/.test(name));
    expect(names.length).toBeGreaterThan(100);
    for (const name of names) {
      const bytes = readFileSync(join(CAPTURES, name));
      const capture = openCapture(bytes, name);
      expect(all(capture).length, name).toBeGreaterThan(0);
      for (let i = 4; i < Math.min(bytes.length, 400); i += 3) {
        const flipped = Uint8Array.from(bytes.subarray(0, 4000));
        flipped[i]! ^= 0xff;
        try {
          all(openCapture(flipped, name));
        } catch (error) {
          expect(error).toMatchObject({ code: "ROAMWALL_ERR_INPUT" });
        }
      }
    }
  });
});
