import { CONSTANTS } from "../datapath/abi.ts";
import { STATE, TYPE } from "./numbers.ts";
import { type Automaton, both, HELD, max, other, SOON, same } from "./table.ts";

/** GRE, ESP, SCTP and all else that is only a pair of addresses and a protocol number: UDP's table with longer patience. */
const R = both(STATE.REPLIED);
const O = { same: same(STATE.OPENED), other: other(STATE.OPENED) };

export const OTHER: Automaton = {
  name: "other",

  classify: [[CONSTANTS.CLASS_OTHER, "any", TYPE.OTHER]],

  rows: [
    {
      type: TYPE.OTHER,
      candidates: [
        { expects: R, fullDone: "otherReplied", learns: [max(R, "otherReplied", SOON)] },
        { expects: O.other, supersedes: true, answers: true, learns: [max(R, "otherReplied", SOON)] },
        { expects: O.same, learns: [max(O.same, "otherOpened", HELD)] },
      ],
      opens: [max(O.same, "otherOpened", HELD)],
      pickup: [max(R, "otherReplied", SOON)],
    },
  ],
};
