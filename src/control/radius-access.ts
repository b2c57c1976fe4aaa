/** RADIUS in the agent: what a server says becomes rights of the mesh, and filters that its rules compile to. */
import { badInput, RoamwallError } from "../base/errors.ts";
import type { Mac } from "../base/mac.ts";
import type { Platform } from "../platform/platform.ts";
import { type CompiledPolicy, compileRules, type FilterContent, parseRules } from "../policy/policy.ts";
import { OWN_FILTER_BITS_MAX } from "../proxy/filter-store.ts";
import type { Grant } from "../proxy/rights.ts";
import type {
  Disconnected,
  Outcome,
  Radius,
  RadiusGrant,
  RadiusRights,
  RadiusStatus,
  SessionLine,
} from "../radius/radius.ts";
import type { Ordered } from "../replication/orders.ts";
import type { KeyFile } from "./key.ts";
import type { Session } from "./session.ts";
import type { RadiusSettings } from "./settings.ts";

const PLACE = "RADIUS";
/** Whom no login helps, since hostapd asks another server than ours, is sent away no more often. */
const SENT_AWAY_EVERY_MS = 3_600_000;
const SENT_AWAY_MAX = 1_024;
/** Of a client's record: those of its role among them. */
const FILTERS_MAX = 4;

export interface RadiusAccessParts {
  readonly platform: Platform;
  readonly settings: RadiusSettings;
  readonly key: Pick<KeyFile, "seeds" | "seedId">;
  policy(): CompiledPolicy;
  /** `fallbackRole` answers otherwise from now on. */
  fallbackChanged(): void;
}

export class RadiusAccess implements RadiusRights {
  private radius: Radius | undefined;
  private session: Session | undefined;
  /** Grants that wait for a datapath; RADIUS itself gives up after some seconds. */
  private waiting: ((session: Session) => void)[] = [];
  private isSilent = false;
  /** Stations that had to log in again, and when. */
  private readonly sentAway = new Map<Mac, number>();

  constructor(private readonly parts: RadiusAccessParts) {}

  /** Rejects with ROAMWALL_ERR_FILE or ROAMWALL_ERR_KEY. */
  async start(): Promise<void> {
    const { platform, settings } = this.parts;
    const secret = readSecret(platform, settings.secretFile);
    this.checkFallback();
    const { listen, servers, demandMessageAuthenticator, demandTimestamp, das, dasClients, hostapd } = settings;
    const next = <T extends { readonly port: number }>(end: T) => ({ ...end, port: end.port + 1 });
    // A file of its own, which only those read who name a server.
    const { startRadius } = await import("../radius/radius.ts");
    this.radius = await startRadius({
      platform,
      rights: this,
      store: {
        read: () => readIfThere(platform, settings.store),
        write: (text) => keepQuietly(platform, settings.store, text),
      },
      options: {
        secret,
        demandMessageAuthenticator,
        authentication: { listen, servers },
        accounting: { listen: next(listen), servers: servers.map(next) },
        ...(das && { das: { listen: das, clients: dasClients, secret, demandTimestamp, hostapd } }),
      },
    });
  }

  private checkFallback(): void {
    const { fallback } = this.parts.settings;
    const { roles } = this.parts.policy();
    if (fallback === undefined || roles.has(fallback)) return;
    throw badInput(
      "radius.fallback",
      `unknown role "${fallback}"`,
      `a role of the policy (${[...roles.keys()].join(", ")})`,
    );
  }

  get status(): RadiusStatus | undefined {
    return this.radius?.status();
  }

  knows(mac: Mac): boolean {
    return this.radius?.knows(mac) ?? false;
  }

  grantOf(mac: Mac): RadiusGrant | undefined {
    return this.radius?.grantOf(mac);
  }

  sessions(): SessionLine[] {
    return this.radius?.sessions() ?? [];
  }

  stop(): void {
    this.radius?.close();
  }

