/* SPDX-License-Identifier: MIT */
/*
 * roamwalld: loads the filter, pins it, attaches it to the client ports, turns its clock, and carries bytes between
 * its maps and one agent. It knows no policy and no protocol.
 *
 *   roamwalld.c  start in order, run, stop in reverse
 *   options.c    the command line and the key file
 *   loop.c       clocks, log, event loop
 *   datapath.c   where the tables live, and who calls the routine: see datapath.h
 *   ports.c      netdevs that come and go
 *   own.c        the AP's own MACs and addresses
 *   netlink.c    how both are asked for
 *   sweep.c      ticks; with count.c (used cells), marks.c (what is to be published), cells.c (what the agent reads
 *                and changes) and mirrors.c (neighbours' tables)
 *   arena.c      where the bits of access lists lie
 *   agent.c ...  the stream to the agent: see agent.h
 */
#ifndef ROAMWALLD_H
#define ROAMWALLD_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"

#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull
#define NEVER UINT64_MAX
#define PORTS_MAX 64
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Part of the interface: the init script tells a bad option from a missing kernel module by these. */
enum exit_code {
	EXIT_OK = 0,
	EXIT_USAGE = 2,
	EXIT_MISSING = 3,
	EXIT_INTERFACE = 4,
	EXIT_RUNTIME = 5,
};

/* How a port is filtered; the stream's records have the number. */
enum attach_kind {
	ATTACH_NONE = 0,
	ATTACH_TCX = 1,
	ATTACH_CLSACT = 2,
	ATTACH_NFQUEUE = 3,
};

enum datapath_kind { DATAPATH_AUTO, DATAPATH_EBPF, DATAPATH_NFQUEUE };

enum rules_kind { RULES_AUTO, RULES_NFT, RULES_IPTABLES, RULES_NONE };

struct geometry {
	uint32_t bucket_bits;
	uint32_t remainder_bits;
	uint32_t cell_bits;
	uint32_t tick_bits;
	/* ticks are stored modulo this; a live expiry is at most live_max ahead */
	uint32_t modulus;
	uint32_t live_max;
	uint32_t cells;
	uint64_t fast_ns;
	uint64_t slow_ns;
};

struct port_setting {
	char name[IFNAMSIZ];
	struct rw_port record;
};

struct settings {
	struct port_setting ports[PORTS_MAX];
	unsigned int port_count;
	const char *key_file;
	const char *object;
	const char *pin;
	const char *socket;
	struct geometry geometry;
	uint32_t seeds[4];
	uint32_t mirrors;
	/* slots 0..clients */
	uint32_t clients;
	uint32_t filter_words;
	enum attach_kind attach; /* ATTACH_NONE: whatever the kernel has */
	enum datapath_kind datapath;
	/* of NFQUEUE */
	const char *state;
	uint16_t queue;
	enum rules_kind rules;
	bool fail_open;
	bool print_rules;
	char **arguments;
	uint32_t clock_rate;
	bool testing;
	bool remove;
};

/*
 * Lives in a pinned map of its own: what must survive this process beside the table. Grows at its end only: another
 * version reads what it knows, and takes the rest for zero.
 */
struct meta {
	uint32_t abi;
	uint32_t bucket_bits;
	uint32_t remainder_bits;
	uint32_t cell_bits;
	uint64_t seed_hash;
	uint64_t table_id;
	/* absolute counts since the table was made, and when (CLOCK_BOOTTIME) the last tick was due */
	uint64_t fast_due_ns;
	uint64_t slow_due_ns;
	uint32_t fast;
	uint32_t slow;
	uint64_t made_ns;
	uint32_t hold_ms;
	uint32_t flush_ms;
	uint32_t pickup_s;
	uint32_t write_through;
	/* mirrors whose source's ticks are known, a bit each */
	uint32_t mirrors_known;
	uint32_t mirror_fast[RW_MIRRORS_MAX];
	uint32_t mirror_slow[RW_MIRRORS_MAX];
	uint32_t cells_version;
	uint32_t rights_version;
};

