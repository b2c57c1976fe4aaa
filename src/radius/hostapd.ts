/** Disconnects go on to hostapd's own DAS, which alone can send the station away (and forgets its key). */
import type { Mac } from "../base/mac.ts";
import type { Endpoint, Platform, Udp } from "../platform/platform.ts";
import { checkReply, signRequest } from "./authenticator.ts";
import { attribute, CODE, integerAttribute, type Packet, parsePacket } from "./packet.ts";
import type { Disconnected } from "./rights.ts";

const PATIENCE_MS = 1_000;

export interface HostapdDas {
  disconnect(mac: Mac): Promise<Disconnected>;
  close(): void;
}

/** `ports`: a hostapd each, with `radius_das_client` set to this machine and the same secret. */
export async function openHostapdDas(
  platform: Platform,
  ports: readonly Endpoint[],
  secret: Uint8Array,
  wallSeconds: () => number | undefined,
): Promise<HostapdDas> {
  const waiting = new Map<number, { request: Packet; to: Endpoint; answer: (code: number) => void }>();
  let id = platform.entropy(1)[0]!;
  const socket: Udp = await platform.udp({
    bind: "127.0.0.1",
    port: 0,
    onDatagram: (bytes, from) => {
      const reply = parsePacket(bytes);
      const asked = typeof reply === "string" ? undefined : waiting.get(reply.id);
      if (!asked || typeof reply === "string" || from.port !== asked.to.port) return;
      if (checkReply(reply, asked.request, secret, false) === "signed") asked.answer(reply.code);
    },
  });
  const ask = (mac: Mac, to: Endpoint): Promise<number> =>
    new Promise((resolve) => {
      id = (id + 1) & 255;
      const own = id;
      const request = parsePacket(signRequest(CODE.disconnectRequest, own, attributesFor(mac, wallSeconds()), secret)!);
      if (typeof request === "string") return resolve(0);
      const answer = (code: number) => {
        cancel();
        waiting.delete(own);
        resolve(code);
      };
      const cancel = platform.clock.after(PATIENCE_MS, () => answer(0));
      waiting.get(own)?.answer(0);
      waiting.set(own, { request, to, answer });
      socket.send(request.bytes, to);
    });
  return {
    async disconnect(mac) {
      const codes = await Promise.all(ports.map((to) => ask(mac, to)));
      if (codes.includes(CODE.disconnectAck)) return "ended";
      return codes.includes(CODE.disconnectNak) ? "unknown there" : "no answer";
    },
    close: () => socket.close(),
  };
}

function attributesFor(mac: Mac, nowSeconds: number | undefined) {
  const station = new TextEncoder().encode(mac.replaceAll(":", "-").toUpperCase());
  const time = nowSeconds === undefined ? [] : [integerAttribute("Event-Timestamp", nowSeconds)];
  return [attribute("Calling-Station-Id", station), ...time];
}
