import { type Datagram, DatagramMemory, GroupMemory, QueryMemory } from "./datagram-memory.ts";
import { icmpQuery, ipFrame, type Party, PROTO, udpDatagram } from "./frames.ts";
import { LIFE_S } from "./limits.ts";
import type { Meeting, Network, Rights } from "./network.ts";
import { CLIENT, type Memory, other, Path, PEER, type Side } from "./path.ts";

const SECOND = 1_000;
const DATA_BYTES = 16;
/** Of a fragment, in units of eight bytes; small, so that a simulation need not carry full frames. */
const FRAGMENT_UNITS = 4;

type Body = (from: Side) => number[];
type Hear = (to: Side, count: number) => void;

/** An exchange of datagrams between two parties; `hear` is told how many the side has received. */
class DatagramFlow {
  hear: Hear = () => {};
  private readonly path: Path<Datagram>;
  private readonly heard = [0, 0];
  private sent = 0;

  constructor(
    readonly network: Network,
    kind: string,
    readonly meeting: Meeting,
    private readonly proto: number,
    private readonly body: Body,
    readonly memory: Memory<Datagram>,
    errors = 0.01,
  ) {
    this.path = new Path<Datagram>({
      kind,
      crossing: network.crossing,
      links: meeting.links,
      memory,
      parties: meeting.parties,
      errors,
      neverErrors: (packet) => packet.part === "tail",
      frameOf: (packet) => packet.frame,
      textOf: (packet) => packet.text,
      deliver: (packet, to) => {
        if (packet.part !== "tail") this.hear(to, ++this.heard[to]!);
      },
    });
  }

  send(side: Side): void {
    const { parties } = this.meeting;
    const frame = ipFrame(parties[side], parties[other(side)], this.proto, this.body(side));
    this.path.send(side, { side, frame, text: `protocol ${this.proto}` });
  }

  /** The same in fragments, head first. */
  sendFragments(side: Side, count: number): void {
    const { parties } = this.meeting;
    const id = ++this.sent;
    const whole = this.body(side);
    const bytes = FRAGMENT_UNITS * 8;
    for (let i = 0; i < count; i++) {
      const part = i === 0 ? "head" : "tail";
      const body = Array.from({ length: bytes }, (_, k) => whole[i * bytes + k] ?? 0);
      const fragment = { id, offset: i * FRAGMENT_UNITS, more: i < count - 1 };
      const frame = ipFrame(parties[side], parties[other(side)], this.proto, body, fragment);
      this.path.send(side, {
        side,
        frame,
        part,
        text: `protocol ${this.proto}, ${part} of ${count} fragments, id ${id}`,
      });
    }
  }

  after(ms: number, run: () => void): void {
    this.network.world.after(ms, run);
  }
}

function rightsOf({ random }: Network): Rights {
  return random.pick(["out", "out", "in"] as const);
}

function udpFlow(network: Network, kind: string, errors?: number): DatagramFlow {
  const meeting = network.meet(rightsOf(network));
  const { ports } = meeting;
  const body: Body = (from) => udpDatagram(ports[from], ports[other(from)], DATA_BYTES);
  return new DatagramFlow(
    network,
    kind,
    meeting,
    PROTO.udp,
    body,
    new DatagramMemory(meeting.mayOpen, LIFE_S.answered),
    errors,
  );
}

type Scenario = (network: Network) => void;

/** A question, repeated a few times, and its answers, quick or slow. */
const questions: Scenario = (network) => {
  const { random } = network;
  const flow = udpFlow(network, "udp question");
  const { opener } = flow.meeting;
  const slow = random.chance(0.2) ? 20 * SECOND : 500;
  flow.hear = (to) => {
    if (to !== opener) flow.after(random.spread(1, slow), () => flow.send(to));
  };
  const ask = (left: number): void => {
    flow.send(opener);
    if (left > 1) flow.after(random.spread(500, 60 * SECOND), () => ask(left - 1));
  };
  ask(1 + random.below(4));
};

/** Both sides speak when they like, never silent for long: calls, games, QUIC, tunnels. */
function conversation(network: Network, flow: DatagramFlow, gapMost: number): void {
  const { random } = network;
  const talk = (side: Side, left: number): void => {
    flow.send(side);
    if (left > 0) flow.after(random.spread(20, gapMost), () => talk(side, left - 1));
  };
  let answered = false;
  flow.hear = (to) => {
    if (to === flow.meeting.opener || answered) return;
    answered = true;
    talk(to, 3 + random.below(20));
  };
  talk(flow.meeting.opener, 3 + random.below(20));
}

const call: Scenario = (network) => conversation(network, udpFlow(network, "udp both ways"), 40 * SECOND);

/** The opener says something, then the other side goes on alone. */
const push: Scenario = (network) => {
  const { random } = network;
  const flow = udpFlow(network, "udp push");
  let started = false;
  const tell = (side: Side, left: number): void => {
    flow.send(side);
    if (left > 0) flow.after(random.spread(SECOND, 55 * SECOND), () => tell(side, left - 1));
  };
  flow.hear = (to) => {
    if (to === flow.meeting.opener || started) return;
    started = true;
    tell(to, 3 + random.below(10));
  };
  flow.send(flow.meeting.opener);
};

/** Nobody answers: logging, RTP without RTCP. */
const oneWay: Scenario = (network) => {
  const { random } = network;
  const flow = udpFlow(network, "udp one-way");
  const gap = random.chance(0.3) ? 100 * SECOND : 2 * SECOND;
  const tell = (left: number): void => {
    flow.send(flow.meeting.opener);
    if (left > 0) flow.after(random.spread(20, gap), () => tell(left - 1));
  };
  tell(5 + random.below(30));
};