/* Tables that are mapped; see datapath.h for those that are reached by key. */
struct maps {
	void *table;
	uint16_t *owner;
	uint8_t *dirty;
	void *mirror;
	struct rw_ctl *ctl;
	struct meta *meta;
	/* values of 4 bytes, 8 apart */
	uint64_t *used;
	/* struct rw_service, `service_stride` apart */
	uint8_t *services;
	size_t service_stride;
	uint8_t *filter_bits;
	/* by coordinate: 1 + the side that opened and waits for an answer, 0 = nobody does */
	uint8_t *opener;
	struct rw_half_open *half_open;
	bool picked_up;
	/* the cells were kept, but not whose they are */
	bool owners_stale;
	/* a former program still judges packets: its ticks cannot be advanced, so nobody's are */
	bool clock_held;
};

extern struct settings settings;
extern struct maps maps;

/* options.c */
void options_parse(int argc, char **argv);
void key_read(void);

/* loop.c */
uint64_t clock_ns(void);
uint64_t boot_ns(void);
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void die(enum exit_code code, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));
void loop_start(void);
int loop_add(int fd, void (*ready)(uint32_t events));
void loop_change(int fd, void (*ready)(uint32_t events), uint32_t events);
void loop_remove(int fd);
/* Until a signal ends it. `also`: what else wants to run at times, or NULL. */
void loop_run(uint64_t (*also)(uint64_t now));

/* ports.c */
void ports_start(uint64_t since_ns);
void ports_recheck(void);
/* To the program of this process, those that were left to a former one. */
void ports_switch(void);
void ports_report(void);
unsigned int ports_attached(void);
uint32_t ports_zone(uint32_t ifindex);

/* sweep.c */
void sweep_start(void);
/* Returns when it wants to be called again. */
uint64_t sweep_run(uint64_t now);
void sweep_set_options(const struct rw_command_set_options *options);

/* count.c */
uint32_t sweep_used(void);
uint32_t sweep_used_by(uint32_t slot);

/* marks.c */
/* Looks at once, whatever it waited for. */
void marks_again(void);
typedef void (*sweep_report_fn)(uint32_t coordinate, uint32_t cell, uint16_t owner);

void sweep_woken(void);
void sweep_reader_came(void);
uint64_t sweep_flush(uint64_t now, bool (*room)(void), sweep_report_fn report);
bool sweep_flush_dirty(bool (*room)(void), sweep_report_fn report);
void sweep_flush_held(uint32_t slot);

/* cells.c */
void sweep_dump(uint32_t coordinate, sweep_report_fn report);
bool sweep_cell_valid(uint32_t cell);
bool sweep_code_valid(uint32_t code);
bool sweep_adopt(uint64_t x, uint32_t code, uint32_t slot, uint32_t mark);
void sweep_lower(uint64_t x, uint32_t code);
void sweep_shorten(uint32_t slot, uint32_t code);
/* Nobody's own: so no client takes another's flows along, or ends them. */
void sweep_disown(void);

/* mirrors.c */
void sweep_set_mirror_cell(uint32_t mirror, uint32_t coordinate, uint32_t cell);
void sweep_clear_mirror(uint32_t mirror);
void sweep_mirror_ticks(uint32_t mirror, uint32_t fast, uint32_t slow);

/* arena.c */
void readers_leave(void);
/* What a former process laid there is in use. */
void arena_pick_up(void);
bool arena_allocate(uint32_t words, uint32_t id, uint32_t *base);
/* All ranges of the filter but the one at `but_base`; UINT32_MAX: all. */
void arena_retire(uint32_t id, uint32_t but_base);

/* agent.c */
void agent_start(void);
uint64_t agent_run(uint64_t now);
bool agent_connected(void);
void agent_send_ticks(uint32_t fast, uint32_t slow);
void agent_send_port(const struct rw_event_port *port);
void event_take(const struct rw_ring_event *event, size_t bytes);
void agent_stop(void);

#endif
