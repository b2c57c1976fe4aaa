/* SPDX-License-Identifier: MIT */
/*
 *   netlink.c   sockets, dumps, links; messages to be sent, attribute by attribute
 *   own.c       the AP's own MACs and addresses
 */
#ifndef ROAMWALLD_NETLINK_H
#define ROAMWALLD_NETLINK_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Absent: 0. `mac`: only of links that have one of six bytes, and are not lo. */
struct link {
	uint32_t ifindex;
	const char *name;
	const uint8_t *mac;
	/* it is a port of a bridge */
	bool bridged;
};

typedef void (*message_fn)(struct nlmsghdr *message, void *context);

/* netlink.c */
int netlink_open(unsigned int groups);
void netlink_dump(uint16_t type, message_fn take, void *context);
struct link link_read(struct nlmsghdr *message);

/* One or more messages on their way into the kernel. Too long ones are refused when sent. */
struct netlink_batch {
	uint8_t bytes[1 << 16] __attribute__((aligned(8)));
	size_t used, message;
	uint32_t messages;
	/* Gets what the kernel says before it answers; NULL: nobody wants that. */
	message_fn told;
	void *context;
};

void batch_clear(struct netlink_batch *batch);
struct nlmsghdr *batch_begin(struct netlink_batch *batch, uint16_t type, uint16_t flags, const void *body, size_t bytes);
void batch_bytes(struct netlink_batch *batch, uint16_t type, const void *data, size_t bytes);
void batch_text(struct netlink_batch *batch, uint16_t type, const char *text);
void batch_be16(struct netlink_batch *batch, uint16_t type, uint16_t value);
void batch_be32(struct netlink_batch *batch, uint16_t type, uint32_t value);
size_t batch_nest(struct netlink_batch *batch, uint16_t type);
void batch_nest_end(struct netlink_batch *batch, size_t nest);
/* The message begun last is answered; `batch_send` waits for that. */
void batch_want_answer(struct netlink_batch *batch);
/* Over a socket of its own, or one that is there. 0, or what the kernel answered: -errno. */
int batch_send(struct netlink_batch *batch, int protocol);
int batch_send_over(struct netlink_batch *batch, int fd);

/* own.c */
void own_macs_sync(void);
void own_addresses_sync(void);
bool own_mac_known(const struct link *link);
bool own_address_changed(struct nlmsghdr *message);

#endif
