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
  readonly halfOpen?: number;
  /** As whom and how it logged in: see `login.ts`. */
  readonly bind?: bigint;
  /** Zone of the port or SSID. */
  readonly zone?: number;
  /** Undefined: without end. */
  readonly leftSeconds?: number;
  /** True: by CoA, which outranks a login. */
  readonly changed: boolean;
}

export const NOTHING_SAID: RadiusGrant = { filters: new Map(), changed: false };

/** What hostapd says of a station that shall go; undefined: there is nobody to ask. */
export type Disconnected = "ended" | "unknown there" | "no answer";

/**
 * What became of an order. `unconfirmed`: the AP that serves the client did not answer in time, it may still come to be.
 * `newer`: somebody else changed the client's rights meanwhile, and nothing was done.
 */
export type Outcome = "in force" | "unconfirmed" | "newer";

/** Implemented by the agent over its mesh. A rejection with ROAMWALL_ERR_INPUT means: refused, and nothing has changed. */
export interface RadiusRights {
  /** For who logs in here: resolves when the rights are in force at this AP. All of the grant or nothing: it replaces what was there. */
  grant(mac: Mac, grant: RadiusGrant): Promise<void>;
  /** The same, wherever the client is: in force there when it resolves. */
  order(mac: Mac, grant: RadiusGrant): Promise<Outcome>;
  /** Ends the client's rights in the whole mesh; `station`: what hostapd said where the client is, if that is elsewhere. */
  revoke(mac: Mac): Promise<{ readonly state: Outcome; readonly station?: Disconnected }>;
  /** What a client has by RADIUS that another AP gave. Undefined: not known here. */
  current(mac: Mac): RadiusGrant | undefined;
  /** All servers are silent, or one answers again. */
  serversSilent?(isSilent: boolean): void;
  /** Looks for a client in the whole mesh; if there is one, `current` knows it. Undefined: too many are looked for. */
  find(mac: Mac): Promise<boolean | undefined>;
}

/** Whether a grant was refused for what it says. The error may be of another bundle's class: its code is what counts. */
export function isRefused(error: unknown): boolean {
  return (error as { readonly code?: unknown }).code === "ROAMWALL_ERR_INPUT";
}
