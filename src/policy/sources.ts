/**
 * Where a client's role comes from: the first source of the list that knows the client decides. Stricter or fresher
 * sources (RADIUS, MQTT) go before the file; what everybody else gets goes last.
 */
import type { Mac } from "../base/mac.ts";
import type { CompiledPolicy } from "./compile.ts";
import type { Policy } from "./model.ts";

export interface RoleSource {
  /** For people: shown beside the role. */
  readonly name: string;
  /** Undefined: this source does not know the client, the next one is asked. */
  roleOf(mac: Mac): string | undefined;
}

export interface SourcedRole {
  readonly role: string;
  readonly source: string;
}

export function roleOf(sources: readonly RoleSource[], mac: Mac): SourcedRole | undefined {
  for (const source of sources) {
    const role = source.roleOf(mac);
    if (role !== undefined) return { role, source: source.name };
  }
  return undefined;
}

/** The network's policy (or the file, if there is none), the clients that only the file lists, then everybody. */
export function policySources(policy: CompiledPolicy): RoleSource[] {
  const { clients, fromFile, unknown } = policy;
  const everybody = { name: "unknown", roleOf: () => unknown };
  if (!fromFile) return [{ name: "file", roleOf: (mac) => clients.get(mac) }, everybody];
  return [
    { name: "mqtt", roleOf: (mac) => (fromFile.has(mac) ? undefined : clients.get(mac)) },
    { name: "file", roleOf: (mac) => fromFile.get(mac) },
    everybody,
  ];
}

/**
 * The policy of the whole network stands for the file; what the file says of single clients still counts for those that
 * the network's does not list, where the network has the role.
 */
export function overlay(network: Policy, file: Policy | undefined): Policy {
  const fromFile = new Map(
    [...(file?.clients ?? [])].filter(([mac, role]) => !network.clients.has(mac) && network.roles.has(role)),
  );
  const monitored = new Set([...network.monitored, ...[...(file?.monitored ?? [])].filter((mac) => fromFile.has(mac))]);
  return { ...network, clients: new Map([...fromFile, ...network.clients]), monitored, fromFile };
}
