import { describe, expect, it } from "vitest";
import { CLIENT, filterOf, firewall, PEER, type Rule, record } from "../../test/support/firewall.ts";
import * as make from "../../test/support/packets.ts";
import { mappedBytes, parseAddress } from "../base/ip.ts";
import { type Mac, parseMac } from "../base/mac.ts";
import { CONSTANTS, REASON, REASONS, type Reason } from "../datapath/abi.ts";
import { RING } from "../datapath/map-records.ts";
import type { FrameInput, Sfr, Verdict } from "./sfr.ts";

const FROM = { srcMac: CLIENT, dstMac: PEER, src: "10.0.0.1", dst: "10.1.0.2" };
const TO = { srcMac: PEER, dstMac: CLIENT, src: "10.1.0.2", dst: "10.0.0.1" };
const FROM6 = { ...FROM, src: "fd00::1", dst: "fd00::2" };
const TO6 = { ...TO, src: "fd00::2", dst: "fd00::1" };
const BROADCAST = "ff:ff:ff:ff:ff:ff";
const mac = (text: string): Mac => parseMac(text, "test");

const enter = (sfr: Sfr, frame: Uint8Array, more: Partial<FrameInput> = {}) =>
  sfr.judge({ frame, direction: 0, ...more });
const leave = (sfr: Sfr, frame: Uint8Array, more: Partial<FrameInput> = {}) =>
  sfr.judge({ frame, direction: 1, ...more });
const reasonOf = (verdict: Verdict): Reason => REASONS[verdict.reason]![0];

const UDP_OUT: Rule[] = [{ direction: "out", proto: 17, port: 53 }];
const ask = (more: object = {}) => make.udp({ ...FROM, sport: 4000, dport: 53, ...more });
const answer = (more: object = {}) => make.udp({ ...TO, sport: 53, dport: 4000, ...more });

describe("udp", () => {
  it("an answer passes by the question, never by the rule", () => {
    const sfr = firewall({ rules: UDP_OUT });
    expect(reasonOf(leave(sfr, answer()))).toBe("state");
    expect(reasonOf(enter(sfr, ask()))).toBe("pass");
    expect(reasonOf(leave(sfr, answer()))).toBe("pass");
    expect(reasonOf(leave(sfr, answer({ sport: 54 })))).toBe("acl");
  });

  it("a question lives 30 s, an answered one 180 s, and each packet prolongs", () => {
    const sfr = firewall({ rules: UDP_OUT });
    enter(sfr, ask());
    sfr.table.fast += 4;
    expect(reasonOf(leave(sfr, answer()))).toBe("state");
    enter(sfr, ask());
    leave(sfr, answer());
    for (let i = 0; i < 10; i++) {
      sfr.table.fast += 18;
      sfr.sweep();
      expect(reasonOf(leave(sfr, answer()))).toBe("pass");
    }
    sfr.table.fast += 19;
    expect(reasonOf(leave(sfr, answer()))).toBe("state");
  });

  it("a one-way stream costs one opening", () => {
    const sfr = firewall({ rules: UDP_OUT });
    sfr.setClient(mac(CLIENT), record({ open_out: 1 }));
    for (let i = 0; i < 50; i++) expect(reasonOf(enter(sfr, ask()))).toBe("pass");
    expect(reasonOf(enter(sfr, ask({ sport: 4001 })))).toBe("budget");
  });

  it("the client's MAC is part of the flow: another station with its address has no part in it", () => {
    const sfr = firewall({ rules: UDP_OUT });
    const other = "02:00:00:00:0a:02";
    sfr.setClient(mac(other), record({ slot: 2 }));
    enter(sfr, ask());
    expect(reasonOf(leave(sfr, answer({ dstMac: other })))).toBe("state");
    expect(reasonOf(leave(sfr, answer()))).toBe("pass");
  });
});

