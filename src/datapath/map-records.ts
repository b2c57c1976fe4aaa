/** What the kernel's maps hold, and what its ring buffer tells. In the host's byte order: none of it leaves the machine. */
import { CONSTANTS } from "./abi.ts";
import { layout, type RecordOf } from "./layout.ts";

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

const TYPES_AT = CONSTANTS.CLASSES * 256;
const TYPE_BYTES = CONSTANTS.CANDIDATES_MAX * MAP_RECORDS.candidate.bytes + 4;
const LEARN_AT = TYPES_AT + CONSTANTS.TYPES_MAX * TYPE_BYTES;
const HEAD_AT = LEARN_AT + CONSTANTS.LEARN_LISTS_MAX * CONSTANTS.LEARN_STEPS * MAP_RECORDS.learn_step.bytes;

/**
 * A packet type and the whole automata blob are laid out by hand arithmetic, since records nest:
 * `packet_type` = candidates[4], then flags, open, pickup, pad; `automata` = classify[8][256], types[16],
 * learn[32][4], head (the step that a passing head of fragments learns), pad.
 */
export const AUTOMATA = { TYPES_AT, TYPE_BYTES, LEARN_AT, HEAD_AT, BYTES: HEAD_AT + 8 } as const;

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

export type ClientRecord = RecordOf<typeof MAP_RECORDS.client.fields>;
export type RingEvent = RecordOf<typeof RING_EVENT.fields>;
