/** Disconnects go on to hostapd's own DAS, which alone can send the station away (and forgets its key). */
import type { Mac } from "../base/mac.ts";
import type { Endpoint, Platform, Udp } from "../platform/platform.ts";
import { checkReply, signRequest } from "./authenticator.ts";
import { attribute, CODE, integerAttribute, type Packet, parsePacket } from "./packet.ts";
import type { Disconnected } from "./rights.ts";

const PATIENCE_MS = 1_000;

/** A request that hostapd has not answered yet. */
interface Asked {
  readonly request: Packet;
  readonly to: Endpoint;
  /** 0: nothing came. */
  answer(code: number): void;
}

export interface HostapdDasParts {
  readonly platform: Platform;
  /** A hostapd each, with `radius_das_client` set to this machine and the same secret. */
  readonly ports: readonly Endpoint[];
  readonly secret: Uint8Array;
  wallSeconds(): number | undefined;
}

export class HostapdDas {
  /** by identifier */
  private readonly waiting = new Map<number, Asked>();
  private id: number;
  private socket!: Udp;

  private constructor(private readonly parts: HostapdDasParts) {
    this.id = parts.platform.entropy(1)[0]!;
  }

  static async open(parts: HostapdDasParts): Promise<HostapdDas> {
    const das = new HostapdDas(parts);
    const onDatagram = (bytes: Uint8Array, from: Endpoint) => das.heard(bytes, from);
    das.socket = await parts.platform.udp({ bind: "127.0.0.1", port: 0, onDatagram });
    return das;
  }

  async disconnect(mac: Mac): Promise<Disconnected> {
    const codes = await Promise.all(this.parts.ports.map((to) => this.ask(mac, to)));
    if (codes.includes(CODE.disconnectAck)) return "ended";
    return codes.includes(CODE.disconnectNak) ? "unknown there" : "no answer";
  }

  close(): void {
    this.socket.close();
  }

  private heard(bytes: Uint8Array, from: Endpoint): void {
    const reply = parsePacket(bytes);
    if (typeof reply === "string") return;
    const asked = this.waiting.get(reply.id);
    if (!asked || from.port !== asked.to.port) return;
    if (checkReply(reply, asked.request, this.parts.secret, false) === "signed") asked.answer(reply.code);
  }

  /** Answers the code of the reply; 0: none came. */
  private ask(mac: Mac, to: Endpoint): Promise<number> {
    const { platform, secret } = this.parts;
    this.id = (this.id + 1) & 255;
    const { id, waiting } = this;
    const request = parsePacket(
      signRequest(CODE.disconnectRequest, id, attributesFor(mac, this.parts.wallSeconds()), secret)!,
    );
    if (typeof request === "string") return Promise.resolve(0);
    return new Promise((resolve) => {
      const answer = (code: number) => {
        cancel();
        waiting.delete(id);
        resolve(code);
      };
      const cancel = platform.clock.after(PATIENCE_MS, () => answer(0));
      // The identifier has gone round.
      waiting.get(id)?.answer(0);
      waiting.set(id, { request, to, answer });
      this.socket.send(request.bytes, to);
    });
  }
}

function attributesFor(mac: Mac, nowSeconds: number | undefined) {
  const station = new TextEncoder().encode(mac.replaceAll(":", "-").toUpperCase());
  const time = nowSeconds === undefined ? [] : [integerAttribute("Event-Timestamp", nowSeconds)];
  return [attribute("Calling-Station-Id", station), ...time];
}