describe("the access list", () => {
  const cases: [name: string, rule: Rule, frame: Uint8Array, setup?: (sfr: Sfr) => void][] = [
    ["an address and a port", { direction: "out", proto: 17, peer: "10.1.0.2", port: 53 }, ask()],
    ["an IPv6 address and a port", { direction: "out", proto: 17, peer: "fd00::2", port: 53 }, ask(FROM6)],
    ["an address and any service", { direction: "out", proto: 17, peer: "10.1.0.2" }, ask()],
    ["any address and any service", { direction: "out", proto: 17 }, ask(FROM6)],
    [
      "a zone and a port",
      { direction: "out", proto: 17, peer: 7, port: 53 },
      ask(),
      (sfr) => sfr.setZones([{ address: mappedBytes(parseAddress("10.1.0.0", "t")), prefixBits: 112, zone: 7 }]),
    ],
    [
      "an address and a class of ports",
      { direction: "out", proto: 17, peer: "10.1.0.2", serviceClass: 9 },
      ask(),
      (sfr) => sfr.setServices([{ port: 53, service: 9 }]),
    ],
    [
      "a zone and a class of ports",
      { direction: "out", proto: 17, peer: 7, serviceClass: 9 },
      ask(FROM6),
      (sfr) => {
        sfr.setZones([{ address: Array(16).fill(0), prefixBits: 0, zone: 7 }]);
        sfr.setServices([{ port: 53, service: 9 }]);
      },
    ],
    ["a group", { direction: "out", proto: 17, peer: CONSTANTS.ZONE_GROUP, port: 53 }, ask({ dst: "224.0.0.251" })],
    [
      "the address of a group",
      { direction: "out", proto: 17, peer: "224.0.0.251", port: 53 },
      ask({ dst: "224.0.0.251" }),
    ],
  ];

  it.each(cases)("opens by %s", (_name, rule, frame, setup) => {
    const sfr = firewall({ rules: [rule] });
    setup?.(sfr);
    expect(reasonOf(enter(sfr, frame))).toBe("pass");
    sfr.setFilter(filterOf(0, [{ ...rule, proto: 6 }]));
    expect(reasonOf(enter(sfr, frame))).toBe("acl");
  });

  it("takes the longest prefix, of IPv4 inside ::/0 too", () => {
    const sfr = firewall({ rules: [{ direction: "out", proto: 17, peer: 7, port: 53 }] });
    const everywhere = { address: Array(16).fill(0), prefixBits: 0, zone: 7 };
    const inner = { address: mappedBytes(parseAddress("10.1.0.0", "t")), prefixBits: 112, zone: 8 };
    sfr.setZones([everywhere]);
    expect(reasonOf(enter(sfr, ask()))).toBe("pass");
    sfr.setZones([everywhere, inner]);
    expect(reasonOf(enter(sfr, ask()))).toBe("acl");
    sfr.setZones([inner]);
    expect(reasonOf(enter(sfr, ask({ dst: "10.2.0.1" })))).toBe("acl");
  });

  it("asks all four filters of a client, and acts on established flows at once", () => {
    const sfr = firewall();
    sfr.setFilter(filterOf(4, UDP_OUT));
    sfr.setClient(mac(CLIENT), record({ filter: [0xffff, 0, 0xffff, 4] }));
    expect(reasonOf(enter(sfr, ask()))).toBe("pass");
    sfr.deleteFilter(4);
    expect(reasonOf(enter(sfr, ask()))).toBe("acl");
    expect(reasonOf(leave(sfr, answer()))).toBe("acl");
  });

  it("in: the peer opens at the client's port, and the client may only answer", () => {
    const sfr = firewall({ rules: [{ direction: "in", proto: 17, port: 4000 }] });
    expect(reasonOf(enter(sfr, ask()))).toBe("state");
    expect(reasonOf(leave(sfr, answer()))).toBe("pass");
    expect(reasonOf(enter(sfr, ask()))).toBe("pass");
  });
});

