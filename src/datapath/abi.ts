/**
 * The one definition of what kernel, roamwalld and agent say to each other. `scripts/gen-abi.ts` writes
 * `firmware/abi.h` from it; a test compares sizes and offsets with what the C compiler sees.
 *
 * Everything here is in the host's byte order: it never leaves the machine.
 */
import { type Fields, type Layout, layout, type RecordOf } from "./layout.ts";

/** Raised with every change of a record, a number or a meaning below. */
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

/** Records of the maps. */
export const MAP_RECORDS = {
  /** What roamwalld (and the test clock) tells the program; one entry. Ticks are already modulo the tick range. */
  ctl: layout([
    ["mode", "u32"],
    ["fast", "u32"],
    ["slow", "u32"],
    /** share of used cells, 0..256 */
    ["load", "u32"],
    /** cells a client may own while load is between 80 % and 88 % */
    ["share", "u32"],
    /** 1: within `pickup` seconds after an empty table */
    ["pickup", "u32"],
    /** 1: somebody sleeps until the next dirty cell */
    ["armed", "u32"],
    /** write through: mirrors that are asked for every client, a bit each; 0 = write back */
    ["write_through", "u32"],
    /** tests only: the clock, in ns */
    ["test_now", "u64"],
    /** ticks of each mirror's source, modulo the tick range: fast | slow << 8 */
    ["mirror_ticks", "u32", 8],
  ]),
  client_key: layout([
    ["mac", "u8", 6],
    ["pad", "u16"],
  ]),
  /** Agent-owned; the program only reads it. */
  client: layout([
    ["slot", "u16"],
    ["presence", "u8"],
    ["flags", "u8"],
    /** filter ids, 0xffff = none */
    ["filter", "u16", 4],
    /** mirrors to ask on a miss, a bit each */
    ["from", "u32"],
    /** mirrors count only on ports of this zone */
    ["zone", "u16"],
    /** new flows a window (2^30 ns), opened by the client / by its peers; 0 = no limit */
    ["open_out", "u16"],
    ["open_in", "u16"],
    /** openings without an answer that the client, and as many that its peers, may have at once; 0 = no limit */
    ["half_open", "u16"],
    /** for the agent after this one: the fast tick at which its rights end, modulo 65535, and one; 0 = told of no end */
    ["ends", "u16"],
    ["pad", "u16"],
  ]),
  /**
   * One per slot: openings without an answer, by the side that opened. The kernel counts up and down, roamwalld counts anew
   * from the cells' openers (map `opener`: a byte for each cell, 1 + the side that opened, 0 = not waiting for an answer).
   */
  half_open: layout([["by", "u32", 2]]),
  /** Kernel-owned, one per slot; races only make a limit a little soft. */
  windows: layout([
    ["open_window", "u32"],
    ["open_out", "u16"],
    ["open_in", "u16"],
    ["event_window", "u32"],
    ["events", "u16"],
    ["arrivals", "u16"],
    ["exempt_window", "u32"],
    ["exempt", "u32"],
    /** `arrivals` counts in this window of 2^27 ns; all others are 2^30 ns long */
    ["arrival_window", "u32"],
    /** beside `events`, which counts denials: verdicts of a traced client, and openings */
    ["traced", "u16"],
    ["opened", "u16"],
    /** verdicts that should have been told, since the last one that was */
    ["lost", "u32"],
  ]),
  /** Kernel-owned, per CPU, one per slot. */
  client_counters: layout([
    ["passed", "u64"],
    ["denied", "u64"],
    ["bytes", "u64"],
  ]),
  /** class of a port, by generation */
  service: layout([["of", "u16", 2]]),
  filter: layout([
    /** first 64-bit word in the arena */
    ["base", "u32"],
    ["bits", "u32"],
    ["seed", "u32"],
    ["probes", "u16"],
    ["pad", "u16"],
    /** templates in use, a bit each */
    ["out", "u16"],
    ["in", "u16"],
  ]),
  port: layout([
    ["zone", "u16"],
    ["flags", "u16"],
  ]),
  /** Longest-prefix key: IPv4 as ::ffff:a.b.c.d, so that one trie serves both. */
  zone_key: layout([
    ["prefix_bits", "u32"],
    ["address", "u8", 16],
  ]),
  candidate: layout([
    ["ref", "u8"],
    ["flags", "u8"],
    /** timer code at which a hit teaches nothing (CAND_FULL_DONE) */
    ["full", "u8"],
    /** all of these live (0 = none): learn `learn_alt`, else `learn` */
    ["probe", "u8", 2],
    ["learn", "u8"],
    ["learn_alt", "u8"],
    ["pad", "u8"],
  ]),
  learn_step: layout([
    ["ref", "u8"],
    ["op", "u8"],
    /** `speed << tick bits | ticks` */
    ["code", "u8"],
    /** mark of a cell that this step changes; MARK_CLEAN = leave the mark alone */
    ["mark", "u8"],
  ]),
} as const;

const candidate = MAP_RECORDS.candidate.bytes;
const step = MAP_RECORDS.learn_step.bytes;

