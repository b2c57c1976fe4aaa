/**
 * People in a building: they walk from place to place, their devices keep flows open and take the nearest access point.
 * Every packet is judged by the datapath of the access point where the client is, as a real one's would be.
 */
import { type Mac, macFromBytes } from "../base/mac.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import { type TcpEnds, tcpFrame } from "./frames.ts";
import { type Ap, type MeshSetup, SimulatedMesh, STARTS_WITHIN_MS } from "./mesh.ts";

/** In metres. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface WalkSetup extends MeshSetup {
  readonly places: readonly Point[];
  readonly width: number;
  readonly height: number;
  readonly clients: number;
  /** Long TCP connections of each client. */
  readonly flows: number;
  /** Mean time from one packet pair of a flow to its next. */
  readonly packetEveryMs: number;
  /** Mean time from one short connection of a client to its next. */
  readonly briefEveryMs: number;
  /** Metres a second. */
  readonly speed: number;
}

export interface Durability {
  roams: number;
  /** Flows that were open when their client roamed, and those of them whose next packet towards the client passed. */
  flows: number;
  kept: number;
  packets: number;
  denied: number;
}

interface Walker {
  readonly mac: Mac;
  readonly number: number;
  readonly flows: TcpEnds[];
  ports: number;
  at: Ap;
  place: Point;
  goal: Point;
}

const STEP_MS = 500;
/** A device leaves its access point for one that is so much nearer. */
const NEARER = 0.75;
/** The first answer after the client's first frame: a round trip. */
const ANSWER_MS = 20;
const CLIENT = CONSTANTS.SIDE_CLIENT;
const PEER = CONSTANTS.SIDE_PEER;

/** One rule: the client may open anything. All bits are set, so all that is asked is found. */
const ANYTHING = {
  id: 0,
  bits: 64,
  seed: 1,
  probes: 1,
  out: 1 << (CONSTANTS.PEER_ANY * 3 + CONSTANTS.SERVICE_ANY),
  in: 0,
  data: new Uint8Array(8).fill(0xff),
};

/** What an agent loads for those whom nobody knows yet: their first packets wait for no answer. */
const STRANGER = "00:00:00:00:00:00" as Mac;
const UNKNOWN = {
  slot: CONSTANTS.SLOT_UNKNOWN,
  presence: CONSTANTS.PRESENCE_REMOTE,
  flags: 0,
  filter: [0, 0xffff, 0xffff, 0xffff],
  from: 0,
  zone: 0,
  open_out: 0,
  open_in: 0,
  half_open: 0,
  pad: 0,
  ends: 0,
};

export class WalkMesh extends SimulatedMesh {
  readonly durability: Durability = { roams: 0, flows: 0, kept: 0, packets: 0, denied: 0 };
  private readonly walkers: Walker[] = [];

  constructor(private readonly setup: WalkSetup) {
    super(setup);
    for (const { datapath } of this.aps) {
      datapath.setFilter(ANYTHING);
      datapath.setClient(STRANGER, UNKNOWN);
    }
    for (let i = 0; i < setup.clients; i++) {
      this.after(STARTS_WITHIN_MS * (1.5 + this.random()), () => this.appear(i));
    }
  }

  /** Counting begins anew, as after the mesh has settled. */
  reset(): void {
    Object.assign(this.durability, { roams: 0, flows: 0, kept: 0, packets: 0, denied: 0 });
  }

  /** Used share of the tables, mean over all access points. */
  get fill(): number {
    return (
      this.aps.reduce((sum, { datapath }) => sum + datapath.sfr.table.used, 0) / this.aps.length / this.geometry.cells
    );
  }

  /** Of one lookup: docs/sizing.md. */
  get falsePositives(): number {
    return (this.fill * this.geometry.cells) / (this.geometry.buckets * 2 ** this.geometry.remainderBits);
  }

  private appear(number: number): void {
    const place = this.anywhere();
    const mac = macFromBytes(Uint8Array.of(2, 0, 0, number >> 16, number >> 8, number));
    const walker: Walker = {
      mac,
      number,
      flows: [],
      ports: 1024,
      at: this.nearest(place),
      place,
      goal: this.anywhere(),
    };
    this.walkers.push(walker);
    for (let i = 0; i < this.setup.flows; i++) this.openFlow(walker);
    this.after(STEP_MS * this.random(), () => this.step(walker));
    this.laterOnce(this.setup.briefEveryMs, () => this.brief(walker));
  }