describe("exemptions by shape", () => {
  const ALL_ROUTERS = { dstMac: "33:33:00:00:00:02", dst: "ff02::2", src: "fe80::1" };
  const nd = (type: number, more: object = {}) =>
    make.icmp({ ...FROM6, type, ttl: 255, payload: new Uint8Array(16), ...more });
  const mld = (type: number, more: object = {}) =>
    make.icmp({ ...FROM6, type, ttl: 1, extensions: [{ header: 0 }], ...more });
  const dhcp = { src: "0.0.0.0", dst: "255.255.255.255", sport: 68, dport: 67 };
  const dhcp6 = { src: "fe80::1", dst: "ff02::1:2", sport: 546, dport: 547 };

  const rows: [name: string, frame: Uint8Array, fromClient: boolean, toClient: boolean][] = [
    ["ARP", make.arp({ ...FROM, senderIp: "10.0.0.1", targetIp: "10.1.0.2" }), true, true],
    ["EAPOL", make.ethernet(FROM, 0x888e, new Uint8Array(50)), true, true],
    ["pre-authentication", make.ethernet(FROM, 0x88c7, new Uint8Array(50)), true, true],
    ["LLC XID to all", make.llc({ srcMac: CLIENT }), true, true],
    ["LLC XID with the poll bit", make.llc({ srcMac: CLIENT, control: 0xbf }), true, true],
    ["LLC XID to one", make.llc({ srcMac: CLIENT, dstMac: PEER }), false, false],
    ["spanning tree", make.llc({ srcMac: CLIENT, dstMac: "01:80:c2:00:00:00", control: 3, dsap: 0x42 }), false, false],
    ["TDLS", make.ethernet(FROM, 0x890d, new Uint8Array(50)), false, false],
    ["PPPoE", make.ethernet(FROM, 0x8863, new Uint8Array(50)), false, false],
    ["batman-adv", make.ethernet(FROM, 0x4305, new Uint8Array(50)), false, false],
    ["router solicitation", nd(133, ALL_ROUTERS), true, true],
    ["router advertisement", nd(134), false, true],
    ["neighbour solicitation", nd(135), true, true],
    ["neighbour advertisement", nd(136), true, true],
    ["redirect", nd(137), false, true],
    ["a solicitation that was routed", nd(135, { ttl: 254 }), false, false],
    ["a solicitation with a code", nd(135, { code: 1 }), false, false],
    ["MLD query", mld(130), false, true],
    ["MLD report", mld(131), true, true],
    ["MLD done", mld(132), true, true],
    ["MLDv2 report", mld(143), true, true],
    ["an MLD report that was routed", mld(143, { ttl: 2 }), false, false],
    ["IGMP", make.ip({ ...FROM, ttl: 1 }, 2, new Uint8Array(8)), true, true],
    ["IGMP's number over IPv6", make.ip(FROM6, 2, new Uint8Array(8)), false, false],
    ["DHCP to all", make.udp({ ...FROM, ...dhcp }), true, false],
    ["DHCP to a server (by policy)", make.udp({ ...FROM, ...dhcp, dst: "10.1.0.2" }), false, false],
    ["a DHCP answer", make.udp({ ...FROM, src: "10.1.0.2", dst: "10.0.0.1", sport: 67, dport: 68 }), false, true],
    ["DHCPv6 to all", make.udp({ ...FROM, ...dhcp6 }), true, false],
    ["DHCPv6 to a server (by policy)", make.udp({ ...FROM, ...dhcp6, dst: "fd00::2" }), false, false],
    ["a DHCPv6 answer", make.udp({ ...FROM6, sport: 547, dport: 546 }), false, true],
    ["any other broadcast from port 68", make.udp({ ...FROM, ...dhcp, dport: 68 }), false, false],
    ["half a solicitation", nd(135, { fragment: { offset: 0, more: true } }), false, false],
  ];

  it.each(rows)("%s", (_name, frame, fromClient, toClient) => {
    expect(enter(firewall(), frame).pass).toBe(fromClient);
    const back = frame.slice();
    // The same shape towards the client: a group keeps its MAC, which is judged by the port's record.
    if ((back[0]! & 1) === 0) back.set(make.bytes(CLIENT), 0);
    const sfr = firewall();
    sfr.setClient(mac(BROADCAST), record({ slot: 0, filter: [0xffff, 0xffff, 0xffff, 0xffff] }));
    expect(leave(sfr, back).pass).toBe(toClient);
  });

  it("are counted: 256 a second from a client, any number to it", () => {
    const sfr = firewall();
    const arp = make.arp({ ...FROM, senderIp: "10.0.0.1", targetIp: "10.1.0.2" });
    const toClient = make.arp({ ...TO, dstMac: CLIENT, senderIp: "10.1.0.2", targetIp: "10.0.0.1" });
    for (let i = 0; i < 256; i++) expect(reasonOf(enter(sfr, arp))).toBe("pass");
    expect(reasonOf(enter(sfr, arp))).toBe("exempt_rate");
    for (let i = 0; i < 300; i++) expect(reasonOf(leave(sfr, toClient))).toBe("pass");
    sfr.nowNs = 2 ** 30;
    expect(reasonOf(enter(sfr, arp))).toBe("pass");
  });
});

