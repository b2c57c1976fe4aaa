import { CONSTANTS } from "../datapath/abi.ts";
import type { ClientRecord } from "../datapath/map-records.ts";
import type { CompiledRole } from "../policy/policy.ts";

/** In a record's filter list: none. */
export const NO_FILTER = 0xffff;

/** What a role says in the record of a client; slot and presence are the client's own. */
export function recordOfRole(role: CompiledRole): Omit<ClientRecord, "slot" | "presence"> {
  return {
    flags: role.monitor ? CONSTANTS.CLIENT_MONITOR : 0,
    filter: Array.from({ length: CONSTANTS.CLIENT_FILTERS }, (_, i) => role.filters[i] ?? NO_FILTER),
    from: 0,
    zone: 0,
    open_out: role.limits.openOut,
    open_in: role.limits.openIn,
    half_open: role.limits.halfOpen,
    ends: 0,
    pad: 0,
  };
}
