import { CONSTANTS } from "../../src/datapath/abi.ts";
import { filterOf, type Rule, record } from "../support/firewall.ts";
import * as packets from "../support/packets.ts";
import { CONVERSATION, type Flow, Random, type Step } from "./kernel-model.script.ts";

const CLIENTS = ["02:00:00:00:0a:01", "02:00:00:00:0a:02", "02:00:00:00:0a:03", "02:00:00:00:0a:04"] as const;
const UNKNOWN = "00:00:00:00:00:00";
const GROUP = "ff:ff:ff:ff:ff:ff";
const ROUTER = "02:00:00:00:0b:01";
const OWN = "02:00:00:00:0c:01";
const GROUP_MACS = [GROUP, "01:00:5e:00:00:fb", "33:33:00:00:00:fb"];
const HOSTS = {
  4: { clients: ["10.0.0.1", "10.0.0.2", "10.0.0.3"], peers: ["10.1.0.1", "10.1.0.2", "192.0.2.1", "10.0.0.2"] },
  6: {
    clients: ["2001:db8::1", "2001:db8::2", "fe80::3"],
    peers: ["2001:db8:1::1", "2001:db8:2::2", "fe80::9", "2001:db8::2"],
  },
} as const;
const GROUPS = {
  4: ["224.0.0.251", "255.255.255.255", "239.1.1.1"],
  6: ["ff02::fb", "ff02::1:2", "ff02::16"],
} as const;
const LOCAL = { 4: "10.0.0.254", 6: "2001:db8::fe" } as const;
const PORTS = [67, 68, 80, 443, 546, 547, 1024, 1025, 5353];
export const MIRRORS = 3;
const IFINDEXES = [5, 6, 7];

const UDP4_LENGTH_AT = 14 + 20 + 4;

function isUdp4(bytes: Uint8Array): boolean {
  return (
    bytes[12] === 8 && bytes[13] === 0 && bytes[14] === 0x45 && bytes[23] === 17 && bytes.length > UDP4_LENGTH_AT + 2
  );
}

export class ScriptGenerator {
  readonly #random: Random;
  readonly #flows: Flow[] = [];
  readonly #seeds: readonly number[];
  readonly #cells: number;
  /** Packets that a storm of one client's ARP still has: more than a window allows. */
  #storm = 0;

  constructor(seed: number, seeds: readonly number[], cells: number) {
    this.#random = new Random(seed);
    this.#seeds = seeds;
    this.#cells = cells;
  }

