import { LIFE_S, type Residue } from "./limits.ts";
import { type Memory, other, type Side } from "./path.ts";

const NEVER = Number.NEGATIVE_INFINITY;

export interface Datagram {
  readonly side: Side;
  readonly text: string;
  /** Which part of a fragmented datagram; whole ones have none. */
  readonly part?: "head" | "tail";
  readonly frame: Uint8Array;
}

/** The promise to one exchange of datagrams: UDP, GRE, ESP. */
export class DatagramMemory implements Memory<Datagram> {
  private answeredUntil = NEVER;
  private readonly openedUntil: [number, number] = [NEVER, NEVER];
  private readonly fragments = new FragmentMemory();

  constructor(
    private readonly mayOpen: readonly [boolean, boolean],
    private readonly answeredS: number,
  ) {}

  excuse(packet: Datagram, nowMs: number): Residue | undefined {
    if (packet.part === "tail") return this.fragments.excuse(packet.side, nowMs);
    return this.mayOpen[packet.side] ? undefined : this.excuseFlow(packet.side, nowMs);
  }

  excuseError(nowMs: number): Residue | undefined {
    return this.excuseFlow(0, nowMs) && this.excuseFlow(1, nowMs);
  }

  private excuseFlow(side: Side, nowMs: number): Residue | undefined {
    const alive = this.answeredUntil >= nowMs || Math.max(...this.openedUntil) >= nowMs;
    if (alive) return undefined;
    return this.answeredUntil > this.openedUntil[other(side)] ? "udp idle" : "udp late answer";
  }

  passed(packet: Datagram, nowMs: number): void {
    if (packet.part === "tail") return;
    if (packet.part === "head") this.fragments.head(packet.side, nowMs);
    const answers = this.answeredUntil >= nowMs || this.openedUntil[other(packet.side)] >= nowMs;
    if (answers) this.answeredUntil = nowMs + this.answeredS * 1000;
    else if (this.mayOpen[packet.side]) this.openedUntil[packet.side] = nowMs + LIFE_S.opened * 1000;
  }
}

/** The promise to one query identifier. */
export class QueryMemory implements Memory<Datagram> {
  private askedUntil = NEVER;
  private readonly fragments = new FragmentMemory();

  constructor(private readonly asker: Side) {}

  excuse(packet: Datagram, nowMs: number): Residue | undefined {
    if (packet.part === "tail") return this.fragments.excuse(packet.side, nowMs);
    return packet.side === this.asker ? undefined : this.excuseError(nowMs);
  }

  excuseError(nowMs: number): Residue | undefined {
    return this.askedUntil >= nowMs ? undefined : "icmp late answer";
  }

  passed(packet: Datagram, nowMs: number): void {
    if (packet.part === "head") this.fragments.head(packet.side, nowMs);
    if (packet.side === this.asker && packet.part !== "tail") this.askedUntil = nowMs + LIFE_S.opened * 1000;
  }
}

/** The promise to those who answer a question that was put to a group. */
export class GroupMemory implements Memory<Datagram> {
  private askedUntil = NEVER;

  asked(nowMs: number): void {
    this.askedUntil = nowMs + LIFE_S.group * 1000;
  }

  excuse(packet: Datagram, nowMs: number): Residue | undefined {
    return packet.side === 0 ? undefined : this.excuseError(nowMs);
  }

  excuseError(nowMs: number): Residue | undefined {
    return this.askedUntil >= nowMs ? undefined : "group late answer";
  }

  passed(packet: Datagram, nowMs: number): void {
    if (packet.side === 0) this.asked(nowMs);
  }
}

/** A pair's fragments: heads expect tails of their own direction. */
class FragmentMemory {
  private readonly until: [number, number] = [NEVER, NEVER];

  head(side: Side, nowMs: number): void {
    this.until[side] = nowMs + LIFE_S.fragment * 1000;
  }

  excuse(side: Side, nowMs: number): Residue | undefined {
    return this.until[side] >= nowMs ? undefined : "fragment order";
  }
}
