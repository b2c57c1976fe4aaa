/**
 * Which server is asked. The first that is up, always: so all APs with one list ask the same. A server is down when a request
 * stayed unanswered and nothing else came from it meanwhile; it is up again when it answers a probe, or on trial after a minute.
 * An EAP conversation stays with its server: another could not know its State.
 */
import { hexOf } from "./packet.ts";

/** Some servers do not answer Status-Server: then a real login tries. */
const TRIAL_AFTER_MS = 60_000;
const PROBE_EVERY_MS = 10_000;
/** Conversations under way; each lasts seconds. Beyond it the oldest breaks, and begins anew. */
const CONVERSATIONS_MAX = 1024;

export interface ServerStatus {
  readonly isUp: boolean;
  readonly answers: number;
  readonly silences: number;
}

interface Server {
  heardAtMs: number;
  /** Infinity: up. */
  downSinceMs: number;
  probedAtMs: number;
  answers: number;
  silences: number;
}

export class Servers {
  private readonly servers: Server[];
  private readonly conversations = new Map<string, number>();

  constructor(count: number) {
    this.servers = Array.from({ length: count }, () => {
      const never = Number.NEGATIVE_INFINITY;
      return { heardAtMs: never, downSinceMs: Number.POSITIVE_INFINITY, probedAtMs: never, answers: 0, silences: 0 };
    });
  }

  get status(): ServerStatus[] {
    return this.servers.map(({ downSinceMs, answers, silences }) => {
      return { isUp: downSinceMs === Number.POSITIVE_INFINITY, answers, silences };
    });
  }

  get areAllDown(): boolean {
    return this.servers.every(({ downSinceMs }) => downSinceMs !== Number.POSITIVE_INFINITY);
  }

  /** `state` of the request; the server that gave it, or the first that is up and not tried yet. Undefined: all are tried. */
  choose(state: Uint8Array | undefined, nowMs: number, tried: ReadonlySet<number> = new Set()): number | undefined {
    const bound = state && this.conversations.get(hexOf(state));
    if (bound !== undefined) return tried.has(bound) ? undefined : bound;
    const left = this.servers.map((_, i) => i).filter((i) => !tried.has(i));
    // When all are down, one of them is asked all the same: it may just have come back.
    return left.find((i) => this.isWorthAsking(i, nowMs)) ?? left[0];
  }

  /** A State that `server` gave out. */
  converses(state: Uint8Array, server: number): void {
    const key = hexOf(state);
    this.conversations.delete(key);
    this.conversations.set(key, server);
    if (this.conversations.size > CONVERSATIONS_MAX) {
      this.conversations.delete(this.conversations.keys().next().value!);
    }
  }

  /** An answer whose signature is right. */
  answered(server: number, nowMs: number): void {
    const one = this.servers[server]!;
    one.heardAtMs = nowMs;
    one.downSinceMs = Number.POSITIVE_INFINITY;
    one.answers++;
  }

  /** No answer to what was asked at `askedAtMs`. True: the server is down from now on. */
  silent(server: number, askedAtMs: number, nowMs: number): boolean {
    const one = this.servers[server]!;
    one.silences++;
    if (one.heardAtMs > askedAtMs) return false;
    const wasUp = one.downSinceMs === Number.POSITIVE_INFINITY;
    if (wasUp || nowMs - one.downSinceMs > TRIAL_AFTER_MS) one.downSinceMs = nowMs;
    return wasUp;
  }

  /** Servers whose probe is due. */
  toProbe(nowMs: number): number[] {
    const due = this.servers.flatMap((one, i) => {
      const isDown = one.downSinceMs !== Number.POSITIVE_INFINITY;
      return isDown && nowMs - one.probedAtMs >= PROBE_EVERY_MS ? [i] : [];
    });
    for (const i of due) this.servers[i]!.probedAtMs = nowMs;
    return due;
  }

  private isWorthAsking(server: number, nowMs: number): boolean {
    const { downSinceMs } = this.servers[server]!;
    return downSinceMs === Number.POSITIVE_INFINITY || nowMs - downSinceMs > TRIAL_AFTER_MS;
  }
}
