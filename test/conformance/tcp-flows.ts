import { ipFrame, PROTO, patchTcp, tcpSegment } from "./frames.ts";
import type { Network, Rights } from "./network.ts";
import { CLIENT, other, Path, PEER, type Side } from "./path.ts";
import { type Segment, type TcpApp, TcpEndpoint, type TcpProfile } from "./tcp.ts";
import { TcpMemory, textOfSegment } from "./tcp-memory.ts";

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;

/** Two endpoints and the way between them. `opener` is A in the comments, `server` B. */
class TcpFlow {
  readonly opener: TcpEndpoint;
  readonly server: TcpEndpoint;
  connection = 0;
  private answered = 0;
  private readonly ends: readonly [TcpEndpoint, TcpEndpoint];

  constructor(
    readonly network: Network,
    kind: string,
    options: { rights?: Rights; keepalive?: boolean; errors?: number; timeWaitMs?: number } = {},
  ) {
    const { random, world } = network;
    const meeting = network.meet(options.rights ?? random.pick(["out", "out", "in"] as const));
    const frames = ([CLIENT, PEER] as const).map((from) => {
      const to = other(from);
      const { parties, ports } = meeting;
      return [0, 1].map((data) =>
        ipFrame(parties[from], parties[to], PROTO.tcp, tcpSegment(ports[from], ports[to], data)),
      );
    });
    const ipBytes = meeting.v6 ? 40 : 20;
    const path = new Path<Segment>({
      kind,
      crossing: network.crossing,
      links: meeting.links,
      memory: new TcpMemory(meeting.mayOpen, network.shortens),
      parties: meeting.parties,
      errors: options.errors ?? 0.003,
      frameOf: (segment, side) => {
        const frame = frames[side]![segment.data ? 1 : 0]!;
        patchTcp(frame, ipBytes, segment.flags, segment.seq, segment.ack);
        return frame;
      },
      textOf: textOfSegment,
      deliver: (segment, to) => this.ends[to].receive(segment),
    });
    const end = (side: Side) =>
      new TcpEndpoint(world, random, side, this.profile(options.keepalive ?? false, options.timeWaitMs), (s) =>
        path.send(side, s),
      );
    this.ends = [end(CLIENT), end(PEER)];
    this.opener = this.ends[meeting.opener];
    this.server = this.ends[other(meeting.opener)];
  }

  private profile(keepalive: boolean, timeWaitMs = 60 * SECOND): TcpProfile {
    const { random } = this.network;
    return {
      rtoFirstMs: random.between(200, 1_000),
      rtoMostMs: random.pick([60, 120]) * SECOND,
      synRetries: 6,
      dataRetries: random.pick([8, 10, 15]),
      delayedAckMs: random.pick([0, 40, 200]),
      keepaliveMs: keepalive ? 2 * HOUR : 0,
      timeWaitMs: random.pick([timeWaitMs, 60 * SECOND, 240 * SECOND]),
      window: random.pick([1, 4, 10]),
      finWithData: random.chance(0.3),
    };
  }

  after(ms: number, run: () => void): void {
    this.network.world.after(ms, run);
  }

  /** A server that answers each byte with `factor` bytes and listens again whenever a connection is over. */
  serve(factor: number, finished: () => void): void {
    const app: TcpApp = {
      received: (total) => {
        const due = total - this.answered;
        this.answered = total;
        if (due > 0) this.server.write(due * factor);
      },
      finished,
      closed: () => {
        this.answered = 0;
        if (this.server.state === "closed") this.server.listen(app);
      },
    };
    this.server.listen(app);
  }

  /** A asks `rounds` times, waiting for each answer and thinking before the next question. */
  ask(rounds: number, factor: number, thinkMs: () => number, done: () => void, more: TcpApp = {}, tfo = 0): void {
    let asked = tfo;
    const next = () => {
      if (asked >= rounds) return done();
      this.after(thinkMs(), () => {
        asked++;
        this.opener.write(1);
      });
    };
    const app: TcpApp = {
      established: () => {
        if (!tfo) next();
      },
      received: (total) => {
        if (total === asked * factor) next();
      },
      ...more,
    };
    this.opener.connect(app, ++this.connection, tfo);
  }
}

type Scenario = (network: Network) => void;

