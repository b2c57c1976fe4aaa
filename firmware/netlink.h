/* SPDX-License-Identifier: MIT */
#ifndef ROAMWALLD_NETLINK_H
#define ROAMWALLD_NETLINK_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>

/* Absent: 0. `mac`: only of links that have one of six bytes, and are not lo. */
struct link {
	uint32_t ifindex;
	const char *name;
	const uint8_t *mac;
};

typedef void (*message_fn)(struct nlmsghdr *message, void *context);

/* netlink.c */
int netlink_open(unsigned int groups);
void netlink_dump(uint16_t type, message_fn take, void *context);
struct link link_read(struct nlmsghdr *message);

/* own.c */
void own_macs_sync(void);
void own_addresses_sync(void);
bool own_mac_known(const struct link *link);
bool own_address_changed(struct nlmsghdr *message);

#endif
