import type { Broker } from "../platform/platform.ts";
import type { Topics } from "./topics.ts";

/** Events that wait for a broker that is away; then the oldest go. */
const EVENTS_MAX = 1_000;
/** More a second would make the broker the busiest part of a network under attack. */
const EVENTS_PER_SECOND = 20;

export interface OutwardCounters {
  published: number;
  /** Events that no broker will hear of: too many waited, or too many came in one second. */
  eventsLost: number;
}

/** What an AP tells: its status and answers (the last word of each counts), and events (each counts, within bounds). */
export class Outward {
  readonly counters: OutwardCounters = { published: 0, eventsLost: 0 };
  private broker: Broker | undefined;
  /** by topic: retained, said again to a broker that came back */
  private readonly lastWords = new Map<string, string>();
  private readonly events: string[] = [];
  private secondStartedMs = Number.NEGATIVE_INFINITY;
  private inSecond = 0;

  constructor(private readonly topics: Topics) {}

  /** The broker is there (again). */
  connected(broker: Broker): void {
    this.broker = broker;
    for (const [topic, payload] of this.lastWords) this.send(topic, payload, true);
    while (this.events.length > 0 && this.send(this.topics.events, this.events[0]!, false)) this.events.shift();
  }

  disconnected(): void {
    this.broker = undefined;
  }

  status(value: object): void {
    this.lastWord(this.topics.status, value);
  }

  answer(value: object): void {
    this.lastWord(this.topics.answer, value);
  }

  /** Of the moment: nobody wants old ones. */
  figures(value: object): void {
    this.send(this.topics.counters, JSON.stringify(value), false);
  }

  event(kind: string, fields: object, nowMs: number): void {
    if (nowMs - this.secondStartedMs >= 1_000) {
      this.secondStartedMs = nowMs;
      this.inSecond = 0;
    }
    if (++this.inSecond > EVENTS_PER_SECOND) {
      this.counters.eventsLost++;
      return;
    }
    const payload = JSON.stringify({ event: kind, ...fields });
    if (this.events.length === 0 && this.send(this.topics.events, payload, false)) return;
    this.events.push(payload);
    if (this.events.length <= EVENTS_MAX) return;
    this.events.shift();
    this.counters.eventsLost++;
  }

  private lastWord(topic: string, value: object): void {
    const payload = JSON.stringify(value);
    if (this.lastWords.get(topic) === payload) return;
    this.lastWords.set(topic, payload);
    this.send(topic, payload, true);
  }

  private send(topic: string, payload: string, isRetained: boolean): boolean {
    if (!this.broker?.publish(topic, payload, isRetained)) return false;
    this.counters.published++;
    return true;
  }
}