describe("icmp", () => {
  const PING: Rule[] = [
    { direction: "out", proto: 1 },
    { direction: "out", proto: 58 },
    { direction: "out", proto: 6 },
  ];

  it.each([
    ["IPv4", FROM, TO],
    ["IPv6", FROM6, TO6],
  ])("an answer of %s passes by the query of the same identifier", (_name, from, to) => {
    const sfr = firewall({ rules: PING });
    const pong = make.ping({ ...to, identifier: 5, answer: true });
    expect(reasonOf(leave(sfr, pong))).toBe("state");
    expect(reasonOf(enter(sfr, make.ping({ ...from, identifier: 5 })))).toBe("pass");
    expect(reasonOf(leave(sfr, pong))).toBe("pass");
    expect(reasonOf(leave(sfr, make.ping({ ...to, identifier: 6, answer: true })))).toBe("state");
  });

  it("the kind is the service: echo only, if only echo is allowed", () => {
    const sfr = firewall({ rules: [{ direction: "out", proto: 1, port: 8 }] });
    expect(reasonOf(enter(sfr, make.ping({ ...FROM, identifier: 5 })))).toBe("pass");
    expect(reasonOf(leave(sfr, make.ping({ ...TO, identifier: 5, answer: true })))).toBe("pass");
    expect(reasonOf(enter(sfr, make.icmp({ ...FROM, type: 13 })))).toBe("acl");
  });

  it("a redirect is no packet", () => {
    const sfr = firewall({ rules: PING });
    expect(reasonOf(leave(sfr, make.icmp({ ...TO, type: 5, payload: new Uint8Array(28) })))).toBe("flags");
  });

  const syn = make.tcp({ ...FROM, sport: 1, dport: 2, flags: "S" });
  const tooBig = (quoted: Uint8Array, dst = FROM.src) =>
    make.icmpError({ ...TO, src: "10.99.0.1", dst, type: 3, code: 4, quoted });

  it("an error passes while the flow that it quotes lives, whoever sends it, and teaches nothing", () => {
    const sfr = firewall({ rules: PING });
    expect(reasonOf(leave(sfr, tooBig(syn)))).toBe("state");
    enter(sfr, syn);
    const before = sfr.table.cells.slice();
    expect(reasonOf(leave(sfr, tooBig(syn)))).toBe("pass");
    expect(sfr.table.cells).toEqual(before);
    expect(reasonOf(leave(sfr, tooBig(make.tcp({ ...FROM, sport: 3, dport: 2 }))))).toBe("state");
  });

  it("an error that quotes what no rule allows is denied", () => {
    const sfr = firewall({ rules: PING });
    expect(reasonOf(leave(sfr, tooBig(make.udp({ ...FROM, sport: 1, dport: 2 }))))).toBe("acl");
  });

  it.each([
    ["UDP", make.udp({ ...FROM, sport: 1, dport: 2 }), { direction: "out", proto: 17 }],
    ["GRE", make.ip(FROM, 47, new Uint8Array(8)), { direction: "out", proto: 47 }],
    ["a query", make.ping({ ...FROM, identifier: 9 }), { direction: "out", proto: 1 }],
  ] as [string, Uint8Array, Rule][])("an error about %s passes after it", (_name, frame, rule) => {
    const sfr = firewall({ rules: [rule] });
    expect(reasonOf(leave(sfr, tooBig(frame)))).toBe("state");
    expect(reasonOf(enter(sfr, frame))).toBe("pass");
    expect(reasonOf(leave(sfr, tooBig(frame)))).toBe("pass");
  });

  it("a client may complain of what it was sent", () => {
    const sfr = firewall({ rules: UDP_OUT });
    enter(sfr, ask());
    leave(sfr, answer());
    expect(reasonOf(enter(sfr, make.icmpError({ ...FROM, type: 3, code: 3, quoted: answer() })))).toBe("pass");
    expect(reasonOf(enter(sfr, make.icmpError({ ...FROM, type: 3, code: 3, quoted: answer({ dport: 9 }) })))).toBe(
      "state",
    );
  });
});

