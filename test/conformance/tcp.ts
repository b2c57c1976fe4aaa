import type { Side } from "./path.ts";
import type { Prng } from "./prng.ts";
import { Timer, type World } from "./world.ts";

export const FLAG = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const;

export function textOfFlags(flags: number): string {
  return (Object.entries(FLAG) as [string, number][])
    .filter(([, bit]) => flags & bit)
    .map(([name]) => name.toUpperCase())
    .join("+");
}

/** Sequence numbers count from 1, one unit a data byte; a segment carries at most one. Nothing wraps in a simulation. */
export interface Segment {
  readonly side: Side;
  readonly flags: number;
  readonly seq: number;
  readonly ack: number;
  readonly data: number;
  /** Which connection of this pair of ports its sender had in mind: for the oracle and the transcript only. */
  readonly connection: number;
}

export interface TcpProfile {
  readonly rtoFirstMs: number;
  /** RFC 6298 allows a ceiling of 60 s or more; Linux has 120 s. */
  readonly rtoMostMs: number;
  readonly synRetries: number;
  readonly dataRetries: number;
  readonly delayedAckMs: number;
  /** 0: none. */
  readonly keepaliveMs: number;
  readonly timeWaitMs: number;
  readonly window: number;
  /** The last data segment carries the FIN. */
  readonly finWithData: boolean;
}

const KEEPALIVE_INTERVAL_MS = 75_000;
const KEEPALIVE_PROBES = 9;
const RECEIVE_WINDOW = 1_000;

export type TcpState =
  | "closed"
  | "listen"
  | "synSent"
  | "synReceived"
  | "established"
  | "finWait1"
  | "finWait2"
  | "closing"
  | "timeWait"
  | "closeWait"
  | "lastAck";

/** What the application hears. All optional. */
export interface TcpApp {
  established?(): void;
  /** Bytes in order so far. */
  received?(total: number): void;
  /** The peer has sent all it had. */
  finished?(): void;
  closed?(why: string): void;
}

const SYNCHRONISED: ReadonlySet<TcpState> = new Set([
  "established",
  "finWait1",
  "finWait2",
  "closing",
  "timeWait",
  "closeWait",
  "lastAck",
]);

/**
 * One end of a TCP connection after RFC 9293 with RFC 5961's challenge ACKs: handshake, simultaneous open, sliding
 * window, retransmission with backoff, delayed ACK, half-close, abort, TIME-WAIT and its reuse, Fast Open, keepalive.
 */
export class TcpEndpoint {
  state: TcpState = "closed";
  app: TcpApp = {};
  connection = 0;

  private una = 0;
  private next = 0;
  /** One past the last byte that the application wrote. */
  private end = 0;
  private finAsked = false;
  private irs = 0;
  private expected = 0;
  private received = 0;
  private readonly early = new Set<number>();
  private earlyFin = -1;
  private tries = 0;
  private recoverTo = 0;
  private duplicateAcks = 0;
  private unacknowledged = 0;
  private probes = 0;
  private highest = 1;

  private readonly retransmission: Timer;
  private readonly delayedAck: Timer;
  private readonly keepalive: Timer;
  private readonly linger: Timer;

  constructor(
    world: World,
    private readonly random: Prng,
    readonly side: Side,
    private readonly profile: TcpProfile,
    private readonly emit: (segment: Segment) => void,
  ) {
    this.retransmission = new Timer(world, () => this.retransmissionDue());
    this.delayedAck = new Timer(world, () => this.acknowledge());
    this.keepalive = new Timer(world, () => this.keepaliveDue());
    this.linger = new Timer(world, () => this.die("timed wait"));
  }

  listen(app: TcpApp): void {
    this.app = app;
    this.state = "listen";
  }

  /** Opens; `data`: bytes already in the SYN (Fast Open). */
  connect(app: TcpApp, connection: number, data = 0): void {
    this.app = app;
    this.begin(connection);
    this.state = "synSent";
    this.end = this.una + 1 + data;
    this.next = this.una + 1 + data;
    this.send(FLAG.syn, this.una, data);
    this.arm();
  }

  write(bytes: number): void {
    if (this.finAsked || this.state === "closed" || this.state === "listen") return;
    this.end += bytes;
    this.output();
  }

