import { beforeAll, describe, expect, it } from "vitest";

/** What a broker sends, by the client of the small engine; `host` stands in for what the engine gives it. */
type Packets = typeof import("./mqtt-packets.ts");
let packets: Packets;

beforeAll(async () => {
  const host = {
    encode: (text: string) => new TextEncoder().encode(text),
    decode: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
  };
  Object.assign(globalThis, { host });
  packets = await import("./mqtt-packets.ts");
});

const bytes = (text: string) => new TextEncoder().encode(text);
const joined = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));

describe("packets of a broker", () => {
  const whole = () => {
    const { bare, PACKET, publish } = packets;
    const said = "x".repeat(300);
    return joined(publish(7, "roamwall/m/policy", said, true), bare(PACKET.PINGRESP), publish(8, "t", "", false));
  };

  it("are read, however the stream cuts them", () => {
    for (const size of [1, 2, 3, 7, 100, 10_000]) {
      const reader = new packets.PacketReader();
      const read = [];
      for (let at = 0; at < whole().length; at += size) read.push(...reader.take(whole().subarray(at, at + size))!);
      expect(read.map(({ type }) => type)).toEqual([3, 13, 3]);
      expect(packets.readPublish(read[0]!)).toEqual({
        topic: "roamwall/m/policy",
        payload: bytes("x".repeat(300)),
        id: 7,
      });
    }
  });

  it.each([
    ["a length of more than four bytes", [0x30, 0xff, 0xff, 0xff, 0xff, 0x7f]],
    ["a body of more than was ever asked for", [0x30, 0xff, 0xff, 0xff, 0x7f]],
  ])("with %s end the connection, before anything is kept for them", (_what, head) => {
    expect(new packets.PacketReader().take(Uint8Array.from(head))).toBeUndefined();
  });

  it("of any bytes are refused or read, and never keep more than came", () => {
    let state = 1;
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state >>> 24;
    };
    for (let i = 0; i < 2_000; i++) {
      const reader = new packets.PacketReader();
      const part = Uint8Array.from({ length: random() }, random);
      for (const packet of reader.take(part) ?? []) {
        const message = packets.readPublish(packet);
        if (message) expect(message.payload.length).toBeLessThanOrEqual(packet.body.length);
      }
    }
  });

  it("cut short inside are no message", () => {
    const [packet] = new packets.PacketReader().take(packets.publish(7, "topic", "payload", false))!;
    for (let cut = 0; cut < 2 + 5 + 2; cut++)
      expect(packets.readPublish({ ...packet!, body: packet!.body.subarray(0, cut) })).toBeUndefined();
    // QoS 3 there is none, 2 nobody asked for.
    for (const qos of [2, 3]) expect(packets.readPublish({ ...packet!, flags: qos << 1 })).toBeUndefined();
  });
});