  /** What an episode begins with. */
  *beginning(): Iterable<Step> {
    yield { kind: "ticks", fast: this.#random.below(31), slow: this.#random.below(31), ms: 5000 };
    for (let i = 0; i < 6; i++) yield this.#filter(i);
    yield this.#zones();
    yield this.#services();
    for (const mac of [...CLIENTS.slice(0, 3), UNKNOWN]) yield this.#client(mac);
    if (this.#random.chance(50)) yield this.#client(GROUP);
    yield { kind: "own", macs: [OWN] };
    yield { kind: "local", addresses: [mapped(LOCAL[4]), mapped(LOCAL[6])] };
    for (const ifindex of IFINDEXES.slice(1)) yield this.#port(ifindex);
    if (this.#random.chance(50)) yield this.#writeThrough();
  }

  next(): Step {
    const r = this.#random;
    if (this.#storm > 0) return this.#stormy();
    if (r.chance(0.1)) this.#storm = 300;
    if (!r.chance(4)) return this.#packet();
    switch (r.below(17)) {
      case 0:
      case 1:
      case 2:
        return {
          kind: "ticks",
          fast: r.chance(80) ? 1 : r.below(40),
          slow: r.chance(70) ? 0 : r.below(4),
          ms: r.below(3000),
        };
      case 3:
        return { kind: "mirrorTicks", mirror: r.below(MIRRORS), fast: r.below(3), slow: r.below(2) };
      case 4:
        return { kind: "switches", mode: r.chance(15) ? 1 : 0, pickup: r.chance(15) ? 1 : 0, armed: r.below(2) };
      case 5:
        return {
          kind: "load",
          load: r.pick([0, 0, 0, 204, 205, 224, 225]),
          share: r.below(20),
          slot: r.below(5),
          used: r.below(40),
        };
      case 6:
      case 7:
        return this.#client(r.pick([...CLIENTS, UNKNOWN, GROUP]));
      case 8:
        return this.#filter(r.below(6));
      case 9:
        return r.chance(50) ? this.#zones() : this.#services();
      case 10:
        return this.#port(r.pick(IFINDEXES));
      case 11:
        return { kind: "copy", mirror: r.below(MIRRORS), keep: r.pick([30, 70, 100]) };
      case 16:
        return this.#writeThrough();
      case 12:
        return r.chance(30) ? { kind: "fill", cells: this.#junk() } : { kind: "publish" };
      case 13:
        return r.chance(20) ? { kind: "wipe" } : { kind: "publish" };
      default:
        return r.chance(50) ? { kind: "sweep" } : { kind: "publish" };
    }
  }

  /** Often all mirrors, and one that nobody has; often none. */
  #writeThrough(): Step {
    return { kind: "writeThrough", mirrors: this.#random.pick([0, 0, 7, 7, 2, 15]) };
  }

  #filter(id: number): Step {
    const r = this.#random;
    const rules: Rule[] = Array.from({ length: 2 + r.below(14) }, (): Rule => {
      // Most packets should get past the access list.
      if (r.chance(60)) return { direction: r.chance(65) ? "out" : "in", proto: r.pick([6, 6, 17, 17, 1, 58, 47]) };
      const peer = r.below(3) === 0 ? r.pick([...HOSTS[4].peers, ...HOSTS[6].peers]) : r.pick([1, 2, 0xffff]);
      const proto = r.pick([6, 6, 17, 17, 1, 58, 47, 2, 60]);
      const port = proto === 1 ? 8 : proto === 58 ? 128 : r.pick(PORTS);
      return {
        direction: r.chance(65) ? "out" : "in",
        proto,
        ...(r.chance(70) ? { peer } : {}),
        ...(r.chance(50) ? { port } : r.chance(50) ? { serviceClass: 1 + r.below(2) } : {}),
      };
    });
    return { kind: "filter", filter: filterOf(id, rules, this.#seeds) };
  }

  #zones(): Step {
    const r = this.#random;
    const all = [
      { address: mapped("10.1.0.0"), prefixBits: 112, zone: 1 },
      { address: mapped("0.0.0.0"), prefixBits: 96, zone: 2 },
      { address: mapped("::"), prefixBits: 0, zone: r.below(3) },
      { address: mapped("2001:db8:1::"), prefixBits: 48, zone: 1 },
      { address: mapped("10.1.0.2"), prefixBits: 128, zone: 2 },
    ];
    return { kind: "zones", generation: r.below(2), entries: all.filter(() => r.chance(70)) };
  }

  #services(): Step {
    const r = this.#random;
    return {
      kind: "services",
      generation: r.below(2),
      entries: PORTS.filter(() => r.chance(60)).map((port) => ({ port, service: r.below(3) })),
    };
  }

  #client(mac: string): Step {
    const r = this.#random;
    const index = [UNKNOWN, ...CLIENTS, GROUP].indexOf(mac);
    if (r.chance(mac === CLIENTS[0] ? 2 : 10)) return { kind: "client", mac, record: undefined };
    const filter = Array.from({ length: 4 }, (_, i) =>
      r.chance(i === 0 ? 97 : 25) ? r.below(i === 0 ? 6 : 7) : 0xffff,
    );
    return {
      kind: "client",
      mac,
      record: record({
        slot: index,
        presence: r.chance(70) ? 1 : 0,
        flags:
          (r.chance(8) ? CONSTANTS.CLIENT_MONITOR : 0) |
          (r.chance(8) ? CONSTANTS.CLIENT_TRACE : 0) |
          (r.chance(30) ? CONSTANTS.CLIENT_GENERATION : 0),
        filter,
        from: r.chance(40) ? r.below(256) : 0,
        zone: r.chance(80) ? 0 : r.below(3),
        open_out: r.chance(70) ? 0 : r.below(6),
        open_in: r.chance(70) ? 0 : r.below(6),
        half_open: r.chance(60) ? 0 : 1 + r.below(8),
        ends: 0,
        pad: 0,
      }),
    };
  }

  #port(ifindex: number): Step {
    const r = this.#random;
    return { kind: "port", ifindex, zone: r.chance(60) ? 0 : r.below(3), tagged: r.chance(40) };
  }

  /** Words for cells of the own table, some of which nobody would have written. */
  #junk(): number[] {
    const r = this.#random;
    return Array.from({ length: r.pick([64, 300, 4000]) }, () => r.below(this.#cells)).flatMap((at) => [
      at,
      r.below(2 ** 31),
      r.below(65536),
    ]);
  }

  #flow(): Flow {
    const r = this.#random;
    if (this.#flows.length > 0 && !r.chance(12)) return r.pick(this.#flows);
    const family = r.chance(60) ? 4 : 6;
    const flow: Flow = {
      family,
      proto: r.pick(["tcp", "tcp", "tcp", "udp", "udp", "ping", "other"]),
      mac: r.chance(60) ? r.pick(CLIENTS.slice(0, 2)) : r.pick(CLIENTS),
      client: r.pick(HOSTS[family].clients),
      peer: r.chance(4) ? LOCAL[family] : r.pick(HOSTS[family].peers),
      clientPort: r.pick(PORTS),
      peerPort: r.pick(PORTS),
      opener: r.chance(70) ? 0 : 1,
      turn: 0,
    };
    this.#flows.push(flow);
    if (this.#flows.length > 40) this.#flows.splice(r.below(this.#flows.length), 1);
    return flow;
  }

  #packet(): Step {
    const r = this.#random;
    let direction = r.below(2) as 0 | 1;
    const kind = r.below(100);
    let bytes: Uint8Array;
    let what = "flow";
    if (kind < 82) {
      const flow = this.#flow();
      const orderly = flow.proto === "tcp" && r.chance(65);
      const [turn, flags] = CONVERSATION[flow.turn % CONVERSATION.length]!;
      if (orderly) {
        flow.turn += r.chance(85) ? 1 : 0;
        direction = (turn ^ flow.opener) as 0 | 1;
      }
      bytes = this.#ofFlow(flow, direction, orderly ? flags : undefined);
    } else if (kind < 88) {
      what = "error";
      bytes = this.#error(direction);
    } else if (kind < 94) {
      what = "exempt";
      bytes = this.#exempt(direction);
    } else {
      what = "junk";
      bytes = packets.ethernet(
        this.#link(r.pick(CLIENTS), direction),
        r.pick([0x0800, 0x86dd, 0x8100, 0x890d, 38, 0x88a8]),
        this.#noise(r.below(80)),
      );
    }
    if (r.chance(6)) {
      what += ", mutated";
      bytes = this.#mutate(bytes);
    }
    bytes = longEnough(bytes);
    const fromAp = r.chance(8);
    if (fromAp && r.chance(60)) bytes.set(macBytes(r.pick([OWN, ...CLIENTS, UNKNOWN])), 6);
    const frame = {
      bytes,
      direction,
      tagged: r.chance(3),
      fromAp,
      gso: r.chance(3),
      ifindex: r.pick([...IFINDEXES, 9]),
    };
    if (frame.gso && isUdp4(bytes)) bytes.fill(0, UDP4_LENGTH_AT, UDP4_LENGTH_AT + 2);
    return { kind: "packet", frame, what };
  }

  #link(mac: string, direction: 0 | 1, group = false): packets.Link {
    const r = this.#random;
    const client = r.chance(2) ? r.pick([UNKNOWN, "02:00:00:00:0a:77", GROUP]) : mac;
    const other = group && r.chance(85) ? r.pick(GROUP_MACS) : r.chance(2) ? r.pick(GROUP_MACS) : ROUTER;
    const vlan = r.chance(4) ? { vlan: r.chance(80) ? 7 : [7, 8] } : {};
    if (direction === 0) return { srcMac: client, dstMac: other, ...vlan };
    return { srcMac: ROUTER, dstMac: group ? other : client, ...vlan };
  }

