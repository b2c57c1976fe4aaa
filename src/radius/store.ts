/**
 * Sessions as text, for an agent that starts again: rights without a session could not be changed by CoA, and rights that
 * nobody remembers would fall back to the policy's. A file that is not ours, or not whole, is no sessions.
 */
import { type Mac, parseMac } from "../base/mac.ts";
import type { AttributeName } from "./attributes.ts";
import { emitFilter, parseFilter } from "./carried-filter.ts";
import { hexOf } from "./packet.ts";
import type { RadiusGrant } from "./rights.ts";
import type { Session } from "./sessions.ts";

const VERSION = 1;

interface StoredSession {
  readonly mac: string;
  readonly user: string;
  readonly named: readonly (readonly [AttributeName, readonly string[]])[];
  readonly grant: Omit<RadiusGrant, "filters" | "bind">;
  /** In hex. */
  readonly bind?: string;
  readonly isSuperseded?: boolean;
  readonly filters: readonly (readonly [number, string])[];
}

/** `grantNow`: with the seconds that are left at `wallSeconds`. */
export function writeSessions(
  sessions: readonly Session[],
  grantNow: (session: Session) => RadiusGrant,
  wallSeconds: number | undefined,
): string {
  const stored = sessions.map((session): StoredSession => {
    const { filters, bind, ...grant } = grantNow(session);
    return {
      mac: session.mac,
      user: session.user,
      named: [...session.named].map(([name, values]) => [name, [...values]]),
      grant,
      ...(bind !== undefined && { bind: bind.toString(16) }),
      ...(session.isSuperseded && { isSuperseded: true }),
      filters: [...filters].map(([number, filter]) => [number, hexOf(emitFilter(filter))]),
    };
  });
  return JSON.stringify({ version: VERSION, wallSeconds: wallSeconds ?? null, sessions: stored });
}

export interface RestoredSession {
  readonly mac: Mac;
  readonly user: string;
  readonly named: ReadonlyMap<AttributeName, ReadonlySet<string>>;
  readonly grant: RadiusGrant;
  readonly isSuperseded: boolean;
}

/** Those whose time is not over. Where either time is not known, none is taken for passed. */
export function readSessions(text: string, wallSeconds: number | undefined): RestoredSession[] {
  try {
    const { version, wallSeconds: then, sessions } = JSON.parse(text);
    if (version !== VERSION) return [];
    const passed = wallSeconds === undefined || then === null ? 0 : Math.max(0, wallSeconds - then);
    return (sessions as StoredSession[])
      .map((one) => restored(one, passed))
      .filter(({ grant }) => grant.leftSeconds !== 0);
  } catch {
    return [];
  }
}

function restored(
  { mac, user, named, grant, bind, isSuperseded = false, filters }: StoredSession,
  passedSeconds: number,
): RestoredSession {
  const left = grant.leftSeconds;
  return {
    mac: parseMac(mac, "sessions"),
    user,
    isSuperseded,
    named: new Map(named.map(([name, values]) => [name, new Set(values)])),
    grant: {
      ...grant,
      ...(bind !== undefined && { bind: BigInt(`0x${bind}`) }),
      ...(left !== undefined && { leftSeconds: Math.max(0, left - passedSeconds) }),
      filters: new Map(filters.map(([number, hex]) => [number, filterOf(hex)])),
    },
  };
}

function filterOf(hex: string) {
  const filter = parseFilter(Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)));
  if (typeof filter === "string") throw new Error(filter);
  return filter;
}
