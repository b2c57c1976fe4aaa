import type { Socket } from "node:net";
import { FIRST_ID, type FlowReport, LOST_AFTER_MS, MESSAGE_PERIOD_MS, NAP, SLICES } from "./plan.ts";

/** A message is the flow's id and a sequence number; the first one also tells the accepting side which flow it is. */
export const MESSAGE_BYTES = 8;

/** Who was opened when it was nearly time to nap said too little to be answered. */
const SAID_MIN = 5;

class Flow {
  closed = false;
  /** A sequence number was skipped or repeated (TCP delivered what was not sent), or nobody answers. */
  broken = false;
  readonly openedMs = performance.now();
  lastMs = this.openedMs;
  longestGapMs = 0;
  isTalking = false;
  /** When it last began to talk; `lastMs` stays there if nobody answers. */
  private talkMs = 0;
  private said = 0;
  private sendSequence = 0;
  private receiveSequence = 0;
  private rest: Buffer = Buffer.alloc(0);

  constructor(
    readonly socket: Socket,
    readonly id: number,
  ) {}

  /** Its silence is measured from here. A flow of which nothing came since it last began to talk is lost. */
  beginTalk(now: number): void {
    if (this.said > SAID_MIN && this.lastMs === this.talkMs) this.broken = true;
    this.lastMs = this.talkMs = now;
    this.said = 0;
  }

  say(): void {
    this.said++;
    const message = Buffer.allocUnsafe(MESSAGE_BYTES);
    message.writeUInt32BE(this.id, 0);
    message.writeUInt32BE(this.sendSequence++, 4);
    this.socket.write(message);
  }

  /** Returns the number of messages in it. */
  hear(bytes: Buffer): number {
    const all = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes]);
    const count = Math.floor(all.length / MESSAGE_BYTES);
    for (let i = 0; i < count; i++) {
      const at = i * MESSAGE_BYTES;
      if (all.readUInt32BE(at) !== this.id || all.readUInt32BE(at + 4) !== this.receiveSequence++) this.broken = true;
    }
    this.rest = all.subarray(count * MESSAGE_BYTES);
    return count;
  }
}

/** Long-lived TCP flows: each side of each says something every 50 ms and measures how long the other is silent. */
export class FlowSet {
  private readonly flows: Flow[] = [];
  private slice = 0;
  private awake = false;
  private messages = 0;

  constructor() {
    setInterval(() => this.speak(), MESSAGE_PERIOD_MS / SLICES);
  }

  /** The side that opens knows the id. */
  opened(socket: Socket, id: number): void {
    const flow = this.add(socket, id);
    socket.on("data", (bytes) => this.heard(flow, bytes));
    if (id >= FIRST_ID.napping) flow.say();
  }

  /** The side that accepts learns it. */
  accepted(socket: Socket): void {
    let flow: Flow | undefined;
    socket.on("data", (bytes) => {
      if (flow === undefined) {
        if (bytes.length < MESSAGE_BYTES) {
          socket.destroy();
          return;
        }
        flow = this.add(socket, bytes.readUInt32BE(0));
        if (flow.id >= FIRST_ID.napping) flow.say();
      }
      this.heard(flow, bytes);
    });
    socket.on("error", () => {});
  }

  mark(): void {
    for (const flow of this.flows) flow.longestGapMs = 0;
  }

  wake(): void {
    this.awake = true;
  }

  report(): FlowReport {
    const now = performance.now();
    const silentMs = (flow: Flow) => (flow.isTalking ? now - flow.lastMs : 0);
    const gapsMs = this.flows.filter(isSteady).map((flow) => Math.max(flow.longestGapMs, silentMs(flow)));
    const lost = this.flows.filter((flow) => flow.closed || flow.broken || silentMs(flow) > LOST_AFTER_MS);
    return {
      known: this.flows.length,
      lost: lost.map((flow) => ({ id: flow.id, ageMs: flow.lastMs - flow.openedMs })),
      longestGapMs: Math.max(...gapsMs, 0),
      gapsMs,
      messages: this.messages,
    };
  }

  private add(socket: Socket, id: number): Flow {
    const flow = new Flow(socket, id);
    socket.setNoDelay(true);
    socket.on("error", () => {
      flow.closed = true;
    });
    socket.on("close", () => {
      flow.closed = true;
    });
    this.flows.push(flow);
    return flow;
  }

  private speak(): void {
    this.slice = (this.slice + 1) % SLICES;
    const [now, clockMs] = [performance.now(), Date.now()];
    for (const flow of this.flows) {
      if (flow.id % SLICES !== this.slice) continue;
      const talks = isSteady(flow) || (flow.id >= FIRST_ID.idle ? this.awake : !isNapping(flow.id, clockMs));
      if (talks && !flow.isTalking) flow.beginTalk(now);
      flow.isTalking = talks;
      if (talks && !flow.closed) flow.say();
    }
  }

  private heard(flow: Flow, bytes: Buffer): void {
    const now = performance.now();
    if (flow.isTalking) flow.longestGapMs = Math.max(flow.longestGapMs, now - flow.lastMs);
    flow.lastMs = now;
    this.messages += flow.hear(bytes);
  }
}

/** Talks from beginning to end. */
function isSteady(flow: Flow): boolean {
  return flow.id < FIRST_ID.napping;
}

function isNapping(id: number, clockMs: number): boolean {
  return (clockMs + id * NAP.shiftMs) % NAP.periodMs >= NAP.talkMs;
}
