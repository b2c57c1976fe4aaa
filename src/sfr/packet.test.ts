import { describe, expect, it } from "vitest";
import * as make from "../../test/support/packets.ts";
import { CONSTANTS, REASON } from "../datapath/abi.ts";
import { type FrameInput, Packet } from "./packet.ts";

const { CLASS_ERROR, CLASS_ICMP, CLASS_ICMP6, CLASS_OTHER, CLASS_TAIL, CLASS_TCP, CLASS_UDP } = CONSTANTS;
const { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } = CONSTANTS;
const V4 = { src: "10.0.0.1", dst: "10.1.0.2" };
const V6 = { src: "fd00::1", dst: "fd00::2" };
const BACK4 = { src: "10.1.0.2", dst: "10.0.0.1" };
const PORTS = { sport: 1024, dport: 80 };
const MALFORMED = REASON.malformed;

function parse(frame: Uint8Array, more: Partial<FrameInput> = {}): Packet {
  const packet = new Packet();
  packet.parse({ frame, direction: 0, ...more });
  return packet;
}

const reason = (frame: Uint8Array, more: Partial<FrameInput> = {}) => parse(frame, more).reason;

describe("a well-formed packet", () => {
  it("has the client first, from either side", () => {
    const tuple = {
      client: new Uint32Array([0x0a000001, 0, 0, 0]),
      clientPort: 1024,
      peerPort: 80,
      family: 4,
      proto: 6,
    };
    expect(parse(make.tcp({ ...V4, ...PORTS }))).toMatchObject(tuple);
    expect(parse(make.tcp({ ...BACK4, sport: 80, dport: 1024 }), { direction: 1 })).toMatchObject(tuple);
  });

  it.each([
    ["tcp", make.tcp({ ...V4, ...PORTS }), CLASS_TCP, TCP_ACK],
    ["tcp over IPv6", make.tcp({ ...V6, ...PORTS, flags: "S" }), CLASS_TCP, TCP_SYN],
    [
      "tcp with options",
      make.tcp({ ...V4, ...PORTS, flags: "SA", tcpOptions: new Uint8Array(12) }),
      CLASS_TCP,
      TCP_SYN | TCP_ACK,
    ],
    [
      "tcp whose PSH, URG, ECE, CWR are masked",
      make.tcp({ ...V4, ...PORTS, flags: "FAPUEC" }),
      CLASS_TCP,
      TCP_FIN | TCP_ACK,
    ],
    ["tcp reset", make.tcp({ ...V4, ...PORTS, flags: "R" }), CLASS_TCP, TCP_RST],
    ["udp", make.udp({ ...V4, ...PORTS }), CLASS_UDP, CONSTANTS.UDP_UNICAST],
    ["udp to a multicast address", make.udp({ ...V4, ...PORTS, dst: "224.0.0.251" }), CLASS_UDP, CONSTANTS.UDP_GROUP],
    ["udp to a group MAC", make.udp({ ...V4, ...PORTS, dstMac: "ff:ff:ff:ff:ff:ff" }), CLASS_UDP, CONSTANTS.UDP_GROUP],
    ["udp to ff02::fb", make.udp({ ...V6, ...PORTS, dst: "ff02::fb" }), CLASS_UDP, CONSTANTS.UDP_GROUP],
    ["echo", make.ping(V4), CLASS_ICMP, 8],
    ["echo over IPv6", make.ping(V6), CLASS_ICMP6, 128],
    ["GRE", make.ip(V4, 47, new Uint8Array(0)), CLASS_OTHER, 47],
    ["ICMP over IPv6", make.ip(V6, 1, new Uint8Array(8)), CLASS_OTHER, 1],
    [
      "ESP at the end of a chain",
      make.ip({ ...V6, extensions: [{ header: 60 }] }, 50, new Uint8Array(9)),
      CLASS_OTHER,
      50,
    ],
    ["AH ends the chain", make.ip(V6, 51, new Uint8Array(24)), CLASS_OTHER, 51],
    ["no next header", make.ip(V6, 59, new Uint8Array(0)), CLASS_OTHER, 59],
  ])("%s has class and sub", (_name, frame, classNumber, sub) => {
    expect(parse(frame)).toMatchObject({ reason: 0, class: classNumber, sub });
  });

  it("may carry Ethernet padding", () => {
    const frame = make.concat(make.udp({ ...V4, ...PORTS }), new Uint8Array(20));
    expect(parse(frame)).toMatchObject({ reason: 0, class: CLASS_UDP });
  });

  it("is read through IPv4 options and IPv6 extension headers", () => {
    expect(parse(make.tcp({ ...V4, ...PORTS, options: new Uint8Array(40) }))).toMatchObject({
      reason: 0,
      peerPort: 80,
    });
    const extensions = [{ header: 0 }, { header: 60 }, { header: 43, body: new Uint8Array(14) }];
    expect(parse(make.tcp({ ...V6, ...PORTS, extensions }))).toMatchObject({ reason: 0, peerPort: 80, proto: 6 });
  });

  it("gives an answer the kind of its query", () => {
    const ask = parse(make.ping({ ...V4, identifier: 77 }));
    const answer = parse(make.ping({ ...BACK4, identifier: 77, answer: true }), { direction: 1 });
    expect([ask.clientPort, ask.peerPort]).toEqual([77, 8]);
    expect([answer.clientPort, answer.peerPort]).toEqual([77, 8]);
  });

  it("at egress to a group is no question", () => {
    expect(parse(make.udp({ ...V4, ...PORTS, dst: "224.0.0.251" }), { direction: 1 }).sub).toBe(CONSTANTS.UDP_UNICAST);
  });
});