function thinker({ random }: Network, most = 30): () => number {
  return () => random.spread(5, most * SECOND);
}

/** Requests and answers, then an orderly close by either side or both at once. */
const chat: Scenario = (network) => {
  const { random } = network;
  const flow = new TcpFlow(network, "tcp chat");
  const factor = 1 + random.below(3);
  const first = random.below(3);
  flow.serve(factor, () => flow.after(random.spread(1, 3_000), () => flow.server.close(60 * SECOND)));
  const done = () => {
    if (first !== 1) flow.opener.close(60 * SECOND);
    if (first !== 0) flow.server.close(60 * SECOND);
  };
  const finished = () => flow.after(random.spread(1, 3_000), () => flow.opener.close(60 * SECOND));
  flow.ask(1 + random.below(6), factor, thinker(network), done, { finished });
};

/** A few hundred segments one way. */
const bulk: Scenario = (network) => {
  const { random } = network;
  const flow = new TcpFlow(network, "tcp bulk");
  const factor = 20 + random.below(120);
  flow.serve(factor, () => flow.server.close(60 * SECOND));
  flow.ask(1, factor, thinker(network, 1), () => flow.opener.close(60 * SECOND));
};

/** One side has said all it had; the other is silent for up to two hours, then speaks, then closes. */
const halfClose: Scenario = (network) => {
  const { random } = network;
  const flow = new TcpFlow(network, "tcp half-close");
  const silence = random.chance(0.5) ? 3_000 * SECOND : random.spread(60 * SECOND, 7_000 * SECOND);
  const finish = (end: TcpEndpoint) =>
    flow.after(silence, () => {
      end.write(1 + random.below(4));
      flow.after(random.spread(1, 600 * SECOND), () => end.shutdown());
    });
  const serverFirst = random.chance(0.3);
  flow.serve(1, () => finish(flow.server));
  const done = () => (serverFirst ? flow.server : flow.opener).shutdown();
  flow.ask(1 + random.below(3), 1, thinker(network), done, { finished: () => finish(flow.opener) });
};

/** RST, with the other side's data in flight. */
const abort: Scenario = (network) => {
  const { random } = network;
  const flow = new TcpFlow(network, "tcp abort");
  const ends = random.chance(0.5) ? [flow.opener, flow.server] : [flow.server, flow.opener];
  flow.serve(2, () => flow.server.close(60 * SECOND));
  const done = () => {
    ends[1]!.write(random.below(6));
    flow.after(random.spread(1, 500), () => ends[0]!.abort());
  };
  flow.ask(1 + random.below(4), 2, thinker(network), done);
};

/** Power off; the other side learns of it by data, by keepalive, or by a new connection from the same port. */
const reboot: Scenario = (network) => {
  const { random } = network;
  const flow = new TcpFlow(network, "tcp reboot", { keepalive: random.chance(0.3) });
  flow.serve(1, () => flow.server.close(60 * SECOND));
  const again = () => flow.ask(2, 1, thinker(network), () => flow.opener.close(60 * SECOND));
  const done = () => {
    if (random.chance(0.3)) {
      flow.server.reboot();
      flow.after(random.spread(10, 7_000 * SECOND), () => flow.opener.write(1));
      return;
    }
    flow.opener.reboot();
    if (random.chance(0.7)) flow.after(random.spread(100, 7_000 * SECOND), again);
    else flow.after(random.spread(100, 3_000 * SECOND), () => flow.server.write(2));
  };
  flow.ask(1 + random.below(3), 1, thinker(network), done);
};

/** The same ports again, out of TIME-WAIT on either side; the last connection sometimes stays half-closed. */
const reuse: Scenario = (network) => {
  const { random } = network;
  const flow = new TcpFlow(network, "tcp time-wait reuse");
  const connections = 2 + random.below(4);
  const openerFirst = random.chance(0.4);
  const silent = random.chance(0.3);
  flow.serve(1, () => {
    const last = flow.connection === connections && silent;
    flow.after(last ? random.spread(SECOND, 3_000 * SECOND) : 1, () => flow.server.shutdown());
  });
  const connect = () => {
    let over = false;
    const again = () => {
      if (over || flow.connection >= connections) return;
      over = true;
      flow.after(random.spread(5, 50 * SECOND), () => {
        if (flow.opener.state === "timeWait") flow.opener.reboot();
        if (flow.opener.state === "closed") connect();
      });
    };
    const done = () => {
      (openerFirst ? flow.opener : flow.server).shutdown();
      if (openerFirst) flow.after(random.spread(1_000, 20_000), again);
    };
    flow.ask(1 + random.below(2), 1, thinker(network, 2), done, {
      finished: () => flow.opener.shutdown(),
      closed: again,
    });
  };
  connect();
};