describe("fragments", () => {
  const RULES: Rule[] = [{ direction: "out", proto: 17, port: 53 }];
  const pieces = (link: object, size = 3000) =>
    make.fragments(make.udp({ ...FROM, sport: 4000, dport: 53, payload: new Uint8Array(size), ...link }), 1480);

  it.each([
    ["IPv4", FROM],
    ["IPv6", FROM6],
  ])("tails of %s pass after their head, and not before", (_name, link) => {
    const sfr = firewall({ rules: RULES });
    const [head, ...tails] = pieces(link) as [Uint8Array, ...Uint8Array[]];
    expect(reasonOf(enter(sfr, tails[0]!))).toBe("fragment");
    expect(reasonOf(enter(sfr, head))).toBe("pass");
    for (const tail of tails) expect(reasonOf(enter(sfr, tail))).toBe("pass");
  });

  it("one cell serves all datagrams of a pair, for 30 s", () => {
    const sfr = firewall({ rules: RULES });
    for (let i = 0; i < 20; i++) for (const piece of pieces(FROM)) expect(enter(sfr, piece).pass).toBe(true);
    expect(sfr.table.used).toBe(2);
    sfr.table.fast += 4;
    expect(reasonOf(enter(sfr, pieces(FROM)[1]!))).toBe("fragment");
  });

  it("tails go the head's way only, and only for its protocol", () => {
    const sfr = firewall({ rules: RULES });
    enter(sfr, pieces(FROM)[0]!);
    expect(reasonOf(leave(sfr, pieces({ ...TO, sport: 53, dport: 4000 })[1]!))).toBe("fragment");
    expect(
      reasonOf(enter(sfr, make.ip({ ...FROM, fragment: { offset: 1480, more: false } }, 47, new Uint8Array(8)))),
    ).toBe("fragment");
  });

  it("a denied head leaves nothing for its tails", () => {
    const sfr = firewall();
    const [head, tail] = pieces(FROM) as [Uint8Array, Uint8Array];
    expect(reasonOf(enter(sfr, head))).toBe("acl");
    expect(reasonOf(enter(sfr, tail))).toBe("fragment");
  });

  it("an error about a tail passes while its pair lives", () => {
    const sfr = firewall({ rules: RULES });
    const [head, tail] = pieces(FROM) as [Uint8Array, Uint8Array];
    const expired = make.icmpError({ ...TO, src: "10.99.0.1", type: 11, code: 1, quoted: tail, quotedBytes: 28 });
    expect(reasonOf(leave(sfr, expired))).toBe("fragment");
    enter(sfr, head);
    expect(reasonOf(leave(sfr, expired))).toBe("pass");
  });

  it("tails of a question to a group follow their head", () => {
    const sfr = firewall({ rules: [{ direction: "out", proto: 17 }] });
    for (const piece of pieces({ ...FROM, dst: "224.0.0.251" })) expect(reasonOf(enter(sfr, piece))).toBe("pass");
  });
});

describe("questions to a group", () => {
  const GROUP: Rule[] = [{ direction: "out", proto: 17, peer: CONSTANTS.ZONE_GROUP, port: 5353 }];
  const question = make.udp({ ...FROM, dstMac: "01:00:5e:00:00:fb", dst: "224.0.0.251", sport: 5000, dport: 5353 });
  const reply = (more: object = {}) => make.udp({ ...TO, src: "10.44.0.9", sport: 5353, dport: 5000, ...more });

  it("are answered by anybody, from the port asked, for 10 s", () => {
    const sfr = firewall({ rules: GROUP });
    expect(reasonOf(leave(sfr, reply()))).toBe("acl");
    expect(reasonOf(enter(sfr, question))).toBe("pass");
    expect(reasonOf(leave(sfr, reply()))).toBe("pass");
    expect(reasonOf(leave(sfr, reply({ src: "10.44.0.10" })))).toBe("pass");
    expect(reasonOf(leave(sfr, reply({ sport: 5354 })))).toBe("acl");
    expect(reasonOf(leave(sfr, reply({ dport: 5001 })))).toBe("acl");
    sfr.table.fast += 2;
    expect(reasonOf(leave(sfr, reply()))).toBe("acl");
  });

  it("do not hide what a peer opens by a rule of its own", () => {
    const sfr = firewall({ rules: [...GROUP, { direction: "in", proto: 17, port: 5000 }] });
    enter(sfr, question);
    expect(reasonOf(leave(sfr, reply()))).toBe("pass");
    const back = make.udp({ ...FROM, dst: "10.44.0.9", sport: 5000, dport: 5353 });
    expect(reasonOf(enter(sfr, back))).toBe("pass");
  });

  it("(control) a question to a host is answered by that host alone", () => {
    const sfr = firewall({ rules: [{ direction: "out", proto: 17, peer: "10.1.0.2", port: 5353 }] });
    enter(sfr, make.udp({ ...FROM, sport: 5000, dport: 5353 }));
    expect(reasonOf(leave(sfr, reply()))).toBe("acl");
    expect(reasonOf(leave(sfr, reply({ src: "10.1.0.2" })))).toBe("pass");
  });
});

describe("group traffic towards clients", () => {
  const announce = make.udp({ ...TO, dstMac: "01:00:5e:00:00:fb", dst: "224.0.0.251", sport: 5353, dport: 5353 });

  it("passes where no record says otherwise, and by the record's filters where one does", () => {
    const sfr = firewall();
    expect(leave(sfr, announce)).toMatchObject({ pass: true, reason: 0 });
    sfr.setClient(mac(BROADCAST), record({ slot: 3, filter: [9, 0xffff, 0xffff, 0xffff] }));
    expect(leave(sfr, announce)).toMatchObject({ pass: false, reason: REASON.group, slot: 3 });
    sfr.setFilter(filterOf(9, [{ direction: "in", proto: 17, port: 5353 }]));
    expect(reasonOf(leave(sfr, announce))).toBe("pass");
    expect(sfr.table.used).toBe(0);
  });
});