  /** A packet of this flow, in this direction; sometimes to a group, with options, or cut to fragments. */
  #ofFlow(flow: Flow, direction: 0 | 1, orderly?: string): Uint8Array {
    const r = this.#random;
    const out = direction === 0;
    const group = r.chance(flow.proto === "udp" ? 15 : 3);
    const to = group ? r.pick(GROUPS[flow.family]) : undefined;
    const ip = {
      ...this.#link(flow.mac, direction, group),
      src: out ? flow.client : flow.peer,
      dst: to ?? (out ? flow.peer : flow.client),
      ttl: r.pick([64, 64, 64, 1, 255]),
      ...(flow.family === 6 && r.chance(10) ? { extensions: this.#extensions() } : {}),
      ...(flow.family === 4 && r.chance(6) ? { options: new Uint8Array(4 * r.below(11)) } : {}),
      ...(r.chance(8) ? { fragment: { offset: r.pick([0, 0, 8, 16, 1480]), more: r.chance(60) } } : {}),
    };
    const sport = out ? flow.clientPort : flow.peerPort;
    const dport = out ? flow.peerPort : flow.clientPort;
    const payload = this.#noise(r.pick([0, 0, 4, 40, 300]));
    if (flow.proto === "tcp") {
      const flags = orderly ?? this.#flags();
      return packets.tcp({ ...ip, sport, dport, flags, payload });
    }
    if (flow.proto === "udp") return packets.udp({ ...ip, sport, dport, payload });
    if (flow.proto === "other") return packets.ip(ip, r.pick([47, 47, 50, 51, 132, 2]), this.#noise(24));
    if (r.chance(10)) return packets.icmp({ ...ip, type: r.below(256), code: r.below(3), payload: this.#noise(8) });
    return packets.ping({ ...ip, answer: r.chance(50), identifier: flow.clientPort, payload });
  }

  #flags(): string | number {
    const r = this.#random;
    return r.chance(3) ? r.below(256) : r.pick(["S", "SA", "A", "A", "A", "PA", "FA", "R", "RA", "SEC"]);
  }

  #extensions(): packets.Extension[] {
    const r = this.#random;
    return Array.from({ length: 1 + r.below(r.chance(90) ? 2 : 8) }, () => ({
      header: r.pick([0, 43, 60, 44, 51]),
      body: this.#noise(r.pick([6, 6, 14, 30])),
    }));
  }

  /** An ICMP error from somewhere about a packet that went the other way. */
  #error(direction: 0 | 1): Uint8Array {
    const r = this.#random;
    const flow = this.#flow();
    const quoted = this.#ofFlow(flow, (1 - direction) as 0 | 1);
    return packets.icmpError({
      ...this.#link(flow.mac, direction),
      src: flow.family === 4 ? "198.51.100.1" : "2001:db8:ffff::1",
      dst: r.chance(95) ? (direction === 1 ? flow.client : flow.peer) : flow.peer,
      type: flow.family === 4 ? r.pick([3, 3, 11, 12, 5]) : r.pick([1, 2, 3, 4]),
      quoted,
      ...(r.chance(50) ? { quotedBytes: r.pick([28, 27, 48, 60, 20]) } : {}),
    });
  }

  #exempt(direction: 0 | 1): Uint8Array {
    const r = this.#random;
    const mac = r.pick(CLIENTS);
    const link = this.#link(mac, direction, r.chance(60));
    const six = {
      ...link,
      src: "fe80::3",
      dst: r.pick(["ff02::1", "ff02::1:2", "fe80::9"]),
      ttl: r.pick([255, 255, 1, 64]),
    };
    switch (r.below(9)) {
      case 0:
        return packets.arp({ ...link, senderIp: "10.0.0.1", targetIp: "10.0.0.254" });
      case 1:
        return packets.ethernet(link, r.pick([0x888e, 0x88c7, 0x890d]), this.#noise(30));
      case 2:
        return packets.llc({ ...link, control: r.pick([0xaf, 0xbf, 0xe3, 3]) });
      case 3:
        return packets.icmp({
          ...six,
          type: r.pick([130, 131, 132, 133, 134, 135, 136, 137, 138, 143]),
          code: r.chance(90) ? 0 : 1,
        });
      case 4:
        return packets.udp({ ...six, ...(direction === 0 ? { sport: 546, dport: 547 } : { sport: 547, dport: 546 }) });
      case 5:
      case 6: {
        const ports = direction === 0 ? { sport: 68, dport: 67 } : { sport: 67, dport: 68 };
        return packets.udp({ ...link, src: "0.0.0.0", dst: r.pick(["255.255.255.255", "10.0.0.254"]), ...ports });
      }
      default:
        return packets.ip(
          { ...link, src: "10.0.0.1", dst: "224.0.0.22", options: new Uint8Array([148, 4, 0, 0]) },
          2,
          this.#noise(8),
        );
    }
  }

  #stormy(): Step {
    this.#storm--;
    const bytes = packets.arp({ srcMac: CLIENTS[0], senderIp: "10.0.0.1", targetIp: "10.0.0.254" });
    const frame = { bytes, direction: 0 as const, tagged: false, fromAp: false, gso: false, ifindex: 9 };
    return { kind: "packet", frame, what: "storm" };
  }

