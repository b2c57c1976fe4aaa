/** The packets whose cost is measured, in the kernel (`kernel-speed.ts`) and on each CPU (`test/cpus`): the same, or figures could not be compared. */
import { compileAutomata } from "../../src/automata/compile.ts";
import { macToBytes, parseMac } from "../../src/base/mac.ts";
import type { Geometry } from "../../src/bloom/geometry.ts";
import { MAP_RECORDS } from "../../src/datapath/map-records.ts";
import { COMMANDS } from "../../src/datapath/stream-records.ts";
import { CLIENT, filterOf, PEER, record } from "../support/firewall.ts";
import { tcp, udp } from "../support/packets.ts";
import { bytesOf, type Frame, type Sink, sendCtl } from "./routine-records.ts";

/** A client with three rules. */
export function sendCostRules(to: Sink, geometry: Geometry): void {
  sendCtl(to, { fast: 3, slow: 3, test_now: 5_000_000_000n });
  to.send(COMMANDS.load_automata.number, compileAutomata({ geometry, shorten: geometry.timerBits === 6 }));
  const {
    id,
    bits,
    seed,
    probes,
    out,
    in: into,
    data,
  } = filterOf(0, [
    { direction: "out", proto: 6, port: 443 },
    { direction: "out", proto: 6, port: 80 },
    { direction: "out", proto: 17, peer: "10.1.0.1" },
  ]);
  to.send(
    COMMANDS.set_filter.number,
    bytesOf(COMMANDS.set_filter.body, { id, bits, seed, probes, out, in: into }),
    data,
  );
  const mac = Uint8Array.from([...macToBytes(parseMac(CLIENT, "client")), 0, 0]);
  to.send(COMMANDS.set_client.number, mac, bytesOf(MAP_RECORDS.client, record()));
}

const out = { srcMac: CLIENT, dstMac: PEER, src: "10.0.0.1", dst: "10.1.0.1" };
const back = { srcMac: PEER, dstMac: CLIENT, src: "10.1.0.1", dst: "10.0.0.1" };
const payload = new Uint8Array(1000);

/** Of one flow; but for the denied ones, which have none. */
export const COST_PACKETS = {
  syn: synOf(1024),
  synAck: frame(tcp({ ...back, sport: 443, dport: 1024, flags: "SA" }), 1),
  ack: frame(tcp({ ...out, sport: 1024, dport: 443, flags: "A", payload }), 0),
  answer: frame(tcp({ ...back, sport: 443, dport: 1024, flags: "A", payload }), 1),
  deniedByRules: frame(udp({ ...out, sport: 1, dport: 2, dst: "10.9.9.9" }), 0),
  deniedByState: frame(tcp({ ...out, sport: 9, dport: 443, flags: "A" }), 0),
} as const;

/** The first packet of a flow. */
export function synOf(sport: number): Frame {
  return frame(tcp({ ...out, sport, dport: 443, flags: "S" }), 0);
}

function frame(bytes: Uint8Array, direction: 0 | 1): Frame {
  return { bytes, direction, tagged: false, fromAp: false, gso: false, ifindex: 5 };
}