describe("clients", () => {
  const stranger = "02:00:00:00:0c:01";
  const frame = ask({ srcMac: stranger });

  it("nobody knows are denied, or judged by the record of the unknown", () => {
    const sfr = firewall({ rules: UDP_OUT });
    expect(reasonOf(enter(sfr, frame))).toBe("unknown");
    sfr.setClient(mac("00:00:00:00:00:00"), record({ slot: 0 }));
    expect(enter(sfr, frame)).toMatchObject({ reason: 0, slot: 0 });
    sfr.deleteClient(mac("00:00:00:00:00:00"));
    expect(reasonOf(enter(sfr, frame))).toBe("unknown");
  });

  it("beyond the slots are refused with the range", () => {
    expect(() => firewall().setClient(mac(stranger), record({ slot: 64 }))).toThrow(/slot 64; accepted: 0 to 63/);
  });

  it("may speak to the access point itself, whatever the rules", () => {
    const sfr = firewall();
    sfr.setLocalAddresses([mappedBytes(parseAddress("10.1.0.2", "t")), mappedBytes(parseAddress("fd00::2", "t"))]);
    expect(reasonOf(enter(sfr, ask()))).toBe("pass");
    expect(reasonOf(enter(sfr, ask(FROM6)))).toBe("pass");
    expect(reasonOf(enter(sfr, ask({ dst: "10.1.0.3" })))).toBe("acl");
    expect(reasonOf(leave(sfr, answer()))).toBe("acl");
    expect(sfr.counters.denied[REASON.acl]).toBe(2);
  });

  it("are not filtered from the access point's own frames, but from each other", () => {
    const sfr = firewall({ rules: UDP_OUT });
    sfr.setOwnMacs([mac(PEER)]);
    expect(leave(sfr, answer(), { fromAp: true }).pass).toBe(true);
    expect(leave(sfr, answer()).pass).toBe(false);
    // A frame between stations of one BSS: the sender's rules first, then the receiver's.
    const neighbour = "02:00:00:00:0a:02";
    sfr.setClient(mac(neighbour), record({ slot: 2, filter: [1, 0xffff, 0xffff, 0xffff] }));
    const same = ask({ dstMac: neighbour });
    sfr.setFilter(filterOf(1, []));
    expect(leave(sfr, same, { fromAp: true })).toMatchObject({ reason: REASON.acl, slot: 2 });
    sfr.setFilter(filterOf(1, [{ direction: "in", proto: 17, port: 53 }]));
    expect(leave(sfr, same, { fromAp: true })).toMatchObject({ reason: 0, slot: 2 });
    expect(leave(sfr, ask({ dstMac: neighbour, dport: 54 }), { fromAp: true })).toMatchObject({
      reason: REASON.acl,
      slot: 1,
    });
  });
});

describe("limits", () => {
  const open = (sfr: Sfr, sport: number) => reasonOf(enter(sfr, ask({ sport })));
  const openIn = (sfr: Sfr, dport: number) => reasonOf(leave(sfr, make.udp({ ...TO, sport: 9, dport })));
  const RULES: Rule[] = [...UDP_OUT, { direction: "in", proto: 17 }];

  it("are separate for what the client and what its peers open, and last a window", () => {
    const sfr = firewall({ rules: RULES });
    sfr.setClient(mac(CLIENT), record({ open_out: 2, open_in: 1 }));
    expect([open(sfr, 1), open(sfr, 2), open(sfr, 3)]).toEqual(["pass", "pass", "budget"]);
    expect([openIn(sfr, 1), openIn(sfr, 2)]).toEqual(["pass", "budget"]);
    expect(open(sfr, 1)).toBe("pass");
    sfr.nowNs = 1n << 30n;
    expect([open(sfr, 3), openIn(sfr, 2)]).toEqual(["pass", "pass"]);
  });

  it("refuse new flows to all at 88 % load, and at 80 % to those above their share", () => {
    const sfr = firewall({ rules: RULES });
    expect(open(sfr, 1)).toBe("pass");
    sfr.sweep();
    sfr.load = 204;
    expect(open(sfr, 2)).toBe("pass");
    sfr.load = 205;
    expect(open(sfr, 3)).toBe("budget");
    sfr.share = 1;
    expect(open(sfr, 4)).toBe("pass");
    sfr.load = 225;
    expect(open(sfr, 5)).toBe("budget");
    expect(open(sfr, 1)).toBe("pass");
  });

  it("a packet whose next expectation finds no room is denied, and nothing is evicted", () => {
    const sfr = firewall({ rules: RULES, geometry: "1x1x2/r26", shorten: true });
    expect([open(sfr, 1), open(sfr, 2), open(sfr, 3)]).toEqual(["pass", "pass", "full"]);
    expect(reasonOf(leave(sfr, answer({ dport: 1 })))).toBe("full");
    expect([open(sfr, 1), open(sfr, 2)]).toEqual(["pass", "pass"]);
  });

  it("sweep counts load and owners", () => {
    const sfr = firewall({ rules: RULES, geometry: "4x8x8/r26" });
    for (let port = 0; port < 32; port++) open(sfr, port);
    sfr.sweep();
    expect(sfr.used[1]).toBe(32);
    expect(sfr.load).toBe(32);
  });
});

