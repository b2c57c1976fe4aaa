/** All that is known of one client, for people and programs. Names: append, never rename. */
import { badInput } from "../base/errors.ts";
import type { Mac } from "../base/mac.ts";
import type { RoamLine } from "../proxy/roam-history.ts";
import type { Inside } from "./answers.ts";
import { type RightsSource, rightsOf } from "./client-rights.ts";
import type { SeenFlow } from "./flow-log.ts";
import type { ClientLine } from "./status.ts";
import { type Verdict, verdictOf } from "./verdict.ts";

export interface ClientView extends ClientLine {
  /** Who gave the role. */
  readonly source: RightsSource;
  readonly limits: { readonly openOut: number; readonly openIn: number; readonly halfOpen: number };
  /** Null: without end. */
  readonly leftSeconds: number | null;
  readonly user: string | null;
  readonly rules: readonly { readonly source: RightsSource; readonly rule: string; readonly place: string }[];
  /** Filters beside the role's, whose rules nobody told. */
  readonly ownFilters: number;
  /** The last denials, newest last. */
  readonly denials: readonly Verdict[];
  /** Of the last 64 of all clients. */
  readonly roams: readonly SeenRoam[];
  /** What it opened, or was opened to it, of late: a sample. */
  readonly flows: readonly SeenFlow[];
}

export interface SeenRoam extends Omit<RoamLine, "mac" | "atMs"> {
  readonly agoMs: number;
}

/** Throws ROAMWALL_ERR_INPUT where nobody knows the client. */
export async function clientView(inside: Inside, mac: Mac): Promise<ClientView> {
  const { session, policy, radius, deniedLog } = inside;
  const lines = await session.clients();
  const line = lines.find((client) => client.mac === mac);
  const denials = deniedLog.of(mac);
  if (!line && denials.length === 0 && !policy.clients.has(mac)) {
    throw badInput("client", `nobody knows ${mac}`, "a client that `roamwall clients` lists", nearest(mac, lines));
  }
  const grant = radius?.grantOf(mac);
  const rights = rightsOf(mac, { policy, grant, granted: session.granted(mac) });
  return {
    ...(line ?? notHere(mac)),
    role: rights.role ?? line?.role ?? null,
    source: rights.source,
    limits: rights.limits,
    leftSeconds: rights.leftSeconds ?? null,
    user: radius?.sessions().find((one) => one.mac === mac)?.user ?? null,
    rules: rights.rules.map(({ source, rule }) => ({ source, rule: rule.text, place: rule.place })),
    ownFilters: rights.ownFilters.length,
    denials: denials.map(({ event, seconds }) => verdictOf(event, rights.role ?? null, seconds)),
    roams: roamsOf(inside, mac),
    flows: inside.flowLog.of(mac),
  };
}

function roamsOf({ session, platform }: Inside, mac: Mac): SeenRoam[] {
  const nowMs = platform.clock.nowMs();
  const own = session.roamHistory().filter((roam) => roam.mac === mac);
  return own.map(({ mac: _mac, atMs, ...roam }) => ({ ...roam, agoMs: Math.round(nowMs - atMs) }));
}

function notHere(mac: Mac): ClientLine {
  const none = { filters: [], passed: 0, denied: 0, bytes: 0, cells: 0, holders: [] };
  return { mac, slot: 0, role: null, here: false, revoked: false, monitored: false, ...none };
}

/** A mistyped pair is what happens most. */
function nearest(mac: Mac, lines: readonly ClientLine[]): string | undefined {
  const distance = (other: Mac) => mac.split(":").filter((pair, i) => pair !== other.split(":")[i]).length;
  const close = lines.map((line) => line.mac).filter((other) => distance(other) <= 2 && !/^(00:|ff:){5}/.test(other));
  return close.length ? close.slice(0, 3).join(", ") : undefined;
}
