/**
 * RADIUS for the agent: relays logins between hostapd and the servers, learns from them what a client may, and takes the
 * servers' changes. hostapd itself hands no attribute on.
 */
import type { Mac } from "../base/mac.ts";
import type { Endpoint, Platform } from "../platform/platform.ts";
import { checkRequest } from "./authenticator.ts";
import { changed, isRefusal, readChanges } from "./changes.ts";
import { Das, type DasStatus } from "./das.ts";
import { HostapdDas } from "./hostapd.ts";
import { bindOf } from "./login.ts";
import { endOf, executeOrder, grantNow } from "./orders.ts";
import { CODE, integerOf, type Packet } from "./packet.ts";
import { ACCOUNTING, AUTHENTICATION, Relay, type RelayKind, type RelayStatus } from "./relay.ts";
import { type Disconnected, isRefused, NOTHING_SAID, type RadiusGrant, type RadiusRights } from "./rights.ts";
import { macOf, Sessions } from "./sessions.ts";
import { readSessions, writeSessions } from "./store.ts";

export type { CarriedFilter } from "./carried-filter.ts";
export type { Disconnected, Outcome, RadiusGrant, RadiusRights } from "./rights.ts";

const ROOM = "radius";
/** hostapd ends or renews the session at its timeout; the rights must not go before the new ones come. */
const GRACE_S = 30;
const KEEP_AFTER_MS = 500;
const RETRY_MS = 2_000;
/** Acct-Status-Type of RFC 2866. */
const STATUS = { 1: "start", 2: "stop", 3: "interim", 7: "on", 8: "off" } as const;

export interface RadiusOptions {
  readonly secret: Uint8Array;
  readonly authentication?: { readonly listen: Endpoint; readonly servers: readonly Endpoint[] };
  readonly accounting?: { readonly listen: Endpoint; readonly servers: readonly Endpoint[] };
  readonly demandMessageAuthenticator: boolean;
  readonly das?: {
    readonly listen: Endpoint;
    readonly clients: readonly string[];
    readonly secret: Uint8Array;
    readonly demandTimestamp: boolean;
    /** DAS ports of hostapd. */
    readonly hostapd: readonly Endpoint[];
  };
}

export interface RadiusParts {
  readonly platform: Platform;
  readonly options: RadiusOptions;
  readonly rights: RadiusRights;
  /** Where sessions outlive the agent. Absent: they end with it. */
  readonly store?: SessionStore;
}

export interface SessionStore {
  /** "": there are none. */
  read(): string;
  write(text: string): void;
}

export interface SessionLine {
  readonly mac: Mac;
  readonly user: string;
  readonly role: string | null;
  readonly rules: number;
  readonly filters: number;
  readonly leftSeconds: number | null;
  readonly byCoa: boolean;
}

export interface RadiusStatus {
  readonly sessions: number;
  readonly relays: readonly RelayStatus[];
  /** by Acct-Status-Type */
  readonly accounting: Readonly<Record<string, number>>;
  readonly das?: DasStatus;
}

export interface Radius {
  status(): RadiusStatus;
  sessions(): SessionLine[];
  /** What it said last of a client that is logged in here. */
  grantOf(mac: Mac): RadiusGrant | undefined;
  /** Whether it said what the client may. */
  knows(mac: Mac): boolean;
  /** Other rights than ours count for the client; `revoked`: it has none. */
  superseded(mac: Mac, revoked: boolean): void;
  /** Asks hostapd to let the station go. Undefined: there is no hostapd to ask. */
  letGo(mac: Mac): Promise<Disconnected | undefined>;
  /** What counts of what was given here. */
  standing(): { readonly mac: Mac; readonly grant: RadiusGrant }[];
  /** Gives every client its rights again, to a datapath that lost them. */
  reapply(): Promise<void>;
  close(): void;
}

/** Resolves when every socket is open, or was tried once: an address that is not up yet is tried again. */
export async function startRadius(parts: RadiusParts): Promise<Radius> {
  const radius = new RunningRadius(parts);
  await radius.start();
  return radius;
}

class RunningRadius implements Radius {
  private readonly known = new Sessions();
  private readonly relays: Relay[] = [];
  private readonly accounting: Record<string, number> = {};
  /** by client: the end of its last change */
  private readonly turns = new Map<Mac, Promise<unknown>>();
  private das: Das | undefined;
  private cancelKeep: (() => void) | undefined;
  private isClosed = false;
  private hostapd: HostapdDas | undefined;

  constructor(private readonly parts: RadiusParts) {}

