/** What a CoA- or Disconnect-Request asks for: refused with the right cause, or done, all of it or nothing. */
import type { Mac } from "../base/mac.ts";
import type { Clock } from "../platform/platform.ts";
import { type AttributeName, isWellFormed, nameOf } from "./attributes.ts";
import { type Changes, changed, isRefusal, type Refusal, readChanges, saysNothing } from "./changes.ts";
import type { Answer } from "./das.ts";
import { CAUSE } from "./error-cause.ts";
import { CODE, has, type Packet } from "./packet.ts";
import { type Disconnected, isRefused, type RadiusGrant, type RadiusRights } from "./rights.ts";
import { IDENTIFICATION, macOf, NAS_IDENTIFICATION, type Session, type Sessions } from "./sessions.ts";
import { readVendor } from "./vendor.ts";

/** Rights that are not confirmed by then are told as not in force, though they may still come to be. */
const CONFIRM_MS = 1_000;

/** What may stand in both. Service-Type and State belong to Authorize-Only, which has an answer of its own. */
const ENVELOPE: readonly AttributeName[] = [
  ...IDENTIFICATION,
  ...NAS_IDENTIFICATION,
  "Proxy-State",
  "Event-Timestamp",
  "Message-Authenticator",
];
const CHANGES: readonly AttributeName[] = ["Filter-Id", "NAS-Filter-Rule", "Session-Timeout", "Vendor-Specific"];

export interface OrderParts {
  readonly clock: Clock;
  readonly sessions: Sessions;
  readonly rights: RadiusRights;
  /** One change of a client after the other. */
  inTurn<T>(mac: Mac, run: () => Promise<T>): Promise<T>;
  /** Asks hostapd to let the station go. Undefined: nobody to ask. */
  disconnect?(mac: Mac): Promise<Disconnected>;
}

interface Target {
  readonly mac: Mac;
  /** Undefined: the client roamed in with rights from elsewhere. */
  readonly session: Session | undefined;
}

export async function executeOrder(request: Packet, parts: OrderParts): Promise<Answer> {
  const wrong = formProblem(request);
  if (wrong) return wrong;
  const isCoa = request.code === CODE.coaRequest;
  const changes = isCoa ? readChanges(request) : undefined;
  if (changes && isRefusal(changes)) return changes;
  if (changes && saysNothing(changes)) return refuse(CAUSE.missingAttribute, "nothing to change");
  const target = await findTarget(request, parts);
  if (isRefusal(target)) return target;
  const run = () => (changes ? change(target, changes, parts) : disconnect(target, parts));
  return parts.inTurn(target.mac, run);
}

/** The refusals that need no look at sessions, in the order in which RFC 5176 wants them seen. */
function formProblem(request: Packet): Refusal | undefined {
  if (has(request, "Service-Type"))
    return refuse(CAUSE.unsupportedService, "Service-Type: only changes are understood");
  const allowed = request.code === CODE.coaRequest ? [...ENVELOPE, ...CHANGES] : ENVELOPE;
  for (const { type, value } of request.attributes) {
    const name = nameOf(type);
    if (name === undefined || !allowed.includes(name)) {
      return refuse(CAUSE.unsupportedAttribute, `attribute ${name ?? type}`);
    }
    if (!isWellFormed(name, value)) return refuse(CAUSE.invalidRequest, `${name} of ${value.length} octets`);
  }
  const { unknown } = readVendor(request);
  if (unknown.length) return refuse(CAUSE.unsupportedAttribute, unknown[0]!);
  return undefined;
}

async function findTarget(request: Packet, { sessions, rights, clock }: OrderParts): Promise<Target | Refusal> {
  sessions.forgetEnded(clock.nowMs());
  if (!IDENTIFICATION.some((name) => has(request, name))) {
    return refuse(CAUSE.missingAttribute, "nothing that names a session");
  }
  if (sessions.isForOtherNas(request)) return refuse(CAUSE.nasMismatch, "for another NAS");
  const mac = macOf(request);
  const stations = request.attributes.filter(({ type }) => nameOf(type) === "Calling-Station-Id").length;
  if (stations > 1 || (stations === 1 && mac === undefined)) {
    return refuse(CAUSE.invalidRequest, "Calling-Station-Id is not one station's MAC address");
  }
  const found = sessions.find(request);
  if (found.length > 1) return refuse(CAUSE.severalSessions, `${found.length} sessions fit`);
  const [session] = found;
  if (session) return { mac: session.mac, session };
  if (mac === undefined || sessions.of(mac)) return refuse(CAUSE.noSession, "no such session");
  // Who logged in elsewhere has no session here, only rights; its address is what is known of it.
  if (rights.current(mac)) return { mac, session: undefined };
  const isKnown = await rights.find(mac);
  if (isKnown === undefined) return refuse(CAUSE.noResources, "too many clients are looked for");
  const isThere = isKnown && rights.current(mac) !== undefined;
  return isThere ? { mac, session: undefined } : refuse(CAUSE.noSession, "no such session in the whole mesh");
}

