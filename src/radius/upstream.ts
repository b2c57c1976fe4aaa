/**
 * Sockets towards the servers: one for each downstream (address, port) and server, since identifiers are unique for a socket
 * only, and hostapd uses several. An answer counts only from the very address and port that was asked.
 */
import type { Endpoint, Platform, Udp } from "../platform/platform.ts";

/** Local senders are few: a hostapd has two sockets a server. */
const DOWNSTREAMS_MAX = 64;

export type OnReply = (downstream: string, server: number, datagram: Uint8Array) => void;

export class Upstream {
  /** by downstream: a socket for each server, opened when it is needed */
  private readonly sockets = new Map<string, (Promise<Udp> | undefined)[]>();
  private isClosed = false;

  constructor(
    private readonly platform: Pick<Platform, "udp" | "log">,
    private readonly servers: readonly Endpoint[],
    private readonly onReply: OnReply,
  ) {}

  send(downstream: string, server: number, bytes: Uint8Array): void {
    const own = this.sockets.get(downstream) ?? [];
    // The one that was used last stays longest.
    this.sockets.delete(downstream);
    this.sockets.set(downstream, own);
    if (this.sockets.size > DOWNSTREAMS_MAX) this.drop(this.sockets.keys().next().value!);
    own[server] ??= this.open(downstream, server);
    own[server].then(
      (socket) => {
        if (this.sockets.get(downstream) === own) socket.send(bytes, this.servers[server]!);
      },
      (error: Error) => {
        own[server] = undefined;
        this.platform.log.warn("radius", "no socket towards a server", { reason: error.message });
      },
    );
  }

  close(): void {
    this.isClosed = true;
    for (const downstream of [...this.sockets.keys()]) this.drop(downstream);
  }

  private drop(downstream: string): void {
    const own = this.sockets.get(downstream) ?? [];
    this.sockets.delete(downstream);
    for (const socket of own) {
      socket?.then(
        (one) => one.close(),
        () => {},
      );
    }
  }

  private open(downstream: string, server: number): Promise<Udp> {
    const { address, port } = this.servers[server]!;
    return this.platform.udp({
      bind: address.includes(":") ? "::" : "0.0.0.0",
      port: 0,
      onDatagram: (bytes, from) => {
        if (!this.isClosed && from.address === address && from.port === port) this.onReply(downstream, server, bytes);
      },
    });
  }
}