  async start(): Promise<void> {
    this.restore();
    const { authentication, accounting, das } = this.parts.options;
    const doors = [
      authentication &&
        (() => this.openRelay(AUTHENTICATION, authentication, (asked, said) => this.loggedIn(asked, said))),
      accounting && (() => this.openRelay(ACCOUNTING, accounting, (asked) => this.accounted(asked))),
      das && (() => this.openDas(das)),
    ];
    await Promise.all(doors.map((open) => open && this.openDoor(open)));
  }

  private async openDoor(open: () => Promise<void>, told = ""): Promise<void> {
    const { clock, log } = this.parts.platform;
    if (this.isClosed) return;
    try {
      await open();
      if (told !== "") log.info(ROOM, "the socket is open");
      if (this.isClosed) this.closeDoors();
    } catch (error) {
      const reason = (error as Error).message;
      if (reason !== told) log.warn(ROOM, "a socket cannot be opened, trying again", { reason });
      clock.after(RETRY_MS, () => void this.openDoor(open, reason));
    }
  }

  status(): RadiusStatus {
    return {
      sessions: this.known.size,
      relays: this.relays.map((relay) => relay.status),
      accounting: this.accounting,
      ...(this.das && { das: this.das.status }),
    };
  }

  knows(mac: Mac): boolean {
    this.known.forgetEnded(this.parts.platform.clock.nowMs());
    return this.known.of(mac) !== undefined;
  }

  sessions(): SessionLine[] {
    const nowMs = this.parts.platform.clock.nowMs();
    this.known.forgetEnded(nowMs);
    return this.known.all().map((session) => {
      const { role, rules, filters, leftSeconds, changed: byCoa } = grantNow(session, nowMs);
      return {
        mac: session.mac,
        user: session.user,
        role: role ?? null,
        rules: rules?.length ?? 0,
        filters: filters.size,
        leftSeconds: leftSeconds ?? null,
        byCoa,
      };
    });
  }

  grantOf(mac: Mac): RadiusGrant | undefined {
    const session = this.known.of(mac);
    return session && grantNow(session, this.parts.platform.clock.nowMs());
  }

  standing(): { mac: Mac; grant: RadiusGrant }[] {
    const nowMs = this.parts.platform.clock.nowMs();
    this.known.forgetEnded(nowMs);
    // What another AP gave since came with the mesh, and comes again.
    const ours = this.known.all().filter(({ isSuperseded }) => !isSuperseded);
    return ours.map((session) => ({ mac: session.mac, grant: grantNow(session, nowMs) }));
  }

  async reapply(): Promise<void> {
    const { rights, platform } = this.parts;
    for (const { mac } of this.standing()) {
      const give = async () => {
        const session = this.known.of(mac);
        if (session) await rights.grant(mac, grantNow(session, platform.clock.nowMs()));
      };
      await this.inTurn(mac, give).catch((error: Error) => {
        platform.log.error(ROOM, "rights could not be given again", { mac, reason: error.message });
      });
    }
  }

  superseded(mac: Mac, revoked: boolean): void {
    const session = this.known.of(mac);
    if (!session) return;
    if (revoked) this.known.forget(mac);
    else session.isSuperseded = true;
    this.keepSoon();
  }

  async letGo(mac: Mac): Promise<Disconnected | undefined> {
    return this.hostapd?.disconnect(mac);
  }

  close(): void {
    this.cancelKeep?.();
    if (this.cancelKeep) this.keep();
    this.isClosed = true;
    this.closeDoors();
  }

  private closeDoors(): void {
    for (const relay of this.relays.splice(0)) relay.close();
    this.das?.close();
    this.hostapd?.close();
    this.das = undefined;
    this.hostapd = undefined;
  }

  private serversSilent(isSilent: boolean): void {
    const { rights, platform } = this.parts;
    if (isSilent) platform.log.error(ROOM, "no server answers: nobody new gets in by a login");
    else platform.log.info(ROOM, "a server answers again");
    rights.serversSilent?.(isSilent);
  }

  /** Sessions of an agent before this one; `reapply` gives their rights. */
  private restore(): void {
    const { platform, store } = this.parts;
    const nowMs = platform.clock.nowMs();
    for (const one of readSessions(store?.read() ?? "", platform.wallSeconds())) {
      this.known.add({ ...one, endsAtMs: endOf(one.grant, nowMs) });
    }
  }

  /** A burst of logins is written once. */
  private keepSoon(): void {
    if (!this.parts.store || this.cancelKeep) return;
    this.cancelKeep = this.parts.platform.clock.after(KEEP_AFTER_MS, () => this.keep());
  }

  private keep(): void {
    this.cancelKeep = undefined;
    const { platform, store } = this.parts;
    const nowMs = platform.clock.nowMs();
    this.known.forgetEnded(nowMs);
    store!.write(writeSessions(this.known.all(), (session) => grantNow(session, nowMs), platform.wallSeconds()));
  }

