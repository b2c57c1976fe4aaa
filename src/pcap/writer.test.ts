import { expect, it } from "vitest";
import { openCapture } from "./reader.ts";
import { packetBlock, sectionBlocks } from "./writer.ts";

it("writes what the reader reads: bytes, length, time", () => {
  const frames = [Uint8Array.of(1, 2, 3), new Uint8Array(128).fill(7)];
  const blocks = frames.map((bytes, i) =>
    packetBlock({
      bytes,
      length: 1000,
      microseconds: BigInt(i) + 1_700_000_000_000_001n,
      comment: "denied: acl",
      isInbound: i === 0,
    }),
  );
  const capture = openCapture(Buffer.concat([sectionBlocks("roamwall", 128), ...blocks]), "live");
  for (const [i, bytes] of frames.entries()) {
    const packet = capture.next()!;
    expect([...packet.bytes]).toEqual([...bytes]);
    expect([packet.length, packet.linkType, packet.timeNs]).toEqual([
      1000,
      1,
      (BigInt(i) + 1_700_000_000_000_001n) * 1000n,
    ]);
  }
  expect([capture.next(), capture.problem]).toEqual([undefined, undefined]);
});
