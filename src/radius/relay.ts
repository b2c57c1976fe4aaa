/**
 * Between hostapd and the servers, on a loopback port: bytes, identifier and authenticator go through as they are, so that
 * hostapd and server share their secret as if nobody stood between. What the relay adds: answers are verified before they
 * are believed, a silent server is replaced, and an Access-Accept waits until the rights that it gives are in force.
 */
import type { Endpoint, Platform, Udp } from "../platform/platform.ts";
import { checkReply, signRequest } from "./authenticator.ts";
import { Drops } from "./drops.ts";
import { CODE, hexOf, type Packet, parsePacket, valuesOf } from "./packet.ts";
import { type ServerStatus, Servers } from "./servers.ts";
import { Upstream } from "./upstream.ts";

/** Less than the 3 s after which hostapd sends again: so the second server's answer is the first that hostapd waits for. */
const PATIENCE_MS = 2_000;
/** hostapd sends after 3 s and after 6 more, then gives up. */
const HOLD_MS = 9_000;
/** For so long a repeated request gets the same answer (RFC 5080 section 2.2.2). */
const REMEMBER_MS = 30_000;
/** Under way or remembered; beyond it the oldest is forgotten. */
const EXCHANGES_MAX = 2048;
/** The name of our own probes among the downstreams. */
const PROBES = "";

export interface RelayKind {
  readonly name: "authentication" | "accounting";
  readonly request: number;
  readonly replies: readonly number[];
}

export const AUTHENTICATION: RelayKind = {
  name: "authentication",
  request: CODE.accessRequest,
  replies: [CODE.accessAccept, CODE.accessReject, CODE.accessChallenge],
};
export const ACCOUNTING: RelayKind = {
  name: "accounting",
  request: CODE.accountingRequest,
  replies: [CODE.accountingResponse],
};

export interface RelayOptions {
  readonly kind: RelayKind;
  /** Where hostapd sends to; answers come from there. */
  readonly listen: Endpoint;
  readonly servers: readonly Endpoint[];
  readonly secret: Uint8Array;
  /** A Message-Authenticator in every answer, not only in those to EAP. */
  readonly demandMessageAuthenticator: boolean;
  /** A verified answer, before hostapd gets it. True: go on. False, or a rejection: hostapd gets nothing. */
  answered(request: Packet, reply: Packet): Promise<boolean>;
  /** No server answers any more; or one does again. */
  silent?(isSilent: boolean): void;
}

export interface RelayStatus {
  readonly listen: string;
  readonly servers: readonly (ServerStatus & { readonly server: string })[];
  readonly requests: number;
  readonly answers: number;
  /** by reason */
  readonly dropped: Readonly<Record<string, number>>;
}

interface Exchange {
  readonly downstream: Endpoint | undefined;
  readonly request: Packet;
  readonly asked: Set<number>;
  stage: "asked" | "installing" | "answered";
  server: number;
  askedAtMs: number;
  reply?: Uint8Array;
  cancel: () => void;
}

export class Relay {
  private readonly servers: Servers;
  private readonly upstream: Upstream;
  private readonly exchanges = new Map<string, Exchange>();
  private readonly drops: Drops;
  private requests = 0;
  private answers = 0;
  private socket!: Udp;
  private isClosed = false;
  private isSilent = false;

  private constructor(
    private readonly platform: Platform,
    private readonly options: RelayOptions,
  ) {
    this.drops = new Drops(platform.log, `${options.kind.name} packet`);
    this.servers = new Servers(options.servers.length);
    this.upstream = new Upstream(platform, options.servers, (downstream, server, datagram) => {
      this.fromServer(downstream, server, datagram);
    });
  }

  /** Rejects with ROAMWALL_ERR_BIND. */
  static async open(platform: Platform, options: RelayOptions): Promise<Relay> {
    const relay = new Relay(platform, options);
    relay.socket = await platform.udp({
      bind: options.listen.address,
      port: options.listen.port,
      onDatagram: (bytes, from) => {
        if (!relay.isClosed) relay.fromNas(bytes, from);
      },
    });
    return relay;
  }

  get status(): RelayStatus {
    const { listen, servers } = this.options;
    const status = this.servers.status;
    return {
      listen: nameOf(listen),
      servers: servers.map((server, i) => ({ server: nameOf(server), ...status[i]! })),
      requests: this.requests,
      answers: this.answers,
      dropped: this.drops.counts,
    };
  }

  close(): void {
    this.isClosed = true;
    for (const { cancel } of this.exchanges.values()) cancel();
    this.exchanges.clear();
    this.upstream.close();
    this.socket.close();
  }

  private fromNas(datagram: Uint8Array, from: Endpoint): void {
    const request = parsePacket(datagram);
    if (typeof request === "string") {
      this.drops.count("malformed request", request);
      return;
    }
    if (request.code !== this.options.kind.request) {
      this.drops.count("request of a wrong code", `${request.code}`);
      return;
    }
    this.requests++;
    const key = keyOf(nameOf(from), request.id);
    const before = this.exchanges.get(key);
    if (before && hexOf(before.request.authenticator) === hexOf(request.authenticator)) {
      this.repeat(before);
      return;
    }
    this.begin(key, request, from);
  }

  /** The same answer, never a second execution. */
  private repeat(exchange: Exchange): void {
    if (exchange.stage === "answered") this.socket.send(exchange.reply!, exchange.downstream!);
    else if (exchange.stage === "asked") this.send(exchange);
  }

