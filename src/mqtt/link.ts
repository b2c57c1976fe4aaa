import type { Broker, BrokerOptions, Clock, Log } from "../platform/platform.ts";
import { MeshView } from "./mesh-view.ts";
import { Outward } from "./outward.ts";
import type { PolicyFeed } from "./policy-feed.ts";
import { topicsOf } from "./topics.ts";

const ROOM = "mqtt";

export interface LinkParts {
  readonly mesh: string;
  readonly ap: number;
  readonly name: string;
  readonly version: string;
  /** Status and counters are told this often. */
  readonly everyMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly broker: Omit<BrokerOptions, "clientId" | "will" | "onState" | "onMessage">;
  readonly feed: PolicyFeed;
  open(options: BrokerOptions): Promise<Broker>;
  /** For the status topic: changes are told, so nothing that counts belongs here. */
  status(): Promise<object>;
  counters(): Promise<object>;
  /** Takes a list of members; absent: there are no identities. */
  readonly members?: (payload: Uint8Array) => void;
  /** Absent: nobody here wants to know of the other access points. */
  readonly others?: MeshView;
}

/** An AP's connection to the broker: policy in, status and events out. Without a broker everything else goes on. */
export class BrokerLink {
  readonly outward: Outward;
  private broker: Broker | undefined;
  private isConnected = false;
  private isClosed = false;
  private said = "";
  private cancelTelling = () => {};

  constructor(private readonly parts: LinkParts) {
    this.outward = new Outward(topicsOf(parts.mesh, parts.ap));
  }

  /** For the agent's status. */
  get state() {
    return { url: this.parts.broker.url, connected: this.isConnected, problem: this.said, ...this.outward.counters };
  }

  /** Rejects where the settings cannot work; a broker that is away is no such thing. */
  async start(): Promise<void> {
    const { parts } = this;
    const { policy, members, status } = topicsOf(parts.mesh, parts.ap);
    this.broker = await parts.open({
      ...parts.broker,
      clientId: `roamwall-${parts.mesh}-${parts.ap}`,
      will: { topic: status, payload: JSON.stringify({ state: "offline", name: parts.name }) },
      onState: (isConnected, why) => this.changed(isConnected, why),
      onMessage: (topic, payload) => {
        if (topic === policy && !this.isClosed) void parts.feed.take(payload);
        else if (topic === members && !this.isClosed) parts.members?.(payload);
        else parts.others?.take(topic, payload);
      },
    });
    this.broker.subscribe(policy);
    if (parts.members) this.broker.subscribe(members);
    if (parts.others) for (const topic of MeshView.topics(parts.mesh)) this.broker.subscribe(topic);
    await this.tell();
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.cancelTelling();
    this.outward.status({ state: "offline", name: this.parts.name });
    await this.broker?.close();
  }

  private changed(isConnected: boolean, why = ""): void {
    const { log, broker } = this.parts;
    this.isConnected = isConnected;
    if (isConnected && this.broker) {
      if (this.said !== "") log.info(ROOM, "the broker is there", { url: broker.url });
      this.said = "";
      this.outward.connected(this.broker);
      return;
    }
    this.outward.disconnected();
    if (why === this.said || this.isClosed) return;
    this.said = why;
    log.warn(ROOM, "no broker, trying again; the policy in force stays", { url: broker.url, reason: why });
  }

  private async tell(): Promise<void> {
    const { parts, outward } = this;
    if (this.isClosed) return;
    const { name, version } = parts;
    outward.status({ state: "online", name, version, ...(await parts.status()) });
    outward.figures(await parts.counters());
    if (!this.isClosed) this.cancelTelling = parts.clock.after(parts.everyMs, () => void this.tell());
  }
}
