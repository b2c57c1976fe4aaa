/** What a role means at this AP. */
export interface RoleGrant {
  /** Filter ids, at most four. */
  readonly filters: readonly number[];
  readonly limits: { readonly openOut: number; readonly openIn: number };
}

/** Rights as a source of policy gives them. */
export interface Grant {
  readonly role: string;
  /** Zone of the port or SSID where the client authenticated; 0: none. Mirrors count only in the same zone. */
  readonly zone?: number;
  readonly monitor?: boolean;
  /** Instead of the role's. */
  readonly openOut?: number;
  readonly openIn?: number;
  /** Undefined: without end. */
  readonly leftSeconds?: number;
  /** True: newer than every right heard so far. False: this AP's own file, which every AP holds by itself. */
  readonly authority?: boolean;
}

/** Order of rights: the highest (serial, rev); on a tie the stricter. */
export interface Rights {
  readonly serial: number;
  readonly rev: number;
  /** The AP that stamped it. */
  readonly origin: number;
  readonly revoked: boolean;
  readonly role: string;
  readonly zone: number;
  readonly monitor: boolean;
  readonly openOut: number | undefined;
  readonly openIn: number | undefined;
  /** On this AP's clock; Infinity: without end. */
  readonly endsAtMs: number;
}

/** True when `a` must replace `b`. Equal stamps: a revocation wins, else what is there stays. */
export function outranks(a: Rights, b: Rights): boolean {
  if (a.serial !== b.serial) return a.serial > b.serial;
  if (a.rev !== b.rev) return a.rev > b.rev;
  return a.revoked && !b.revoked;
}
