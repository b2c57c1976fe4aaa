import { CONSTANTS } from "../datapath/abi.ts";
import { STATE, TYPE } from "./numbers.ts";
import { type Automaton, both, drop, HELD, max, min, other, QUIET, SOON, same, set } from "./table.ts";

/**
 * TCP with three states: H(side) "this side has sent SYN", E "the SYN was answered", F(side) "this side has sent FIN".
 *
 *     SYN --> H ==SYN-ACK==> E <==ACK==> E          one cell at rest, two in the handshake, three half-closed
 *                            |
 *                            +--FIN, other FIN--> E := closing
 *
 * E has no direction: a plain ACK of either side is one lookup, and at its full lifetime it teaches nothing. No sequence
 * numbers are looked at, so nothing that a stranger can forge may cut a flow: only the second FIN shortens, and RST only
 * to two slow ticks, which the next ACK mends.
 */
const { CLASS_TCP, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } = CONSTANTS;
const E = both(STATE.ESTABLISHED);
const H = { same: same(STATE.HANDSHAKE), other: other(STATE.HANDSHAKE) };
const F = { same: same(STATE.FIN_SENT), other: other(STATE.FIN_SENT) };

export const TCP: Automaton = {
  name: "tcp",

  // PSH, URG, ECE, CWR and AE are masked before. A FIN without ACK, no flags at all and every other mixture are no packets.
  classify: [
    [CLASS_TCP, TCP_SYN, TYPE.SYN],
    [CLASS_TCP, TCP_SYN | TCP_ACK, TYPE.SYN_ACK],
    [CLASS_TCP, TCP_ACK, TYPE.ACK],
    [CLASS_TCP, TCP_FIN | TCP_ACK, TYPE.FIN],
    [CLASS_TCP, TCP_RST, TYPE.RST],
    [CLASS_TCP, TCP_RST | TCP_ACK, TYPE.RST],
  ],

  rows: [
    {
      type: TYPE.SYN,
      candidates: [
        // A repetition: no budget. Its cell is known to whom it concerns, so its mark stays.
        { expects: H.same, learns: [max(H.same, "handshake", QUIET)] },
        // Simultaneous open. The only way in for a SYN that may not open: E is no candidate, so a SYN from port 80 is no reply.
        { expects: H.other, needsReply: true, learns: [max(H.same, "handshake", HELD)] },
      ],
      opens: [max(H.same, "handshake", HELD)],
    },
    {
      type: TYPE.SYN_ACK,
      candidates: [
        {
          expects: H.other,
          supersedes: true,
          answers: true,
          learns: [
            max(E, "handshake", HELD),
            // H lives on: the SYN-ACK may be lost behind us, and comes again.
            max(H.other, "handshake", QUIET),
            // A tuple out of TIME-WAIT starts anew: what its last life knew of FINs would shorten this one.
            drop(F.same, QUIET),
            drop(F.other, QUIET),
          ],
        },
        // A retransmission where H was withheld and only E came over. Not for the opener's side: that one never sends SYN-ACK.
        { expects: E, needsReply: true, learns: [max(E, "handshake", HELD)] },
      ],
    },
    {
      type: TYPE.ACK,
      candidates: [
        {
          expects: E,
          fullDone: "established",
          // Both FINs known: the last ACKs of a close must not give the flow its two hours back. One FIN is half-close.
          probes: [F.same, F.other],
          probeIfFast: true,
          learns: [max(E, "established", SOON)],
          alternative: [max(E, "closing", SOON)],
        },
        // Challenge ACK, and TFO data that overtakes the SYN-ACK.
        { expects: H.other },
      ],
      // The opener answers a SYN-ACK that passed elsewhere, before the mirror has heard of it.
      asymmetric: [{ expects: H.same }],
      pickup: [max(E, "established", SOON)],
    },
    {
      type: TYPE.FIN,
      candidates: [
        {
          expects: E,
          probes: [F.other],
          // The first FIN (or its retransmission, which is no second FIN): the other side may talk for hours.
          learns: [max(F.same, "established", QUIET), max(E, "established", SOON)],
          alternative: [set(E, "closing", SOON), set(F.same, "closing", QUIET), set(F.other, "closing", QUIET)],
        },
        // Reordered TFO.
        { expects: H.other },
      ],
      asymmetric: [{ expects: H.same }],
      pickup: [max(E, "established", SOON)],
    },
    {
      type: TYPE.RST,
      candidates: [
        // Forgeable by whoever knows the tuple, so the flow gets time to protest: any later ACK restores E.
        { expects: E, learns: [min(E, "reset", SOON)] },
        { expects: H.same },
        { expects: H.other },
      ],
    },
  ],
};
