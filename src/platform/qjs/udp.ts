import { RoamwallError } from "../../base/errors.ts";
import type { Log, Udp, UdpOptions } from "../platform.ts";
import { codeOf, host } from "./host.ts";

/**
 * A socket bound to a unicast address gets no multicast, and one bound to all addresses would get strangers' datagrams
 * of other links: so a group has a socket of its own, bound to the group; all sending is done by the unicast one.
 */
export function openUdp(options: UdpOptions, log: Log): Udp {
  const unicast = bind(options.bind, options.port, options, false);
  const port = host.localPort(unicast);
  const sockets = [unicast];
  const close = () => {
    for (const socket of sockets.splice(0)) host.closeUdp(socket);
  };
  if (options.group !== undefined) {
    try {
      sockets.push(joinGroup(options.group, port, options));
      host.sendGroupsBy(unicast, interfaceOf(options.group, options), isLoopback(options.bind));
    } catch (error) {
      close();
      throw error;
    }
  }
  const told = new Set<string>();
  return {
    local: { address: options.bind, port },
    send(bytes, to) {
      if (sockets.length === 0) return;
      const lost = host.send(unicast, bytes, to.address, to.port);
      // One line for each kind of trouble: a mesh link that is down would fill the log.
      if (lost === undefined || told.has(lost)) return;
      told.add(lost);
      log.warn("udp", "a datagram could not be sent", { error: lost });
    },
    close,
  };
}

function bind(address: string, port: number, options: UdpOptions, toGroup: boolean): number {
  const onDatagram = (bytes: Uint8Array, from: string, fromPort: number) => {
    options.onDatagram(bytes, { address: from, port: fromPort }, toGroup);
  };
  try {
    return host.udp(address, port, options.group !== undefined, onDatagram);
  } catch (cause) {
    throw new RoamwallError("ROAMWALL_ERR_BIND", `${address} port ${port}: ${codeOf(cause)}`);
  }
}

function joinGroup(group: string, port: number, options: UdpOptions): number {
  const scope = isSix(group) && options.iface?.startsWith("%") ? options.iface : "";
  const socket = bind(`${group}${scope}`, port, options, true);
  try {
    host.joinGroup(socket, group, interfaceOf(group, options));
    return socket;
  } catch (cause) {
    host.closeUdp(socket);
    const where = options.iface ?? options.bind;
    throw new RoamwallError("ROAMWALL_ERR_BIND", `cannot join ${group} on ${where}: ${codeOf(cause)}`);
  }
}

/** IPv4 names an interface by its address, IPv6 by its scope; "": the routes decide. */
function interfaceOf(group: string, options: UdpOptions): string {
  if (options.iface !== undefined) return options.iface;
  return isSix(group) || options.bind === "0.0.0.0" ? "" : options.bind;
}

/** Echoed to ourselves only where all agents share one loopback. */
function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1";
}

function isSix(address: string): boolean {
  return address.includes(":");
}
