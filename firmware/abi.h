/* SPDX-License-Identifier: MIT */
/* Generated from src/datapath/abi.ts by `npm run build`. Change it there. */
#ifndef ROAMWALL_ABI_H
#define ROAMWALL_ABI_H

#include <linux/types.h>

#define RW_ABI_VERSION 7
#define RW_CELLS_VERSION 1
#define RW_RIGHTS_VERSION 1
#define RW_MAGIC 1380800305
#define RW_SUBTABLES 4
#define RW_BUCKET_CELLS 8
#define RW_PARSE_BYTES 128
#define RW_FRAME_AT 2
#define RW_MIRRORS_MAX 8
#define RW_CLIENT_FILTERS 4
#define RW_SLOT_UNKNOWN 0
#define RW_SLOT_SHARED 16383
#define RW_OWNER_SLOT_MASK 16383
#define RW_OWNER_MARK_SHIFT 14
#define RW_MARK_CLEAN 0
#define RW_MARK_HELD 1
#define RW_MARK_DIRTY 2
#define RW_MARK_AGED 3
#define RW_DIRTY_CELLS 512
#define RW_MODE_ENFORCE 0
#define RW_MODE_MONITOR 1
#define RW_PRESENCE_REMOTE 0
#define RW_PRESENCE_HERE 1
#define RW_CLIENT_MONITOR 1
#define RW_CLIENT_TRACE 2
#define RW_CLIENT_GENERATION 4
#define RW_PORT_TAGGED 1
#define RW_SIDE_CLIENT 0
#define RW_SIDE_PEER 1
#define RW_RULE_BOTH 0
#define RW_RULE_SAME 1
#define RW_RULE_OPPOSITE 2
#define RW_CAND_FULL_DONE 1
#define RW_CAND_PROBE_IF_FAST 2
#define RW_CAND_NEEDS_REPLY 4
#define RW_CAND_GROUP_KEY 8
#define RW_CAND_SUPERSEDES 16
#define RW_CAND_ANSWERS 32
#define RW_OP_NONE 0
#define RW_OP_MAX 1
#define RW_OP_SET 2
#define RW_OP_MIN 3
#define RW_OP_DROP 4
#define RW_TYPE_OPENS 1
#define RW_CLASS_OTHER 0
#define RW_CLASS_TCP 1
#define RW_CLASS_UDP 2
#define RW_CLASS_ICMP 3
#define RW_CLASS_ICMP6 4
#define RW_CLASS_ERROR 5
#define RW_CLASS_TAIL 6
#define RW_CLASSES 8
#define RW_TCP_FIN 1
#define RW_TCP_SYN 2
#define RW_TCP_RST 4
#define RW_TCP_ACK 8
#define RW_UDP_UNICAST 0
#define RW_UDP_GROUP 1
#define RW_TYPES_MAX 16
#define RW_CANDIDATES_MAX 4
#define RW_LEARN_LISTS_MAX 32
#define RW_LEARN_STEPS 4
#define RW_TEMPLATES 9
#define RW_PEER_ADDRESS 0
#define RW_PEER_ZONE 1
#define RW_PEER_ANY 2
#define RW_SERVICE_PORT 0
#define RW_SERVICE_CLASS 1
#define RW_SERVICE_ANY 2
#define RW_DIRECTION_OUT 0
#define RW_DIRECTION_IN 1
#define RW_ZONE_GROUP 65535
#define RW_FILTERS_MAX 4096
#define RW_FILTER_PROBES_MAX 16
#define RW_COUNTERS 32
#define RW_COUNTER_PICKED_UP 30
#define RW_COUNTER_RING_LOST 31

enum rw_reason {
	RW_REASON_PASS = 0,
	RW_REASON_MALFORMED = 1,
	RW_REASON_ACL = 2,
	RW_REASON_STATE = 3,
	RW_REASON_BUDGET = 4,
	RW_REASON_FULL = 5,
	RW_REASON_FRAGMENT = 6,
	RW_REASON_NON_IP = 7,
	RW_REASON_VLAN = 8,
	RW_REASON_BUSY = 9,
	RW_REASON_EXEMPT_RATE = 10,
	RW_REASON_FLAGS = 11,
	RW_REASON_GROUP = 12,
	RW_REASON_UNKNOWN = 13,
	RW_REASONS = 14,
};