  private begin(key: string, request: Packet, downstream: Endpoint | undefined, to?: number): void {
    const { clock } = this.platform;
    this.exchanges.get(key)?.cancel();
    this.exchanges.delete(key);
    this.makeRoom(clock.nowMs());
    const server = to ?? this.servers.choose(valuesOf(request, "State")[0], clock.nowMs())!;
    const asked = new Set<number>();
    const exchange: Exchange = { downstream, request, asked, stage: "asked", server, askedAtMs: 0, cancel: () => {} };
    this.exchanges.set(key, exchange);
    this.ask(exchange);
  }

  private ask(exchange: Exchange): void {
    const { clock } = this.platform;
    exchange.asked.add(exchange.server);
    exchange.askedAtMs = clock.nowMs();
    this.send(exchange);
    exchange.cancel = clock.after(PATIENCE_MS, () => this.silent(exchange));
  }

  private send({ downstream, server, request }: Exchange): void {
    this.upstream.send(downstream ? nameOf(downstream) : PROBES, server, request.bytes);
  }

  /** Another server is asked, but for a conversation, which only its own server can go on with. */
  private silent(exchange: Exchange): void {
    const nowMs = this.platform.clock.nowMs();
    if (this.servers.silent(exchange.server, exchange.askedAtMs, nowMs)) {
      const server = nameOf(this.options.servers[exchange.server]!);
      this.platform.log.warn("radius", "server does not answer", { server, kind: this.options.kind.name });
      this.tellSilence();
      this.probeLater();
    }
    if (!exchange.downstream) return;
    const next = this.servers.choose(valuesOf(exchange.request, "State")[0], nowMs, exchange.asked);
    if (next === undefined) return;
    exchange.server = next;
    this.ask(exchange);
  }

  private fromServer(downstream: string, server: number, datagram: Uint8Array): void {
    const reply = parsePacket(datagram);
    if (typeof reply === "string") {
      this.drops.count("malformed answer", reply);
      return;
    }
    const exchange = this.exchanges.get(keyOf(downstream, reply.id));
    if (exchange?.stage !== "asked" || !exchange.asked.has(server)) {
      this.drops.count("answer to nothing");
      return;
    }
    const signed = checkReply(
      reply,
      exchange.request,
      this.options.secret,
      this.options.demandMessageAuthenticator && this.options.kind === AUTHENTICATION,
    );
    if (signed !== "signed") {
      this.drops.count(`answer: ${signed}`, nameOf(this.options.servers[server]!));
      return;
    }
    this.servers.answered(server, this.platform.clock.nowMs());
    this.tellSilence();
    exchange.cancel();
    if (!exchange.downstream) {
      this.exchanges.delete(keyOf(downstream, reply.id));
      return;
    }
    if (!this.options.kind.replies.includes(reply.code)) {
      this.drops.count("answer of a wrong code", `${reply.code}`);
      return;
    }
    for (const state of valuesOf(reply, "State")) this.servers.converses(state, server);
    this.install(exchange, reply);
  }

  private install(exchange: Exchange, reply: Packet): void {
    const { clock, log } = this.platform;
    exchange.stage = "installing";
    exchange.cancel = clock.after(HOLD_MS, () =>
      log.error("radius", "rights are not in force, hostapd gets no answer"),
    );
    const late = clock.nowMs() + HOLD_MS;
    this.options.answered(exchange.request, reply).then(
      (goOn) => {
        exchange.cancel();
        if (!goOn || this.isClosed || clock.nowMs() > late) return;
        exchange.stage = "answered";
        exchange.reply = reply.bytes;
        this.answers++;
        this.socket.send(reply.bytes, exchange.downstream!);
      },
      (error: Error) => {
        exchange.cancel();
        log.error("radius", "rights could not be set, hostapd gets no answer", { reason: error.message });
      },
    );
  }

  private tellSilence(): void {
    const isSilent = this.servers.areAllDown;
    if (isSilent === this.isSilent) return;
    this.isSilent = isSilent;
    this.options.silent?.(isSilent);
  }

  /** RFC 5997: costs the server nothing, and no login has to wait for the trial. */
  private probeLater(): void {
    const { clock } = this.platform;
    clock.after(PROBE_AFTER_MS, () => {
      if (this.isClosed) return;
      for (const server of this.servers.toProbe(clock.nowMs())) this.probe(server);
      if (this.servers.status.some(({ isUp }) => !isUp)) this.probeLater();
    });
  }

  private probe(server: number): void {
    const random = this.platform.entropy(16);
    const request = parsePacket(signRequest(CODE.statusServer, server & 255, [], this.options.secret, random)!);
    if (typeof request !== "string") this.begin(keyOf(PROBES, request.id), request, undefined, server);
  }

  private makeRoom(nowMs: number): void {
    for (const [key, exchange] of this.exchanges) {
      const isOver = exchange.askedAtMs + REMEMBER_MS < nowMs;
      if (!isOver && this.exchanges.size < EXCHANGES_MAX) return;
      exchange.cancel();
      this.exchanges.delete(key);
    }
  }
}

const PROBE_AFTER_MS = 5_000;

function keyOf(downstream: string, id: number): string {
  return `${downstream} ${id}`;
}

function nameOf({ address, port }: Endpoint): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
