import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { macToBytes, parseMac } from "../../../src/base/mac.ts";
import { checksum } from "../../support/packets.ts";
import { BUILT } from "./build.ts";
import type { Lab } from "./lab.ts";
import { pause, until } from "./processes.ts";
import { STRANGER } from "./topology.ts";

const ETHERNET_BYTES = 14;
const IPV4_BYTES = 20;
const UDP_AT = ETHERNET_BYTES + IPV4_BYTES;
const HEADER_BYTES = UDP_AT + 8;
const LENGTH_BYTES = 2;
const RECORD_PATIENCE_MS = 20_000;
/** Nothing that the stranger hears is looked at. */
const NO_MARKER = "NOTHING-AT-ALL";
const BURST = 20;
const BURST_EVERY_MS = 10;

/** The next frames of the mesh link, as a packet socket there sees them. */
export async function recordFrames(lab: Lab, count: number): Promise<Uint8Array[]> {
  const path = join(lab.directory, `recording-${performance.now()}`);
  await lab.link!.record(path, count);
  return await until(`${count} datagrams on the mesh link`, RECORD_PATIENCE_MS, () => {
    const frames = existsSync(path) ? parse(readFileSync(path)) : [];
    return frames.length === count ? frames : undefined;
  });
}

function parse(bytes: Buffer): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let at = 0; at + LENGTH_BYTES <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    at += LENGTH_BYTES;
    if (at + length <= bytes.length) frames.push(withSums(Uint8Array.from(bytes.subarray(at, at + length))));
    at += length;
  }
  return frames;
}

export function isSealed(frame: Uint8Array): boolean {
  return frame[HEADER_BYTES]! >> 7 === 0;
}

/** The stranger's own addresses in it. */
export function fromStranger(frame: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(frame);
  copy.set(macToBytes(parseMac(STRANGER.mac, "stranger")), 6);
  copy.set(STRANGER.v4.split(".").map(Number), ETHERNET_BYTES + 12);
  return withSums(copy);
}

/** One bit of the datagram is turned. */
export function flipped(frame: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(frame);
  const at = HEADER_BYTES + ((bit >> 3) % (frame.length - HEADER_BYTES));
  copy[at]! ^= 1 << (bit & 7);
  return withSums(copy);
}

/** Its last bytes are missing; all lengths say so. */
export function truncated(frame: Uint8Array, bytes: number): Uint8Array {
  return withSums(frame.slice(0, Math.max(HEADER_BYTES + 1, frame.length - bytes)));
}

/** Lengths and checksums as they must be: what is wrong is for the agent alone to find. UDP's may be left out. */
function withSums(frame: Uint8Array): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset);
  view.setUint16(ETHERNET_BYTES + 2, frame.length - ETHERNET_BYTES);
  view.setUint16(UDP_AT + 4, frame.length - UDP_AT);
  view.setUint16(UDP_AT + 6, 0);
  view.setUint16(ETHERNET_BYTES + 10, 0);
  view.setUint16(ETHERNET_BYTES + 10, checksum(frame.subarray(ETHERNET_BYTES, UDP_AT)));
  return frame;
}

/** Sends frames from the stranger's port, 2,000 a second. */
export async function flood(lab: Lab, frames: readonly Uint8Array[]): Promise<void> {
  const helper = lab.processes.start(join(BUILT, "inject"), ["back0", NO_MARKER], {
    netns: lab.namespaces.path("stranger"),
    log: join(lab.processes.logs, "stranger.log"),
    stdin: "pipe",
  });
  helper.stdin!.on("error", () => {});
  for (let at = 0; at < frames.length; at += BURST) {
    for (const frame of frames.slice(at, at + BURST)) {
      const length = Buffer.alloc(LENGTH_BYTES);
      length.writeUInt16LE(frame.length);
      helper.stdin!.write(Buffer.concat([length, frame]));
    }
    await pause(BURST_EVERY_MS);
  }
  await lab.processes.stop(helper);
}
