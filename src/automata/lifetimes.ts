/** How long an expectation waits, in seconds, or in slow ticks where only "not before the next but one" is meant. */
export type Lifetime = number | { readonly slowTicks: number };

/** The twin of the tables: defaults are OpenWrt's conntrack where it has the same state. */
export const LIFETIMES = {
  /** Two lost retransmissions at RTO 60 s to 120 s must fit: with 120 s valid packets were denied at 15 % loss. */
  handshake: 240,
  /** nf_conntrack_tcp_timeout_established of OpenWrt; a 2 h keepalive survives. The compiler adds ticks for roams. */
  established: 7440,
  /** As the handshake, for the same reason: FINs are retransmitted too. */
  closing: 240,
  /** RST: long enough for the other side's next packet to say that it did not believe it. */
  reset: { slowTicks: 2 },
  udpReplied: 180,
  udpOpened: 30,
  otherReplied: 600,
  otherOpened: 30,
  /** An answer to a multicast question comes at once or not at all. */
  groupAnswer: 10,
  query: 30,
  /** Reassembly time of most hosts (RFC 791: 15 s, RFC 8200: 60 s). */
  fragments: 30,
} as const satisfies Record<string, Lifetime>;

export type LifetimeName = keyof typeof LIFETIMES;
export type Lifetimes = Readonly<Record<LifetimeName, Lifetime>>;