describe("pickup and monitor", () => {
  const data = make.tcp({ ...FROM, sport: 1, dport: 80 });
  const back = make.tcp({ ...TO, sport: 80, dport: 1 });
  const RULES: Rule[] = [{ direction: "out", proto: 6, port: 80 }, ...UDP_OUT];

  it("a running flow is picked up from either side while pickup lasts, if a rule allows it", () => {
    const sfr = firewall({ rules: RULES });
    expect(reasonOf(leave(sfr, back))).toBe("state");
    sfr.pickup = 1;
    expect(reasonOf(leave(sfr, back))).toBe("pass");
    expect(reasonOf(leave(sfr, answer()))).toBe("pass");
    expect(reasonOf(leave(sfr, make.tcp({ ...TO, sport: 81, dport: 1 })))).toBe("acl");
    expect(reasonOf(leave(sfr, make.tcp({ ...TO, sport: 80, dport: 1, flags: "S" })))).toBe("state");
    sfr.pickup = 0;
    expect(reasonOf(enter(sfr, data))).toBe("pass");
    expect(sfr.counters.denied[CONSTANTS.COUNTER_PICKED_UP]).toBe(2);
  });

  it("monitor passes, counts, samples, and learns what it would have denied for lack of state", () => {
    const sfr = firewall({ rules: RULES });
    sfr.mode = CONSTANTS.MODE_MONITOR;
    expect(enter(sfr, data)).toMatchObject({ pass: true, reason: REASON.state, monitored: true });
    expect(sfr.events).toMatchObject([
      { kind: RING.denied, reason: REASON.state, monitored: 1, slot: 1, client_port: 1 },
    ]);
    expect(sfr.counters.denied[REASON.state]).toBe(1);
    sfr.mode = CONSTANTS.MODE_ENFORCE;
    expect(enter(sfr, data)).toMatchObject({ pass: true, reason: 0 });
  });

  it("monitor does not learn what no rule allows", () => {
    const sfr = firewall();
    sfr.mode = CONSTANTS.MODE_MONITOR;
    expect(enter(sfr, data)).toMatchObject({ pass: true, reason: REASON.acl });
    expect(sfr.table.used).toBe(0);
  });

  it("one client may be watched alone, and has no budget then", () => {
    const sfr = firewall({ rules: RULES });
    sfr.setClient(mac(CLIENT), record({ flags: CONSTANTS.CLIENT_MONITOR, open_out: 1 }));
    for (let sport = 1; sport < 9; sport++) expect(enter(sfr, ask({ sport }))).toMatchObject({ reason: 0 });
    expect(enter(sfr, make.ethernet(FROM, 0x8863, new Uint8Array(9)))).toMatchObject({
      pass: true,
      reason: REASON.non_ip,
    });
  });
});

