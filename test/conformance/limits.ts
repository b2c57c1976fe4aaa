/**
 * What is promised, in seconds: each expectation lives at least this long after the packet that taught it. A denial is
 * excused only where every expectation that could have let the packet pass may have lived out its promised time.
 */
export const LIFE_S = {
  handshake: 240,
  close: 240,
  long: 7_440,
  /** Two slow ticks of 340 s are at least this. */
  reset: 600,
  answered: 180,
  otherAnswered: 600,
  opened: 30,
  group: 10,
  fragment: 30,
} as const;

/** Why a packet of a conforming endpoint may be denied. Anything else is a false negative. */
export const RESIDUES = {
  "tcp idle": "nothing passed for longer than 7,440 s",
  "tcp close gap": "both FINs are known, then silence longer than 240 s (retransmissions lost at full backoff)",
  "tcp late fin": "a late FIN of an earlier connection, a FIN of this one, then silence longer than 240 s",
  "tcp reset": "a RST passed, was ignored or lost behind the firewall, then silence longer than 600 s",
  "tcp handshake": "no ACK of the handshake passed for longer than 240 s",
  "tcp crossing first":
    "the crossing SYN of a simultaneous open came before the client's own SYN, and no rule lets the peer open",
  "udp idle": "an answered exchange was silent for longer than its lifetime, and the packet's sender may not open",
  "udp late answer": "more than 30 s after the last packet of the side that opened",
  "icmp late answer": "more than 30 s after the last request",
  "group late answer": "more than 10 s after the question to the group",
  "fragment order": "no head of this pair passed within 30 s: the first datagram's tail overtook or survived its head",
} as const;
export type Residue = keyof typeof RESIDUES;