  /** A datapath that knows nothing of grants yet; undefined: it went. */
  async connected(session: Session | undefined): Promise<void> {
    this.session = session;
    if (!session) return;
    await this.radius?.reapply();
    for (const go of this.waiting.splice(0)) go(session);
  }

  /** What rules mean may have changed: gives all clients their rights again, at once. */
  regrant(session: Session): void {
    for (const { mac, grant } of this.radius?.standing() ?? []) {
      try {
        session.giveRights(mac, this.meaningOf(grant));
      } catch (error) {
        const reason = (error as Error).message;
        this.parts.platform.log.error("radius", "rights could not be given again", { mac, reason });
      }
    }
  }

  async grant(mac: Mac, grant: RadiusGrant): Promise<void> {
    this.meaningOf(grant);
    const session = await this.live();
    // Compiled again: the policy may have changed while it waited.
    await session.setRights(mac, this.meaningOf(grant));
  }

  async order(mac: Mac, grant: RadiusGrant): Promise<Outcome> {
    this.meaningOf(grant);
    const session = await this.live();
    return outcomeOf(mac, await session.order(mac, this.meaningOf(grant)));
  }

  async revoke(mac: Mac): Promise<{ state: Outcome; station?: Disconnected }> {
    const ordered = await (await this.live()).order(mac, "revoke");
    const state = outcomeOf(mac, ordered);
    const station = "station" in ordered && ordered.station !== "nobody asked" ? { station: ordered.station } : {};
    return { state, ...station };
  }

  async find(mac: Mac): Promise<boolean | undefined> {
    return (await this.live()).seek(mac);
  }

  /** Of clients without rights of their own, while no server answers. Undefined: the policy's word. */
  get fallbackRole(): string | undefined {
    return this.isSilent ? this.parts.settings.fallback : undefined;
  }

  serversSilent(isSilent: boolean): void {
    this.isSilent = isSilent;
    this.parts.fallbackChanged();
  }

  superseded(mac: Mac, revoked: boolean): void {
    this.radius?.superseded(mac, revoked);
  }

  async letGo(mac: Mac): Promise<Disconnected | "nobody asked"> {
    return (await this.radius?.letGo(mac)) ?? "nobody asked";
  }

  /**
   * A station came by a key that hostapd had cached, or by 802.11r: no server was asked, and nobody remembers what one said. It
   * would stay unknown for as long as it has that key. hostapd forgets the key when it sends the station away, and the login that
   * follows says what it may. A station of another BSS, or behind a wire, is unknown to the hostapd that is asked.
   */
  nobodyKnows(mac: Mac): void {
    const { platform, policy } = this.parts;
    const nowMs = platform.clock.nowMs();
    if (!this.radius || this.isSilent || this.radius.knows(mac) || policy().clients.has(mac)) return;
    for (const [other, atMs] of this.sentAway) if (nowMs - atMs >= SENT_AWAY_EVERY_MS) this.sentAway.delete(other);
    if (this.sentAway.has(mac) || this.sentAway.size >= SENT_AWAY_MAX) return;
    this.sentAway.set(mac, nowMs);
    this.radius.letGo(mac).then(
      (said) => {
        if (said === "ended") platform.log.info("radius", "nobody knows what it may: it must log in again", { mac });
      },
      () => {},
    );
  }

  current(mac: Mac): RadiusGrant | undefined {
    const grant = this.session?.granted(mac);
    if (!grant) return undefined;
    const { role, filters = [], bind, openOut, openIn, halfOpen, zone, leftSeconds } = grant;
    const { seedId } = this.parts.key;
    return {
      ...(role !== "" && { role }),
      filters: new Map(filters.map((filter, i) => [i, { ...filter, seedId }])),
      ...(openOut !== undefined && { openOut }),
      ...(openIn !== undefined && { openIn }),
      ...(halfOpen !== undefined && { halfOpen }),
      ...(zone && { zone }),
      ...(bind && { bind }),
      ...(leftSeconds !== undefined && { leftSeconds }),
      changed: false,
    };
  }

