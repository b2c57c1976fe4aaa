import { type Mac, macFromBytes } from "../base/mac.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import type { RingEvent } from "../datapath/map-records.ts";
import { narrowest } from "../policy/explain.ts";
import { openingOf } from "./opening-of.ts";

const KEPT_OF_CLIENT = 16;
const CLIENTS_MAX = 512;

/** Names: append, never rename. */
export interface SeenFlow {
  /** As a rule would name it: `out tcp/443 to 10.1.0.7`. */
  readonly flow: string;
  readonly opener: "client" | "peer";
  /** How often an opening was sampled. */
  readonly times: number;
  /** Seconds since 1970 of the last one; null: this machine does not know the time. */
  readonly seconds: number | null;
}

/** What clients opened of late: a sample of at most eight a second and client. Some 150 bytes a line: 1.3 MB at most. */
export class FlowLog {
  private readonly byClient = new Map<Mac, Map<string, SeenFlow>>();

  constructor(private readonly wallSeconds: () => number | undefined) {}

  /** Newest last. */
  of(mac: Mac): SeenFlow[] {
    return [...(this.byClient.get(mac)?.values() ?? [])];
  }

  add(event: RingEvent): void {
    const opening = openingOf(event);
    if (!opening) return;
    const mac = macFromBytes(event.mac);
    const flows = this.byClient.get(mac) ?? new Map<string, SeenFlow>();
    const flow = narrowest(opening);
    const opener = opening.direction === CONSTANTS.DIRECTION_OUT ? "client" : "peer";
    // Taken out and put in again: the first is what was not seen for longest.
    const times = (flows.get(flow)?.times ?? 0) + 1;
    flows.delete(flow);
    flows.set(flow, { flow, opener, times, seconds: this.wallSeconds() ?? null });
    if (flows.size > KEPT_OF_CLIENT) flows.delete(flows.keys().next().value!);
    this.byClient.delete(mac);
    this.byClient.set(mac, flows);
    if (this.byClient.size > CLIENTS_MAX) this.byClient.delete(this.byClient.keys().next().value!);
  }
}