describe("events", () => {
  it("an arrival is a frame that enters from a client that is not here: once a window, exempt or not", () => {
    const sfr = firewall({ rules: UDP_OUT });
    sfr.setClient(mac(CLIENT), record({ presence: CONSTANTS.PRESENCE_REMOTE }));
    const arp = make.arp({ ...FROM, senderIp: "10.0.0.1", targetIp: "10.1.0.2" });
    enter(sfr, arp, { ifindex: 7 });
    enter(sfr, ask());
    const arrivals = () => sfr.events.filter((event) => event.kind === RING.arrived);
    expect(arrivals()).toMatchObject([{ slot: 1, ifindex: 7, mac: [2, 0, 0, 0, 0x0a, 1] }]);
    sfr.nowNs = 2 ** 27;
    enter(sfr, ask());
    expect(arrivals()).toHaveLength(2);
  });

  it("a frame that leaves, one between stations, a malformed or a tagged one is no arrival", () => {
    const sfr = firewall({ rules: UDP_OUT });
    sfr.setClient(mac(CLIENT), record({ presence: CONSTANTS.PRESENCE_REMOTE }));
    leave(sfr, answer());
    leave(sfr, ask(), { fromAp: true });
    enter(sfr, ask().slice(0, 30));
    enter(sfr, ask({ vlan: 3 }));
    expect(sfr.events.filter((event) => event.kind === RING.arrived)).toEqual([]);
  });

  it("unknown clients share 64 arrivals and 64 samples", () => {
    const sfr = firewall();
    for (let i = 0; i < 100; i++) enter(sfr, ask({ srcMac: `02:00:00:00:0c:${(i + 16).toString(16)}` }));
    expect(sfr.events.filter((event) => event.kind === RING.arrived)).toHaveLength(64);
    expect(sfr.events.filter((event) => event.kind === RING.denied)).toHaveLength(64);
    expect(sfr.events[0]).toMatchObject({ kind: RING.arrived });
    expect(sfr.events[1]).toMatchObject({ kind: RING.denied, reason: REASON.unknown });
    expect(sfr.counters.denied[REASON.unknown]).toBe(100);
  });

  it("a sleeper is woken by the first dirty cell, once", () => {
    const sfr = firewall({ rules: UDP_OUT });
    const wakes = () => sfr.events.filter((event) => event.kind === RING.wake);
    enter(sfr, ask());
    expect(wakes()).toEqual([]);
    sfr.armed = 1;
    enter(sfr, ask({ sport: 1 }));
    enter(sfr, ask({ sport: 2 }));
    expect(wakes()).toHaveLength(1);
    expect(sfr.armed).toBe(0);
  });

  it("the first packet of a flow is told, of no more than eight flows a window; what follows is not", () => {
    const sfr = firewall({ rules: UDP_OUT });
    for (let sport = 1; sport < 20; sport++) enter(sfr, ask({ sport }));
    enter(sfr, ask({ sport: 1 }));
    expect(sfr.events.map(({ kind, client_port: port, lost }) => [kind, port, lost])).toEqual(
      Array.from({ length: 8 }, (_, i) => [RING.opened, i + 1, 0]),
    );
    sfr.nowNs = 2 ** 30;
    enter(sfr, ask({ sport: 99 }));
    expect(sfr.events).toHaveLength(9);
  });

  it("of a traced client every verdict is told, up to a bound; the next one says how many were not", () => {
    const sfr = firewall({ rules: UDP_OUT });
    sfr.setClient(mac(CLIENT), record({ flags: CONSTANTS.CLIENT_TRACE }));
    for (let i = 0; i < 300; i++) enter(sfr, ask());
    for (let i = 0; i < 70; i++) enter(sfr, ask({ dport: 9 }));
    const told = (kind: number) => sfr.events.filter((event) => event.kind === kind);
    expect([told(RING.traced).length, told(RING.denied).length]).toEqual([256, 64]);
    // 44 that passed, told with the first denial; then six denials.
    expect(told(RING.denied)[0]).toMatchObject({ lost: 44 });
    sfr.nowNs = 2 ** 30;
    enter(sfr, ask());
    expect(sfr.events.at(-1)).toMatchObject({ kind: RING.traced, lost: 6, captured: 0 });
  });

  it("a sample of a denial tells whose packet it was; a header that lies tells nothing", () => {
    const sfr = firewall();
    leave(sfr, answer({ vlan: 3 }), { ifindex: 4 });
    const tuple = { client: [0x0a000001, 0, 0, 0], peer: [0x0a010002, 0, 0, 0], client_port: 4000, peer_port: 53 };
    const about = { kind: RING.denied, slot: 1, ifindex: 4, direction: 1, mac: [2, 0, 0, 0, 0x0a, 1] };
    expect(sfr.events[0]).toMatchObject({
      ...about,
      ...tuple,
      reason: REASON.acl,
      family: 4,
      proto: 17,
      ethertype: 0x800,
      type: 6,
    });
    leave(sfr, answer().slice(0, 40), { ifindex: 4 });
    const nobody = {
      client: [0, 0, 0, 0],
      peer: [0, 0, 0, 0],
      client_port: 0,
      peer_port: 0,
      family: 0,
      proto: 0,
      type: 0,
    };
    expect(sfr.events[1]).toMatchObject({ ...about, ...nobody, reason: REASON.malformed });
  });

  it("counters: passed, denied and bytes by slot", () => {
    const sfr = firewall({ rules: UDP_OUT });
    enter(sfr, ask());
    enter(sfr, ask({ dport: 54 }));
    expect([sfr.counters.clientPassed[1], sfr.counters.clientDenied[1], sfr.counters.clientBytes[1]]).toEqual([
      1, 1, 42,
    ]);
  });
});
