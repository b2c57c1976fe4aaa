/** What roamwalld and the agent say to each other. In the host's byte order: none of it leaves the machine. */
import { type Fields, type Layout, layout, type RecordOf } from "./layout.ts";
import { MAP_RECORDS, RING_EVENT } from "./map-records.ts";

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
  /** {x, code}[]: lower own cells of these to at most `code`; they are dirty then */
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