describe("a header cut short", () => {
  const whole: [string, Uint8Array][] = [
    ["tcp", make.tcp({ ...V4, ...PORTS, tcpOptions: new Uint8Array(8), payload: new Uint8Array(5) })],
    ["udp", make.udp({ ...V4, ...PORTS, payload: new Uint8Array(5) })],
    ["tcp over IPv6 with a chain", make.tcp({ ...V6, ...PORTS, extensions: [{ header: 0 }, { header: 60 }] })],
    ["an error", make.icmpError({ ...BACK4, type: 3, quoted: make.udp({ ...V4, ...PORTS }) })],
    ["tagged udp", make.udp({ ...V4, ...PORTS, vlan: 5 })],
  ];
  it.each(whole)("%s is malformed at every byte", (_name, frame) => {
    expect(reason(frame, { portTagged: true })).toBe(0);
    for (let bytes = 0; bytes < frame.length; bytes++) {
      const cut = parse(frame.slice(0, bytes), { portTagged: true });
      expect([bytes, cut.reason]).toEqual([bytes, MALFORMED]);
    }
  });

  it("is judged by the frame's length, not the captured bytes", () => {
    const frame = make.tcp({ ...V4, ...PORTS, payload: new Uint8Array(1000) });
    expect(reason(frame.slice(0, 96), { length: frame.length })).toBe(0);
    expect(reason(frame.slice(0, 96))).toBe(MALFORMED);
  });
});

/** Offset of the IP header in an untagged frame. */
const L3 = 14;

function patch(frame: Uint8Array, at: number, ...values: number[]): Uint8Array {
  const copy = frame.slice();
  copy.set(values, at);
  return copy;
}

