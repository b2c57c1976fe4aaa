import { CONSTANTS } from "../datapath/abi.ts";
import { STATE, TYPE } from "./numbers.ts";
import { type Automaton, HELD, max, same } from "./table.ts";

/**
 * Tails of fragments carry no ports: a head that passed leaves P(side) for its pair of hosts and protocol, without the
 * datagram's id, or a fast sender would fill the table with one cell per datagram. So only the first datagram of a pair
 * can suffer from a tail that overtakes its head.
 */
const P = same(STATE.FRAGMENTS);

export const FRAGMENT: Automaton = {
  name: "fragment",
  classify: [[CONSTANTS.CLASS_TAIL, 0, TYPE.TAIL]],
  rows: [{ type: TYPE.TAIL, candidates: [{ expects: P }] }],
  head: max(P, "fragments", HELD),
};
