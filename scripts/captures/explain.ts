/** What a capture had before a packet, and what therefore explains that the packet is denied. */
import { REASONS } from "../../src/datapath/abi.ts";
import type { DeniedFrame } from "../../src/policy/learn.ts";

const NS_PER_S = 1_000_000_000n;

interface Flow {
  opened: boolean;
  reset: boolean;
  /** by side: it was heard at all */
  readonly heard: Set<number>;
  lastNs: bigint;
}

export class Seen {
  private readonly flows = new Map<string, Flow>();
  private readonly addresses = new Set<string>();

  note(frame: DeniedFrame, timeNs: bigint): void {
    const key = keyOf(frame);
    const flow = this.flows.get(key) ?? { opened: false, reset: false, heard: new Set<number>(), lastNs: timeNs };
    this.flows.set(key, flow);
    if (frame.says === "opens") {
      flow.opened = true;
      flow.reset = false;
    }
    if (frame.says === "refuses") flow.reset = true;
    flow.heard.add(frame.direction);
    flow.lastNs = timeNs;
    this.addresses.add(pairOf(frame));
  }

  of(frame: DeniedFrame): Flow | undefined {
    return this.flows.get(keyOf(frame));
  }
}

const PROTOCOLS: Readonly<Record<number, string>> = { 1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6" };

export function explain(
  reason: number,
  frame: DeniedFrame | undefined,
  text: string,
  timeNs: bigint,
  seen: Seen,
): string {
  const name = REASONS[reason]![0];
  if (name !== "state" || !frame) return `${name}: ${shapeOf(text)}`;
  const protocol = PROTOCOLS[frame.proto] ?? "other protocols";
  if (text.includes("icmp error")) return `state: error about a ${protocol} packet that the capture has not`;
  const flow = seen.of(frame);
  if (!flow?.opened) return `state: ${protocol}, the flow began before the capture`;
  const silentS = Number((timeNs - flow.lastNs) / NS_PER_S);
  if (silentS > 30) return `state: ${protocol}, silent for ${silentS > 240 ? "more than 240" : "30 to 240"} s`;
  if (flow.reset) return `state: ${protocol}, after a reset`;
  if (!flow.heard.has(1 - frame.direction)) return `state: ${protocol}, only one side was captured`;
  return `state: ${protocol}, UNEXPLAINED`;
}

/** Of a description, without what differs from packet to packet. */
function shapeOf(text: string): string {
  return text.includes(" > ") ? text.replace(/^\S+ > \S+ /, "") : "no frame";
}

function keyOf({ proto, client, peer, clientPort, peerPort, family }: DeniedFrame): string {
  return [family, proto, Array.from(client), clientPort, Array.from(peer), peerPort].join();
}

function pairOf({ client, peer }: DeniedFrame): string {
  return `${Array.from(client)} ${Array.from(peer)}`;
}
