/** The client ports as roamwalld tells of them. */
import type { DatapathHandlers } from "../datapath/datapath.ts";
import type { PortStatus } from "./status.ts";

type PortEvent = Parameters<DatapathHandlers["port"]>[0];

export class ClientPorts {
  /** by netdev, with the time of the last change */
  private readonly ports = new Map<string, Omit<PortStatus, "unfilteredMs"> & { readonly atMs: number }>();

  heard({ name: bytes, zone, attached, ifindex, open_ms: openMs }: PortEvent, nowMs: number): void {
    const name = String.fromCharCode(...bytes.slice(0, bytes.indexOf(0)));
    this.ports.set(name, { name, zone, attached: attached !== 0, present: ifindex !== 0, openMs, atMs: nowMs });
  }

  /** Undefined for a netdev that is no client port. */
  zoneOf(netdev: string): number | undefined {
    return this.ports.get(netdev)?.zone;
  }

  list(nowMs: number): PortStatus[] {
    return [...this.ports.values()].map(({ atMs, ...port }) => {
      return { ...port, unfilteredMs: port.present && !port.attached ? Math.round(nowMs - atMs) : 0 };
    });
  }
}
