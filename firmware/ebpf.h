/* SPDX-License-Identifier: MIT */
/*
 * The datapath in the kernel, by eBPF:
 *
 *   ebpf.c     what the machine must have; load; the ring of events
 *   object.c   the object file: its constants and the sizes of its maps
 *   pins.c     maps that outlive this process
 *   upgrade.c  when this process's program takes over from a former one
 *   attach.c   tcx and clsact
 */
#ifndef ROAMWALLD_EBPF_H
#define ROAMWALLD_EBPF_H

#include <bpf/libbpf.h>

#include "datapath.h"

#define PATH_BYTES 256

struct ebpf {
	struct bpf_object *object;
	int keyed[KEYED_TABLES];
	/* by side: from clients, to clients */
	int program[2];
	uint32_t program_id[2];
};

extern struct ebpf ebpf;
extern const struct datapath datapath_ebpf;

/* object.c */
void object_choose(void);
void object_open(void);
void object_shape(uint32_t atomics);
struct bpf_map *object_map(const char *name);

/* pins.c */
void pin_path(char path[PATH_BYTES], const char *name);
void *map_memory(int fd, size_t bytes, const char *name);
/* Takes what a former process left, as far as it fits. Before the object is loaded. */
void pins_take(void);
/* After it was loaded. */
void pins_keep(void);
/* The maps of this process are those that the next one finds. */
void pins_give(void);
/* Whether all was used again; and if not, what was. */
bool pins_whole(void);
const struct left *pins_left(void);
/* Every port runs the new program. */
void pins_commit(void);
void pins_lock(void);
void pins_remove(void);

/* upgrade.c */
/* Whether a former program goes on for a while. Else the maps are to be pinned at once. */
bool upgrade_begin(void);
bool upgrade_waits(void);
void upgrade_ready(void);
uint64_t upgrade_run(uint64_t now);

/* attach.c */
/* How a port is filtered by whatever program of ours. */
enum attach_kind ebpf_former(const struct port *port);
int ebpf_attach(struct port *port);
void ebpf_detach(struct port *port);
bool ebpf_holds(const struct port *port);
bool ebpf_was_filtered(const struct port *port);
void ebpf_require(const struct port *port);
/* Wherever we are attached. */
void ebpf_detach_all(void);

#endif
