/**
 * Versions and numbers that kernel, roamwalld and agent share. Their records are in `map-records.ts` (what the kernel's maps
 * hold) and `stream-records.ts` (what roamwalld and the agent say). `scripts/gen-abi.ts` writes `firmware/abi.h` from all
 * three, a test compares it with them, and the C compiler each size with its own.
 */

/** Raised with every change of a number or a meaning below, or of a record. */
export const ABI_VERSION = 7;

/**
 * What of pinned maps a roamwalld of another `ABI_VERSION` goes on with. `CELLS`: what a cell and its owner word say (hash, key, states,
 * timers); raised, flows of before must be picked up anew. `RIGHTS`: records of clients and filters, bits, zones, services; raised,
 * rights wait for the agent. Whoever raises one raises `ABI_VERSION` too.
 */
export const CELLS_VERSION = 1;
export const RIGHTS_VERSION = 1;

/** Numbers that both sides need. APPEND ONLY within a group: they are stored in pinned maps. */
export const CONSTANTS = {
  /** First word of every stream: tells the reader its byte order. */
  MAGIC: 0x524d5731,
  SUBTABLES: 4,
  BUCKET_CELLS: 8,
  /** Bytes of a frame that are looked at. */
  PARSE_BYTES: 128,
  /** Where they begin, so that an IP header is aligned. */
  FRAME_AT: 2,
  MIRRORS_MAX: 8,
  CLIENT_FILTERS: 4,
  /** Slots 1..16382 name clients; the two top bits of an owner word are its replication mark. */
  SLOT_UNKNOWN: 0,
  SLOT_SHARED: 0x3fff,
  OWNER_SLOT_MASK: 0x3fff,
  OWNER_MARK_SHIFT: 14,
  /** Nothing to publish / publish after the hold time / held once already / publish at the next flush. */
  MARK_CLEAN: 0,
  MARK_HELD: 1,
  MARK_DIRTY: 2,
  MARK_AGED: 3,
  /** One dirty byte stands for this many cells. */
  DIRTY_CELLS: 512,

  /** `ctl.mode` */
  MODE_ENFORCE: 0,
  MODE_MONITOR: 1,

  /** `client.presence` */
  PRESENCE_REMOTE: 0,
  PRESENCE_HERE: 1,

  /** `client.flags`: denials pass; each verdict is told, while somebody watches */
  CLIENT_MONITOR: 1,
  CLIENT_TRACE: 2,
  /** Which of two tables of zones and services is meant with the client's filters. */
  CLIENT_GENERATION: 4,

  /** `port.flags` */
  PORT_TAGGED: 1,

  /** Direction of a packet, and side of an expectation: from the client, or from its peer. */
  SIDE_CLIENT: 0,
  SIDE_PEER: 1,

  /** Expectation reference: `state << 2 | rule`. */
  RULE_BOTH: 0,
  RULE_SAME: 1,
  RULE_OPPOSITE: 2,

  /** `candidate.flags` */
  CAND_FULL_DONE: 1,
  CAND_PROBE_IF_FAST: 2,
  CAND_NEEDS_REPLY: 4,
  CAND_GROUP_KEY: 8,
  CAND_SUPERSEDES: 16,
  CAND_ANSWERS: 32,

  /** `learn_step.op` */
  OP_NONE: 0,
  OP_MAX: 1,
  OP_SET: 2,
  OP_MIN: 3,
  OP_DROP: 4,

  /** `packet_type.flags` */
  TYPE_OPENS: 1,

  /** First index of `classify`; the second is below. */
  CLASS_OTHER: 0,
  CLASS_TCP: 1,
  CLASS_UDP: 2,
  CLASS_ICMP: 3,
  CLASS_ICMP6: 4,
  CLASS_ERROR: 5,
  CLASS_TAIL: 6,
  CLASSES: 8,
  /** Second index, CLASS_TCP: the flags that count, as bits. */
  TCP_FIN: 1,
  TCP_SYN: 2,
  TCP_RST: 4,
  TCP_ACK: 8,
  /** Second index, CLASS_UDP. CLASS_OTHER: the protocol number. CLASS_ICMP(6): the type. CLASS_ERROR: the embedded class. CLASS_TAIL: 0. */
  UDP_UNICAST: 0,
  UDP_GROUP: 1,
  TYPES_MAX: 16,
  CANDIDATES_MAX: 4,
  LEARN_LISTS_MAX: 32,
  LEARN_STEPS: 4,

  /** ACL key tag: `template | direction << 4 | family << 5 | proto << 8`; template = peer kind * 3 + service kind. */
  TEMPLATES: 9,
  PEER_ADDRESS: 0,
  PEER_ZONE: 1,
  PEER_ANY: 2,
  SERVICE_PORT: 0,
  SERVICE_CLASS: 1,
  SERVICE_ANY: 2,
  DIRECTION_OUT: 0,
  DIRECTION_IN: 1,
  /** Zone class of every multicast and broadcast address; 0 is "no zone". */
  ZONE_GROUP: 0xffff,
  FILTERS_MAX: 4096,
  FILTER_PROBES_MAX: 16,

  /** `denied_counters` beside the reasons: packets let in by pickup, ring events that found no room. */
  COUNTERS: 32,
  COUNTER_PICKED_UP: 30,
  COUNTER_RING_LOST: 31,
} as const;

/** Why a packet was denied (0: passed). APPEND ONLY: stored in counters, sent to status. Text is for people. */
export const REASONS = [
  ["pass", "passed"],
  ["malformed", "a header that lies or is cut short"],
  ["acl", "no rule of the client allows it, in either direction"],
  ["state", "no expectation waits for it, and it may not open a flow"],
  ["budget", "the client opens flows faster than it may, or holds more than its share of a full table"],
  ["full", "the expectation that must follow found no free cell"],
  ["fragment", "a tail of fragments whose head did not pass"],
  ["non_ip", "not IP, and not one of the shapes a network needs"],
  ["vlan", "a tagged frame from an untagged client port"],
  ["busy", "another CPU won the cell twice; the sender's retry will pass"],
  ["exempt_rate", "more ARP, ND, DHCP or multicast control than a client may send"],
  ["flags", "TCP flags or an ICMP type that no conforming host sends"],
  ["group", "group traffic that the port's record does not allow"],
  ["unknown", "unknown client, and no record for unknown clients"],
] as const;
export type Reason = (typeof REASONS)[number][0];
export const REASON: Record<Reason, number> = Object.fromEntries(REASONS.map(([name], i) => [name, i])) as never;