  private live(): Promise<Session> {
    if (this.session) return Promise.resolve(this.session);
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** Throws ROAMWALL_ERR_INPUT: then nothing of the grant counts. Undefined role: the policy's own word for the client. */
  private meaningOf(grant: RadiusGrant): Partial<Grant> {
    const policy = this.parts.policy();
    const { role, rules, bind, zone, openOut, openIn, halfOpen, leftSeconds } = grant;
    const compiled = role === undefined ? undefined : policy.roles.get(role);
    if (role !== undefined && !compiled) {
      throw badInput(
        PLACE,
        `unknown role "${role}"`,
        `a role of this AP's policy (${[...policy.roles.keys()].join(", ")})`,
      );
    }
    const own = this.ownFilters(grant, policy);
    if (own.length + (compiled?.filters.length ?? 0) > FILTERS_MAX) {
      throw badInput(
        PLACE,
        `${own.length} filters beside the role's`,
        `at most ${FILTERS_MAX} in all; rules as text are one`,
      );
    }
    const isSaid = role !== undefined || rules !== undefined || own.length > 0;
    return {
      ...(isSaid && { role: role ?? "" }),
      filters: own,
      ...(zone !== undefined && { zone }),
      ...(bind !== undefined && { bind }),
      ...(openOut !== undefined && { openOut }),
      ...(openIn !== undefined && { openIn }),
      ...(halfOpen !== undefined && { halfOpen }),
      ...(leftSeconds !== undefined && { leftSeconds }),
    };
  }

  private ownFilters({ rules = [], filters }: RadiusGrant, policy: CompiledPolicy): FilterContent[] {
    const { seeds, seedId } = this.parts.key;
    const texts = rules.map((text) => ({ text, place: PLACE }));
    const compiled = compileRules("RADIUS", parseRules(texts, policy.source), policy, seeds);
    const carried = [...filters.values()].map(({ seedId: made, ...content }) => {
      if (made !== seedId)
        throw badInput(PLACE, "a filter made with another mesh key", "`roamwall radius encode --key` with this mesh's");
      if (content.bits > OWN_FILTER_BITS_MAX)
        throw badInput(PLACE, `a filter of ${content.bits} bits`, `at most ${OWN_FILTER_BITS_MAX}`);
      return content;
    });
    return compiled ? [...carried, compiled] : carried;
  }
}

function outcomeOf(mac: Mac, { state }: Ordered): Outcome {
  if (state === "refused") {
    throw badInput(PLACE, `${mac}: the access point that serves it cannot keep this`, "roles of its policy");
  }
  if (state === "full")
    throw new RoamwallError("ROAMWALL_ERR_FULL", `${mac}: no room for the client, or for its filters`);
  return state;
}

function readIfThere({ files }: Platform, path: string): string {
  try {
    return files.readText(path);
  } catch {
    // The first start since the machine's.
    return "";
  }
}

/** A full disk must not keep anybody out. */
function keepQuietly({ files, log }: Platform, path: string, text: string): void {
  try {
    files.writeText(path, text, 0o600);
  } catch (error) {
    log.warn("radius", "sessions are not kept for the next start", { reason: (error as Error).message });
  }
}

/** The first line; who else may read it could log in as anybody. */
function readSecret({ files }: Platform, path: string): Uint8Array {
  const mode = files.mode(path);
  if ((mode & 0o077) !== 0) {
    const shown = mode.toString(8).padStart(4, "0");
    throw new RoamwallError("ROAMWALL_ERR_KEY", `${path}: mode ${shown} lets others read the secret; accepted: 0600`);
  }
  const secret = files.readText(path).split(/\r?\n/)[0]!;
  if (secret === "") throw badInput(path, "no secret", "the secret in the first line");
  return new TextEncoder().encode(secret);
}