  #noise(bytes: number): Uint8Array {
    return Uint8Array.from({ length: bytes }, () => this.#random.below(256));
  }

  /** Flips, cuts and appends. */
  #mutate(frame: Uint8Array): Uint8Array {
    const r = this.#random;
    const out = packets.concat(frame, r.chance(20) ? this.#noise(r.below(60)) : []);
    for (let i = r.below(4); i > 0; i--) out[12 + r.below(Math.min(out.length - 12, 90))] = r.below(256);
    return r.chance(50) ? out.slice(0, Math.max(15, r.below(out.length + 1))) : out;
  }
}

/** The kernel's test run refuses frames without a whole IP header (host tests cut those at every byte). */
function longEnough(frame: Uint8Array): Uint8Array {
  const type = ((frame[12] ?? 0) << 8) | (frame[13] ?? 0);
  const least = type === 0x0800 ? 34 : type === 0x86dd ? 54 : 15;
  return frame.length >= least ? frame : packets.concat(frame, new Uint8Array(least - frame.length));
}

function mapped(text: string): number[] {
  const bytes = packets.addressBytes(text);
  return bytes.length === 16 ? bytes : [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...bytes];
}

function macBytes(mac: string): number[] {
  return mac.split(":").map((byte) => Number.parseInt(byte, 16));
}
