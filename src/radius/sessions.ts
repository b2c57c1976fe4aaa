/** Who is logged in here, as RADIUS knows it: what a CoA or Disconnect may name a session by, and the rights it got. */
import { type Mac, parseMac } from "../base/mac.ts";
import type { AttributeName } from "./attributes.ts";
import { hexOf, type Packet, textOf, valuesOf } from "./packet.ts";
import { NOTHING_SAID, type RadiusGrant } from "./rights.ts";

/** RFC 5176 section 3, as far as a NAS like hostapd sends them. All that a request names must fit. */
export const IDENTIFICATION: readonly AttributeName[] = [
  "User-Name",
  "NAS-Port",
  "Called-Station-Id",
  "Calling-Station-Id",
  "Acct-Session-Id",
  "Acct-Multi-Session-Id",
  "NAS-Port-Id",
  "Chargeable-User-Identity",
  "Class",
];
export const NAS_IDENTIFICATION: readonly AttributeName[] = ["NAS-IP-Address", "NAS-IPv6-Address", "NAS-Identifier"];

/** Beyond it the oldest is forgotten: its client keeps its rights, and is found by its MAC address only. */
const SESSIONS_MAX = 4096;

export interface Session {
  readonly mac: Mac;
  /** For people. */
  readonly user: string;
  /** Values in hex, by attribute: of the Access-Request, and of the Access-Accept where that says otherwise. */
  readonly named: ReadonlyMap<AttributeName, ReadonlySet<string>>;
  grant: RadiusGrant;
  /** Others than `grant` count since: given at another AP, and known by `RadiusRights.current`. */
  isSuperseded: boolean;
  /** On our clock; Infinity: without end. */
  endsAtMs: number;
}

const FRESH = { grant: NOTHING_SAID, isSuperseded: false, endsAtMs: Number.POSITIVE_INFINITY };

export class Sessions {
  private readonly byMac = new Map<Mac, Session>();

  get size(): number {
    return this.byMac.size;
  }

  all(): Session[] {
    return [...this.byMac.values()];
  }

  of(mac: Mac): Session | undefined {
    return this.byMac.get(mac);
  }

  /** A client has one session: a new login ends the one before. */
  open(mac: Mac, request: Packet, accept: Packet): Session {
    const named = new Map<AttributeName, Set<string>>();
    for (const name of [...IDENTIFICATION, ...NAS_IDENTIFICATION]) {
      // In a request it says only that the NAS would like one (RFC 4372).
      const asked = name === "Chargeable-User-Identity" ? [] : valuesOf(request, name);
      const values = [...asked, ...valuesOf(accept, name)];
      if (values.length) named.set(name, new Set(values.map(hexOf)));
    }
    const user = textOf(accept, "User-Name") ?? textOf(request, "User-Name") ?? "";
    return this.add({ mac, user, named, ...FRESH });
  }

  add(session: Session): Session {
    this.byMac.delete(session.mac);
    this.byMac.set(session.mac, session);
    if (this.byMac.size > SESSIONS_MAX) this.forget(this.byMac.keys().next().value!);
    return session;
  }

  forgetEnded(nowMs: number): void {
    for (const { mac, endsAtMs } of this.all()) if (endsAtMs <= nowMs) this.forget(mac);
  }

  forget(mac: Mac): void {
    this.byMac.delete(mac);
  }

  /** hostapd says that it starts or stops a BSS: who was in it has no session any more. */
  forgetBss(accounting: Packet): number {
    const [called] = valuesOf(accounting, "Called-Station-Id").map(hexOf);
    const gone = this.all().filter(
      ({ named }) => called === undefined || named.get("Called-Station-Id")?.has(called) === true,
    );
    for (const { mac } of gone) this.forget(mac);
    return gone.length;
  }

  /** Sessions that fit every identification attribute of the request. */
  find(request: Packet): Session[] {
    const mac = macOf(request);
    const names = [...IDENTIFICATION, ...NAS_IDENTIFICATION].filter((name) => name !== "Calling-Station-Id");
    const candidates = mac === undefined ? this.all() : [this.byMac.get(mac)].filter((one) => one !== undefined);
    return candidates.filter(({ named }) =>
      names.every((name) => valuesOf(request, name).every((value) => named.get(name)?.has(hexOf(value)) === true)),
    );
  }

  /** Whether the request speaks to another NAS than the one that logs in here. */
  isForOtherNas(request: Packet): boolean {
    const all = this.all();
    return NAS_IDENTIFICATION.some((name) => {
      const known = all.filter(({ named }) => named.has(name));
      const asked = valuesOf(request, name).map(hexOf);
      return known.length > 0 && asked.some((value) => !known.some(({ named }) => named.get(name)!.has(value)));
    });
  }
}

/** The client's address, in whatever spelling; undefined: none, or no station's. */
export function macOf(packet: Packet): Mac | undefined {
  const text = textOf(packet, "Calling-Station-Id");
  try {
    const mac = text === undefined ? undefined : parseMac(text, "Calling-Station-Id");
    const isStation = mac !== undefined && (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0 && !/^[0:]+$/.test(mac);
    return isStation ? mac : undefined;
  } catch {
    return undefined;
  }
}
