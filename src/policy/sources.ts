/**
 * Where a client's role comes from: the first source of the list that knows the client decides. Stricter or fresher
 * sources (RADIUS, MQTT) go before the file; what everybody else gets goes last.
 */
import type { Mac } from "../base/mac.ts";
import type { CompiledPolicy } from "./compile.ts";

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

/** Clients that the policy file lists, then everybody, if it says what everybody may. */
export function fileSources(policy: CompiledPolicy): RoleSource[] {
  return [
    { name: "file", roleOf: (mac) => policy.clients.get(mac) },
    { name: "unknown", roleOf: () => policy.unknown },
  ];
}
