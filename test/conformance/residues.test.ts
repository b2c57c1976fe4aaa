import { describe, expect, it } from "vitest";
import { ipFrame, PROTO, patchTcp, tcpSegment } from "./frames.ts";
import { LIFE_S } from "./limits.ts";
import { ModelFirewall, properAutomata } from "./model-firewall.ts";
import { GATEWAY_MAC, stations } from "./network.ts";
import { CLIENT, other, PEER, type Side } from "./path.ts";
import { Prng } from "./prng.ts";
import { FLAG } from "./tcp.ts";

/**
 * The stated limits, each at its edge: the packet passes at the last promised moment, whenever in a tick its life began,
 * and the table does not keep it for more than two slow ticks beyond, and those that are kept for APs that take it over.
 */
const A = CLIENT;
const B = PEER;
const SYN = FLAG.syn;
const SYN_ACK = FLAG.syn | FLAG.ack;
const ACK = FLAG.ack;
const FIN = FLAG.fin | FLAG.ack;
const RST = FLAG.rst;

type Step = readonly [side: Side, flags: number];
const HANDSHAKE: readonly Step[] = [
  [A, SYN],
  [B, SYN_ACK],
  [A, ACK],
];

/** Plays the steps a second apart from `startS` on, then the last one `silenceS` later. */
function passes(geometry: string, startS: number, steps: readonly Step[], silenceS: number, last: Step): boolean {
  const firewall = new ModelFirewall(geometry, properAutomata, new Prng(7));
  const station = stations().find((s) => s.rights === "out")!;
  const parties = [
    { mac: station.mac, address: [10, 0, 0, 1] },
    { mac: GATEWAY_MAC, address: [198, 18, 0, 1] },
  ] as const;
  const ports = [40_000, 443] as const;
  const send = ([side, flags]: Step, atS: number) => {
    const body = tcpSegment(ports[side], ports[other(side)], 0);
    const frame = ipFrame(parties[side], parties[other(side)], PROTO.tcp, body);
    patchTcp(frame, 20, flags, 1, 1);
    firewall.setTime(atS * 1000);
    return firewall.judge(frame, side).pass;
  };
  const before = steps.map((step, i) => send(step, startS + i));
  expect(before).toEqual(steps.map(() => true));
  return send(last, startS + steps.length - 1 + silenceS);
}

const STARTS_S = [0, 1, 7.5, 9.99, 295, 298.5, 1_857, 1_859.9, 86_399];
const WIDE = "4x32x8/r26";
const NARROW = "4x32x8/r12";

describe("a limit holds to the second, and ends", () => {
  const rows: readonly (readonly [string, string, readonly Step[], number, Step])[] = [
    ["an idle flow", WIDE, HANDSHAKE, LIFE_S.long, [B, ACK]],
    ["an idle flow, 16-bit cells", NARROW, HANDSHAKE, LIFE_S.long, [B, ACK]],
    ["a handshake whose ACK is late", WIDE, HANDSHAKE.slice(0, 2), LIFE_S.handshake, [A, ACK]],
    ["a SYN without an answer", WIDE, HANDSHAKE.slice(0, 1), LIFE_S.handshake, [B, SYN_ACK]],
    ["half-close", WIDE, [...HANDSHAKE, [A, FIN], [B, ACK]], LIFE_S.long, [B, ACK]],
    ["half-close with a repeated FIN", WIDE, [...HANDSHAKE, [A, FIN], [A, FIN]], LIFE_S.long, [B, ACK]],
    ["the close of both", WIDE, [...HANDSHAKE, [A, FIN], [B, FIN]], LIFE_S.close, [A, ACK]],
    ["the close of both, ACKs and all", WIDE, [...HANDSHAKE, [A, FIN], [B, FIN], [A, ACK]], LIFE_S.close, [B, FIN]],
    ["a flow after RST", WIDE, [...HANDSHAKE, [B, RST]], LIFE_S.reset, [A, ACK]],
    ["a flow after RST and an ACK that ignores it", WIDE, [...HANDSHAKE, [B, RST], [A, ACK]], LIFE_S.long, [B, ACK]],
    ["the close of both, 16-bit cells", NARROW, [...HANDSHAKE, [A, FIN], [B, FIN]], LIFE_S.long, [A, ACK]],
    [
      "ports used again while FINs are known",
      WIDE,
      [...HANDSHAKE, [A, FIN], [B, FIN], ...HANDSHAKE],
      LIFE_S.long,
      [B, ACK],
    ],
  ];

  it.each(rows)("%s (%s)", (_, geometry, steps, promisedS, last) => {
    const tickS = geometry === WIDE ? 340 : 1_860;
    const slack = (geometry === WIDE && promisedS === LIFE_S.long ? 2 + 3 : 2) * tickS;
    for (const startS of STARTS_S) {
      expect(passes(geometry, startS, steps, promisedS, last), `from ${startS} s`).toBe(true);
      expect(passes(geometry, startS, steps, promisedS + slack, last), `from ${startS} s, too late`).toBe(false);
    }
  });

  it("a late FIN of the last connection is taken for one of this: half-close then lives 240 s only", () => {
    const late: readonly Step[] = [...HANDSHAKE, [B, FIN], [A, FIN]];
    expect(passes(WIDE, 0, late, LIFE_S.close, [B, ACK])).toBe(true);
    expect(passes(WIDE, 0, late, LIFE_S.close + 60, [B, ACK])).toBe(false);
  });
});