struct rw_ctl {
	__u32 mode;
	__u32 fast;
	__u32 slow;
	__u32 load;
	__u32 share;
	__u32 pickup;
	__u32 armed;
	__u32 write_through;
	__u64 test_now;
	__u32 mirror_ticks[8];
};
_Static_assert(sizeof(struct rw_ctl) == 72, "rw_ctl");

struct rw_client_key {
	__u8 mac[6];
	__u16 pad;
};
_Static_assert(sizeof(struct rw_client_key) == 8, "rw_client_key");

struct rw_client {
	__u16 slot;
	__u8 presence;
	__u8 flags;
	__u16 filter[4];
	__u32 from;
	__u16 zone;
	__u16 open_out;
	__u16 open_in;
	__u16 half_open;
	__u16 ends;
	__u16 pad;
};
_Static_assert(sizeof(struct rw_client) == 28, "rw_client");

struct rw_half_open {
	__u32 by[2];
};
_Static_assert(sizeof(struct rw_half_open) == 8, "rw_half_open");

struct rw_windows {
	__u32 open_window;
	__u16 open_out;
	__u16 open_in;
	__u32 event_window;
	__u16 events;
	__u16 arrivals;
	__u32 exempt_window;
	__u32 exempt;
	__u32 arrival_window;
	__u16 traced;
	__u16 opened;
	__u32 lost;
};
_Static_assert(sizeof(struct rw_windows) == 36, "rw_windows");

struct rw_client_counters {
	__u64 passed;
	__u64 denied;
	__u64 bytes;
};
_Static_assert(sizeof(struct rw_client_counters) == 24, "rw_client_counters");

struct rw_service {
	__u16 of[2];
};
_Static_assert(sizeof(struct rw_service) == 4, "rw_service");

struct rw_filter {
	__u32 base;
	__u32 bits;
	__u32 seed;
	__u16 probes;
	__u16 pad;
	__u16 out;
	__u16 in;
};
_Static_assert(sizeof(struct rw_filter) == 20, "rw_filter");

struct rw_port {
	__u16 zone;
	__u16 flags;
};
_Static_assert(sizeof(struct rw_port) == 4, "rw_port");

struct rw_zone_key {
	__u32 prefix_bits;
	__u8 address[16];
};
_Static_assert(sizeof(struct rw_zone_key) == 20, "rw_zone_key");

struct rw_candidate {
	__u8 ref;
	__u8 flags;
	__u8 full;
	__u8 probe[2];
	__u8 learn;
	__u8 learn_alt;
	__u8 pad;
};
_Static_assert(sizeof(struct rw_candidate) == 8, "rw_candidate");

struct rw_learn_step {
	__u8 ref;
	__u8 op;
	__u8 code;
	__u8 mark;
};
_Static_assert(sizeof(struct rw_learn_step) == 4, "rw_learn_step");

struct rw_packet_type {
	struct rw_candidate candidate[RW_CANDIDATES_MAX];
	__u8 flags;
	/* learn lists of an opening and of a pickup; 0 = none */
	__u8 open;
	__u8 pickup;
	__u8 pad;
};
_Static_assert(sizeof(struct rw_packet_type) == 36, "rw_packet_type");

struct rw_automata {
	/* packet type; 0 = no such packet */
	__u8 classify[RW_CLASSES][256];
	struct rw_packet_type type[RW_TYPES_MAX];
	struct rw_learn_step learn[RW_LEARN_LISTS_MAX][RW_LEARN_STEPS];
	struct rw_learn_step head;
	__u8 pad[4];
};
_Static_assert(sizeof(struct rw_automata) == 3144, "rw_automata");

struct rw_ring_event {
	__u8 kind;
	__u8 reason;
	__u8 direction;
	__u8 proto;
	__u16 slot;
	__u16 ethertype;
	__u32 ifindex;
	__u8 mac[6];
	__u8 family;
	__u8 type;
	__u32 client[4];
	__u32 peer[4];
	__u16 client_port;
	__u16 peer_port;
	__u8 monitored;
	__u8 pad[3];
	__u32 lost;
	__u32 length;
	__u32 captured;
};
_Static_assert(sizeof(struct rw_ring_event) == 72, "rw_ring_event");