/** Protocols without ports. */
const tunnel: Scenario = (network) => {
  const { random } = network;
  const meeting = network.meet(rightsOf(network));
  const proto = random.pick([PROTO.gre, 50]);
  const body: Body = () => new Array<number>(DATA_BYTES).fill(0);
  const memory = new DatagramMemory(meeting.mayOpen, LIFE_S.otherAnswered);
  conversation(network, new DatagramFlow(network, "gre, esp", meeting, proto, body, memory), 250 * SECOND);
};

function queryFlow(network: Network, kind: string): DatagramFlow {
  const { random } = network;
  const meeting = network.meet(rightsOf(network));
  const id = random.below(65_536);
  const [request, answer] = meeting.v6
    ? [128, 129]
    : random.pick([
        [8, 0],
        [8, 0],
        [13, 14],
        [15, 16],
        [17, 18],
      ] as const);
  const body: Body = (from) => icmpQuery(from === meeting.opener ? request : answer, id, 1, DATA_BYTES);
  const proto = meeting.v6 ? PROTO.icmp6 : PROTO.icmp;
  return new DatagramFlow(network, kind, meeting, proto, body, new QueryMemory(meeting.opener));
}

const ping: Scenario = (network) => {
  const { random } = network;
  const flow = queryFlow(network, "icmp query");
  const slow = random.chance(0.1) ? 20 * SECOND : 300;
  flow.hear = (to) => {
    if (to !== flow.meeting.opener) flow.after(random.spread(1, slow), () => flow.send(to));
  };
  const ask = (left: number): void => {
    flow.send(flow.meeting.opener);
    if (left > 0) flow.after(random.pick([SECOND, SECOND, 60 * SECOND]), () => ask(left - 1));
  };
  ask(1 + random.below(10));
};

/** Datagrams too large for the way, both sides. */
const fragments: Scenario = (network) => {
  const { random } = network;
  const flow = random.chance(0.6) ? udpFlow(network, "udp fragments") : queryFlow(network, "icmp fragments");
  const count = () => 2 + random.below(3);
  flow.hear = (to) => {
    if (to !== flow.meeting.opener) flow.after(random.spread(1, 2_000), () => flow.sendFragments(to, count()));
  };
  const ask = (left: number): void => {
    flow.sendFragments(flow.meeting.opener, count());
    if (left > 0) flow.after(random.spread(100, 20 * SECOND), () => ask(left - 1));
  };
  ask(2 + random.below(8));
};

const GROUP: readonly [Party, Party] = [
  { mac: [0x01, 0, 0x5e, 0, 0, 0xfb], address: [224, 0, 0, 251] },
  { mac: [0x33, 0x33, 0, 0, 0, 0xfb], address: [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfb] },
];
const MDNS_PORT = 5353;

/** A question to a group; several neighbours answer to the asker alone, from their own addresses. */
const group: Scenario = (network) => {
  const { random } = network;
  const meeting = network.meet(random.pick(["out", "group", "asker"] as const));
  const port = random.chance(0.5) ? MDNS_PORT : meeting.ports[CLIENT];
  const memory = new GroupMemory();
  const asked = { ...meeting, parties: [meeting.parties[CLIENT], GROUP[meeting.v6 ? 1 : 0]] as const };
  const question = new DatagramFlow(
    network,
    "udp group",
    asked,
    PROTO.udp,
    () => udpDatagram(port, MDNS_PORT, DATA_BYTES),
    memory,
    0,
  );
  question.hear = () => {
    for (let n = 1 + random.below(4); n > 0; n--) {
      const { parties } = network.meet("group");
      const parted = {
        ...meeting,
        parties: [
          meeting.parties[CLIENT],
          { ...parties[PEER], address: sameFamily(meeting, n, random.below(250)) },
        ] as const,
      };
      const mine = new DatagramFlow(
        network,
        "udp group answer",
        parted,
        PROTO.udp,
        () => udpDatagram(MDNS_PORT, port, DATA_BYTES),
        memory,
        0,
      );
      mine.after(random.spread(1, 4_000), () => mine.send(PEER));
    }
  };
  question.send(CLIENT);
};

function sameFamily(meeting: Meeting, n: number, host: number): number[] {
  return meeting.v6 ? [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n, host] : [10, 0, 100 + n, host];
}

/** The client has just asked a group; a peer that its rules let in now asks it something, from the group's port. */
const askedBack: Scenario = (network) => {
  const { random } = network;
  const meeting = network.meet("group");
  const asked = { ...meeting, parties: [meeting.parties[CLIENT], GROUP[meeting.v6 ? 1 : 0]] as const };
  const body: Body = (from) =>
    from === CLIENT ? udpDatagram(MDNS_PORT, MDNS_PORT, DATA_BYTES) : udpDatagram(MDNS_PORT, MDNS_PORT, DATA_BYTES);
  const question = new DatagramFlow(network, "udp group", asked, PROTO.udp, body, new GroupMemory(), 0);
  const memory = new DatagramMemory(meeting.mayOpen, LIFE_S.answered);
  const back = new DatagramFlow(network, "udp asked back", meeting, PROTO.udp, body, memory);
  back.hear = (to) => {
    if (to === CLIENT) back.after(random.spread(1, 1_000), () => back.send(CLIENT));
  };
  question.send(CLIENT);
  for (let n = 0; n < 3; n++) back.after(200 + random.spread(1, 8_000), () => back.send(PEER));
};

export const DATAGRAM_SCENARIOS: readonly (readonly [weight: number, Scenario])[] = [
  [8, questions],
  [4, call],
  [3, push],
  [3, oneWay],
  [2, tunnel],
  [5, ping],
  [4, fragments],
  [3, group],
  [2, askedBack],
];
