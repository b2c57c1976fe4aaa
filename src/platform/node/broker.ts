import type { IClientOptions, MqttClient } from "mqtt";
import { badInput } from "../../base/errors.ts";
import type { Broker, BrokerOptions } from "../platform.ts";

const RECONNECT_MS = 2_000;
const CONNECT_MS = 10_000;
const KEEPALIVE_S = 15;
const SCHEMES = ["mqtt:", "mqtts:"];

/** The library is larger than all the rest of the agent: it is loaded by those who name a broker. */
export async function openBroker(options: BrokerOptions): Promise<Broker> {
  checkUrl(options.url);
  const { connect } = await import("mqtt");
  return new NodeBroker(connect(options.url, clientOptions(options)), options);
}

function checkUrl(text: string): void {
  const scheme = URL.canParse(text) ? new URL(text).protocol : "";
  if (!SCHEMES.includes(scheme)) throw badInput("broker", `"${text}"`, "mqtt://HOST:1883 or mqtts://HOST:8883");
}

function clientOptions(options: BrokerOptions): IClientOptions {
  const { clientId, user, password, ca, certificate, privateKey, will } = options;
  return {
    clientId,
    clean: true,
    keepalive: KEEPALIVE_S,
    reconnectPeriod: RECONNECT_MS,
    connectTimeout: CONNECT_MS,
    // What waits while the broker is away is bounded by who publishes, not here.
    queueQoSZero: false,
    ...(user !== undefined && { username: user }),
    ...(password !== undefined && { password }),
    ...(ca !== undefined && { ca }),
    ...(certificate !== undefined && { cert: certificate }),
    ...(privateKey !== undefined && { key: privateKey }),
    ...(will && { will: { topic: will.topic, payload: Buffer.from(will.payload), qos: 1, retain: true } }),
  };
}

class NodeBroker implements Broker {
  private readonly topics = new Set<string>();

  constructor(
    private readonly client: MqttClient,
    options: BrokerOptions,
  ) {
    let why: string | undefined;
    client.on("error", (error) => {
      // An address that refuses both families says so in a list without a message of its own.
      why = error.message || ((error as { code?: string }).code ?? "connection refused");
    });
    client.on("connect", () => {
      why = undefined;
      for (const topic of this.topics) this.ask(topic);
      options.onState(true);
    });
    client.on("close", () => options.onState(false, why ?? "the connection was closed"));
    client.on("message", (topic, payload) => options.onMessage(topic, new Uint8Array(payload)));
  }

  publish(topic: string, payload: string, isRetained: boolean): boolean {
    if (!this.client.connected) return false;
    this.client.publish(topic, payload, { qos: 1, retain: isRetained });
    return true;
  }

  subscribe(topic: string): void {
    this.topics.add(topic);
    if (this.client.connected) this.ask(topic);
  }

  async close(): Promise<void> {
    await this.client.endAsync().catch(() => {});
  }

  private ask(topic: string): void {
    this.client.subscribe(topic, { qos: 1 });
  }
}
