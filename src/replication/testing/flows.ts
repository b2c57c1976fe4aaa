import { expect } from "vitest";
import { filterOf } from "../../../test/support/firewall.ts";
import { tcp, udp } from "../../../test/support/packets.ts";
import { type Mac, parseMac } from "../../base/mac.ts";
import { type Ap, Lab, type LabOptions } from "./lab.ts";

/** One client whose flows go through the access points of a lab. Tests only. */

const MAC = "02:00:00:00:0a:01";
const SERVER = "02:00:00:00:0b:01";
export const CLIENT = parseMac(MAC, "test") as Mac;
const OUT = { srcMac: MAC, dstMac: SERVER, src: "10.0.0.1", dst: "10.9.9.9" };
const IN = { srcMac: SERVER, dstMac: MAC, src: "10.9.9.9", dst: "10.0.0.1" };
export const FLOWS = 200;

export type FrameName = "S" | "SA" | "A>" | "<A" | "U>" | "<U" | "F>" | "<F" | "<D";

/** Access points whose files all know the client, up for two seconds. */
export async function meshOf(count: number, setup: LabOptions = {}): Promise<Lab> {
  const lab = new Lab(count, {
    geometry: "4x256x8/r26",
    ...setup,
    prepare(ap) {
      ap.datapath.setFilter(
        filterOf(0, [
          { direction: "out", proto: 6 },
          { direction: "out", proto: 17 },
        ]),
      );
      setup.prepare?.(ap);
    },
  });
  lab.localRoles.set(CLIENT, "open");
  // Each AP holds the same file: the client is known everywhere, and nowhere.
  await lab.start();
  for (const ap of lab.aps) ap.replicator.proxy.rights.give(CLIENT, { role: "open" });
  await lab.run(2_000);
  return lab;
}

/** Frames of one flow through one AP; the number that it denied. */
export function pass(ap: Ap, flow: number, ...frames: FrameName[]): number {
  const ports = { sport: 20_000 + flow, dport: 443 };
  const back = { sport: 443, dport: 20_000 + flow };
  const of = {
    S: [tcp({ ...OUT, ...ports, flags: "S" }), 0],
    SA: [tcp({ ...IN, ...back, flags: "SA" }), 1],
    "A>": [tcp({ ...OUT, ...ports, flags: "A" }), 0],
    "<A": [tcp({ ...IN, ...back, flags: "A" }), 1],
    // A server that speaks first.
    "<D": [tcp({ ...IN, ...back, flags: "PA" }), 1],
    "F>": [tcp({ ...OUT, ...ports, flags: "FA" }), 0],
    "<F": [tcp({ ...IN, ...back, flags: "FA" }), 1],
    "U>": [udp({ ...OUT, ...ports }), 0],
    "<U": [udp({ ...IN, ...back }), 1],
  } as const;
  return frames.filter((name) => {
    const [frame, direction] = of[name];
    return !ap.datapath.judge({ frame, direction }).pass;
  }).length;
}

export async function open(lab: Lab, ap: Ap, flows = FLOWS): Promise<void> {
  let denied = 0;
  for (let flow = 0; flow < flows; flow++) denied += pass(ap, flow, "S", "SA", "A>", "<A");
  expect(denied).toBe(0);
  await lab.run(400);
}

/** All flows speak at the new AP, one after the other, both ways. */
export async function speak(lab: Lab, ap: Ap, from = 0, to = FLOWS): Promise<number> {
  let denied = 0;
  for (let flow = from; flow < to; flow++) {
    denied += pass(ap, flow, "A>", "<A");
    if (flow % 10 === 0) await lab.run(1);
  }
  return denied;
}