/**
 * A packet type and the whole automata blob are laid out by hand arithmetic, since records nest:
 * `packet_type` = candidates[4], then flags, open, pickup, pad; `automata` = classify[8][256], types[16],
 * learn[32][4], head (the step that a passing head of fragments learns), pad.
 */
export const AUTOMATA = {
  TYPE_BYTES: CONSTANTS.CANDIDATES_MAX * candidate + 4,
  TYPES_AT: CONSTANTS.CLASSES * 256,
  LEARN_AT: CONSTANTS.CLASSES * 256 + CONSTANTS.TYPES_MAX * (CONSTANTS.CANDIDATES_MAX * candidate + 4),
  HEAD_AT:
    CONSTANTS.CLASSES * 256 +
    CONSTANTS.TYPES_MAX * (CONSTANTS.CANDIDATES_MAX * candidate + 4) +
    CONSTANTS.LEARN_LISTS_MAX * CONSTANTS.LEARN_STEPS * step,
  BYTES:
    CONSTANTS.CLASSES * 256 +
    CONSTANTS.TYPES_MAX * (CONSTANTS.CANDIDATES_MAX * candidate + 4) +
    CONSTANTS.LEARN_LISTS_MAX * CONSTANTS.LEARN_STEPS * step +
    8,
} as const;

/**
 * Ring buffer: from the program to roamwalld. One record shape for all kinds; behind that of a denial lie two bytes and
 * the first bytes of the frame, `captured` of which are its own.
 */
export const RING_EVENT = layout([
  ["kind", "u8"],
  ["reason", "u8"],
  ["direction", "u8"],
  ["proto", "u8"],
  ["slot", "u16"],
  ["ethertype", "u16"],
  ["ifindex", "u32"],
  ["mac", "u8", 6],
  ["family", "u8"],
  /** packet type of the automata */
  ["type", "u8"],
  ["client", "u32", 4],
  ["peer", "u32", 4],
  ["client_port", "u16"],
  ["peer_port", "u16"],
  ["monitored", "u8"],
  ["pad", "u8", 3],
  /** verdicts of this client that were not told, since the last one that was */
  ["lost", "u32"],
  /** of the frame */
  ["length", "u32"],
  ["captured", "u32"],
]);
/** `RING_EVENT.kind`; `opened`: the first packet of a flow that passed; `traced`: any other that passed, of a traced client */
export const RING = { wake: 0, arrived: 1, denied: 2, traced: 3, opened: 4 } as const;

/** Every record on the stream: this header, then a body. `bytes` counts header and body. */
export const STREAM_HEADER = layout([
  ["kind", "u16"],
  ["pad", "u16"],
  ["bytes", "u32"],
]);

/** roamwalld -> agent. Numbers are append-only. A body named `...[]` repeats to the end of the record. */
export const EVENTS = {
  hello: {
    number: 1,
    body: layout([
      ["magic", "u32"],
      ["abi", "u32"],
      ["table_id", "u64"],
      ["bucket_bits", "u32"],
      ["remainder_bits", "u32"],
      ["cell_bits", "u32"],
      ["mirrors", "u32"],
      /** absolute tick counts since the table was made */
      ["fast", "u32"],
      ["slow", "u32"],
      ["clients_max", "u32"],
      /** 1: the table was picked up from a pin */
      ["picked_up", "u32"],
    ]),
  },
  /** changed cells: body[]; `dumped` 1 + its mark: a used one, as `dump` found it, changed or not */
  cells: {
    number: 2,
    body: layout([
      ["coordinate", "u32"],
      ["cell", "u32"],
      ["owner", "u16"],
      ["dumped", "u16"],
    ]),
  },
  /** an ingress frame of a client that is not here, or of an unknown one */
  arrived: {
    number: 3,
    body: layout([
      ["mac", "u8", 6],
      ["slot", "u16"],
      ["ifindex", "u32"],
      ["zone", "u32"],
    ]),
  },
  /** a verdict; behind a denial the frame's first bytes */
  sample: { number: 4, body: RING_EVENT },
  /** something was lost: dump and compare */
  overflow: { number: 5, body: layout([["lost", "u64"]]) },
  ticks: {
    number: 6,
    body: layout([
      ["fast", "u32"],
      ["slow", "u32"],
    ]),
  },
  /** answer to `counters` */
  counters: {
    number: 7,
    body: layout([
      ["denied", "u64", 32],
      ["passed", "u64"],
      ["bytes", "u64"],
      ["used_cells", "u32"],
      ["ring_lost", "u32"],
      ["mode", "u32"],
      ["ports", "u32"],
    ]),
  },
  /** answer to `dump_clients`, one each */
  client: {
    number: 8,
    body: layout([
      ["mac", "u8", 6],
      ["pad", "u16"],
      ["record", "u8", MAP_RECORDS.client.bytes],
      ["cells", "u32"],
      ["passed", "u64"],
      ["denied", "u64"],
      ["bytes", "u64"],
    ]),
  },
  port: {
    number: 9,
    body: layout([
      ["ifindex", "u32"],
      ["zone", "u16"],
      ["attached", "u16"],
      ["name", "u8", 16],
      /** ms that the port was up before it was filtered */
      ["open_ms", "u32"],
    ]),
  },
  /** everything sent before `sync` with this token has been done */
  synced: { number: 10, body: layout([["token", "u32"]]) },
  /** a command that could not be carried out: number of the command, then text to the end */
  refused: { number: 11, body: layout([["command", "u32"]]) },
  /** after the greeting: who judges packets (0 eBPF, 1 NFQUEUE), then text to the end: which, and why not the other */
  about: { number: 12, body: layout([["datapath", "u32"]]) },
} as const;

