import type { Prng } from "../conformance/prng.ts";
import type { Client } from "./client.ts";
import { Conversation, type Party, type Side, type Step } from "./conversation.ts";
import type { Kind } from "./promised.ts";

const SERVER_MAC = "02:00:00:00:0b:01";

/** What a conversation will be like. */
type Sort = "tcp" | "server first" | "idle" | "inbound" | "dns" | "udp" | "between clients";
const SORTS: readonly Sort[] = [
  "tcp",
  "tcp",
  "server first",
  "idle",
  "idle",
  "inbound",
  "dns",
  "udp",
  "between clients",
];

/** Scripts of conversations as clients of a mesh have them. */
export class Chatter {
  private ports = 20_000;

  constructor(
    private readonly random: Prng,
    private readonly ticks: { readonly fastTickMs: number; readonly slowTickMs: number },
  ) {}

  /** A conversation of `client`, perhaps with one of `others`. */
  begin(client: Client, others: readonly Client[]): Conversation {
    const { random } = this;
    const sort = random.pick(SORTS);
    const port = ++this.ports;
    const name = `${sort} ${port}`;
    const own: Party = { mac: client.text, ip: client.ip, port, client };
    const server: Party = { mac: SERVER_MAC, ip: "10.9.9.9", port: sort === "dns" ? 53 : 443, client: undefined };
    const make = (a: Party, b: Party, steps: Step[]) => new Conversation(name, [a, b], steps, this.ticks);
    if (sort === "dns") return make(own, server, [step(0, "U", 0), step(1, "U", random.spread(2, 300))]);
    if (sort === "udp") return make(own, server, this.datagrams());
    if (sort === "inbound") return make({ ...server, port }, { ...own, port: 22 }, this.stream(false));
    if (sort === "between clients" && others.length > 0) {
      const other = random.pick(others);
      return make(own, { mac: other.text, ip: other.ip, port: 5000, client: other }, this.stream(random.chance(0.3)));
    }
    return make(own, server, sort === "idle" ? this.idle() : this.stream(sort === "server first"));
  }

  private handshake(): Step[] {
    const rtt = () => this.random.spread(2, 200);
    return [step(0, "S", 0), step(1, "SA", rtt()), step(0, "A", rtt())];
  }

  private stream(isServerFirst: boolean): Step[] {
    const { random } = this;
    const steps = this.handshake();
    if (isServerFirst) steps.push(step(1, "A", random.spread(1, 100)));
    for (let i = random.below(25); i > 0; i--)
      steps.push(step(random.chance(0.5) ? 0 : 1, "A", random.spread(5, 8_000)));
    return [...steps, ...this.end()];
  }

  /** Opened, then silent for long: only adoption carries it on. */
  private idle(): Step[] {
    const { random } = this;
    const steps = this.handshake();
    for (let i = 1 + random.below(3); i > 0; i--)
      steps.push(step(random.chance(0.5) ? 0 : 1, "A", random.spread(5_000, 90_000)));
    return steps;
  }

  private datagrams(): Step[] {
    const { random } = this;
    const steps = [step(0, "U", 0)];
    for (let i = 1 + random.below(20); i > 0; i--)
      steps.push(step(random.chance(0.5) ? 0 : 1, "U", random.spread(5, 6_000)));
    return steps;
  }

  private end(): Step[] {
    const { random } = this;
    if (random.chance(0.3)) return [];
    const side: Side = random.chance(0.5) ? 0 : 1;
    const other = (1 - side) as Side;
    if (random.chance(0.2)) return [step(side, "R", random.spread(5, 2_000))];
    const rtt = () => random.spread(2, 500);
    return [step(side, "FA", rtt()), step(other, "A", rtt()), step(other, "FA", rtt()), step(side, "A", rtt())];
  }
}

function step(side: Side, kind: Kind, waitMs: number): Step {
  return { side, kind, waitMs };
}