#define RW_RING_WAKE 0
#define RW_RING_ARRIVED 1
#define RW_RING_DENIED 2
#define RW_RING_TRACED 3
#define RW_RING_OPENED 4

struct rw_stream_header {
	__u16 kind;
	__u16 pad;
	__u32 bytes;
};
_Static_assert(sizeof(struct rw_stream_header) == 8, "rw_stream_header");

#define RW_EVENT_HELLO 1
struct rw_event_hello {
	__u32 magic;
	__u32 abi;
	__u64 table_id;
	__u32 bucket_bits;
	__u32 remainder_bits;
	__u32 cell_bits;
	__u32 mirrors;
	__u32 fast;
	__u32 slow;
	__u32 clients_max;
	__u32 picked_up;
};
_Static_assert(sizeof(struct rw_event_hello) == 48, "rw_event_hello");

#define RW_EVENT_CELLS 2
struct rw_event_cells {
	__u32 coordinate;
	__u32 cell;
	__u16 owner;
	__u16 dumped;
};
_Static_assert(sizeof(struct rw_event_cells) == 12, "rw_event_cells");

#define RW_EVENT_ARRIVED 3
struct rw_event_arrived {
	__u8 mac[6];
	__u16 slot;
	__u32 ifindex;
	__u32 zone;
};
_Static_assert(sizeof(struct rw_event_arrived) == 16, "rw_event_arrived");

#define RW_EVENT_SAMPLE 4
#define RW_EVENT_OVERFLOW 5
struct rw_event_overflow {
	__u64 lost;
};
_Static_assert(sizeof(struct rw_event_overflow) == 8, "rw_event_overflow");

#define RW_EVENT_TICKS 6
struct rw_event_ticks {
	__u32 fast;
	__u32 slow;
};
_Static_assert(sizeof(struct rw_event_ticks) == 8, "rw_event_ticks");

#define RW_EVENT_COUNTERS 7
struct rw_event_counters {
	__u64 denied[32];
	__u64 passed;
	__u64 bytes;
	__u32 used_cells;
	__u32 ring_lost;
	__u32 mode;
	__u32 ports;
};
_Static_assert(sizeof(struct rw_event_counters) == 288, "rw_event_counters");

#define RW_EVENT_CLIENT 8
struct rw_event_client {
	__u8 mac[6];
	__u16 pad;
	__u8 record[28];
	__u32 cells;
	__u64 passed;
	__u64 denied;
	__u64 bytes;
};
_Static_assert(sizeof(struct rw_event_client) == 64, "rw_event_client");

#define RW_EVENT_PORT 9
struct rw_event_port {
	__u32 ifindex;
	__u16 zone;
	__u16 attached;
	__u8 name[16];
	__u32 open_ms;
};
_Static_assert(sizeof(struct rw_event_port) == 28, "rw_event_port");

#define RW_EVENT_SYNCED 10
struct rw_event_synced {
	__u32 token;
};
_Static_assert(sizeof(struct rw_event_synced) == 4, "rw_event_synced");

#define RW_EVENT_REFUSED 11
struct rw_event_refused {
	__u32 command;
};
_Static_assert(sizeof(struct rw_event_refused) == 4, "rw_event_refused");

#define RW_EVENT_ABOUT 12
struct rw_event_about {
	__u32 datapath;
};
_Static_assert(sizeof(struct rw_event_about) == 4, "rw_event_about");

#define RW_COMMAND_LOAD_AUTOMATA 1

#define RW_COMMAND_SET_CLIENT 2
struct rw_command_set_client {
	__u8 mac[6];
	__u16 pad;
	__u8 record[28];
};
_Static_assert(sizeof(struct rw_command_set_client) == 36, "rw_command_set_client");

#define RW_COMMAND_DELETE_CLIENT 3
struct rw_command_delete_client {
	__u8 mac[6];
	__u16 pad;
};
_Static_assert(sizeof(struct rw_command_delete_client) == 8, "rw_command_delete_client");

#define RW_COMMAND_SET_FILTER 4
struct rw_command_set_filter {
	__u32 id;
	__u32 bits;
	__u32 seed;
	__u16 probes;
	__u16 out;
	__u16 in;
	__u16 pad;
};
_Static_assert(sizeof(struct rw_command_set_filter) == 20, "rw_command_set_filter");

