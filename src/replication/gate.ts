import { sameBytes } from "../base/bytes.ts";
import type { Endpoint } from "../platform/platform.ts";
import type { Neighbour } from "./neighbour.ts";
import { PREFIX_BYTES, TO_ALL } from "./outbox.ts";
import { type Greeting, type Header, parseHeader, type Seal } from "./seal.ts";
import type { ReplicationCounters } from "./status.ts";
import { type Stranger, Strangers } from "./strangers.ts";
import { Unheard } from "./unheard.ts";

/** Authentic, for us, and never seen before. */
export type Admitted = { readonly header: Header; readonly body: Uint8Array } & (
  | { readonly neighbour: Neighbour; readonly stranger?: undefined }
  | { readonly stranger: Stranger; readonly neighbour?: undefined }
);

/** What status counts datagrams under that were not let in. */
export type Refusal =
  | "short"
  | "version"
  | "own"
  | "no member"
  | "not believed"
  | "superseded"
  | "seen before"
  | "filter"
  | "throttled"
  | "forged"
  | "not for us";

export interface GateParts {
  readonly id: number;
  /** Tells our own multicast from another AP that was given our number. */
  readonly identity: bigint;
  readonly seal: Seal;
  readonly counters: ReplicationCounters;
  neighbour(id: number): Neighbour | undefined;
}

/**
 * Where datagrams come in. The checks stand in the order of their cost, and none before the last, the decryption,
 * changes anything but counters of what was refused.
 */
export class Gate {
  readonly strangers: Strangers;
  readonly unheard: Unheard;

  constructor(private readonly parts: GateParts) {
    this.strangers = new Strangers(parts.seal);
    this.unheard = new Unheard(parts.seal.version);
  }

  admit(bytes: Uint8Array, from: Endpoint, nowMs: number): Admitted | undefined {
    const admitted = this.judge(bytes, nowMs);
    if (typeof admitted !== "string") return admitted;
    const { datagramsDropped } = this.parts.counters;
    datagramsDropped[admitted] = (datagramsDropped[admitted] ?? 0) + 1;
    this.unheard.note(admitted, bytes, from, nowMs);
    return undefined;
  }

  private judge(bytes: Uint8Array, nowMs: number): Admitted | Refusal {
    const header = parseHeader(bytes);
    if (!header) return "short";
    if (bytes[0]! >> 4 !== this.parts.seal.version) return "version";
    const { sender, hello } = header;
    if (sender === this.parts.id && (!hello || hello.identity === this.parts.identity)) return "own";
    if (!this.parts.seal.isMember(sender)) return "no member";
    const neighbour = this.parts.neighbour(sender);
    // A hello that proves nothing to us is that of a stranger, whoever it says it is.
    const isProven = !hello || (neighbour?.channel?.dealing?.isAddressed(header, bytes) ?? true);
    if (isProven && neighbour?.isOfEpoch(header)) return this.ofNeighbour(neighbour, header, bytes, nowMs);
    return hello ? this.ofStranger(header, hello, bytes, nowMs) : "not believed";
  }

  private ofNeighbour(from: Neighbour, header: Header, bytes: Uint8Array, nowMs: number): Admitted | Refusal {
    const { channel, window, attempts } = from;
    if (!channel || !window?.isNew(header.pn)) return "seen before";
    if (!channel.mayBe(header, bytes)) return "filter";
    if (!attempts.mayTry(header.pn, nowMs)) return "throttled";
    const body = channel.open(header, bytes);
    if (!body || !this.isForUs(body)) {
      attempts.fail(header.pn, nowMs);
      return body ? "not for us" : "forged";
    }
    window.accept(header.pn);
    return { neighbour: from, header, body };
  }

  private ofStranger(header: Header, greeting: Greeting, bytes: Uint8Array, nowMs: number): Admitted | Refusal {
    const { seal } = this.parts;
    if (!seal.mayBeHello(header, bytes)) return "filter";
    const known = this.parts.neighbour(header.sender);
    if (known?.isSuperseded(greeting.epoch)) return "superseded";
    if (known?.window && sameBytes(known.epoch, greeting.epoch) && !known.window.isNew(header.pn)) return "seen before";
    const stranger = this.strangers.get(header, greeting, nowMs);
    if (!stranger) return "throttled";
    if (header.pn <= stranger.newestPn) return "seen before";
    if (!stranger.attempts.mayTry(header.pn, nowMs)) return "throttled";
    const body = stranger.channel.open(header, bytes);
    if (!body || !this.isForUs(body) || seal.epochTag(greeting.epoch) !== header.epochTag) {
      stranger.attempts.fail(header.pn, nowMs);
      return body ? "not for us" : "forged";
    }
    stranger.newestPn = header.pn;
    stranger.heardMs = nowMs;
    return { stranger, header, body };
  }

  private isForUs(body: Uint8Array): boolean {
    if (body.length < PREFIX_BYTES) return false;
    const dst = (body[0]! << 8) | body[1]!;
    return dst === TO_ALL || dst === this.parts.id;
  }
}
