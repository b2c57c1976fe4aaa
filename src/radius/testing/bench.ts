/** A radius room between a pretend hostapd and pretend servers, in a world of their own. */
import { RoamwallError } from "../../base/errors.ts";
import type { Mac } from "../../base/mac.ts";
import type { Udp } from "../../platform/platform.ts";
import { signReply, signRequest } from "../authenticator.ts";
import { type Attribute, attribute, CODE, type Packet, parsePacket } from "../packet.ts";
import { type Radius, type RadiusOptions, type SessionStore, startRadius } from "../radius.ts";
import type { Disconnected, Outcome, RadiusGrant, RadiusRights } from "../rights.ts";
import { packetOf, text } from "./vectors.ts";
import { World } from "./world.ts";

export const SECRET = text("a shared secret");
export const MAC = "02:00:00:00:0a:01" as Mac;
export const RELAY = { address: "127.0.0.1", port: 1812 };
export const ACCOUNTING = { address: "127.0.0.1", port: 1813 };
export const DAS = { address: "127.0.0.1", port: 3799 };
export const SERVERS = [
  { address: "192.0.2.1", port: 1812 },
  { address: "192.0.2.2", port: 1812 },
];
export const DAC = { address: "192.0.2.1", port: 50_000 };

type Reply = { readonly code: number; readonly attributes: readonly Attribute[] };

export class Server {
  readonly heard: Packet[] = [];
  isDead = false;
  secret = SECRET;
  answer: (request: Packet) => Reply = () => ({ code: CODE.accessAccept, attributes: [] });
  private readonly socket: Udp;

  constructor(world: World, at: { address: string; port: number }) {
    this.socket = world.bind({
      bind: at.address,
      port: at.port,
      onDatagram: (bytes, from) => {
        const request = packetOf(bytes);
        if (this.isDead) return;
        this.heard.push(request);
        const { code, attributes } = request.code === CODE.accountingRequest ? ACCOUNTED : this.answer(request);
        this.socket.send(signReply(code, request, attributes, this.secret)!, from);
      },
    });
  }
}

const ACCOUNTED: Reply = { code: CODE.accountingResponse, attributes: [] };

/** Grants as the agent would get them. */
export class FakeRights implements RadiusRights {
  readonly given = new Map<Mac, RadiusGrant>();
  readonly revoked: Mac[] = [];
  readonly roamed = new Map<Mac, RadiusGrant>();
  /** Clients that `find` finds. */
  readonly elsewhere = new Map<Mac, RadiusGrant>();
  readonly sought: Mac[] = [];
  readonly silence: boolean[] = [];
  isSearchable = true;
  /** Of the next orders; then all are in force. */
  outcomes: Outcome[] = [];
  /** What hostapd of another AP says. */
  station: Disconnected | undefined;
  grants = 0;
  /** Rules with this word are refused. */
  readonly badWord = "nonsense";
  /** Grants wait for it. */
  gate: Promise<unknown> = Promise.resolve();

  async grant(mac: Mac, grant: RadiusGrant): Promise<void> {
    this.grants++;
    if (grant.rules?.some((rule) => rule.includes(this.badWord)) || grant.role === this.badWord) {
      throw new RoamwallError("ROAMWALL_ERR_INPUT", `bad ${this.badWord}`);
    }
    await this.gate;
    this.given.set(mac, grant);
  }

  async order(mac: Mac, grant: RadiusGrant): Promise<Outcome> {
    if (this.outcomes[0] !== "newer") await this.grant(mac, grant);
    return this.outcomes.shift() ?? "in force";
  }

  async revoke(mac: Mac): Promise<{ state: Outcome; station?: Disconnected }> {
    await this.gate;
    this.given.delete(mac);
    this.revoked.push(mac);
    return { state: this.outcomes.shift() ?? "in force", ...(this.station && { station: this.station }) };
  }

  serversSilent(isSilent: boolean): void {
    this.silence.push(isSilent);
  }

  async find(mac: Mac): Promise<boolean | undefined> {
    this.sought.push(mac);
    const found = this.elsewhere.get(mac);
    if (found) this.roamed.set(mac, found);
    return this.isSearchable ? found !== undefined : undefined;
  }

  current(mac: Mac): RadiusGrant | undefined {
    return this.roamed.get(mac);
  }
}

export class Bench {
  readonly world = new World();
  readonly servers = SERVERS.map((at) => new Server(this.world, at));
  readonly rights = new FakeRights();
  /** What hostapd heard. */
  readonly replies: Packet[] = [];
  readonly answers: Packet[] = [];
  private readonly hostapd = this.client("127.0.0.1", 33_000, this.replies);
  private readonly dac = this.client(DAC.address, DAC.port, this.answers);
  radius!: Radius;

  static async open(options: Partial<RadiusOptions> = {}, store?: SessionStore): Promise<Bench> {
    const bench = new Bench();
    bench.radius = await startRadius({
      platform: bench.world.platform,
      rights: bench.rights,
      ...(store && { store }),
      options: {
        secret: SECRET,
        authentication: { listen: RELAY, servers: SERVERS },
        accounting: { listen: ACCOUNTING, servers: SERVERS },
        demandMessageAuthenticator: false,
        das: { listen: DAS, clients: [DAC.address], secret: SECRET, demandTimestamp: false, hostapd: [] },
        ...options,
      },
    });
    return bench;
  }

  /** An Access-Request of hostapd; the same `id` and `salt` make the same octets. */
  request(id: number, attributes: readonly Attribute[] = [], salt = id): Uint8Array {
    const all = [...stationAttributes(), attribute("EAP-Message", text("hello")), ...attributes];
    return signRequest(CODE.accessRequest, id, all, SECRET, new Uint8Array(16).fill(salt))!;
  }

  async send(bytes: Uint8Array, to = RELAY): Promise<void> {
    this.hostapd.send(bytes, to);
    await this.world.settle();
  }

  /** A login to its end. */
  async login(...attributes: Attribute[]): Promise<void> {
    for (const server of this.servers) server.answer = () => ({ code: CODE.accessAccept, attributes });
    this.logins++;
    await this.send(this.request(this.logins));
  }
  private logins = 0;

  /** The answer to an order, if there is one. */
  async order(bytes: Uint8Array): Promise<Packet | undefined> {
    const before = this.answers.length;
    this.dac.send(bytes, DAS);
    await this.world.settle();
    return this.answers[before];
  }

  client(address: string, port: number, heard: Packet[]): Udp {
    const onDatagram = (bytes: Uint8Array) => {
      const packet = parsePacket(bytes);
      if (typeof packet !== "string") heard.push(packet);
    };
    return this.world.bind({ bind: address, port, onDatagram });
  }
}

export function stationAttributes(): Attribute[] {
  return [
    attribute("User-Name", text("anonymous")),
    attribute("Calling-Station-Id", text("02-00-00-00-0A-01")),
    attribute("Called-Station-Id", text("12-D0-71-B6-19-19:mesh")),
    attribute("NAS-Identifier", text("ap1")),
    attribute("Acct-Session-Id", text("9D5BA267")),
  ];
}
