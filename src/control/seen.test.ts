import { describe, expect, it } from "vitest";
import { TYPE } from "../automata/numbers.ts";
import type { Mac } from "../base/mac.ts";
import { REASON } from "../datapath/abi.ts";
import { RING, type RingEvent } from "../datapath/map-records.ts";
import type { ApiRequest } from "./api.ts";
import { DeniedLog } from "./denied-log.ts";
import { FlowLog } from "./flow-log.ts";
import { openingOf, saysOf, saysOfName } from "./opening-of.ts";
import { verdictOf } from "./verdict.ts";
import { verdictTest } from "./verdict-filter.ts";

function event(over: Partial<RingEvent> = {}): RingEvent {
  const empty = {
    kind: RING.denied,
    reason: REASON.acl,
    direction: 0,
    proto: 6,
    slot: 1,
    ethertype: 0x800,
    ifindex: 1,
  };
  const ends = {
    client: [0x0a000009, 0, 0, 0],
    peer: [0x0a010003, 0, 0, 0],
    client_port: 40000,
    peer_port: 443,
    family: 4,
  };
  const rest = { type: TYPE.SYN, monitored: 0, pad: [0, 0, 0], lost: 0, length: 54, captured: 0 };
  return { ...empty, ...ends, ...rest, mac: [2, 0, 0, 0, 10, 1], ...over };
}
const MAC = "02:00:00:00:0a:01" as Mac;

describe("a verdict", () => {
  it.each([
    ["a SYN of the client", {}, "out tcp/443 to 10.1.0.3"],
    ["a SYN of the peer", { direction: 1, client_port: 22, peer_port: 50000 }, "in tcp/22 from 10.1.0.3"],
    [
      "an answer to a question that was not seen",
      { direction: 1, proto: 17, type: TYPE.UDP, peer_port: 53 },
      "out udp/53 to 10.1.0.3",
    ],
    ["a SYN-ACK", { direction: 1, type: TYPE.SYN_ACK }, "out tcp/443 to 10.1.0.3"],
    ["a ping", { proto: 1, type: TYPE.QUERY, client_port: 7, peer_port: 8 }, "out icmp to 10.1.0.3"],
    [
      "for want of state a SYN, whose answers are allowed",
      { reason: REASON.state, direction: 1, client_port: 22 },
      "in tcp/22 from 10.1.0.3",
    ],
    [
      "what leaves a port to a group",
      { reason: REASON.group, direction: 1, proto: 17, type: TYPE.UDP_GROUP, client_port: 5353 },
      "in udp/5353 from 10.1.0.3",
    ],
  ] as [string, Partial<RingEvent>, string][])("names the rule for %s", (_, over, rule) => {
    expect(verdictOf(event(over), null, null).rule).toBe(rule);
  });

  it.each([
    ["a stray ACK", { reason: REASON.state, type: TYPE.ACK }],
    ["a later fragment", { reason: REASON.fragment, type: TYPE.TAIL }],
    ["what is not IP", { reason: REASON.non_ip, family: 0, type: 0 }],
    ["a lying header", { reason: REASON.malformed, family: 0, type: 0 }],
  ])("names no rule where none would help: %s", (_, over) => {
    const verdict = verdictOf(event(over), null, null);
    expect([verdict.rule, verdict.remedy === ""]).toEqual([undefined, false]);
  });

  it("says whether it passed", () => {
    const words = [{}, { monitored: 1 }, { reason: 0, kind: RING.traced }].map(
      (over) => verdictOf(event(over), null, null).verdict,
    );
    expect(words).toEqual(["denied", "monitored", "passed"]);
  });

  it("tells a learner what opens, goes on and refuses", () => {
    expect([TYPE.SYN, TYPE.UDP, TYPE.QUERY].map(saysOf)).toEqual(["opens", "opens", "opens"]);
    expect([TYPE.SYN_ACK, TYPE.ACK].map(saysOf)).toEqual(["goes on", "goes on"]);
    expect([TYPE.RST, TYPE.ERROR_UDP].map(saysOf)).toEqual(["refuses", "refuses"]);
    expect([saysOfName("syn"), saysOfName("rst"), saysOfName("")]).toEqual(["opens", "refuses", "refuses"]);
    expect(openingOf(event({ type: TYPE.ERROR_TCP }))).toBe(undefined);
  });
});

describe("the filter of a reader", () => {
  const takes = (given: Record<string, string>, over: Partial<RingEvent> = {}) =>
    verdictTest({ verb: "monitor", ...given } as ApiRequest)(event(over));

  it.each([
    [{ client: "02-00-00-00-0A-01" }, {}, true],
    [{ client: "02:00:00:00:0a:02" }, {}, false],
    [{ reason: "acl,state" }, {}, true],
    [{ reason: "state" }, {}, false],
    [{ peer: "10.1.0.0/16" }, {}, true],
    [{ peer: "10.2.0.0/16" }, {}, false],
    [{ peer: "10.1.0.3" }, { family: 0 }, false],
    [{ port: "443" }, {}, true],
    [{ port: "40000" }, {}, true],
    [{ port: "80" }, {}, false],
    [{ port: "443", reason: "state" }, {}, false],
  ])("%j takes %j: %s", (given, over, wanted) => {
    expect(takes(given as never, over)).toBe(wanted);
  });

  it.each([
    [{ reason: "alc" }, "did you mean acl"],
    [{ port: "http" }, "1 to 65535"],
    [{ peer: "10.1" }, "192.0.2.1"],
    [{ client: "bob" }, "MAC address"],
  ])("refuses %j", (given, accepted) => {
    expect(() => takes(given as never)).toThrow(accepted);
  });
});

describe("what is kept", () => {
  it("is bounded: the last denials, and a few of each client, so that a noisy one pushes no quiet one out", () => {
    const log = new DeniedLog(() => 7);
    log.add(event({ mac: [2, 0, 0, 0, 10, 2] }));
    for (let i = 0; i < 1000; i++) log.add(event({ client_port: i }));
    expect([log.list().length, log.of(MAC).length]).toEqual([256, 8]);
    expect(log.of("02:00:00:00:0a:02" as Mac)).toHaveLength(1);
    for (let i = 0; i < 600; i++) log.add(event({ mac: [2, 0, 0, 1, i >> 8, i & 255] }));
    expect(log.of(MAC)).toEqual([]);
  });

  it("tells listeners until they end", () => {
    const log = new DeniedLog(() => undefined);
    const heard: number[] = [];
    const end = log.listen(({ client_port }) => heard.push(client_port));
    log.add(event({ client_port: 1 }), Uint8Array.of(1));
    log.tellPassed(event({ client_port: 2 }));
    end();
    log.add(event({ client_port: 3 }));
    expect(heard).toEqual([1]);
  });

  it("gathers openings of a client by what a rule would call them", () => {
    const log = new FlowLog(() => 7);
    for (let i = 0; i < 3; i++) log.add(event({ client_port: 40_000 + i }));
    log.add(event({ direction: 1, client_port: 22, peer_port: 50_000 }));
    expect(log.of(MAC)).toEqual([
      { flow: "out tcp/443 to 10.1.0.3", opener: "client", times: 3, seconds: 7 },
      { flow: "in tcp/22 from 10.1.0.3", opener: "peer", times: 1, seconds: 7 },
    ]);
    for (let port = 1; port < 100; port++) log.add(event({ peer_port: port }));
    expect(log.of(MAC)).toHaveLength(16);
  });
});
