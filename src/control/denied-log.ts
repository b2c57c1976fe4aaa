import { formatAddress } from "../base/ip.ts";
import { type Mac, macFromBytes } from "../base/mac.ts";
import { REASONS, type RingEvent } from "../datapath/abi.ts";

/** A denial as the kernel sampled it: at most 64 a second and client. */
export interface DeniedPacket {
  readonly mac: Mac;
  readonly direction: "from client" | "to client";
  readonly reason: string;
  /** It passed: mode or role is `monitor`. */
  readonly monitored: boolean;
  readonly ethertype: number;
  readonly proto: number;
  /** As `10.0.0.1:5000`; absent for what is not IP. */
  readonly client?: string;
  readonly peer?: string;
}

const KEPT = 256;

/** The last denials, newest last. */
export class DeniedLog {
  private readonly kept: DeniedPacket[] = [];

  add(event: RingEvent): DeniedPacket {
    const denied = deniedPacket(event);
    this.kept.push(denied);
    if (this.kept.length > KEPT) this.kept.shift();
    return denied;
  }

  list(): DeniedPacket[] {
    return [...this.kept];
  }
}

function deniedPacket(event: RingEvent): DeniedPacket {
  const isIp = event.family === 4 || event.family === 6;
  return {
    mac: macFromBytes(event.mac),
    direction: event.direction === 0 ? "from client" : "to client",
    reason: REASONS[event.reason]?.[0] ?? `reason ${event.reason}`,
    monitored: event.monitored === 1,
    ethertype: event.ethertype,
    proto: event.proto,
    ...(isIp && {
      client: endText(event.family, event.client, event.client_port),
      peer: endText(event.family, event.peer, event.peer_port),
    }),
  };
}

function endText(family: number, words: readonly number[], port: number): string {
  const six = family === 6;
  const address = formatAddress({ family: six ? 6 : 4, words: words.slice(0, six ? 4 : 1) });
  if (port === 0) return address;
  return six ? `[${address}]:${port}` : `${address}:${port}`;
}