  /** Sends what is written, then FIN; may still receive. */
  shutdown(): void {
    if (this.finAsked || this.state === "closed" || this.state === "listen" || this.state === "synSent") return;
    this.finAsked = true;
    this.output();
  }

  /** As an application that closes its socket: an orphan does not wait for ever in FIN-WAIT-2. */
  close(lingerMs: number): void {
    this.shutdown();
    if (this.state === "finWait1" || this.state === "finWait2") this.linger.set(lingerMs);
  }

  abort(): void {
    if (SYNCHRONISED.has(this.state) || this.state === "synReceived") this.send(FLAG.rst | FLAG.ack, this.next, 0);
    this.die("aborted");
  }

  /** Power off and on: nothing is said, everything is forgotten. */
  reboot(): void {
    this.die("rebooted");
  }

  receive(segment: Segment): void {
    if (this.state === "closed") {
      this.refuse(segment);
      return;
    }
    if (this.state === "listen") {
      this.greet(segment);
      return;
    }
    if (this.state === "synSent") {
      this.answer(segment);
      return;
    }
    this.synchronised(segment);
  }

  // -- opening

  private begin(connection: number): void {
    this.connection = connection;
    // A later connection of the same ports starts beyond all that an earlier one used: what TIME-WAIT reuse asks for.
    this.una = this.highest + 1_000 + this.random.below(50_000);
    this.next = this.una + 1;
    this.end = this.next;
    this.finAsked = false;
    this.received = 0;
    this.early.clear();
    this.earlyFin = -1;
    this.tries = this.recoverTo = this.duplicateAcks = this.unacknowledged = this.probes = 0;
  }

  private refuse(segment: Segment): void {
    if (segment.flags & FLAG.rst) return;
    if (segment.flags & FLAG.ack) this.emitSegment(FLAG.rst, segment.ack, 0, 0);
    else this.emitSegment(FLAG.rst | FLAG.ack, 0, segment.seq + lengthOf(segment), 0);
  }

  private greet(segment: Segment): void {
    if (segment.flags & FLAG.rst) return;
    if (segment.flags & FLAG.ack) {
      this.refuse(segment);
      return;
    }
    if (!(segment.flags & FLAG.syn)) return;
    this.begin(segment.connection);
    this.state = "synReceived";
    this.startReceiving(segment);
    this.send(FLAG.syn | FLAG.ack, this.una, 0);
    this.arm();
    // Fast Open: the request is there, the answer need not wait for the handshake's end.
    if (segment.data) this.deliver();
  }

  private answer(segment: Segment): void {
    const acks = (segment.flags & FLAG.ack) !== 0;
    if (acks && (segment.ack <= this.una || segment.ack > this.next)) {
      this.refuse(segment);
      return;
    }
    if (segment.flags & FLAG.rst) {
      if (acks) this.die("refused");
      return;
    }
    if (!(segment.flags & FLAG.syn)) return;
    this.startReceiving(segment);
    if (!acks) {
      this.state = "synReceived";
      this.tries = 0;
      this.send(FLAG.syn | FLAG.ack, this.una, 0);
      this.arm();
      return;
    }
    this.takeAck(segment.ack);
    this.establish();
    this.acknowledge();
    this.output();
  }

  private startReceiving(segment: Segment): void {
    this.irs = segment.seq;
    this.expected = segment.seq + 1 + segment.data;
    this.received = segment.data;
  }

  private establish(): void {
    this.state = "established";
    this.touchKeepalive();
    this.app.established?.();
  }

  // -- from SYN-RECEIVED on: RFC 9293 3.10.7.4, in its order

  private synchronised(segment: Segment): void {
    if (!this.acceptable(segment)) {
      this.unacceptable(segment);
      return;
    }
    if (segment.flags & FLAG.rst) {
      this.takeReset(segment);
      return;
    }
    if (segment.flags & FLAG.syn) {
      this.acknowledge();
      return;
    }
    if (!(segment.flags & FLAG.ack)) return;
    if (this.state === "synReceived") {
      if (segment.ack <= this.una || segment.ack > this.next) {
        this.refuse(segment);
        return;
      }
      this.establish();
    }
    if (segment.ack > this.next) {
      this.acknowledge();
      return;
    }
    this.touchKeepalive();
    this.takeAck(segment.ack, segment);
    if (this.closedNow) return;
    this.takeData(segment);
    this.output();
  }