/** Both connect to each other's port at the same moment. */
const simultaneousOpen: Scenario = (network) => {
  const { random } = network;
  const flow = new TcpFlow(network, "tcp simultaneous open", { rights: random.pick(["out", "in"] as const) });
  const app = (end: TcpEndpoint): TcpApp => ({
    established: () => flow.after(random.spread(1, 2_000), () => end.write(2)),
    received: () => flow.after(random.spread(1, 5_000), () => end.shutdown()),
  });
  flow.connection = 1;
  flow.opener.connect(app(flow.opener), 1);
  flow.after(random.between(0, 120), () => flow.server.state === "closed" && flow.server.connect(app(flow.server), 1));
};

/** Data in the SYN; the answer may overtake the SYN-ACK. */
const fastOpen: Scenario = (network) => {
  const { random } = network;
  const flow = new TcpFlow(network, "tcp fast open");
  const factor = 1 + random.below(8);
  flow.serve(factor, () => flow.server.close(60 * SECOND));
  flow.ask(1 + random.below(3), factor, thinker(network), () => flow.opener.close(60 * SECOND), {}, 1);
};

/** Hours of silence, broken by one of the sides or by keepalives only. */
const idle: Scenario = (network) => {
  const { random } = network;
  const keepalive = random.chance(0.5);
  const flow = new TcpFlow(network, "tcp idle", { keepalive });
  const most = keepalive ? 5 * HOUR : 7_000 * SECOND;
  let left = 2 + random.below(4);
  flow.serve(0, () => flow.server.close(60 * SECOND));
  const wake = () =>
    flow.after(random.spread(300 * SECOND, most), () => {
      if (flow.opener.state !== "established") return;
      if (left-- === 0) return flow.opener.close(60 * SECOND);
      (random.chance(0.5) ? flow.opener : flow.server).write(1);
      wake();
    });
  flow.ask(1, 0, thinker(network, 1), () => {}, { established: wake });
};

/** Nobody listens. */
const refused: Scenario = (network) => {
  const flow = new TcpFlow(network, "tcp refused");
  flow.connection = 1;
  flow.opener.connect({}, 1);
};

/** Nobody is there: SYNs until the opener gives up, and a second attempt. */
const unanswered: Scenario = (network) => {
  const flow = new TcpFlow(network, "tcp unanswered");
  flow.server.receive = () => {};
  const closed = () =>
    flow.after(5 * SECOND, () => ++flow.connection < 3 && flow.opener.connect({ closed }, flow.connection));
  flow.connection = 1;
  flow.opener.connect({ closed }, 1);
};

/** A closes its socket and forgets it a minute later; B goes on sending and is told so by RST. */
const orphan: Scenario = (network) => {
  const { random } = network;
  const flow = new TcpFlow(network, "tcp orphan");
  const stutter = (left: number): void => {
    if (left === 0 || flow.server.state === "listen") {
      flow.server.shutdown();
      return;
    }
    flow.server.write(1);
    flow.after(random.spread(SECOND, 60 * SECOND), () => stutter(left - 1));
  };
  flow.serve(1, () => stutter(2 + random.below(4)));
  flow.ask(1, 1, thinker(network), () => flow.opener.close(20 * SECOND));
};

/** By share of flows. `idle` is what fills the table; the rest is traffic. */
export const TCP_SCENARIOS: readonly (readonly [weight: number, Scenario])[] = [
  [20, chat],
  [3, bulk],
  [8, halfClose],
  [6, abort],
  [6, reboot],
  [8, reuse],
  [6, simultaneousOpen],
  [6, fastOpen],
  [4, idle],
  [3, refused],
  [2, unanswered],
  [3, orphan],
];

/** Flows at rest, to fill a table. */
export const tcpIdle = idle;
/** Connections that come and go in order. */
export const tcpChat = chat;
