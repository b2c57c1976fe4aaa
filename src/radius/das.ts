/**
 * Dynamic Authorization Server (RFC 5176): the door for CoA and Disconnect. Here: who may knock, and how often. What the
 * request asks for is `orders.ts`.
 *
 * Dropped without an answer: unknown sources, bad signatures, stale or replayed requests. All else is answered, and the same
 * request again gets the same answer again.
 */
import type { Endpoint, Platform, Udp } from "../platform/platform.ts";
import { checkRequest, signReply } from "./authenticator.ts";
import { Drops } from "./drops.ts";
import {
  type Attribute,
  attribute,
  CODE,
  hexOf,
  integerAttribute,
  integerOf,
  type Packet,
  parsePacket,
  valuesOf,
} from "./packet.ts";

const WINDOW_S = 300;
/** Requests that are remembered, to know a replay; while the clock is not good, or a request bears no time, they are all that does. */
const REMEMBERED_MAX = 4096;

export interface Answer {
  /** Undefined: done. */
  readonly cause?: number;
  /** Of an acknowledgement. */
  readonly note?: number;
  /** For the log. */
  readonly reason: string;
}

export interface DasOptions {
  readonly listen: Endpoint;
  /** Addresses that may ask. */
  readonly clients: readonly string[];
  readonly secret: Uint8Array;
  readonly demandMessageAuthenticator: boolean;
  readonly demandTimestamp: boolean;
  /** Undefined: this machine does not know what time it is. */
  wallSeconds(): number | undefined;
  /** Never rejects. */
  execute(request: Packet): Promise<Answer>;
}

export interface DasStatus {
  readonly listen: string;
  /** False: Event-Timestamps cannot be judged, replays are known by memory alone. */
  readonly isClockGood: boolean;
  readonly done: number;
  readonly refused: Readonly<Record<number, number>>;
  readonly dropped: Readonly<Record<string, number>>;
}

interface Remembered {
  readonly port: number;
  /** Undefined: still at work. */
  answer?: Uint8Array;
}

const ANSWERS: Readonly<Record<number, { readonly ack: number; readonly nak: number }>> = {
  [CODE.coaRequest]: { ack: CODE.coaAck, nak: CODE.coaNak },
  [CODE.disconnectRequest]: { ack: CODE.disconnectAck, nak: CODE.disconnectNak },
};

export class Das {
  /** by source address and authenticator */
  private readonly remembered = new Map<string, Remembered>();
  /** by source address: the newest Event-Timestamp, which needs no clock of ours */
  private readonly newest = new Map<string, number>();
  private readonly refused: Record<number, number> = {};
  private readonly drops: Drops;
  private done = 0;
  private socket!: Udp;
  private isClosed = false;

  private constructor(
    private readonly platform: Platform,
    private readonly options: DasOptions,
  ) {
    this.drops = new Drops(platform.log, "CoA or Disconnect");
  }

  /** Rejects with ROAMWALL_ERR_BIND. */
  static async open(platform: Platform, options: DasOptions): Promise<Das> {
    const das = new Das(platform, options);
    const { address, port } = options.listen;
    das.socket = await platform.udp({ bind: address, port, onDatagram: (bytes, from) => das.receive(bytes, from) });
    return das;
  }

  get status(): DasStatus {
    const { listen, wallSeconds } = this.options;
    return {
      listen: `${listen.address} port ${listen.port}`,
      isClockGood: wallSeconds() !== undefined,
      done: this.done,
      refused: this.refused,
      dropped: this.drops.counts,
    };
  }

  close(): void {
    this.isClosed = true;
    this.socket.close();
  }

  private receive(datagram: Uint8Array, from: Endpoint): void {
    if (this.isClosed) return;
    // A socket of both families shows IPv4 in IPv6 clothes.
    const source = from.address.replace(/^::ffff:(?=[\d.]+$)/, "");
    if (!this.options.clients.includes(source)) {
      this.drops.count("unknown source", source);
      return;
    }
    const request = parsePacket(datagram);
    if (typeof request === "string") {
      this.drops.count("malformed", `${source}: ${request}`);
      return;
    }
    if (!(request.code in ANSWERS)) {
      this.drops.count("neither CoA nor Disconnect", `${source}: code ${request.code}`);
      return;
    }
    const signed = checkRequest(request, this.options.secret, this.options.demandMessageAuthenticator);
    if (signed !== "signed") {
      this.drops.count(signed, source);
      return;
    }
    const key = `${source} ${hexOf(request.authenticator)}`;
    const before = this.remembered.get(key);
    if (before) {
      this.repeat(before, from);
      return;
    }
    const stale = this.staleness(request, source);
    if (stale !== undefined) {
      this.drops.count(stale, source);
      return;
    }
    const entry: Remembered = { port: from.port };
    this.remembered.set(key, entry);
    if (this.remembered.size > REMEMBERED_MAX) this.remembered.delete(this.remembered.keys().next().value!);
    void this.options.execute(request).then((answer) => this.answer(request, entry, answer, from));
  }

  /** The same answer to who asked; who saw the request on its way and sends it from elsewhere gets nothing. */
  private repeat(before: Remembered, from: Endpoint): void {
    if (before.port !== from.port) {
      this.drops.count("replayed", from.address);
      return;
    }
    if (before.answer) this.socket.send(before.answer, from);
  }

  private staleness(request: Packet, source: string): string | undefined {
    const time = integerOf(request, "Event-Timestamp");
    if (time === undefined) return this.options.demandTimestamp ? "no Event-Timestamp" : undefined;
    const now = this.options.wallSeconds();
    if (now !== undefined && Math.abs(time - now) > WINDOW_S) return "stale Event-Timestamp";
    const newest = this.newest.get(source) ?? 0;
    if (time + WINDOW_S < newest) return "stale Event-Timestamp";
    // A time far ahead is believed only by a good clock: it would shut out everything after it.
    if (now !== undefined) this.newest.set(source, Math.max(newest, time));
    return undefined;
  }

  private answer(request: Packet, entry: Remembered, answer: Answer, to: Endpoint): void {
    if (this.isClosed) return;
    const { ack, nak } = ANSWERS[request.code]!;
    const attributes: Attribute[] = [];
    const cause = answer.cause ?? answer.note;
    if (cause !== undefined) attributes.push(integerAttribute("Error-Cause", cause));
    const now = this.options.wallSeconds();
    if (now !== undefined) attributes.push(integerAttribute("Event-Timestamp", now));
    for (const name of ["State", "Proxy-State"] as const) {
      for (const value of valuesOf(request, name)) attributes.push(attribute(name, value));
    }
    const { secret } = this.options;
    const bytes = signReply(answer.cause === undefined ? ack : nak, request, attributes, secret);
    if (answer.cause === undefined) this.done++;
    else this.refused[answer.cause] = (this.refused[answer.cause] ?? 0) + 1;
    const kind = request.code === CODE.coaRequest ? "CoA" : "Disconnect";
    const verdict = answer.cause === undefined ? "done" : `refused with ${answer.cause}`;
    this.platform.log.info("radius", `${kind} ${verdict}`, { from: to.address, reason: answer.reason });
    if (!bytes) return;
    entry.answer = bytes;
    this.socket.send(bytes, to);
  }
}
