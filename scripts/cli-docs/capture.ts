/** A capture for docs/cli.md: a client asks for a name and opens a web page; then somebody knocks at it. */
import { packetBlock, sectionBlocks } from "../../src/pcap/writer.ts";
import { tcp, udp } from "../../test/support/packets.ts";

const CLIENT = "02:00:00:00:0a:01";
const ROUTER = "02:00:00:00:00:01";
const OUT = { srcMac: CLIENT, dstMac: ROUTER, src: "10.1.0.10" };
const IN = { srcMac: ROUTER, dstMac: CLIENT, dst: "10.1.0.10" };
const ASKED = { ...OUT, dst: "10.1.1.53", sport: 41_000, dport: 53 };
const TOLD = { ...IN, src: "10.1.1.53", sport: 53, dport: 41_000 };
const THERE = { ...OUT, dst: "10.1.1.80", sport: 40_000, dport: 443 };
const BACK = { ...IN, src: "10.1.1.80", sport: 443, dport: 40_000 };

const FRAMES = [
  udp(ASKED),
  udp(TOLD),
  tcp({ ...THERE, flags: "S" }),
  tcp({ ...BACK, flags: "SA" }),
  tcp({ ...THERE, flags: "A" }),
  tcp({ ...THERE, flags: "PA", payload: new Uint8Array(200) }),
  tcp({ ...BACK, flags: "PA", payload: new Uint8Array(1_200) }),
  tcp({ ...IN, src: "10.1.1.66", sport: 42_000, dport: 22, flags: "S" }),
  tcp({ ...BACK, sport: 444, flags: "A" }),
];
const SNAP_LENGTH = 2_048;
/** The first day of 2026. */
const BEGAN_MICROSECONDS = 1_767_225_600_000_000n;

/** pcapng; a packet a millisecond. */
export function capture(): Uint8Array {
  const packets = FRAMES.map((bytes, i) =>
    packetBlock({
      bytes,
      length: bytes.length,
      microseconds: BEGAN_MICROSECONDS + BigInt(i) * 1_000n,
      comment: "",
      isInbound: false,
    }),
  );
  return Buffer.concat([sectionBlocks("phy0-ap0", SNAP_LENGTH), ...packets]);
}