  private async openRelay(
    kind: RelayKind,
    ends: { readonly listen: Endpoint; readonly servers: readonly Endpoint[] },
    answered: (request: Packet, reply: Packet) => Promise<boolean>,
  ): Promise<void> {
    const { secret, demandMessageAuthenticator } = this.parts.options;
    const silent = (isSilent: boolean) => kind === AUTHENTICATION && this.serversSilent(isSilent);
    const options = { kind, ...ends, secret, demandMessageAuthenticator, answered, silent };
    this.relays.push(await Relay.open(this.parts.platform, options));
  }

  private async openDas(das: NonNullable<RadiusOptions["das"]>): Promise<void> {
    const { platform, rights, options } = this.parts;
    const wallSeconds = () => platform.wallSeconds();
    if (das.hostapd.length)
      this.hostapd ??= await HostapdDas.open({ platform, ports: das.hostapd, secret: das.secret, wallSeconds });
    const { hostapd } = this;
    const orderParts = {
      clock: platform.clock,
      sessions: this.known,
      rights,
      inTurn: <T>(mac: Mac, run: () => Promise<T>) => this.inTurn(mac, run),
      ...(hostapd && { disconnect: (mac: Mac) => hostapd.disconnect(mac) }),
    };
    this.das = await Das.open(platform, {
      ...das,
      demandMessageAuthenticator: options.demandMessageAuthenticator,
      wallSeconds,
      execute: (request) => executeOrder(request, orderParts),
    });
  }

  /**
   * A reject takes nothing away: anybody can fail to log in under somebody else's address. hostapd sends away whom the
   * server no longer wants.
   */
  private async loggedIn(request: Packet, reply: Packet): Promise<boolean> {
    if (reply.code !== CODE.accessAccept) return true;
    const mac = macOf(request);
    if (mac === undefined) {
      this.parts.platform.log.warn(ROOM, "an Access-Accept for a station without an address: no rights learnt");
      return true;
    }
    return this.inTurn(mac, () => this.give(mac, request, reply));
  }

  private async give(mac: Mac, request: Packet, reply: Packet): Promise<boolean> {
    const { platform, rights } = this.parts;
    const changes = readChanges(reply);
    const asked = isRefusal(changes) ? changes : changed(NOTHING_SAID, changes);
    const bind = bindOf(request, reply);
    const bound = <T extends object>(grant: T) => ({ ...grant, ...(bind !== undefined && { bind }) });
    const grant = bound(isRefusal(asked) ? this.closed(mac, asked.reason) : withGrace(asked));
    const session = this.known.open(mac, request, reply);
    session.grant = grant;
    session.endsAtMs = endOf(grant, platform.clock.nowMs());
    try {
      await rights.grant(mac, grant);
    } catch (error) {
      if (!isRefused(error)) {
        this.known.forget(mac);
        throw error;
      }
      session.grant = bound(this.closed(mac, (error as Error).message));
      await rights.grant(mac, session.grant);
    }
    platform.log.info(ROOM, "logged in", { mac, user: session.user, role: session.grant.role ?? "" });
    return true;
  }

  /** Rules that cannot be kept are no reason to let everything through: the client gets none, and the log says why. */
  private closed(mac: Mac, reason: string): RadiusGrant {
    this.parts.platform.log.error(ROOM, "rights refused, the client gets none", { mac, reason });
    return { ...NOTHING_SAID, rules: [] };
  }

  private async accounted(request: Packet): Promise<boolean> {
    const { options, platform } = this.parts;
    const type = STATUS[integerOf(request, "Acct-Status-Type") as keyof typeof STATUS] ?? "other";
    this.accounting[type] = (this.accounting[type] ?? 0) + 1;
    platform.log.debug(ROOM, `accounting ${type}`, { mac: macOf(request) ?? "" });
    if ((type === "on" || type === "off") && checkRequest(request, options.secret, false) === "signed") {
      platform.log.info(ROOM, `hostapd turned a BSS ${type}`, { sessions: this.known.forgetBss(request) });
      this.keepSoon();
    }
    return true;
  }

  private inTurn<T>(mac: Mac, run: () => Promise<T>): Promise<T> {
    const next = (this.turns.get(mac) ?? Promise.resolve()).then(run);
    const end = next
      .catch(() => {})
      .then(() => {
        this.keepSoon();
        if (this.turns.get(mac) === end) this.turns.delete(mac);
      });
    this.turns.set(mac, end);
    return next;
  }
}

function withGrace(grant: RadiusGrant): RadiusGrant {
  return grant.leftSeconds === undefined ? grant : { ...grant, leftSeconds: grant.leftSeconds + GRACE_S };
}
