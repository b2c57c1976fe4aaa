import { createSocket, type Socket } from "node:dgram";
import { RoamwallError } from "../../base/errors.ts";
import type { Endpoint, Log, Udp, UdpOptions } from "../platform.ts";
import { plain } from "./plain.ts";

/** Asked for; the kernel gives what net.core.rmem_max allows. A snapshot of 20,000 cells arrives in one burst. */
const RECEIVE_BUFFER_BYTES = 4 << 20;

/**
 * A socket bound to a unicast address gets no multicast, and one bound to all addresses would get strangers' datagrams
 * of other links: so a group has a socket of its own, bound to the group; all sending is done by the unicast one.
 */
export async function openUdp(options: UdpOptions, log: Log): Promise<Udp> {
  const unicast = await bind(options.bind, options.port, options, log, false);
  const { port } = unicast.address();
  const sockets = [unicast];
  if (options.group !== undefined) {
    try {
      sockets.push(await joinGroup(options.group, port, options, log));
      sendToGroupFrom(unicast, options);
    } catch (error) {
      for (const socket of sockets) socket.close();
      throw error;
    }
  }
  const told = new Set<string>();
  const sent = (error: NodeJS.ErrnoException | null) => {
    // One line for each kind of trouble: a mesh link that is down would fill the log.
    if (!error || told.has(error.code ?? "")) return;
    told.add(error.code ?? "");
    log.warn("udp", "a datagram could not be sent", { error: error.message });
  };
  return {
    local: { address: options.bind, port },
    send(bytes, to) {
      // Node may keep the buffer until the socket is writable; callers reuse theirs.
      unicast.send(new Uint8Array(bytes), to.port, to.address, sent);
    },
    close() {
      for (const socket of sockets) socket.close();
      sockets.length = 0;
    },
  };
}

async function bind(address: string, port: number, options: UdpOptions, log: Log, toGroup: boolean): Promise<Socket> {
  const isIpv6 = isSix(address);
  const socket = createSocket({
    type: isIpv6 ? "udp6" : "udp4",
    reuseAddr: options.group !== undefined,
    // Everything is an address already: Node would look each up anew for every datagram.
    lookup: (known, _options, found) => found(null, known, isIpv6 ? 6 : 4),
  });
  socket.on("message", (bytes, from) => options.onDatagram(plain(bytes), endpointOf(from), toGroup));
  await new Promise<void>((resolve, reject) => {
    socket.once("error", (error: NodeJS.ErrnoException) => {
      socket.close();
      reject(new RoamwallError("ROAMWALL_ERR_BIND", `${address} port ${port}: ${error.code ?? error.message}`));
    });
    socket.bind(port, address, () => {
      socket.removeAllListeners("error");
      resolve();
    });
  });
  socket.on("error", (error) => log.warn("udp", "socket error", { error: error.message }));
  try {
    socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
  } catch (cause) {
    log.debug("udp", "small receive buffer", { error: (cause as Error).message });
  }
  return socket;
}

async function joinGroup(group: string, port: number, options: UdpOptions, log: Log): Promise<Socket> {
  const scope = isSix(group) && options.iface?.startsWith("%") ? options.iface : "";
  const socket = await bind(`${group}${scope}`, port, options, log, true);
  try {
    socket.addMembership(group, interfaceOf(group, options));
  } catch (cause) {
    socket.close();
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new RoamwallError("ROAMWALL_ERR_BIND", `cannot join ${group} on ${options.iface ?? options.bind}: ${reason}`);
  }
  return socket;
}

/** Never beyond the link; echoed to ourselves only where all agents share one loopback. */
function sendToGroupFrom(socket: Socket, options: UdpOptions): void {
  const iface = interfaceOf(options.group!, options);
  if (iface !== undefined) socket.setMulticastInterface(iface);
  socket.setMulticastTTL(1);
  socket.setMulticastLoopback(options.bind.startsWith("127.") || options.bind === "::1");
}

/** IPv4 names an interface by its address, IPv6 by its scope. */
function interfaceOf(group: string, options: UdpOptions): string | undefined {
  if (options.iface === undefined) return isSix(group) || options.bind === "0.0.0.0" ? undefined : options.bind;
  return isSix(group) ? `::${options.iface}` : options.iface;
}

function isSix(address: string): boolean {
  return address.includes(":");
}

function endpointOf(from: { address: string; port: number }): Endpoint {
  return { address: from.address, port: from.port };
}