#define RW_COMMAND_DELETE_FILTER 5
struct rw_command_delete_filter {
	__u32 id;
};
_Static_assert(sizeof(struct rw_command_delete_filter) == 4, "rw_command_delete_filter");

#define RW_COMMAND_SET_ZONES 6
struct rw_command_set_zones {
	__u32 generation;
};
_Static_assert(sizeof(struct rw_command_set_zones) == 4, "rw_command_set_zones");

#define RW_COMMAND_SET_SERVICES 7
struct rw_command_set_services {
	__u32 generation;
};
_Static_assert(sizeof(struct rw_command_set_services) == 4, "rw_command_set_services");

#define RW_COMMAND_SET_OPTIONS 8
struct rw_command_set_options {
	__u32 mode;
	__u32 hold_ms;
	__u32 pickup_s;
	__u32 flush_ms;
	__u32 write_through;
};
_Static_assert(sizeof(struct rw_command_set_options) == 20, "rw_command_set_options");

#define RW_COMMAND_MIRROR_CELLS 9
struct rw_command_mirror_cells {
	__u32 mirror;
};
_Static_assert(sizeof(struct rw_command_mirror_cells) == 4, "rw_command_mirror_cells");

#define RW_COMMAND_CLEAR_MIRROR 10
struct rw_command_clear_mirror {
	__u32 mirror;
};
_Static_assert(sizeof(struct rw_command_clear_mirror) == 4, "rw_command_clear_mirror");

#define RW_COMMAND_MIRROR_TICKS 11
struct rw_command_mirror_ticks {
	__u32 mirror;
	__u32 fast;
	__u32 slow;
};
_Static_assert(sizeof(struct rw_command_mirror_ticks) == 12, "rw_command_mirror_ticks");

#define RW_COMMAND_ADOPT 12
struct rw_command_adopt {
	__u16 slot;
	__u16 mark;
	__u32 pad;
};
_Static_assert(sizeof(struct rw_command_adopt) == 8, "rw_command_adopt");

#define RW_COMMAND_SHORTEN_CLIENT 13
struct rw_command_shorten_client {
	__u16 slot;
	__u16 code;
};
_Static_assert(sizeof(struct rw_command_shorten_client) == 4, "rw_command_shorten_client");

#define RW_COMMAND_FLUSH_HELD 14
struct rw_command_flush_held {
	__u32 slot;
};
_Static_assert(sizeof(struct rw_command_flush_held) == 4, "rw_command_flush_held");

#define RW_COMMAND_DUMP 15
struct rw_command_dump {
	__u32 from;
	__u32 count;
};
_Static_assert(sizeof(struct rw_command_dump) == 8, "rw_command_dump");

#define RW_COMMAND_DUMP_CLIENTS 16

#define RW_COMMAND_COUNTERS 17

#define RW_COMMAND_CHANGE_FILTER 20
struct rw_command_change_filter {
	__u32 id;
	__u32 from;
	__u16 out;
	__u16 in;
};
_Static_assert(sizeof(struct rw_command_change_filter) == 12, "rw_command_change_filter");

#define RW_COMMAND_LOWER 19

#define RW_COMMAND_SYNC 18
struct rw_command_sync {
	__u32 token;
};
_Static_assert(sizeof(struct rw_command_sync) == 4, "rw_command_sync");

#define RW_COMMAND_READY 21

struct rw_zone_entry {
	__u8 address[16];
	__u32 prefix_bits;
	__u32 zone;
};
_Static_assert(sizeof(struct rw_zone_entry) == 24, "rw_zone_entry");

struct rw_service_entry {
	__u16 port;
	__u16 service;
};
_Static_assert(sizeof(struct rw_service_entry) == 4, "rw_service_entry");

struct rw_mirror_cell {
	__u32 coordinate;
	__u32 cell;
};
_Static_assert(sizeof(struct rw_mirror_cell) == 8, "rw_mirror_cell");

struct rw_adopted {
	__u64 x;
	__u32 code;
	__u32 pad;
};
_Static_assert(sizeof(struct rw_adopted) == 16, "rw_adopted");

#endif