async function change(target: Target, changes: Changes, parts: OrderParts): Promise<Answer> {
  const { mac } = target;
  // Once more, on what counts since, if somebody else spoke at the same moment.
  for (let tries = 0; tries < 2; tries++) {
    const grant = nextGrant(target, changes, parts);
    if (isRefusal(grant)) return grant;
    try {
      const outcome = await within(parts.clock, parts.rights.order(mac, grant));
      if (outcome === "newer") continue;
      keep(target, grant, parts);
      if (outcome === "in force") return { reason: `${mac} changed` };
      return refuse(CAUSE.noResources, `${mac}: the access point that serves it has not confirmed`);
    } catch (error) {
      return causeOf(error);
    }
  }
  return refuse(CAUSE.noResources, `${mac} is changed by another at the same time`);
}

function nextGrant({ mac, session }: Target, changes: Changes, parts: OrderParts): RadiusGrant | Refusal {
  const { clock, rights, sessions } = parts;
  const own = session && !session.isSuperseded ? grantNow(session, clock.nowMs()) : undefined;
  const before = own ?? roamedGrant(rights.current(mac), changes);
  if (!before || sessions.of(mac) !== session) return refuse(CAUSE.noSession, "the session ended meanwhile");
  const next = changed(before, changes);
  return isRefusal(next) ? next : { ...next, changed: true };
}

function keep({ session }: Target, grant: RadiusGrant, { clock }: OrderParts): void {
  if (!session) return;
  session.grant = grant;
  session.isSuperseded = false;
  session.endsAtMs = endOf(grant, clock.nowMs());
}

/** Of rules that were compiled elsewhere only the filter came here: who lists anew what is allowed must not keep it. */
function roamedGrant(grant: RadiusGrant | undefined, changes: Changes): RadiusGrant | undefined {
  return grant && (changes.rules || changes.filters.size) ? { ...grant, filters: new Map() } : grant;
}

async function disconnect({ mac }: Target, parts: OrderParts): Promise<Answer> {
  const { clock, rights, sessions } = parts;
  let done: Awaited<ReturnType<RadiusRights["revoke"]>>;
  try {
    done = await within(clock, rights.revoke(mac));
  } catch (error) {
    return causeOf(error);
  }
  if (done.state === "newer") return refuse(CAUSE.noResources, `${mac} is changed by another at the same time`);
  sessions.forget(mac);
  if (done.state === "unconfirmed") {
    return refuse(CAUSE.noResources, `${mac}: revoked, the access point that serves it has not confirmed`);
  }
  const station = done.station ?? (await parts.disconnect?.(mac));
  if (station === "no answer") return refuse(CAUSE.noResources, `${mac}: rights are gone, hostapd does not answer`);
  const note = station === "unknown there" ? { note: CAUSE.residualContextRemoved } : {};
  return { ...note, reason: `${mac} has no rights any more` };
}

/** Rights as they are at this moment: seconds count down. */
export function grantNow(session: Session, nowMs: number): RadiusGrant {
  if (session.endsAtMs === Number.POSITIVE_INFINITY) return session.grant;
  return { ...session.grant, leftSeconds: Math.max(0, Math.ceil((session.endsAtMs - nowMs) / 1000)) };
}

export function endOf(grant: RadiusGrant, nowMs: number): number {
  return grant.leftSeconds === undefined ? Number.POSITIVE_INFINITY : nowMs + grant.leftSeconds * 1000;
}

function causeOf(error: unknown): Refusal {
  const reason = (error as Error).message;
  return refuse(isRefused(error) ? CAUSE.invalidValue : CAUSE.noResources, reason);
}

async function within<T>(clock: Clock, work: Promise<T>): Promise<T> {
  let cancel = () => {};
  const late = new Promise<never>((_, reject) => {
    cancel = clock.after(CONFIRM_MS, () => reject(new Error(`not confirmed within ${CONFIRM_MS} ms`)));
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    cancel();
  }
}

function refuse(cause: number, reason: string): Refusal {
  return { cause, reason };
}
