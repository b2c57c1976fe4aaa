import { compileAutomata } from "../../src/automata/compile.ts";
import { macToBytes, parseMac } from "../../src/base/mac.ts";
import { parseGeometry } from "../../src/bloom/geometry.ts";
import { writeRecord } from "../../src/datapath/layout.ts";
import { MAP_RECORDS } from "../../src/datapath/map-records.ts";
import { COMMANDS } from "../../src/datapath/stream-records.ts";
import { CLIENT, filterOf, PEER, record, SEEDS } from "../support/firewall.ts";
import { tcp, udp } from "../support/packets.ts";
import { type Frame, KernelRunner, sendCtl } from "./kernel-runner.ts";

/**
 * What a packet costs in the kernel's program, by BPF_PROG_TEST_RUN: the best of several rounds, since other work only adds.
 *
 *     node scripts/ts.mjs test/lab/kernel-speed.ts [--geometry 4x1024x8/r26] [--atomics 0]
 */
const ROUNDS = 15;
const REPEAT = 200_000;
const NEW_FLOWS = 4000;

const at = process.argv.indexOf("--geometry");
const geometry = parseGeometry(at < 0 ? "4x1024x8/r26" : (process.argv[at + 1] ?? ""), "--geometry");
const atomics = !process.argv.includes("--atomics") || process.argv[process.argv.indexOf("--atomics") + 1] === "1";
const runner = new KernelRunner({ geometry, seeds: SEEDS, mirrors: 1, slots: 64, atomics });

sendCtl(runner, { fast: 3, slow: 3, test_now: 5_000_000_000n });
runner.send(COMMANDS.load_automata.number, compileAutomata({ geometry, shorten: geometry.timerBits === 6 }));
const filter = filterOf(0, [
  { direction: "out", proto: 6, port: 443 },
  { direction: "out", proto: 6, port: 80 },
  { direction: "out", proto: 17, peer: "10.1.0.1" },
]);
runner.send(COMMANDS.set_filter.number, body(COMMANDS.set_filter.body, filter), filter.data);
const mac = Uint8Array.from([...macToBytes(parseMac(CLIENT, "client")), 0, 0]);
runner.send(COMMANDS.set_client.number, mac, body(MAP_RECORDS.client, record()));

const out = { srcMac: CLIENT, dstMac: PEER, src: "10.0.0.1", dst: "10.1.0.1" };
const back = { srcMac: PEER, dstMac: CLIENT, src: "10.1.0.1", dst: "10.0.0.1" };
const payload = new Uint8Array(1000);
const syn = frame(tcp({ ...out, sport: 1024, dport: 443, flags: "S" }), 0);
const ack = frame(tcp({ ...out, sport: 1024, dport: 443, flags: "A", payload }), 0);
const answer = frame(tcp({ ...back, sport: 443, dport: 1024, flags: "A", payload }), 1);
for (const each of [syn, frame(tcp({ ...back, sport: 443, dport: 1024, flags: "SA" }), 1), ack])
  runner.run(each, () => {});
await report("established, from client", ack);
await report("established, to client", answer);
await report("SYN again", syn);
await report("denied by the access list", frame(udp({ ...out, sport: 1, dport: 2, dst: "10.9.9.9" }), 0));
await report("denied, no expectation", frame(tcp({ ...out, sport: 9, dport: 443, flags: "A" }), 0));
const single = await median(() => ack);
const opening = await median((i) => frame(tcp({ ...out, sport: 2000 + i, dport: 443, flags: "S" }), 0));
console.log(`first packet of a flow: ${opening - single} ns more than an established one (single runs, median)`);
await runner.close();

async function report(what: string, of: Frame): Promise<void> {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < ROUNDS; i++) best = Math.min(best, await runner.bench(of, REPEAT));
  console.log(`${what}: ${best} ns`);
}

async function median(of: (i: number) => Frame): Promise<number> {
  const all: number[] = [];
  for (let i = 0; i < NEW_FLOWS; i++) all.push(await runner.bench(of(i), 1));
  return all.sort((a, b) => a - b)[NEW_FLOWS / 2]!;
}

function frame(bytes: Uint8Array, direction: 0 | 1): Frame {
  return { bytes, direction, tagged: false, fromAp: false, gso: false, ifindex: 5 };
}

function body(of: Parameters<typeof writeRecord>[0], value: object): Uint8Array {
  const bytes = new Uint8Array(of.bytes);
  writeRecord(of, new DataView(bytes.buffer), 0, value, true);
  return bytes;
}