  private anywhere(): Point {
    return { x: this.random() * this.setup.width, y: this.random() * this.setup.height };
  }

  private nearest(to: Point): Ap {
    const distances = this.setup.places.map((place) => apart(place, to));
    return this.aps[distances.indexOf(Math.min(...distances))]!;
  }

  // --- walking

  private step(walker: Walker): void {
    const { setup } = this;
    const left = apart(walker.place, walker.goal);
    const stride = (setup.speed * STEP_MS) / 1_000;
    if (left <= stride) walker.goal = this.anywhere();
    else {
      const share = stride / left;
      const { x, y } = walker.place;
      walker.place = { x: x + (walker.goal.x - x) * share, y: y + (walker.goal.y - y) * share };
    }
    const near = this.nearest(walker.place);
    const reach = (ap: Ap) => apart(setup.places[ap.index]!, walker.place);
    if (near !== walker.at && reach(near) < NEARER * reach(walker.at)) this.roam(walker, near);
    this.after(STEP_MS, () => this.step(walker));
  }

  private roam(walker: Walker, to: Ap): void {
    this.durability.roams++;
    walker.at = to;
    const [first] = walker.flows;
    // What a device sends when it has come; its packets find the rest.
    if (first) this.pass(walker, first, CLIENT, "A");
    this.after(ANSWER_MS, () => {
      if (walker.at !== to) return;
      for (const flow of [...walker.flows]) this.isKept(walker, flow);
    });
  }

  private isKept(walker: Walker, flow: TcpEnds): void {
    const { durability } = this;
    durability.flows++;
    if (this.pass(walker, flow, PEER, "A")) {
      durability.kept++;
      this.pass(walker, flow, CLIENT, "A");
      return;
    }
    walker.flows.splice(walker.flows.indexOf(flow), 1);
    this.openFlow(walker);
  }

  // --- packets

  private openFlow(walker: Walker): void {
    const flow = this.newFlow(walker);
    walker.flows.push(flow);
    this.shake(walker, flow);
    this.laterOnce(this.setup.packetEveryMs, () => this.talk(walker, flow));
  }

  private newFlow(walker: Walker): TcpEnds {
    walker.ports = walker.ports >= 60_000 ? 1_024 : walker.ports + 1;
    return { mac: walker.mac, client: walker.number, port: walker.ports, peer: Math.floor(this.random() * 2 ** 16) };
  }

  private shake(walker: Walker, flow: TcpEnds): void {
    this.pass(walker, flow, CLIENT, "S");
    this.pass(walker, flow, PEER, "SA");
    this.pass(walker, flow, CLIENT, "A");
    this.pass(walker, flow, PEER, "A");
  }

  private talk(walker: Walker, flow: TcpEnds): void {
    if (!walker.flows.includes(flow)) return;
    this.pass(walker, flow, CLIENT, "A");
    this.pass(walker, flow, PEER, "A");
    this.laterOnce(this.setup.packetEveryMs, () => this.talk(walker, flow));
  }

  private brief(walker: Walker): void {
    const flow = this.newFlow(walker);
    this.shake(walker, flow);
    this.pass(walker, flow, CLIENT, "FA");
    this.pass(walker, flow, PEER, "FA");
    this.pass(walker, flow, CLIENT, "A");
    this.laterOnce(this.setup.briefEveryMs, () => this.brief(walker));
  }

  private pass({ at }: Walker, flow: TcpEnds, direction: 0 | 1, flags: "S" | "SA" | "A" | "FA"): boolean {
    const { sfr } = at.datapath;
    sfr.nowNs = BigInt(Math.round(this.nowMs * 1e6));
    const { pass } = at.datapath.judge({ frame: tcpFrame(flow, direction, flags), direction, portZone: 1 });
    this.durability.packets++;
    if (!pass) this.durability.denied++;
    this.flushSoon(at);
    return pass;
  }

  /** Exponential: what comes has no memory. */
  private laterOnce(meanMs: number, run: () => void): void {
    this.after(-Math.log(1 - this.random()) * meanMs, run);
  }
}

function apart(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}
