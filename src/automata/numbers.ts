/**
 * Numbers of states and packet types. APPEND ONLY: a state's number is mixed into every fingerprint, in pinned tables and in
 * those of neighbours; a type's number is sent with samples of denied packets. A number given up is never used again.
 */
export const STATE = {
  /** E, both sides: a TCP flow whose SYN was answered. */
  ESTABLISHED: 1,
  /** H(side): this side has sent SYN. */
  HANDSHAKE: 2,
  /** F(side): this side has sent FIN. Never accepts anything: it is only asked whether it lives. */
  FIN_SENT: 3,
  /** R, both sides: a question that was answered (UDP and other protocols without flags). */
  REPLIED: 4,
  /** O(side): this side has opened, no answer yet. */
  OPENED: 5,
  /** G(client): the client has asked a group; anybody near may answer. */
  GROUP_ASKED: 6,
  /** P(side): tails of fragments from this side, of a pair of hosts and a protocol. */
  FRAGMENTS: 7,
  /** Q(side): this side has sent an ICMP query. */
  QUERIED: 8,
} as const;

/** The letters of the tables, for messages and descriptions. */
export const STATE_LETTER: Readonly<Record<number, string>> = {
  [STATE.ESTABLISHED]: "E",
  [STATE.HANDSHAKE]: "H",
  [STATE.FIN_SENT]: "F",
  [STATE.REPLIED]: "R",
  [STATE.OPENED]: "O",
  [STATE.GROUP_ASKED]: "G",
  [STATE.FRAGMENTS]: "P",
  [STATE.QUERIED]: "Q",
};

/** States that only qualify others; no packet is accepted because of them. */
export const MARKER_STATES: readonly number[] = [STATE.FIN_SENT];

/** 0 is "no such packet". */
export const TYPE = {
  SYN: 1,
  SYN_ACK: 2,
  ACK: 3,
  FIN: 4,
  RST: 5,
  UDP: 6,
  UDP_GROUP: 7,
  OTHER: 8,
  QUERY: 9,
  ANSWER: 10,
  ERROR_TCP: 11,
  ERROR_UDP: 12,
  ERROR_QUERY: 13,
  TAIL: 14,
  ERROR_TAIL: 15,
} as const;

export const TYPE_NAME: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(TYPE).map(([name, number]) => [number, name]),
);