  private acceptable(segment: Segment): boolean {
    const length = lengthOf(segment);
    const last = segment.seq + Math.max(length, 1);
    const from = this.expected;
    if (length === 0) return segment.seq >= from && segment.seq < from + RECEIVE_WINDOW;
    return last > from && segment.seq < from + RECEIVE_WINDOW;
  }

  private unacceptable(segment: Segment): void {
    if (this.state === "timeWait" && segment.flags === FLAG.syn && segment.seq > this.expected) {
      this.reopen(segment);
      return;
    }
    if (segment.flags & FLAG.rst) return;
    if (this.state === "synReceived" && segment.flags & FLAG.syn) {
      if (segment.seq === this.irs) this.send(FLAG.syn | FLAG.ack, this.una, 0);
      // RFC 9293: in SYN-RECEIVED the SYN-ACK of a simultaneous open carries the ACK that was waited for.
      if (segment.seq === this.irs && segment.flags & FLAG.ack && segment.ack === this.una + 1) this.crossed(segment);
      return;
    }
    this.acknowledge();
    if (this.state === "timeWait") this.linger.set(this.profile.timeWaitMs);
  }

  /** Both sides sent SYN, both sent SYN-ACK. */
  private crossed(segment: Segment): void {
    this.establish();
    this.takeAck(segment.ack);
    this.acknowledge();
    this.output();
  }

  /** RFC 6191, RFC 9293 3.6.1: a SYN beyond the old connection's numbers ends TIME-WAIT. */
  private reopen(segment: Segment): void {
    const app = this.app;
    this.die("reused");
    this.listen(app);
    this.greet(segment);
  }

  private takeReset(segment: Segment): void {
    if (segment.seq === this.expected) {
      this.die("reset");
      return;
    }
    this.acknowledge();
  }

  private takeAck(ack: number, segment?: Segment): void {
    if (ack > this.una) {
      this.advance(ack);
      return;
    }
    if (!segment || ack < this.una || lengthOf(segment) > 0 || this.una === this.next) return;
    if (++this.duplicateAcks === 3) this.resend();
  }

  private advance(ack: number): void {
    this.una = ack;
    this.tries = this.duplicateAcks = this.probes = 0;
    if (this.finSent && ack === this.next) this.finAcknowledged();
    if (this.closedNow) return;
    if (this.una === this.next) {
      this.retransmission.stop();
      return;
    }
    if (this.una < this.recoverTo) this.resend();
    this.arm();
  }

  private finAcknowledged(): void {
    this.retransmission.stop();
    if (this.state === "finWait1") this.state = "finWait2";
    else if (this.state === "closing") this.waitTime();
    else if (this.state === "lastAck") this.die("closed");
  }

  private takeData(segment: Segment): void {
    if (!segment.data && !(segment.flags & FLAG.fin)) return;
    if (segment.data) this.early.add(segment.seq);
    if (segment.flags & FLAG.fin) this.earlyFin = segment.seq + segment.data;
    const before = this.expected;
    while (this.early.delete(this.expected)) {
      this.expected++;
      this.received++;
    }
    const finished = this.earlyFin === this.expected;
    if (finished) this.expected++;
    const inOrder = this.expected > before;
    if (inOrder && !finished) this.delayAck();
    else this.acknowledge();
    if (inOrder && this.expected - before > (finished ? 1 : 0)) this.deliver();
    if (finished) this.peerFinished();
  }

  private peerFinished(): void {
    this.earlyFin = -1;
    if (this.state === "established") this.state = "closeWait";
    else if (this.state === "finWait1") this.state = "closing";
    else if (this.state === "finWait2") this.waitTime();
    this.app.finished?.();
  }

  private deliver(): void {
    this.app.received?.(this.received);
  }

  private waitTime(): void {
    this.state = "timeWait";
    this.retransmission.stop();
    this.keepalive.stop();
    this.linger.set(this.profile.timeWaitMs);
  }

  private delayAck(): void {
    if (!this.profile.delayedAckMs || ++this.unacknowledged >= 2) {
      this.acknowledge();
      return;
    }
    this.delayedAck.set(this.profile.delayedAckMs);
  }