/** agent -> roamwalld. All idempotent. */
export const COMMANDS = {
  load_automata: { number: 1, body: layout([]) },
  set_client: {
    number: 2,
    body: layout([
      ["mac", "u8", 6],
      ["pad", "u16"],
      ["record", "u8", MAP_RECORDS.client.bytes],
    ]),
  },
  delete_client: {
    number: 3,
    body: layout([
      ["mac", "u8", 6],
      ["pad", "u16"],
    ]),
  },
  /** then the bits, least significant first, bytes = ceil(bits / 64) * 8; `base` is roamwalld's to choose */
  set_filter: {
    number: 4,
    body: layout([
      ["id", "u32"],
      ["bits", "u32"],
      ["seed", "u32"],
      ["probes", "u16"],
      ["out", "u16"],
      ["in", "u16"],
      ["pad", "u16"],
    ]),
  },
  delete_filter: { number: 5, body: layout([["id", "u32"]]) },
  /** then zone_entry[]: the whole set of this generation; waits until no packet reads what it had before */
  set_zones: { number: 6, body: layout([["generation", "u32"]]) },
  /** then service_entry[]: the whole set of this generation; other ports are class 0 */
  set_services: { number: 7, body: layout([["generation", "u32"]]) },
  set_options: {
    number: 8,
    body: layout([
      ["mode", "u32"],
      ["hold_ms", "u32"],
      ["pickup_s", "u32"],
      /** 0: at once, one wake-up for each change after a quiet moment */
      ["flush_ms", "u32"],
      /** 1: every mirror is asked for every client */
      ["write_through", "u32"],
    ]),
  },
  /** mirror number, then {coordinate, cell}[]; cell 0 frees */
  mirror_cells: { number: 9, body: layout([["mirror", "u32"]]) },
  clear_mirror: { number: 10, body: layout([["mirror", "u32"]]) },
  /** absolute ticks of the mirror's source; roamwalld frees what has passed */
  mirror_ticks: {
    number: 11,
    body: layout([
      ["mirror", "u32"],
      ["fast", "u32"],
      ["slow", "u32"],
    ]),
  },
  /** owner and mark for all, then {x, code}[]: insert by x, the later expiry wins */
  adopt: {
    number: 12,
    body: layout([
      ["slot", "u16"],
      ["mark", "u16"],
      ["pad", "u32"],
    ]),
  },
  /** lower cells owned by this slot alone to at most `code`; they are dirty then */
  shorten_client: {
    number: 13,
    body: layout([
      ["slot", "u16"],
      ["code", "u16"],
    ]),
  },
  /** report held cells, of one slot or of all (SLOT_SHARED), and what is dirty, before the next command runs */
  flush_held: { number: 14, body: layout([["slot", "u32"]]) },
  /** report used cells of a range; count 0 = to the end */
  dump: {
    number: 15,
    body: layout([
      ["from", "u32"],
      ["count", "u32"],
    ]),
  },
  dump_clients: { number: 16, body: layout([]) },
  counters: { number: 17, body: layout([]) },
  /** {x, code}[]: lower own cells of these to at most `code`; they are dirty then */
  /** a filter of `from`'s size and places, but for these bits: position << 1 | its value [] */
  change_filter: {
    number: 20,
    body: layout([
      ["id", "u32"],
      ["from", "u32"],
      ["out", "u16"],
      ["in", "u16"],
    ]),
  },
  lower: { number: 19, body: layout([]) },
  sync: { number: 18, body: layout([["token", "u32"]]) },
  /** all that packets are judged by has been loaded: a former program may go */
  ready: { number: 21, body: layout([]) },
} as const;

/** Entries of the lists that follow a command's fixed body. */
export const LISTS = {
  zone_entry: layout([
    ["address", "u8", 16],
    ["prefix_bits", "u32"],
    ["zone", "u32"],
  ]),
  service_entry: layout([
    ["port", "u16"],
    ["service", "u16"],
  ]),
  mirror_cell: layout([
    ["coordinate", "u32"],
    ["cell", "u32"],
  ]),
  adopted: layout([
    ["x", "u64"],
    ["code", "u32"],
    ["pad", "u32"],
  ]),
} as const;

export type BodyOf<T extends { body: Layout<Fields> }> = RecordOf<T["body"]["fields"]>;
export type ClientRecord = RecordOf<typeof MAP_RECORDS.client.fields>;
export type RingEvent = RecordOf<typeof RING_EVENT.fields>;
