import { LIFE_S, type Residue } from "./limits.ts";
import { type Memory, other, type Side } from "./path.ts";
import { FLAG, type Segment, textOfFlags } from "./tcp.ts";

const NEVER = Number.NEGATIVE_INFINITY;

/** A FIN is remembered at least its promised life and at most a tick longer. */
const FIN_MOST_MS = { close: (LIFE_S.close + 10) * 1000, long: (LIFE_S.long + 360) * 1000 } as const;

/**
 * The promise to one pair of ports, kept from what passed: until when a packet must pass, and which stated limit
 * applies afterwards. It knows the endpoints' truth (which connection a FIN belongs to), never the table.
 */
export class TcpMemory implements Memory<Segment> {
  private establishedUntil = NEVER;
  private cause: Residue = "tcp handshake";
  private readonly handshakeUntil: [number, number] = [NEVER, NEVER];
  /** Connection whose FIN passed last from this side, and how long the firewall may remember it. */
  private readonly fin: [number, number] = [0, 0];
  private readonly finUntil: [number, number] = [NEVER, NEVER];
  private connection = 0;

  constructor(
    private readonly mayOpen: readonly [boolean, boolean],
    private readonly shortens: boolean,
  ) {}

  excuse(segment: Segment, nowMs: number): Residue | undefined {
    const { side } = segment;
    const open = this.handshakeUntil[other(side)] >= nowMs;
    const established = this.establishedUntil >= nowMs;
    switch (kindOf(segment)) {
      case "syn":
        return this.mayOpen[side] || open || this.handshakeUntil[side] >= nowMs ? undefined : "tcp crossing first";
      case "rst":
        return established || open || this.handshakeUntil[side] >= nowMs ? undefined : this.cause;
      default:
        return established || open ? undefined : this.cause;
    }
  }

  excuseError(nowMs: number): Residue | undefined {
    const alive = Math.max(this.establishedUntil, ...this.handshakeUntil) >= nowMs;
    return alive ? undefined : this.cause;
  }

  passed(segment: Segment, nowMs: number): void {
    const { side } = segment;
    switch (kindOf(segment)) {
      case "syn":
        this.handshakeUntil[side] = nowMs + LIFE_S.handshake * 1000;
        return;
      case "synAck":
        this.handshook(side, segment.connection, nowMs);
        return;
      case "rst":
        this.reset(nowMs);
        return;
      case "fin":
        this.finished(side, segment.connection, nowMs);
        return;
      default:
        this.acknowledged(nowMs);
        return;
    }
  }

  private handshook(side: Side, connection: number, nowMs: number): void {
    const until = nowMs + LIFE_S.handshake * 1000;
    const awaited = this.handshakeUntil[other(side)] >= nowMs;
    if (!awaited && this.establishedUntil < nowMs) return;
    if (this.establishedUntil < until) {
      this.establishedUntil = until;
      this.cause = "tcp handshake";
    }
    if (!awaited) return;
    this.handshakeUntil[other(side)] = until;
    this.finUntil[0] = this.finUntil[1] = NEVER;
    this.connection = Math.max(this.connection, connection);
  }

  private acknowledged(nowMs: number): void {
    if (this.establishedUntil < nowMs) return;
    if (this.closing(nowMs)) {
      this.closes(Math.max(this.establishedUntil, nowMs + LIFE_S.close * 1000));
      return;
    }
    this.establishedUntil = nowMs + LIFE_S.long * 1000;
    this.cause = "tcp idle";
  }

  private finished(side: Side, connection: number, nowMs: number): void {
    if (this.shortens) {
      this.fin[side] = connection;
      this.finUntil[side] = nowMs + FIN_MOST_MS.long;
    }
    if (this.establishedUntil < nowMs) return;
    if (!this.closing(nowMs)) {
      this.acknowledged(nowMs);
      return;
    }
    this.finUntil[0] = this.finUntil[1] = nowMs + FIN_MOST_MS.close;
    this.closes(nowMs + LIFE_S.close * 1000);
  }

  private closes(untilMs: number): void {
    this.establishedUntil = untilMs;
    this.cause = Math.min(...this.fin) < this.connection ? "tcp late fin" : "tcp close gap";
  }

  private reset(nowMs: number): void {
    const until = nowMs + LIFE_S.reset * 1000;
    if (!this.shortens || this.establishedUntil <= until) return;
    this.establishedUntil = until;
    this.cause = "tcp reset";
  }

  private closing(nowMs: number): boolean {
    return Math.min(...this.finUntil) >= nowMs;
  }
}

export function textOfSegment(segment: Segment): string {
  const ack = segment.flags & FLAG.ack ? ` ack ${segment.ack}` : "";
  const data = segment.data ? ` data ${segment.data}` : "";
  return `${textOfFlags(segment.flags)} seq ${segment.seq}${ack}${data} (connection ${segment.connection})`;
}

function kindOf({ flags }: Segment): "syn" | "synAck" | "ack" | "fin" | "rst" {
  if (flags & FLAG.rst) return "rst";
  if (flags & FLAG.syn) return flags & FLAG.ack ? "synAck" : "syn";
  return flags & FLAG.fin ? "fin" : "ack";
}
