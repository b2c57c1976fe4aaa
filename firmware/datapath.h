/* SPDX-License-Identifier: MIT */
/*
 * The seam: where the tables live, and who calls the routine. All else (the agent's stream, commands, sweep, policy,
 * questions) is the same for every datapath.
 *
 *   datapath.c   which one, and tables that are reached by key
 *   meta.c       what a table was made for
 *   ebpf.c ...   maps of the kernel, which calls the routine itself: see ebpf.h
 *   nfqueue.c ... memory of this process, which calls the routine: see nfqueue.h
 */
#ifndef ROAMWALLD_DATAPATH_H
#define ROAMWALLD_DATAPATH_H

#include "roamwalld.h"

/* A client port. `link`: of tcx, by side (ingress, egress). */
struct port {
	const struct port_setting *setting;
	uint32_t ifindex;
	enum attach_kind attached;
	int link[2];
	uint32_t open_ms;
	bool bridged;
};

/* Tables that are reached by key; those of `maps` are mapped. */
enum keyed {
	KEYED_AUTOMATA,
	KEYED_CLIENTS,
	KEYED_CLIENT_COUNTERS,
	KEYED_DENIED_COUNTERS,
	KEYED_FILTERS,
	/* by generation */
	KEYED_ZONES,
	KEYED_ZONES_1,
	KEYED_PORTS,
	KEYED_OWN_MACS,
	KEYED_LOCAL_ADDRS,
	KEYED_TABLES,
};

/* Operations on keyed tables return 0, or -1 with errno as bpf(2) sets it. `next` of no key: the first. */
struct datapath {
	const char *name;
	int (*get)(enum keyed table, const void *key, void *value);
	int (*put)(enum keyed table, const void *key, const void *value);
	int (*drop)(enum keyed table, const void *key);
	int (*next)(enum keyed table, const void *key, void *next);
	/* counters are kept this many times over, and lie side by side */
	unsigned int (*copies)(void);

	/* NULL, or why it cannot work on this machine. */
	const char *(*check)(void);
	/* Nobody else has these tables. */
	void (*lock)(void);
	/* Tables are there, and `maps` is filled in. */
	void (*load)(void);
	/* Every port that is there is filtered. */
	void (*commit)(void);
	/* If it matters: the agent has loaded its policy. */
	void (*ready)(void);
	/* Events come into the loop from now on. */
	void (*listen)(void);
	/* If there is any: what it has to do at times; says when it wants to be called again. */
	uint64_t (*run)(uint64_t now);
	/* At the end of the process; says what becomes of the filter. */
	void (*stop)(void);
	/* --remove: nothing of us is left. */
	void (*remove)(void);

	/* 0 or -errno; sets port->attached. */
	int (*attach)(struct port *port);
	void (*detach)(struct port *port);
	bool (*holds)(const struct port *port);
	/* By a process before this one. */
	bool (*was_filtered)(const struct port *port);
	/* Called where a port that is there could not be attached. */
	void (*require)(const struct port *port);
};

/* datapath.c */
extern const struct datapath *datapath;
void datapath_choose(void);
/* When every port is filtered: what a roamwalld of the other kind has left. */
void datapath_leave_other(void);
/* Whether this process has a capability, by its number. */
bool machine_may(unsigned int capability);
/* What was chosen, and why; for people. */
const char *datapath_text(void);
void datapath_add_text(const char *more);
void datapath_remove(void);
/* This datapath cannot work here after all: ends, or (--datapath auto) begins again with the other one. */
void unfit(enum exit_code code, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));
int keyed_get(enum keyed table, const void *key, void *value);
int keyed_put(enum keyed table, const void *key, const void *value);
int keyed_drop(enum keyed table, const void *key);
int keyed_next(enum keyed table, const void *key, void *next);
unsigned int counter_copies(void);

/* meta.c */
/* What a former process left, as far as it can be used; `why` not all of it. */
struct left {
	bool all;
	/* flows, by coordinate: table, owners, marks, mirrors */
	bool cells;
	/* what clients may: records, filters, zones, services */
	bool rights;
	char why[128];
};

/* What a new table was made for; `before`: whose cells it goes on with, or NULL. */
void meta_init(struct meta *meta, const struct meta *before);
/* `bytes`: as many as another version wrote. */
void meta_copy(struct meta *to, const void *from, size_t bytes);
struct left meta_left(const struct meta *meta);
bool left_has(const struct left *left, const char *table);
/* For people: "flows and rights are kept" or what else. */
const char *left_text(const struct left *left);

#endif
