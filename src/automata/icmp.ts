import { CONSTANTS } from "../datapath/abi.ts";
import { STATE, TYPE } from "./numbers.ts";
import { type Automaton, both, HELD, max, other, same } from "./table.ts";

/**
 * ICMP and ICMPv6. Queries are keyed by addresses, identifier and kind (the request's type number). An error is judged by
 * the packet it quotes: it passes while anything of that flow lives, and teaches nothing, or whoever can quote a tuple
 * could keep its flow alive.
 */
const { CLASS_ICMP, CLASS_ICMP6, CLASS_ERROR, CLASS_OTHER, CLASS_TCP, CLASS_UDP, CLASS_TAIL } = CONSTANTS;
const Q = { same: same(STATE.QUERIED), other: other(STATE.QUERIED) };
const H = { same: same(STATE.HANDSHAKE), other: other(STATE.HANDSHAKE) };
const O = { same: same(STATE.OPENED), other: other(STATE.OPENED) };

export const ICMP: Automaton = {
  name: "icmp",

  classify: [
    // RFC 792 echo, timestamp, information; RFC 950 mask. Redirects and all others are no packets.
    [CLASS_ICMP, 8, TYPE.QUERY],
    [CLASS_ICMP, 0, TYPE.ANSWER],
    [CLASS_ICMP, 13, TYPE.QUERY],
    [CLASS_ICMP, 14, TYPE.ANSWER],
    [CLASS_ICMP, 15, TYPE.QUERY],
    [CLASS_ICMP, 16, TYPE.ANSWER],
    [CLASS_ICMP, 17, TYPE.QUERY],
    [CLASS_ICMP, 18, TYPE.ANSWER],
    // RFC 4443 echo. Neighbour and group discovery are exempt by shape before they come here.
    [CLASS_ICMP6, 128, TYPE.QUERY],
    [CLASS_ICMP6, 129, TYPE.ANSWER],
    // By the class of the quoted packet.
    [CLASS_ERROR, CLASS_TCP, TYPE.ERROR_TCP],
    [CLASS_ERROR, CLASS_UDP, TYPE.ERROR_UDP],
    [CLASS_ERROR, CLASS_OTHER, TYPE.ERROR_UDP],
    [CLASS_ERROR, CLASS_ICMP, TYPE.ERROR_QUERY],
    [CLASS_ERROR, CLASS_ICMP6, TYPE.ERROR_QUERY],
    [CLASS_ERROR, CLASS_TAIL, TYPE.ERROR_TAIL],
  ],

  rows: [
    {
      type: TYPE.QUERY,
      candidates: [{ expects: Q.same, learns: [max(Q.same, "query", HELD)] }],
      opens: [max(Q.same, "query", HELD)],
    },
    // Learns nothing: an answer without a new question is the last one.
    { type: TYPE.ANSWER, candidates: [{ expects: Q.other, answers: true }] },
    {
      type: TYPE.ERROR_TCP,
      candidates: [{ expects: both(STATE.ESTABLISHED) }, { expects: H.same }, { expects: H.other }],
    },
    { type: TYPE.ERROR_UDP, candidates: [{ expects: both(STATE.REPLIED) }, { expects: O.same }, { expects: O.other }] },
    { type: TYPE.ERROR_QUERY, candidates: [{ expects: Q.same }, { expects: Q.other }] },
    // d is the error's direction; the tail that it quotes went the other way.
    { type: TYPE.ERROR_TAIL, candidates: [{ expects: other(STATE.FRAGMENTS) }] },
  ],
};
