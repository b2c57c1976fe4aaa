/**
 * An MQTT client of our own: the package that Node's platform uses wants eighteen of Node's modules, and 1.6 MB before it
 * runs. Plain TCP alone: the host speaks no TLS.
 */
import { badInput } from "../../base/errors.ts";
import type { Broker, BrokerOptions, Endpoint, Stream } from "../platform.ts";
import { host } from "./host.ts";
import {
  bare,
  connect,
  PACKET,
  type Packet,
  PacketReader,
  puback,
  publish,
  readPublish,
  subscribe,
} from "./mqtt-packets.ts";
import { connectTcp } from "./streams.ts";

const PORT = 1883;
const RECONNECT_MS = 2_000;
const CONNECT_MS = 10_000;
const KEEPALIVE_S = 15;
/** [MQTT-3.2.2-3] */
const REFUSALS = [
  "",
  "unacceptable protocol version",
  "identifier rejected",
  "server unavailable",
  "bad user name or password",
  "not authorized",
];

export async function openBroker(options: BrokerOptions): Promise<Broker> {
  return new HostBroker(readUrl(options.url), options);
}

function readUrl(url: string): { name: string; port: number } {
  const match = /^mqtt:\/\/(?:\[([0-9a-fA-F:.]+)\]|([^:/\s[\]]+))(?::(\d{1,5}))?\/?$/.exec(url);
  const port = Number(match?.[3] ?? PORT);
  if (url.startsWith("mqtts:")) throw badInput("broker", `"${url}"`, "mqtt://HOST:1883: TLS needs Node");
  if (!match || port < 1 || port > 65_535) throw badInput("broker", `"${url}"`, "mqtt://HOST:1883");
  return { name: match[1] ?? match[2]!, port };
}

class HostBroker implements Broker {
  private readonly topics = new Set<string>();
  private stream: Stream | undefined;
  private isConnected = false;
  private isClosed = false;
  private lastId = 0;
  private why = "";
  private timer = 0;

  constructor(
    private readonly at: { readonly name: string; readonly port: number },
    private readonly options: BrokerOptions,
  ) {
    void this.connect();
  }

  publish(topic: string, payload: string, isRetained: boolean): boolean {
    if (!this.isConnected) return false;
    this.stream!.write(publish(this.nextId(), topic, payload, isRetained));
    return true;
  }

  subscribe(topic: string): void {
    this.topics.add(topic);
    if (this.isConnected) this.stream!.write(subscribe(this.nextId(), topic));
  }

  async close(): Promise<void> {
    this.isClosed = true;
    host.cancel(this.timer);
    if (this.isConnected) this.stream!.write(bare(PACKET.DISCONNECT));
    this.stream?.close();
  }

  private async connect(): Promise<void> {
    try {
      const stream = await this.reach();
      if (this.isClosed) stream.close();
      else this.greet(stream);
    } catch (error) {
      this.lost((error as Error).message);
    }
  }

  /** The first address that answers. */
  private async reach(): Promise<Stream> {
    const { name, port } = this.at;
    let failure = new Error(`${name}: no such host`);
    for (const address of await addressesOf(name)) {
      try {
        return await inTime(connectTcp({ address, port }), { address, port });
      } catch (error) {
        failure = error as Error;
      }
    }
    throw failure;
  }

  private greet(stream: Stream): void {
    const { clientId, user, password, will } = this.options;
    const reader = new PacketReader();
    this.stream = stream;
    this.why = "the connection was closed";
    stream.onClose(() => this.lost(this.why));
    stream.onBytes((bytes) => {
      const packets = reader.take(bytes);
      if (!packets) this.drop("what the broker says is no MQTT");
      for (const packet of packets ?? []) this.heard(packet);
    });
    stream.write(
      connect({
        clientId,
        keepaliveS: KEEPALIVE_S,
        ...(user !== undefined && { user }),
        ...(password !== undefined && { password }),
        ...(will && { will }),
      }),
    );
    this.wait(CONNECT_MS, () => this.drop("the broker does not answer"));
  }

  private heard(packet: Packet): void {
    if (packet.type === PACKET.CONNACK) this.accepted(packet.body[1] ?? 0xff);
    else if (packet.type === PACKET.PUBLISH) this.brought(packet);
    else if (packet.type === PACKET.PINGRESP) this.rest();
    else if (packet.type === PACKET.SUBACK && packet.body.some((code, i) => i >= 2 && code >= 128)) {
      this.drop("the broker refuses a subscription");
    }
  }

  private accepted(code: number): void {
    if (code !== 0) {
      this.drop(`Connection refused: ${REFUSALS[code] ?? `code ${code}`}`);
      return;
    }
    this.isConnected = true;
    for (const topic of this.topics) this.stream!.write(subscribe(this.nextId(), topic));
    this.rest();
    this.options.onState(true);
  }

  private brought(packet: Packet): void {
    const message = readPublish(packet);
    if (!message) {
      this.drop("the broker sends what nobody asked for");
      return;
    }
    if (message.id !== 0) this.stream!.write(puback(message.id));
    this.options.onMessage(message.topic, message.payload);
  }

  /** Until the next question whether the broker is still there. */
  private rest(): void {
    this.wait((KEEPALIVE_S * 1000) / 2, () => {
      this.stream!.write(bare(PACKET.PINGREQ));
      this.wait(KEEPALIVE_S * 1000, () => this.drop("the broker is silent"));
    });
  }

  private drop(why: string): void {
    this.why = why;
    this.stream?.close();
  }

  private lost(why: string): void {
    this.stream = undefined;
    this.isConnected = false;
    if (this.isClosed) return;
    this.options.onState(false, why);
    this.wait(RECONNECT_MS, () => void this.connect());
  }

  private wait(ms: number, run: () => void): void {
    host.cancel(this.timer);
    this.timer = host.after(ms, run);
  }

  /** [MQTT-2.3.1-1]: not 0. */
  private nextId(): number {
    this.lastId = (this.lastId % 65_535) + 1;
    return this.lastId;
  }
}

function addressesOf(name: string): Promise<string[]> {
  if (name.includes(":") || /^\d+\.\d+\.\d+\.\d+$/.test(name)) return Promise.resolve([name]);
  return new Promise((resolve) => host.resolve(name, resolve));
}

/** The kernel itself would try for two minutes. */
function inTime(connecting: Promise<Stream>, { address, port }: Endpoint): Promise<Stream> {
  return new Promise((resolve, reject) => {
    let isLate = false;
    const timer = host.after(CONNECT_MS, () => {
      isLate = true;
      reject(new Error(`${address} port ${port}: no answer`));
    });
    connecting.then(
      (stream) => {
        host.cancel(timer);
        if (isLate) stream.close();
        else resolve(stream);
      },
      (error: Error) => {
        host.cancel(timer);
        reject(error);
      },
    );
  });
}
