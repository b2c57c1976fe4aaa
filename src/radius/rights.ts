/** What RADIUS says that a client may: the narrow door between this room and the agent. */
import type { Mac } from "../base/mac.ts";
import type { CarriedFilter } from "./carried-filter.ts";

/** All that a client may by RADIUS. What is undefined or empty is not said, and the next source of policy is asked. */
export interface RadiusGrant {
  readonly role?: string;
  /** In either spelling. Undefined: RADIUS gives no rules; empty: it gives none, and the client gets nothing by them. */
  readonly rules?: readonly string[];
  /** by number, 0 to 3 */
  readonly filters: ReadonlyMap<number, CarriedFilter>;
  /** Instead of the role's. */
  readonly openOut?: number;
  readonly openIn?: number;
  /** Zone of the port or SSID. */
  readonly zone?: number;
  /** Undefined: without end. */
  readonly leftSeconds?: number;
  /** True: by CoA, which outranks a login. */
  readonly changed: boolean;
}

export const NOTHING_SAID: RadiusGrant = { filters: new Map(), changed: false };

/** Implemented by the agent over its mesh. A rejection with ROAMWALL_ERR_INPUT means: refused, and nothing has changed. */
export interface RadiusRights {
  /** Resolves when the rights are in force at this AP. All of the grant or nothing: it replaces what was there. */
  grant(mac: Mac, grant: RadiusGrant): Promise<void>;
  /** Ends the client's rights in the whole mesh. */
  revoke(mac: Mac): Promise<void>;
  /** What a client has that roamed in, with rights that RADIUS gave to it at another AP. Undefined: not known here. */
  current(mac: Mac): RadiusGrant | undefined;
}

/** Whether a grant was refused for what it says. The error may be of another bundle's class: its code is what counts. */
export function isRefused(error: unknown): boolean {
  return (error as { readonly code?: unknown }).code === "ROAMWALL_ERR_INPUT";
}
