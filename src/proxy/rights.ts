import type { FilterContent } from "./filter-store.ts";

/** What a role means at this AP. */
export interface RoleGrant {
  /** Filter ids, at most four. */
  readonly filters: readonly number[];
  readonly limits: { readonly openOut: number; readonly openIn: number; readonly halfOpen: number };
}

/** Rights as a source of policy gives them. */
export interface Grant {
  /** A role of the policy; "": none, the client's own filters are all it has. */
  readonly role: string;
  /** Filters of this client alone, beside its role's; four in all. */
  readonly filters?: readonly FilterContent[];
  /** Zone of the port or SSID where the client authenticated; 0: none. Rights and mirrors count only in the same zone. */
  readonly zone?: number;
  /** Hash of kind and identity of the login, 0: none. A station that logs in as somebody else inherits nothing. */
  readonly bind?: bigint;
  readonly monitor?: boolean;
  /** Instead of the role's. */
  readonly openOut?: number;
  readonly openIn?: number;
  readonly halfOpen?: number;
  /** Undefined: without end. */
  readonly leftSeconds?: number;
  /** True: newer than every right heard so far. False: this AP's own file, which every AP holds by itself. */
  readonly authority?: boolean;
}

/** Order of rights: the highest (serial, rev); on a tie a revocation, then the highest origin. */
export interface Rights {
  readonly serial: number;
  readonly rev: number;
  /** The AP that stamped it. */
  readonly origin: number;
  readonly revoked: boolean;
  readonly role: string;
  /** Digests of the client's own filters. */
  readonly filters: readonly bigint[];
  readonly zone: number;
  readonly bind: bigint;
  readonly monitor: boolean;
  readonly openOut: number | undefined;
  readonly openIn: number | undefined;
  readonly halfOpen: number | undefined;
  /** On this AP's clock; Infinity: without end. */
  readonly endsAtMs: number;
}

/**
 * True when `a` must replace `b`. In two parts of a mesh two rights may get one number: all must choose the same of them,
 * or each AP would keep to the one that it heard first.
 */
export function outranks(a: Rights, b: Rights): boolean {
  if (a.serial !== b.serial) return a.serial > b.serial;
  if (a.rev !== b.rev) return a.rev > b.rev;
  if (a.revoked !== b.revoked) return a.revoked;
  return a.origin > b.origin;
}

/** One and the same grant or revocation. */
export function sameStamp(a: Rights, b: Rights): boolean {
  return a.serial === b.serial && a.rev === b.rev && a.origin === b.origin && a.revoked === b.revoked;
}

/** Also when its time is over. */
export function newestOf({ rights, ended }: Known): Rights | undefined {
  return ended && (!rights || outranks(ended, rights)) ? ended : rights;
}

interface Known {
  readonly rights: Rights | undefined;
  readonly ended: Rights | undefined;
}

export function sameRights(a: Rights, b: Rights): boolean {
  const names = Object.keys(a) as (keyof Rights)[];
  return names.every((name) => (name === "filters" ? a.filters.join() === b.filters.join() : a[name] === b[name]));
}

/** Whether they give the same, whoever stamped them, and whenever they end. */
export function sameMeaning(a: Rights, b: Rights): boolean {
  const { serial, rev, origin, endsAtMs } = b;
  return sameRights({ ...a, serial, rev, origin, endsAtMs }, b);
}

/** Two identities are known, and they are not the same. */
export function differs(a: bigint, b: bigint): boolean {
  return a !== 0n && b !== 0n && a !== b;
}
