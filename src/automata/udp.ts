import { CONSTANTS } from "../datapath/abi.ts";
import { STATE, TYPE } from "./numbers.ts";
import { type Automaton, both, HELD, max, other, SOON, same } from "./table.ts";

/**
 * UDP: O(side) "this side has opened", R "it was answered" (no direction), and G "the client has asked a group". Question
 * and answer are of the same type, so an answer passes by O of the other side, never by a rule of its own.
 */
const R = both(STATE.REPLIED);
const O = { same: same(STATE.OPENED), other: other(STATE.OPENED) };
const G = { same: same(STATE.GROUP_ASKED), other: other(STATE.GROUP_ASKED) };

export const UDP: Automaton = {
  name: "udp",

  classify: [
    [CONSTANTS.CLASS_UDP, CONSTANTS.UDP_UNICAST, TYPE.UDP],
    [CONSTANTS.CLASS_UDP, CONSTANTS.UDP_GROUP, TYPE.UDP_GROUP],
  ],

  rows: [
    {
      type: TYPE.UDP,
      candidates: [
        { expects: R, fullDone: "udpReplied", learns: [max(R, "udpReplied", SOON)] },
        { expects: O.other, supersedes: true, answers: true, learns: [max(R, "udpReplied", SOON)] },
        // A one-way stream: without this every packet of it would cost budget.
        { expects: O.same, learns: [max(O.same, "udpOpened", HELD)] },
        // mDNS QU, SSDP, WS-Discovery: the answer comes from an address that nobody named.
        { expects: G.other, groupKey: true, answers: true },
      ],
      opens: [max(O.same, "udpOpened", HELD)],
      pickup: [max(R, "udpReplied", SOON)],
    },
    {
      type: TYPE.UDP_GROUP,
      candidates: [{ expects: G.same, learns: [max(G.same, "groupAnswer", HELD)] }],
      opens: [max(G.same, "groupAnswer", HELD)],
    },
  ],
};
