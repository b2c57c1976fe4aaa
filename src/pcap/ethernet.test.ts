import { describe, expect, it } from "vitest";
import { LINK, toEthernet } from "./ethernet.ts";

/** 10.0.0.1 > 10.0.0.2, and fe80::1 > ff02::2. */
const FOUR = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 59, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
const SIX = [
  0x60,
  0,
  0,
  0,
  0,
  0,
  59,
  255,
  0xfe,
  0x80,
  ...Array<number>(13).fill(0),
  1,
  0xff,
  2,
  ...Array<number>(13).fill(0),
  2,
];
const MACS_FOUR = "02040a00000202040a000001";
const GROUP_SIX = "333300000002";

function hex(bytes: ArrayLike<number>): string {
  return Buffer.from(Array.from(bytes)).toString("hex");
}

describe("toEthernet", () => {
  it.each([
    ["raw IP", LINK.raw, []],
    ["raw IP of BSD", LINK.rawBsd, []],
    ["IPv4", LINK.ipv4, []],
    ["null with the family little endian", LINK.null, [2, 0, 0, 0]],
    ["null with the family big endian", LINK.loop, [0, 0, 0, 2]],
    ["PPP", LINK.ppp, [0xff, 0x03, 0x00, 0x21]],
    ["PPP without address and control", LINK.ppp, [0x00, 0x21]],
    ["Linux cooked", LINK.linuxSll, [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0, 8, 0]],
    ["Linux cooked, version 2", LINK.linuxSll2, [8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0]],
  ])("gives each address of %s a station of its own", (_phrase, link, head) => {
    const bytes = Uint8Array.from([...head, ...FOUR]);
    const { frame, length } = toEthernet(link, bytes, bytes.length)!;
    expect(hex(frame)).toBe(`${MACS_FOUR}0800${hex(FOUR)}`);
    expect(length).toBe(14 + FOUR.length);
  });

  it("gives group addresses their group MAC", () => {
    expect(hex(toEthernet(LINK.raw, Uint8Array.from(SIX), 40)!.frame.subarray(0, 6))).toBe(GROUP_SIX);
    const mdns = [...FOUR.slice(0, 16), 224, 0, 0, 251];
    expect(hex(toEthernet(LINK.raw, Uint8Array.from(mdns), 20)!.frame.subarray(0, 6))).toBe("01005e0000fb");
  });

  it("keeps the length on the wire where the capture cut the packet", () => {
    expect(toEthernet(LINK.raw, Uint8Array.from(FOUR), 1400)!.length).toBe(1414);
    expect(
      toEthernet(LINK.linuxSll, Uint8Array.from([...Array<number>(14).fill(0), 8, 0, ...FOUR]), 1416)!.length,
    ).toBe(1414);
  });

  it("answers nothing for links it does not know, and never throws when a header is cut", () => {
    expect(toEthernet(147, Uint8Array.from(FOUR), 20)).toBeUndefined();
    for (const link of Object.values(LINK)) {
      for (let length = 0; length < 40; length++) toEthernet(link, Uint8Array.from(SIX).subarray(0, length), 60);
    }
  });
});
