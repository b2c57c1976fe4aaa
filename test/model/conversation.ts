import { tcp, udp } from "../support/packets.ts";
import { OPEN_PORTS } from "./access-point.ts";
import type { Client } from "./client.ts";
import { type Direction, type Kind, Promised } from "./promised.ts";

/** One end: a client of the mesh, or a host behind it. */
export interface Party {
  readonly mac: string;
  readonly ip: string;
  readonly port: number;
  readonly client: Client | undefined;
}

/** 0 opens, 1 answers. */
export type Side = 0 | 1;

export interface Step {
  readonly side: Side;
  readonly kind: Kind;
  /** After the step before came through. */
  readonly waitMs: number;
}

/** Two parties, what they will say, and what the firewall at each client's port has promised them. */
export class Conversation {
  /** By side; undefined where no client is. */
  readonly promised: readonly [Promised | undefined, Promised | undefined];
  private readonly frames = new Map<string, Uint8Array>();
  next = 0;
  tries = 0;
  isOver = false;

  constructor(
    readonly name: string,
    readonly parties: readonly [Party, Party],
    readonly steps: readonly Step[],
    ticks: { readonly fastTickMs: number; readonly slowTickMs: number },
  ) {
    const promise = ({ client, port }: Party) => client && new Promised([true, OPEN_PORTS.includes(port)], ticks);
    this.promised = [promise(parties[0]), promise(parties[1])];
  }

  /** As its sender's party puts it on the air. */
  frame(kind: Kind, side: Side): Uint8Array {
    const key = kind + side;
    const known = this.frames.get(key);
    if (known) return known;
    const [from, to] = [this.parties[side], this.parties[1 - side]!];
    const link = { srcMac: from.mac, dstMac: to.mac, src: from.ip, dst: to.ip, sport: from.port, dport: to.port };
    const frame = kind === "U" ? udp(link) : tcp({ ...link, flags: kind });
    this.frames.set(key, frame);
    return frame;
  }
}

/** Which way a packet of `sender` crosses the port of the client at `side`. */
export function directionAt(side: Side, sender: Side): Direction {
  return side === sender ? 0 : 1;
}