  // -- sending

  private get finSent(): boolean {
    return this.next > this.end;
  }

  private get closedNow(): boolean {
    return this.state === "closed";
  }

  private get maySend(): boolean {
    return (
      this.state === "established" || this.state === "closeWait" || (this.state === "synReceived" && this.received > 0)
    );
  }

  private output(): void {
    if (!this.maySend) return;
    const idle = this.una === this.next;
    while (this.next < this.end && this.next < this.una + this.profile.window) {
      const fin = this.finNow && this.profile.finWithData && this.next + 1 === this.end;
      this.send(FLAG.ack | FLAG.psh | (fin ? FLAG.fin : 0), this.next, 1);
      this.next += fin ? 2 : 1;
      if (fin) this.finLeft();
    }
    if (this.finNow && this.next === this.end) {
      this.send(FLAG.ack | FLAG.fin, this.next++, 0);
      this.finLeft();
    }
    if (idle && this.una !== this.next) this.arm();
  }

  /** A FIN does not leave before the handshake is over. */
  private get finNow(): boolean {
    return this.finAsked && this.state !== "synReceived";
  }

  private finLeft(): void {
    this.state = this.state === "closeWait" ? "lastAck" : "finWait1";
  }

  private retransmissionDue(): void {
    const most =
      this.state === "synSent" || this.state === "synReceived" ? this.profile.synRetries : this.profile.dataRetries;
    if (this.tries >= most) {
      this.die("gave up");
      return;
    }
    this.tries++;
    this.recoverTo = this.next;
    this.resend();
    this.arm();
  }

  private resend(): void {
    if (this.state === "synSent") {
      this.send(FLAG.syn, this.una, this.next - this.una - 1);
      return;
    }
    if (this.state === "synReceived") {
      this.send(FLAG.syn | FLAG.ack, this.una, 0);
      return;
    }
    if (this.una < this.end) {
      const fin = this.profile.finWithData && this.finSent && this.una + 1 === this.end;
      this.send(FLAG.ack | FLAG.psh | (fin ? FLAG.fin : 0), this.una, 1);
      return;
    }
    if (this.finSent) this.send(FLAG.ack | FLAG.fin, this.una, 0);
  }

  private arm(): void {
    const first = this.state === "synSent" || this.state === "synReceived" ? 1_000 : this.profile.rtoFirstMs;
    this.retransmission.set(Math.min(first * 2 ** this.tries, this.profile.rtoMostMs));
  }

  private acknowledge(): void {
    this.send(FLAG.ack, this.next, 0);
  }

  private send(flags: number, seq: number, data: number): void {
    if (flags & FLAG.ack) {
      this.unacknowledged = 0;
      this.delayedAck.stop();
    }
    this.emitSegment(flags, seq, flags & FLAG.ack ? this.expected : 0, data);
  }

  private emitSegment(flags: number, seq: number, ack: number, data: number): void {
    this.highest = Math.max(this.highest, seq + data + 1);
    this.emit({ side: this.side, flags, seq, ack, data, connection: this.connection });
  }

  // -- silence

  private touchKeepalive(): void {
    this.probes = 0;
    if (this.profile.keepaliveMs && this.state !== "timeWait") this.keepalive.set(this.profile.keepaliveMs);
  }

  private keepaliveDue(): void {
    if (!SYNCHRONISED.has(this.state) || this.state === "timeWait") return;
    if (this.una !== this.next) {
      this.keepalive.set(this.profile.keepaliveMs);
      return;
    }
    if (this.probes++ >= KEEPALIVE_PROBES) {
      this.abort();
      return;
    }
    this.send(FLAG.ack, this.next - 1, 0);
    this.keepalive.set(KEEPALIVE_INTERVAL_MS);
  }

  private die(why: string): void {
    if (this.state === "closed") return;
    this.state = "closed";
    for (const timer of [this.retransmission, this.delayedAck, this.keepalive, this.linger]) timer.stop();
    this.app.closed?.(why);
  }
}

function lengthOf(segment: Segment): number {
  return segment.data + (segment.flags & FLAG.syn ? 1 : 0) + (segment.flags & FLAG.fin ? 1 : 0);
}