describe("malformed is", () => {
  const tcp = make.tcp({ ...V4, ...PORTS });
  const udp = make.udp({ ...V4, ...PORTS, payload: new Uint8Array(4) });
  const six = make.udp({ ...V6, ...PORTS });
  const quoted = make.tcp({ ...V4, ...PORTS });
  it.each([
    ["another version in an IPv4 frame", patch(tcp, L3, 0x65)],
    ["an IPv4 header of 16 bytes", patch(tcp, L3, 0x44)],
    ["a total length beyond the frame", patch(tcp, L3 + 2, 0x40, 0)],
    ["a total length within the header", patch(tcp, L3 + 2, 0, 19)],
    ["a total length of 0 without GSO", patch(tcp, L3 + 2, 0, 0)],
    ["an IPv6 payload beyond the frame", patch(six, L3 + 4, 0x40, 0)],
    ["an IPv6 payload of 0 with UDP", patch(six, L3 + 4, 0, 0)],
    ["a data offset below 5", make.tcp({ ...V4, ...PORTS, dataOffset: 4 })],
    ["a data offset beyond the packet", make.tcp({ ...V4, ...PORTS, dataOffset: 15 })],
    ["a UDP length below 8", make.udp({ ...V4, ...PORTS, udpLength: 7 })],
    ["a UDP length of 0", make.udp({ ...V4, ...PORTS, udpLength: 0 })],
    ["a UDP length beyond the packet", patch(udp, L3 + 24, 0, 13)],
    [
      "a TCP tail over its head's flags",
      make.ip({ ...V4, fragment: { offset: 8, more: false } }, 6, new Uint8Array(20)),
    ],
    ["the same over IPv6", make.ip({ ...V6, fragment: { offset: 8, more: false } }, 6, new Uint8Array(20))],
    [
      "a TCP head without its whole header",
      make.ip({ ...V4, fragment: { offset: 0, more: true } }, 6, new Uint8Array(16)),
    ],
    ["a seventh extension header", make.udp({ ...V6, ...PORTS, extensions: Array(7).fill({ header: 60 }) })],
    [
      "an extension header beyond the captured bytes",
      make.udp({ ...V6, ...PORTS, extensions: [{ header: 60, body: new Uint8Array(100) }] }),
    ],
    ["an error that quotes 7 bytes of transport", make.icmpError({ ...BACK4, type: 3, quoted, quotedBytes: 27 })],
    [
      "an error to somebody else than the quoted sender",
      make.icmpError({ src: "10.1.0.2", dst: "10.0.0.9", type: 3, quoted }),
    ],
    ["an error that quotes another family", make.icmpError({ ...BACK4, type: 3, quoted: six })],
    [
      "an error about an error",
      make.icmpError({ ...BACK4, type: 11, quoted: make.icmpError({ ...V4, type: 3, quoted }) }),
    ],
  ])("%s", (_name, frame) => {
    expect(reason(frame)).toBe(MALFORMED);
  });

  it("none of the same with the fault mended", () => {
    const good = [
      tcp,
      udp,
      six,
      make.tcp({ ...V4, ...PORTS, dataOffset: 5 }),
      make.ip({ ...V4, fragment: { offset: 16, more: false } }, 6, new Uint8Array(20)),
      make.udp({ ...V6, ...PORTS, extensions: Array(6).fill({ header: 60 }) }),
      make.icmpError({ ...BACK4, type: 3, quoted, quotedBytes: 28 }),
    ];
    for (const frame of good) expect(reason(frame)).toBe(0);
  });

  it("not a length of 0 that GSO will fill in", () => {
    expect(reason(patch(tcp, L3 + 2, 0, 0), { gso: true })).toBe(0);
    expect(reason(patch(six, L3 + 4, 0, 0), { gso: true })).toBe(0);
    expect(reason(patch(udp, L3 + 24, 0, 0), { gso: true })).toBe(0);
    expect(reason(patch(udp, L3 + 24, 0, 0))).toBe(MALFORMED);
    expect(reason(patch(udp, L3 + 24, 0, 7), { gso: true })).toBe(MALFORMED);
  });
});

describe("tags", () => {
  const tagged = make.udp({ ...V4, ...PORTS, vlan: 7 });
  it("are denied from a port without VLANs, even when the rest is malformed", () => {
    expect(reason(tagged)).toBe(REASON.vlan);
    expect(reason(tagged.slice(0, 16))).toBe(REASON.vlan);
    expect(reason(make.udp({ ...V4, ...PORTS }), { tagged: true })).toBe(REASON.vlan);
  });

  it("are read from a trunk, and towards clients", () => {
    expect(parse(tagged, { portTagged: true })).toMatchObject({ reason: 0, family: 4, peerPort: 80 });
    expect(parse(tagged, { tagged: true, portTagged: true })).toMatchObject({ reason: 0, family: 4 });
    expect(parse(tagged, { direction: 1 })).toMatchObject({ reason: 0, family: 4 });
  });

  it("twice in the frame make it no IP", () => {
    const twice = make.udp({ ...V4, ...PORTS, vlan: [7, 8] });
    expect(parse(twice, { portTagged: true })).toMatchObject({ reason: 0, family: 0, ethertype: 0x8100 });
  });
});

