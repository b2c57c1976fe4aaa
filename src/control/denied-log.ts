import { type Mac, macFromBytes } from "../base/mac.ts";
import type { RingEvent } from "../datapath/map-records.ts";
import { type DeniedPacket, deniedPacket } from "./verdict.ts";

const KEPT = 256;
/** Beside it a few of each client, so that a noisy one does not push out what a quiet one has to tell. */
const KEPT_OF_CLIENT = 8;
const CLIENTS_MAX = 512;

export type Listener = (event: RingEvent, frame?: Uint8Array) => void;

export interface TimedEvent {
  readonly event: RingEvent;
  readonly seconds: number | null;
}

/** The last denials, newest last. Some 200 bytes each: 1 MB at most. */
export class DeniedLog {
  private readonly kept: RingEvent[] = [];
  private readonly byClient = new Map<Mac, TimedEvent[]>();
  private readonly listeners = new Set<Listener>();
  private readonly passedListeners = new Set<Listener>();

  constructor(private readonly wallSeconds: () => number | undefined) {}

  /** `frame`: its first bytes; they are told, not kept. */
  add(event: RingEvent, frame?: Uint8Array): void {
    this.kept.push(event);
    if (this.kept.length > KEPT) this.kept.shift();
    this.keepOfClient(event);
    for (const tell of this.listeners) tell(event, frame);
  }

  /** The first packet of a flow, or any of a client that is traced. */
  tellPassed(event: RingEvent): void {
    for (const tell of this.passedListeners) tell(event);
  }

  list(): DeniedPacket[] {
    return this.kept.map(deniedPacket);
  }

  of(mac: Mac): readonly TimedEvent[] {
    return this.byClient.get(mac) ?? [];
  }

  /** Hears denials. Answers how to end. */
  listen(tell: Listener): () => void {
    this.listeners.add(tell);
    return () => this.listeners.delete(tell);
  }

  /** Hears what passed, as far as the datapath tells it. */
  listenPassed(tell: Listener): () => void {
    this.passedListeners.add(tell);
    return () => this.passedListeners.delete(tell);
  }

  private keepOfClient(event: RingEvent): void {
    const mac = macFromBytes(event.mac);
    const own = this.byClient.get(mac) ?? [];
    own.push({ event, seconds: this.wallSeconds() ?? null });
    if (own.length > KEPT_OF_CLIENT) own.shift();
    // Taken out and put in again: the first is the client that was denied nothing for longest.
    this.byClient.delete(mac);
    this.byClient.set(mac, own);
    if (this.byClient.size > CLIENTS_MAX) this.byClient.delete(this.byClient.keys().next().value!);
  }
}
