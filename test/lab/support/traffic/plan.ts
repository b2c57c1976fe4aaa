/** What the lab's traffic is made of. Policy, programs and crafted frames take their numbers from here. */
export const PORTS = {
  web: 80,
  chat: 7000,
  mail: 25,
  stream: 5004,
  lookup: 53,
  shell: 22,
  probe: 7001,
  forbidden: 9999,
} as const;

export const MESSAGE_PERIOD_MS = 50;
/** Sending is spread over the period, as real flows would be. */
export const SLICES = 10;
/** A single stream is a fast one; of many each has its own pace. */
export const STREAM_PERIOD_MS = 10;
export const STREAM_PERIODS_MS = [20, 30, 40, 50] as const;
export const PING_PERIOD_MS = 50;
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

/** A napping flow talks for a while and is silent for some seconds, each at its own time, both ends by one clock. */
export const NAP = { talkMs: 1_500, periodMs: 7_000, shiftMs: 977 } as const;

/** How many of each kind; there is none of a kind that is left out. */
export interface TrafficSize {
  /** Flows that exchange messages, opened by the client; every third over IPv6. */
  readonly clientFlows: number;
  /** The same, opened by the server, to the client's shell port. */
  readonly serverFlows: number;
  /** Opened at the start and silent until `wake`. */
  readonly idleFlows: number;
  /** Opened by the client, but the server speaks first. */
  readonly greetedFlows?: number;
  readonly nappingFlows?: number;
  /** UDP both ways; default 1. */
  readonly streams?: number;
  /** One endless download; default true. */
  readonly download?: boolean;
  /** Of new connections; default `CONNECT_PERIOD_MS`. */
  readonly connectPeriodMs?: number;
}

export interface Plan extends TrafficSize {
  readonly server: { readonly v4: string; readonly v6: string };
  readonly client: { readonly v4: string; readonly v6: string };
}

/** Ranges of flow ids: who opened it, who speaks first, and does it talk. */
export const FIRST_ID = {
  client: 1,
  greeted: 5_000,
  server: 10_000,
  napping: 15_000,
  idle: 20_000,
  stream: 30_000,
  brief: 40_000,
} as const;

/** A flow that is no more. */
export interface Death {
  readonly id: number;
  /** From its opening until it was last heard. */
  readonly ageMs: number;
}

export interface FlowReport {
  readonly known: number;
  /** Closed, silent, or with a message missing. */
  readonly lost: Death[];
  readonly longestGapMs: number;
  /** Of each flow that talks all the time, since the mark. */
  readonly gapsMs: number[];
  readonly messages: number;
}
export interface StreamReport {
  readonly known: number;
  readonly sent: number;
  readonly received: number;
  readonly lost: Death[];
  readonly gapsMs: number[];
}
/** Connections that come and go. */
export interface BriefReport {
  readonly done: number;
  readonly failed: number;
  readonly lost: Death[];
}
export interface ClientReport {
  readonly flows: FlowReport;
  readonly stream: StreamReport;
  readonly download: { readonly bytes: number; readonly silentMs: number };
  readonly connects: BriefReport;
  readonly lookups: { readonly done: number; readonly failed: number };
}
export interface ServerReport {
  readonly flows: FlowReport;
  readonly stream: StreamReport;
}
