/* SPDX-License-Identifier: MIT */
/*
 * The datapath in user space, behind netfilter's queue: for kernels that cannot run the program.
 *
 *   nfqueue.c   start, stop, ports
 *   memory.c    the tables: files that are mapped, so that they outlive this process
 *   routine.c   the routine over those tables
 *   queue.c     packets in, verdicts out
 *   stations.c  whose MAC an address has, where netfilter does not say
 *   rules.c     the rules that lead packets here: as text, and through iptables-restore
 *   nft.c       the same through nf_tables
 */
#ifndef ROAMWALLD_NFQUEUE_H
#define ROAMWALLD_NFQUEUE_H

#include "datapath.h"
#include "routine.h"

extern const struct datapath datapath_nfqueue;

/* memory.c */
void memory_lock(void);
void memory_load(void);
void memory_remove(void);
/* Another value, until it is called again: the clock that the routine reads. */
void memory_set_now(uint64_t now);
int memory_get(enum keyed table, const void *key, void *value);
int memory_put(enum keyed table, const void *key, const void *value);
int memory_drop(enum keyed table, const void *key);
int memory_next(enum keyed table, const void *key, void *next);

/* queue.c */
void queue_open(void);
void queue_start(void);
uint64_t queue_run(uint64_t now);
/* A verdict on a packet that was put off. */
void queue_decide(uint32_t id, bool pass);

/* stations.c */
/* Addresses are IPv6, or ::ffff:a.b.c.d. */
void stations_start(void);
/* Those whom the kernel knows already; when the ports are known. */
void stations_read(void);
void stations_learn(uint32_t ifindex, const uint8_t address[16], const uint8_t mac[6]);
bool stations_find(uint32_t ifindex, const uint8_t address[16], uint8_t mac[6]);
/* Has the kernel look for it. */
void stations_ask(uint32_t ifindex, const uint8_t address[16]);
/* Called when more may be known than before. */
void queue_retry(void);

/* rules.c */
void rules_print(void);
/* Returns NULL, or why packets cannot be led here. */
const char *rules_install(void);
void rules_remove(void);
bool rules_hold(void);
/* Of a process before this one. */
bool rules_were_there(void);
/* What a roamwalld behind the queue left, for one that is not. */
void rules_leave(void);
bool rules_see_frames(void);

/* nft.c. 0 or -errno. */
int nft_install(void);
int nft_remove(void);
bool nft_holds(void);

#endif
