/** What the lab's traffic is made of. Policy, programs and crafted frames take their numbers from here. */
export const PORTS = { web: 80, chat: 7000, stream: 5004, lookup: 53, shell: 22, forbidden: 9999 } as const;

export const MESSAGE_PERIOD_MS = 50;
/** Sending is spread over the period, as real flows would be. */
export const SLICES = 10;
export const STREAM_PERIOD_MS = 10;
export const CONNECT_PERIOD_MS = 20;
export const LOOKUP_PERIOD_MS = 100;
export const LOOKUP_PATIENCE_MS = 1_000;
export const LOOKUP_TRIES = 4;
/** Saturates what two cores leave to it, and leaves them something. */
export const DOWNLOAD_BYTES_PER_SECOND = 25_000_000;
export const DOWNLOAD_PERIOD_MS = 10;
/** A flow from which nothing came for so long is lost: TCP would have repeated its segment four times by then. */
export const LOST_AFTER_MS = 3_000;
/** A new connection that takes longer has failed: three SYNs, or three segments, went unanswered. */
export const CONNECT_PATIENCE_MS = 5_000;

export interface Plan {
  readonly server: { readonly v4: string; readonly v6: string };
  readonly client: { readonly v4: string; readonly v6: string };
  /** Flows that exchange messages, opened by the client; every third over IPv6. */
  readonly clientFlows: number;
  /** The same, opened by the server, to the client's shell port. */
  readonly serverFlows: number;
  /** Opened at the start and silent until `wake`. */
  readonly idleFlows: number;
}

/** Ranges of flow ids: who opened it, and does it talk. */
export const FIRST_ID = { client: 1, server: 10_000, idle: 20_000 } as const;

export interface FlowReport {
  readonly known: number;
  /** Closed, silent, or with a message missing. */
  readonly lost: number[];
  readonly longestGapMs: number;
  readonly messages: number;
}
export interface StreamReport {
  readonly sent: number;
  readonly received: number;
  /** Since the last datagram came. */
  readonly silentMs: number;
}
export interface ClientReport {
  readonly flows: FlowReport;
  readonly stream: StreamReport;
  readonly download: { readonly bytes: number; readonly silentMs: number };
  readonly connects: { readonly done: number; readonly failed: number };
  readonly lookups: { readonly done: number; readonly failed: number };
}
export interface ServerReport {
  readonly flows: FlowReport;
  readonly stream: StreamReport;
}