describe("fragments", () => {
  it.each([
    ["IPv4", make.udp({ ...V4, ...PORTS, payload: new Uint8Array(3000) })],
    ["IPv6", make.udp({ ...V6, ...PORTS, payload: new Uint8Array(3000) })],
  ])("of %s: a head with ports, tails without", (_name, frame) => {
    const [head, ...tails] = make.fragments(frame, 1480).map((piece) => parse(piece));
    expect(head).toMatchObject({ reason: 0, head: true, tail: false, class: CLASS_UDP, peerPort: 80 });
    expect(tails).toHaveLength(2);
    for (const tail of tails) {
      expect(tail).toMatchObject({
        reason: 0,
        head: false,
        tail: true,
        class: CLASS_TAIL,
        sub: 0,
        proto: 17,
        peerPort: 0,
      });
    }
  });

  it("an atomic IPv6 fragment is a whole packet", () => {
    const atomic = make.udp({ ...V6, ...PORTS, fragment: { offset: 0, more: false } });
    expect(parse(atomic)).toMatchObject({ reason: 0, head: false, tail: false, class: CLASS_UDP });
  });

  it("a head with headers behind its fragment header shares the pair's protocol with its tails", () => {
    const headers = make.concat([17, 0, 0, 0, 0, 0, 0, 0], make.ipPacket(make.udp({ ...V4, ...PORTS })).slice(20));
    const head = parse(make.ip({ ...V6, fragment: { offset: 0, more: true } }, 60, headers));
    const tail = parse(make.ip({ ...V6, fragment: { offset: 1480, more: false } }, 60, new Uint8Array(8)));
    expect(head).toMatchObject({ reason: 0, proto: 17, head: true });
    expect(head.pairProto).toBe(60);
    expect(tail.pairProto).toBe(60);
  });
});

describe("an ICMP error", () => {
  const quoted = make.tcp({ ...V4, ...PORTS });
  const tuple = { class: CLASS_ERROR, sub: CLASS_TCP, proto: 6, clientPort: 1024, peerPort: 80, reason: 0 };

  it("to the client carries the tuple that the client sent", () => {
    const error = parse(make.icmpError({ src: "10.9.9.9", dst: V4.src, type: 11, quoted }), { direction: 1 });
    expect(error).toMatchObject(tuple);
    expect([error.client[0], error.peer[0]]).toEqual([0x0a000001, 0x0a010002]);
  });

  it("from the client carries the tuple that the peer sent", () => {
    const fromPeer = make.tcp({ ...BACK4, sport: 80, dport: 1024 });
    const error = parse(make.icmpError({ ...V4, type: 3, code: 3, quoted: fromPeer }));
    expect(error).toMatchObject(tuple);
    expect([error.client[0], error.peer[0]]).toEqual([0x0a000001, 0x0a010002]);
  });

  it.each([
    ["udp", make.udp({ ...V4, ...PORTS }), CLASS_UDP],
    ["a query", make.ping({ ...V4, identifier: 5 }), CLASS_ICMP],
    ["GRE", make.ip(V4, 47, new Uint8Array(8)), CLASS_OTHER],
    ["a tail", make.ip({ ...V4, fragment: { offset: 1480, more: false } }, 17, new Uint8Array(0)), CLASS_TAIL],
  ])("quotes %s", (_name, frame, sub) => {
    const error = parse(make.icmpError({ ...BACK4, type: 3, quoted: frame }), { direction: 1 });
    expect(error).toMatchObject({ reason: 0, class: CLASS_ERROR, sub });
  });

  it("over IPv6 is read through the quoted chain; outer and quoted headers count together", () => {
    const chain = (n: number) => make.udp({ ...V6, ...PORTS, extensions: Array(n).fill({ header: 60 }) });
    const error = (outer: number, n: number) => {
      const extensions = Array(outer).fill({ header: 0 });
      return make.icmpError({ src: V6.dst, dst: V6.src, type: 2, quoted: chain(n), extensions });
    };
    expect(parse(error(0, 1), { direction: 1 })).toMatchObject({ reason: 0, sub: CLASS_UDP, clientPort: 1024 });
    expect(parse(error(1, 1), { direction: 1 })).toMatchObject({ reason: 0 });
    expect(reason(error(3, 4), { direction: 1 })).toBe(MALFORMED);
  });
});
